"""The client of the overload benchmark sends by its plan, and recovery is the first second in which all is well."""

from __future__ import annotations

import asyncio
import contextlib

from benchmarks.open_loop import Answered, closed_loop, open_loop
from benchmarks.overload import recovery


async def answer_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every request of a connection after a quarter of a second; the third connection is cut."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
            if b"cut" in head:
                break
            await asyncio.sleep(0.25)
            body = b'{"results":[],"depth":50}'
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    writer.close()


def asked(path: str, *, connections: int = 0) -> list[Answered]:
    async def ask() -> list[Answered]:
        async with await asyncio.start_server(answer_late, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            if connections:
                return await closed_loop(port, path, [b"{}"], connections, 0.6)
            return await open_loop(port, path, [b"{}", b'{"k": 1}'], 40, 1.0, steady=True)

    return asyncio.run(ask())


def test_an_open_loop_sends_all_that_it_planned_whatever_the_answers_do() -> None:
    answered = asked("/late")
    assert len(answered) in (39, 40)
    assert [one.sent for one in answered] == sorted(one.sent for one in answered)
    assert {(one.status, one.depth) for one in answered} == {(200, 50)}
    assert all(one.seconds >= 0.25 for one in answered)


def test_a_closed_loop_waits_for_its_answers() -> None:
    assert len(asked("/late", connections=2)) <= 6


def test_a_connection_that_breaks_counts_as_no_answer() -> None:
    assert {one.status for one in asked("/cut")} == {0}


def test_recovery_is_the_first_second_of_which_nearly_all_are_answered_in_time() -> None:
    late = [Answered(n / 10, 1.5, 200, 200) for n in range(20)]
    refused = [Answered(2 + n / 10, 0.01, 429, 0) for n in range(10)]
    good = [Answered(3 + n / 10, 0.1, 200, 200) for n in range(50)]
    assert 2.8 <= recovery([*late, *refused, *good]) <= 3.0
    assert recovery(good) < 3.0
    assert recovery(late) == 15.0
