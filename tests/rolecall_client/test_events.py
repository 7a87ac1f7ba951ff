"""A buffer of events loses none while the service is away, and tells which it loses."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

from rolecall_client import AsyncClient, AsyncEventBuffer, Client, EventBuffer, Retries
from tests.rolecall_client.scripted import BUSY, LOADING, scripted

ONCE = Retries(times=0)


def views(jobs: Sequence[str], member: str) -> list[Any]:
    return [{"job_id": job, "member_id": member, "action": "view"} for job in jobs]


def reply(count: int) -> tuple[int, dict[str, str], Any]:
    return 200, {}, {"accepted": count, "duplicates": 0, "rejected": 0, "reasons": [], "degraded": []}


def until(done: Callable[[], bool]) -> None:
    for _ in range(6_000):
        if done():
            return
        threading.Event().wait(0.01)
    pytest.fail("it did not come to that")


def test_events_wait_while_the_service_is_away_and_keep_their_ids_and_order() -> None:
    with scripted(BUSY, LOADING, reply(3)) as server, Client(server.url, retries=ONCE) as client:
        buffer = EventBuffer(client, seconds=3_600)
        for event in views(["j1", "j2", "j3"], "m1"):
            buffer.add(event)
        assert (buffer.flush(), buffer.flush(), buffer.flush()) == (3, 3, 0)
        buffer.close()
        first, *others = [[(event["job_id"], event["id"]) for event in post] for post in server.posted]
    assert [job for job, _ in first] == ["j1", "j2", "j3"]
    assert others == [first, first]
    assert (buffer.counts.accepted, buffer.counts.lost) == (3, 0)


def test_beyond_its_bound_the_oldest_is_lost_and_told() -> None:
    lost: list[str] = []
    with scripted(LOADING) as server, Client(server.url, retries=ONCE) as client:
        buffer = EventBuffer(
            client, max_post=2, max_waiting=3, seconds=3_600, lost=lambda e, _: lost.extend(x["job_id"] for x in e)
        )
        with buffer._posting:  # so that none is posted meanwhile
            for event in views([f"j{i}" for i in range(5)], "m1"):
                buffer.add(event)
            assert lost == ["j0", "j1"]
        buffer.close(seconds=0)
    assert lost == ["j0", "j1", "j2", "j3", "j4"]
    assert buffer.counts.lost == 5


def test_a_batch_that_is_refused_for_good_is_not_posted_again() -> None:
    lost: list[str] = []
    refused = (413, {}, {"reason": "body_too_large", "message": "m"})
    with scripted(refused, reply(1)) as server, Client(server.url, retries=ONCE) as client:
        with EventBuffer(client, max_post=1, seconds=3_600, lost=lambda _, why: lost.append(why)) as buffer:
            for event in views(["j1", "j2"], "m1"):
                buffer.add(event)
        assert len(server.posted) == 2
    assert len(lost) == 1 and "body_too_large" in lost[0]
    assert (buffer.counts.accepted, buffer.counts.lost) == (1, 1)


def test_an_event_is_posted_without_a_flush_once_it_has_waited() -> None:
    with scripted(reply(1)) as server, Client(server.url, retries=ONCE) as client:
        with EventBuffer(client, seconds=0.01) as buffer:
            buffer.add({"job_id": "j1", "action": "view"})
            until(lambda: buffer.counts.accepted == 1)
        assert len(server.posted) == 1


PAGE = (200, {"Content-Type": "text/html"}, b"<html>sign in</html>")
"""What a proxy answers in place of the service."""
GARBLED = (200, {"Content-Encoding": "gzip"}, b"no gzip")
OTHERS = (200, {}, {"ok": True})


@pytest.mark.parametrize("strange", [PAGE, GARBLED, OTHERS, (200, {}, []), (200, {}, None)], ids=str)
def test_an_answer_that_is_not_the_services_ends_no_thread_and_loses_nothing(strange: Any) -> None:
    with scripted(strange, reply(1), reply(1)) as server, Client(server.url, retries=ONCE) as client:
        with EventBuffer(client, seconds=0.01) as buffer:
            buffer.add({"job_id": "j1", "action": "view"})
            until(lambda: buffer.counts.accepted == 1)
            buffer.add({"job_id": "j2", "action": "view"})
            until(lambda: buffer.counts.accepted == 2)
        assert [post[0]["job_id"] for post in server.posted] == ["j1", "j1", "j2"]
    assert buffer.counts.lost == 0


def test_a_batch_that_cannot_be_sent_is_lost_and_told_and_the_next_is_posted() -> None:
    lost: list[str] = []
    with (
        scripted(reply(1)) as server,
        Client(server.url, retries=ONCE) as client,
        EventBuffer(client, max_post=1, seconds=0.01, lost=lambda _, why: lost.append(why)) as buffer,
    ):
        buffer.add({"job_id": "j1", "action": "view", "time": object()})  # type: ignore[typeddict-item]
        until(lambda: buffer.counts.lost == 1)
        buffer.add({"job_id": "j2", "action": "view"})
        until(lambda: buffer.counts.accepted == 1)
    assert len(lost) == 1 and "TypeError" in lost[0]


def test_a_lost_that_raises_is_counted_and_the_thread_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    def lost(_: Sequence[Any], why: str) -> None:
        raise RuntimeError("no disk")

    refused = (413, {}, {"reason": "body_too_large", "message": "m"})
    with (
        scripted(refused, reply(1)) as server,
        Client(server.url, retries=ONCE) as client,
        EventBuffer(client, max_post=1, seconds=0.01, lost=lost) as buffer,
    ):
        buffer.add({"job_id": "j1", "action": "view"})
        until(lambda: buffer.counts.lost == 1)
        buffer.add({"job_id": "j2", "action": "view"})
        until(lambda: buffer.counts.accepted == 1)
    assert (buffer.counts.lost, buffer.counts.untold) == (1, 1)
    assert "no disk" in caplog.text and "body_too_large" in caplog.text


def test_a_service_that_hangs_does_not_keep_a_buffer_that_is_closed() -> None:
    asked, answered = threading.Event(), threading.Event()

    class Hanging(Client):
        def events(self, events: Any) -> Any:
            asked.set()
            answered.wait(60)
            raise httpx.ConnectError("the service is gone")

    lost: list[str] = []
    with Hanging("http://127.0.0.1:9") as client:
        buffer = EventBuffer(client, seconds=0.01, lost=lambda e, _: lost.extend(x["job_id"] for x in e))
        buffer.add(views(["j1"], "m1")[0])
        assert asked.wait(60)
        buffer.close(seconds=0.05)
        assert not answered.is_set()
        answered.set()
        buffer._thread.join(60)
    assert lost == ["j1"] and buffer.counts.lost == 1


def test_a_closed_buffer_takes_nothing() -> None:
    with scripted(reply(1)) as server, Client(server.url) as client:
        buffer = EventBuffer(client)
        buffer.close()
        with pytest.raises(ValueError):
            buffer.add({"job_id": "j1", "action": "view"})
        assert server.posted == []


def test_the_asynchronous_buffers_task_outlives_strange_answers_and_a_lost_that_raises() -> None:
    def lost(_: Sequence[Any], why: str) -> None:
        raise RuntimeError("no disk")

    async def posted(url: str) -> Any:
        async with (
            AsyncClient(url, retries=ONCE) as client,
            AsyncEventBuffer(client, max_post=1, seconds=0.01, lost=lost) as buffer,
        ):
            for number in range(3):
                buffer.add({"job_id": f"j{number}", "action": "view"})
            while buffer.counts.accepted < 2:
                await asyncio.sleep(0.01)
            return buffer.counts

    refused = (413, {}, {"reason": "body_too_large", "message": "m"})
    with scripted(PAGE, GARBLED, refused, OTHERS, reply(1)) as server:
        counts = asyncio.run(asyncio.wait_for(posted(server.url), 60))
    assert (counts.lost, counts.untold) == (1, 1)


def test_the_asynchronous_buffer_keeps_and_tells_alike() -> None:
    lost: list[str] = []

    async def posted(url: str) -> int:
        async with AsyncClient(url, retries=ONCE) as client:
            buffer = AsyncEventBuffer(client, seconds=3_600, lost=lambda e, _: lost.extend(x["job_id"] for x in e))
            async with buffer:
                for event in views(["j1", "j2"], "m1"):
                    buffer.add(event)
                assert await buffer.flush() == 2
            with pytest.raises(ValueError):
                buffer.add(views(["j3"], "m1")[0])
            return buffer.counts.accepted

    with scripted(LOADING, reply(2)) as server:
        assert asyncio.run(posted(server.url)) == 2
        assert server.posted[0] == server.posted[1]
    assert lost == []
