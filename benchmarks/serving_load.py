"""`rolecall serve` in a process of its own, and clients that each send their next request when they have their answer.

The clients are threads of the standard library's `http.client`, a third of a millisecond of processor time a request;
they share the machine with the service. Answers are parsed when the clock has stopped.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

import numpy as np
import psutil
from prometheus_client.parser import text_string_to_metric_families

from contracts.workspace import Workspace

READY_SECONDS = 600
ANSWER_SECONDS = 600


class Running(NamedTuple):
    """A program that answers. ready: seconds from its start until it was ready."""

    port: int
    process: psutil.Process
    ready: float

    def memory(self) -> float:
        """Megabytes of it and its children: what they share with each other is counted once, in shares."""
        return sum(of.memory_full_info().pss for of in (self.process, *self.process.children(recursive=True))) / 1e6


@contextmanager
def service(workspace: Workspace, *more: str, settings: Mapping[str, str] | None = None) -> Iterator[Running]:
    """`rolecall serve`, ready. more: further arguments; settings: variables of the environment."""
    with program(["rolecall", "serve", "--workspace", str(workspace.root), *more], workspace.root, settings) as running:
        yield running


@contextmanager
def program(arguments: Sequence[str], folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Running]:
    """A module with arguments and `--port`, until it says at /readyz that it is ready; its output goes to `folder`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", *arguments, "--port", str(port)]
    started = time.monotonic()
    with (folder / f"{arguments[0]}.log").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env={**os.environ, **(settings or {})})
    try:
        while not _is_ready(port):
            if process.poll() is not None or time.monotonic() > started + READY_SECONDS:
                raise SystemExit(f"{arguments[0]} did not get ready: see {said.name}")
            time.sleep(0.1)
        yield Running(port, psutil.Process(process.pid), time.monotonic() - started)
    finally:
        process.terminate()
        process.wait()


def _is_ready(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def vectors_read(port: int) -> dict[str, float]:
    """Where requests' vectors came from -> how many so far, of all processes of the service (`docs/operations.md`)."""
    counts = {"stored": 0.0}
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=ANSWER_SECONDS) as reply:
        for family in text_string_to_metric_families(reply.read().decode()):
            for sample in family.samples:
                if sample.name == "rolecall_member_vectors_total":
                    outcome = sample.labels["outcome"]
                    counts[outcome] = counts.get(outcome, 0.0) + sample.value
    return counts


class Asked(NamedTuple):
    """What some requests took. walls: (n,) milliseconds of each answer; seconds: of all requests together; refused: how
    many were answered that there is too much to do."""

    walls: np.ndarray
    answers: list[dict[str, Any]]
    seconds: float
    refused: int


def ask(port: int, path: str, bodies: Sequence[bytes], connections: int) -> Asked:
    """Send the bodies over so many connections at once. Raises SystemExit where one is neither answered nor refused."""
    walls: list[float] = []
    contents: list[bytes] = []
    refused: list[int] = []

    def client(mine: Sequence[bytes]) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
        for body in mine:
            started = time.perf_counter()
            connection.request("POST", path, body, {"content-type": "application/json"})
            reply = connection.getresponse()
            content = reply.read()
            wall = (time.perf_counter() - started) * 1_000
            if reply.status in (429, 503):
                refused.append(reply.status)
                continue
            if reply.status != 200:
                raise SystemExit(f"{reply.status}: {content.decode()}")
            walls.append(wall)
            contents.append(content)
        connection.close()

    threads = [threading.Thread(target=client, args=(bodies[i::connections],)) for i in range(connections)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    if len(contents) + len(refused) != len(bodies) or not contents:
        raise SystemExit(f"{len(contents):,} of {len(bodies):,} requests were answered, {len(refused):,} refused")
    return Asked(np.array(walls), [json.loads(content) for content in contents], seconds, len(refused))
