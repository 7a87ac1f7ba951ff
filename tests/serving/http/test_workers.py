"""Processes behind one port answer alike, take each other's place, and end together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from contracts.errors import BundleMismatch
from contracts.workspace import Workspace
from tests.serving.test_administration import another_pair, named

PATIENCE = 180.0


def until(holds: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.2)


def workers_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The processes that serve, without the one that keeps multiprocessing's books."""
    parent, found = psutil.Process(process.pid), []
    for child in parent.children():
        try:
            if child.cmdline() == parent.cmdline():
                found.append(child)
        except psutil.Error:  # it ended meanwhile
            continue
    return found


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=10).status_code == 200
    except httpx.HTTPError:
        return False


def counted(url: str) -> dict[str, float]:
    """Process -> recommendations that it answered."""
    text, found = httpx.get(f"{url}/metrics", timeout=60).text, dict[str, float]()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "rolecall_processes":
                found.setdefault(sample.labels["process"], 0.0)
            if sample.name == "rolecall_requests_total" and sample.labels["path"] == "/v1/recommend":
                found[sample.labels["process"]] = sample.value
    return found


@pytest.fixture
def two(workspace: Workspace) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "rolecall", "serve", "--workspace", str(workspace.root)]
    patient = os.environ | {"ROLECALL_SERVE__DEADLINE": "60"}
    process = subprocess.Popen([*command, "--port", str(port), "--workers", "2"], env=patient)
    yield process, f"http://127.0.0.1:{port}"
    process.send_signal(signal.SIGTERM)
    process.wait(PATIENCE)


def test_one_that_is_killed_is_replaced_as_soon_as_it_can_be_and_all_end_together(
    two: tuple[subprocess.Popen[bytes], str], workspace: Workspace, member_ids: list[str]
) -> None:
    process, url = two
    until(lambda: workers_of(process), "a process")
    while not ready(url):  # a reload while libraries and models load ends nothing
        assert process.poll() is None
        process.send_signal(signal.SIGHUP)
        time.sleep(0.05)
    until(lambda: len(workers_of(process)) == 2, "two processes")
    with httpx.Client(base_url=url) as one:  # of the two the other may not be ready yet
        one.get("/readyz")
        [first] = [of for of in workers_of(process) if "ESTABLISHED" in {c.status for c in of.net_connections()}]
    body = {"member_id": member_ids[0], "k": 5}
    answers = [httpx.post(f"{url}/v1/recommend", json=body, timeout=60).json() for _ in range(6)]
    assert len({tuple(job["job_id"] for job in answer["results"]) for answer in answers}) == 1
    until(lambda: len(counted(url)) == 2, "both tell what they count")
    assert sum(counted(url).values()) == 6  # whichever answers
    current, tried = workspace.bundles / "CURRENT", set[int]()
    whole = current.read_text()
    current.write_text("nothing-there\n")
    os.kill(first.pid, signal.SIGKILL)

    def again() -> bool:
        assert process.poll() is None and ready(url), "the other answers on"
        tried.update(of.pid for of in workers_of(process))
        return len(tried - {first.pid}) >= 3  # the other, and two that found nothing to serve

    until(again, "it is tried again")
    current.write_text(whole)
    until(lambda: len(counted(url)) == 2, "both answer again")
    left = workers_of(process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    until(lambda: not any(of.is_running() for of in left), "no process is left")


def test_where_one_cannot_get_ready_all_end_and_say_why(workspace: Workspace) -> None:
    (workspace.bundle / "score.onnx").write_bytes(b"x")
    command = [sys.executable, "-m", "rolecall", "serve", "--workspace", str(workspace.root), "--port", "0"]
    done = subprocess.run([*command, "--workers", "2"], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == BundleMismatch.exit_code
    assert "score.onnx" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_swap_of_one_reaches_the_other_at_once_and_none_outlives_the_one_that_keeps_them(
    workspace: Workspace, member_ids: list[str]
) -> None:
    first, second = named(workspace), another_pair(workspace)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "rolecall", "serve", "--workspace", str(workspace.root), "--poll", "0"]
    patient = os.environ | {"ROLECALL_SERVE__DEADLINE": "60"}
    process = subprocess.Popen([*command, "--port", str(port), "--workers", "2"], env=patient)
    url = f"http://127.0.0.1:{port}"
    body = {"member_id": member_ids[0], "k": 2}

    def versions() -> set[str]:
        # A new connection each time: the kernel hands them to the processes by turns.
        return {httpx.post(f"{url}/v1/recommend", json=body, timeout=60).json()["index_version"] for _ in range(12)}

    try:
        until(lambda: ready(url), "it gets ready")
        until(lambda: len(workers_of(process)) == 2, "two processes")
        assert versions() == {first[1]}
        reply = httpx.post(f"{url}/v1/admin/swap", json={"index": second[1]}, timeout=60)
        assert reply.status_code == 200, reply.text
        until(lambda: versions() == {second[1]}, "both serve it")
        left = workers_of(process)
        process.kill()
        until(lambda: not any(of.is_running() for of in left), "no process keeps the port")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
