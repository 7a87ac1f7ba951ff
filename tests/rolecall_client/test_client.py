"""What the client makes of servers that refuse, ask to wait and break off."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolecall_client import (
    AsyncClient,
    Client,
    NotFound,
    NotPermitted,
    Overloaded,
    Retries,
    ServerError,
    Unavailable,
    Unreachable,
)
from rolecall_client.retries import retry_after
from tests.rolecall_client.scripted import BUSY, LOADING, TAKEN, scripted

SOON = Retries(times=2, first=0.0)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, NotPermitted), (403, NotPermitted), (404, NotFound), (500, ServerError), (502, ServerError)],
)
@pytest.mark.parametrize("body", [{"reason": "r", "message": "m"}, b"<html>a proxy's page</html>", b"{", b"[]"])
def test_a_refusal_is_not_tried_again(status: int, kind: type[Exception], body: Any) -> None:
    with scripted((status, {}, body)) as server, Client(server.url, retries=SOON) as client:
        with pytest.raises(kind):
            client.search(query="nurse")
        assert len(server.posted) == 1


def test_a_busy_service_is_asked_again() -> None:
    with scripted(BUSY, LOADING, TAKEN) as server, Client(server.url, retries=SOON, key="k-1") as client:
        assert client.events([{"job_id": "j1", "action": "view"}])["accepted"] == 1
        assert len(server.posted) == 3
        assert server.posted[0] == server.posted[2]  # with the id of the first: it counts once
        assert uuid.UUID(server.posted[0][0]["id"])
        assert {told["authorization"] for told in server.headers} == {"Bearer k-1"}


@pytest.mark.parametrize(("reply", "kind"), [(BUSY, Overloaded), (LOADING, Unavailable)])
def test_one_that_stays_busy_is_told_in_the_end(reply: Any, kind: type[Exception]) -> None:
    async def asked(url: str) -> None:
        async with AsyncClient(url, retries=SOON) as client:
            await client.search(query="nurse")

    with scripted(reply) as server:
        with Client(server.url, retries=SOON) as client, pytest.raises(kind):
            client.search(query="nurse")
        with pytest.raises(kind):
            asyncio.run(asked(server.url))
        assert len(server.posted) == 6


def test_one_that_asks_for_a_long_wait_is_not_waited_for() -> None:
    reply = (429, {"Retry-After": "3600"}, {"reason": "overloaded", "message": "m"})
    with scripted(reply) as server, Client(server.url) as client:
        with pytest.raises(Overloaded):
            client.search(query="nurse")
        assert len(server.posted) == 1


def test_a_broken_connection_is_tried_again_where_that_is_safe() -> None:
    with scripted(None, None, TAKEN) as server, Client(server.url, retries=SOON) as client:
        assert client.events([{"job_id": "j1", "action": "view"}])["accepted"] == 1
    with scripted(None) as server, Client(server.url, retries=SOON) as client:
        with pytest.raises(Unreachable):
            client.call("DELETE", "/v1/members/m1")
        assert len(server.posted) == 1
    with Client("http://127.0.0.1:9", retries=SOON) as client, pytest.raises(Unreachable):
        client.search(query="nurse")


@given(st.text(max_size=40) | st.integers(-(10**30), 10**30).map(str))
def test_no_retry_after_breaks_the_client(value: str) -> None:
    try:
        reply = httpx.Response(429, headers={"retry-after": value.encode()})
    except ValueError:
        return
    assert retry_after(reply) >= 0


def test_retry_after_may_be_a_date() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    reply = httpx.Response(503, headers={"retry-after": format_datetime(now + timedelta(seconds=7), usegmt=True)})
    assert retry_after(reply, now) == 7
    assert retry_after(reply, now + timedelta(hours=1)) == 0


@given(st.integers(1, 10), st.floats(0, 0.999), st.integers(0, 4))
def test_a_wait_is_never_shorter_than_asked_nor_longer_than_the_longest(tried: int, drawn: float, asked: int) -> None:
    policy = Retries(times=10, first=0.1, longest=5.0, total=60.0)
    reply = httpx.Response(429, headers={"retry-after": str(asked)})
    wait = policy.wait(tried, 0.0, reply, repeatable=True, draw=lambda: drawn)
    assert wait is not None and asked <= wait <= 5.0


def test_importing_the_client_loads_none_of_the_models_libraries() -> None:
    code = "import sys, rolecall_client; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    heavy = {
        "numpy",
        "pyarrow",
        "pydantic",
        "onnxruntime",
        "polars",
        "torch",
        "feast",
        "fastapi",
        "contracts",
        "serving",
    }
    assert not heavy & set(loaded)


def test_a_member_is_erased_by_an_id_that_a_path_would_read_otherwise() -> None:
    reply = (200, {}, {"erased": ["a/b?c"], "remains": []})
    with scripted(reply) as server, Client(server.url, key="k") as client:
        assert client.erase("a/b?c")["erased"] == ["a/b?c"]
    assert server.paths == ["/v1/members/a%2Fb%3Fc"]
