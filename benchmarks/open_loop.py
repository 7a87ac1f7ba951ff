"""A client that sends at the times it was told to, whatever the answers do: the only kind that shows an overload.

A client that waits for an answer before it sends the next request slows down with the service, and so measures neither
its line nor its refusals (G. Tene, "How NOT to measure latency", 2013: coordinated omission).
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np

GIVE_UP_SECONDS = 30.0
_LENGTH = re.compile(rb"content-length: (\d+)")
_DEPTH = re.compile(rb'"depth":(\d+)')


@dataclass(frozen=True)
class Answered:
    """A request and what became of it.

    Attributes:
        sent: Seconds after the start.
        seconds: From then, by the plan, until the last byte of the answer.
        status: Of HTTP; 0 where the connection broke or nothing came within `GIVE_UP_SECONDS`.
        depth: That the answer names; 0 without one.
        behind: Seconds that the client itself was late with sending.
    """

    sent: float
    seconds: float
    status: int
    depth: int
    behind: float = 0.0


class _Connection(asyncio.Protocol):
    """One connection, which has one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._received = bytearray()
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.is_open = transport, True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._tell(0, b"")

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._received, 0, end)
        whole = end + 4 + (int(length[1]) if length else 0)
        if len(self._received) >= whole:
            status, body = int(self._received[9:12]), bytes(self._received[end + 4 : whole])
            self._received.clear()
            self._tell(status, body)

    def _tell(self, status: int, body: bytes) -> None:
        if self.answer and not self.answer.done():
            self.answer.set_result((status, body))


class _Client:
    """Sends requests for one path over as many connections as are needed."""

    def __init__(self, port: int, path: str) -> None:
        self._port, self._path = port, path
        self._idle: deque[_Connection] = deque()

    async def ask(self, body: bytes) -> tuple[int, int]:
        """Status and depth of the answer; status 0 where there was none."""
        loop = asyncio.get_running_loop()
        connection = None
        while self._idle and connection is None:
            found = self._idle.pop()
            connection = found if found.is_open else None
        try:
            if connection is None:
                _, connection = await loop.create_connection(_Connection, "127.0.0.1", self._port)
            connection.answer = loop.create_future()
            method = f"POST {self._path}" if body else f"GET {self._path}"
            about = f"host: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
            head = f"{method} HTTP/1.1\r\n{about}\r\n\r\n"
            connection.transport.write(head.encode() + body)
            status, answer = await asyncio.wait_for(connection.answer, GIVE_UP_SECONDS)
        except (OSError, TimeoutError):
            if connection is not None:
                connection.transport.abort()
            return 0, 0
        if connection.is_open:
            self._idle.append(connection)
        depth = _DEPTH.search(answer)
        return status, int(depth[1]) if depth else 0

    def close(self) -> None:
        for connection in self._idle:
            connection.transport.close()


async def open_loop(
    port: int, path: str, bodies: Sequence[bytes], rate: float, seconds: float, *, seed: int = 0, steady: bool = False
) -> list[Answered]:
    """Send `rate` requests a second for `seconds`, at the times of a Poisson process; steady: at even times."""
    loop, client = asyncio.get_running_loop(), _Client(port, path)
    count = int(rate * seconds)
    gaps = np.full(count, 1 / rate) if steady else np.random.default_rng(seed).exponential(1 / rate, count)
    times = np.cumsum(gaps)
    started = loop.time()

    async def one(at: float, body: bytes) -> Answered:
        behind = loop.time() - started - at
        status, depth = await client.ask(body)
        return Answered(at, loop.time() - started - at, status, depth, behind)

    tasks = []
    for at, body in zip(times[times < seconds].tolist(), cycle(bodies), strict=False):
        if (wait := started + at - loop.time()) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(one(at, body)))
    answered = list(await asyncio.gather(*tasks))
    client.close()
    return answered


async def closed_loop(
    port: int, path: str, bodies: Sequence[bytes], connections: int, seconds: float
) -> list[Answered]:
    """Keep so many requests open for `seconds`: each client sends its next request when it has its answer."""
    loop, client = asyncio.get_running_loop(), _Client(port, path)
    started, following = loop.time(), cycle(bodies)
    answered: list[Answered] = []

    async def one() -> None:
        while (at := loop.time() - started) < seconds:
            status, depth = await client.ask(next(following))
            answered.append(Answered(at, loop.time() - started - at, status, depth))

    await asyncio.gather(*(one() for _ in range(connections)))
    client.close()
    return answered
