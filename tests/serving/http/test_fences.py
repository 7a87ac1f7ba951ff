"""What one connection may take is bounded in bytes, headers and time, whatever it sends and however slowly."""

from __future__ import annotations

import json
import resource
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import psutil
import pytest
from starlette.types import Receive, Scope, Send

from contracts.workspace import Workspace
from serving.config import ServeConfig
from serving.engine import Engine
from serving.http.fences import SPARE_DESCRIPTORS, max_connections, server
from serving.http.run import running
from serving.limits import FencesConfig
from serving.metrics import Metrics

FENCES = FencesConfig(connections=20, head_seconds=0.5, body_seconds=0.5, idle_seconds=0.5, read_seconds=0.5)
WAIT = 30.0
GET = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n"
POST = b"POST /v1/recommend HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"


@pytest.fixture(scope="module")
def fenced(market: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    root = tmp_path_factory.mktemp("fenced") / "market"
    shutil.copytree(market.root, root)
    with (
        running(Engine(Workspace(root), ServeConfig(deadline=60, fences=FENCES))) as url,
        httpx.Client(base_url=url, timeout=WAIT) as client,
    ):
        yield client


@contextmanager
def connected(client: httpx.Client) -> Iterator[socket.socket]:
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=WAIT) as connection:
        yield connection


def said(connection: socket.socket) -> bytes:
    """All that comes until the server closes; fails where it never does."""
    received = b""
    try:
        while part := connection.recv(65_536):
            received += part
    except ConnectionError:
        pass
    return received


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def reason(answer: bytes) -> str:
    return json.loads(answer.split(b"\r\n\r\n", 1)[1])["reason"]


def sent(client: httpx.Client, *parts: bytes) -> bytes:
    with connected(client) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except ConnectionError:
            pass
        return said(connection)


@pytest.mark.parametrize(
    ("request_", "expected", "why"),
    [
        (GET + b"x: " + b"a" * 70_000 + b"\r\n\r\n", 431, "headers_too_large"),
        (GET + b"a:\r\n" * 200 + b"\r\n", 431, "headers_too_large"),
        (b"GET /healthz?" + b"a" * 9_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n", 414, "address_too_long"),
        (b"\x16\x03\x01\x02\x00", 400, "malformed_http"),
        (POST + b"content-length: 5\r\ncontent-length: 6\r\n\r\n", 400, "malformed_http"),
    ],
    ids=["one header", "many empty headers", "address", "no http", "two lengths"],
)
def test_a_head_past_its_bounds_is_refused_and_the_connection_ends(
    fenced: httpx.Client, request_: bytes, expected: int, why: str
) -> None:
    answer = sent(fenced, request_)
    assert (status(answer), reason(answer)) == (expected, why)
    assert fenced.get("/healthz").status_code == 200


def test_headers_without_an_end_do_not_fill_the_memory(fenced: httpx.Client) -> None:
    before = psutil.Process().memory_info().rss
    answer = sent(fenced, GET + b"x: ", *[b"a" * 1_000_000] * 50)
    assert answer == b"" or status(answer) == 431
    assert psutil.Process().memory_info().rss - before < 20_000_000


def test_trailers_without_an_end_are_ended(fenced: httpx.Client) -> None:
    answer = sent(fenced, POST + b"transfer-encoding: chunked\r\n\r\n0\r\nx: ", *[b"a" * 1_000_000] * 20)
    assert answer == b"" or status(answer) in (413, 422)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], None),
        ([b"GET /heal"], 408),
        ([GET], 408),
        ([POST + b"content-length: 100\r\n\r\n{"], 408),
        ([POST + b"transfer-encoding: chunked\r\n\r\n10\r\n{"], 408),
        ([GET + b"\r\n"], 200),
        ([GET + b"\r\n", b"\r\n"], 200),
    ],
    ids=["silent", "half a line", "half a head", "half a body", "half a chunk", "idle", "idle but for an end of line"],
)
def test_a_connection_that_stalls_is_ended(fenced: httpx.Client, parts: list[bytes], expected: int | None) -> None:
    answer = sent(fenced, *parts)
    assert (status(answer) if answer else None) == expected


def test_a_client_that_sends_a_byte_at_a_time_is_ended(fenced: httpx.Client) -> None:
    with connected(fenced) as connection, pytest.raises(ConnectionError):
        for byte in GET * 100:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)


async def megabytes(scope: Scope, receive: Receive, send: Send) -> None:
    """An application with long answers."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"50000000")]})
        for left in range(49, -1, -1):
            await send({"type": "http.response.body", "body": b"a" * 1_000_000, "more_body": left > 0})


def test_a_client_that_takes_no_answer_is_ended() -> None:
    metrics = Metrics()
    listener = socket.create_server(("127.0.0.1", 0))
    service = server(megabytes, FENCES, lambda: metrics)
    thread = threading.Thread(target=service.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        with socket.create_connection(listener.getsockname(), timeout=WAIT) as connection:
            connection.sendall(GET + b"\r\n")
            until(lambda: b'rolecall_fenced_total{cause="unread"} 1.0' in metrics.text())
            assert len(said(connection)) < 50_000_000
    finally:
        service.should_exit = True
        thread.join()


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


def test_past_the_bound_of_connections_further_ones_are_told_so_and_room_comes_back(fenced: httpx.Client) -> None:
    fenced.get("/healthz")
    silent = [socket.create_connection((fenced.base_url.host, fenced.base_url.port or 80)) for _ in range(40)]
    try:
        refused = [one for one in silent if status_or_none(one) == 503]
        assert 19 <= len(refused) <= 21
    finally:
        for one in silent:
            one.close()
    with httpx.Client(base_url=fenced.base_url, timeout=WAIT) as client:
        until(lambda: answers(client))


def status_or_none(connection: socket.socket) -> int | None:
    connection.settimeout(WAIT)
    answer = said(connection)
    return status(answer) if answer else None


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.HTTPError:
        return False


def test_requests_in_one_line_are_each_answered(fenced: httpx.Client) -> None:
    assert sent(fenced, (GET + b"\r\n") * 5).count(b'{"status":"ok"}') == 5


def test_two_hundred_stalled_connections_keep_nobody_out(market: Workspace, client: httpx.Client) -> None:
    """On the service of the default bounds, whose times are longer than this test."""
    stalled = [socket.create_connection((client.base_url.host, client.base_url.port or 80)) for _ in range(200)]
    try:
        threads = [threading.Thread(target=one.sendall, args=(POST,)) for one in stalled]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with httpx.Client(base_url=client.base_url, timeout=WAIT) as another:
            assert another.post("/v1/recommend", json={"k": 1}).status_code == 200
    finally:
        for one in stalled:
            one.close()


def test_connections_leave_descriptors_for_the_rest_of_the_process() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(1_000, hard), hard))
        most = max_connections(FencesConfig(connections=500))
        assert most == 500
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= most + SPARE_DESCRIPTORS
        most = max_connections(FencesConfig())
        assert most + SPARE_DESCRIPTORS <= resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
