"""Buffers that post events in batches: when enough wait, when the first has waited long enough, and at the end.

An event gets its id when it is added, so that a batch that is posted twice counts once. A batch that the service does
not take now stays and is posted again with the next; a batch that it refuses as a whole is given to `lost`. Nothing
that a server answers and nothing that `lost` raises ends the posting: `Counts` and the log `rolecall_client` say it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rolecall_client.client import AsyncClient, Client, with_ids
from rolecall_client.errors import ClientError, Overloaded, ServerError, Unavailable, Unreachable
from rolecall_client.types import EventsReply, PostedEvent

log = logging.getLogger("rolecall_client")

MAX_POST = 1_000
"""Events that the service takes in one post."""
_LATER = (Overloaded, ServerError, Unavailable, Unreachable)

Lost = Callable[[Sequence[PostedEvent], str], None]
"""Is told of events that will not be posted again, and why."""


def _say_nothing(_: Sequence[PostedEvent], __: str) -> None:
    """Whoever wants to know of lost events passes a function of their own; `Counts.lost` has the number."""


@dataclass
class Counts:
    """What became of the events so far."""

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    lost: int = 0
    untold: int = 0
    """Lost or rejected events at which `lost` itself raised."""


@dataclass
class _Waiting:
    """The events that wait, and what became of the others; its caller sees to it that one thread is in it at a time."""

    max_post: int
    max_waiting: int
    lost: Lost
    counts: Counts = field(default_factory=Counts)
    events: deque[PostedEvent] = field(default_factory=deque)

    def add(self, event: PostedEvent) -> None:
        if len(self.events) >= self.max_waiting:
            self.give_up([self.events.popleft()], f"over {self.max_waiting:,} events wait")
        self.events.extend(with_ids([event]))

    def next_post(self) -> list[PostedEvent]:
        return [self.events.popleft() for _ in range(min(len(self.events), self.max_post))]

    def answered(self, posted: Sequence[PostedEvent], reply: EventsReply) -> None:
        """Count what a post came to. Raises LookupError, TypeError or ValueError where the reply is not the service's,
        and then counts nothing."""
        more = [int(reply["accepted"]), int(reply["duplicates"]), int(reply["rejected"])]
        rejects = [(posted[one["index"]], f"{one['reason']}: {one['message']}") for one in reply["reasons"]]
        self.counts.accepted += more[0]
        self.counts.duplicates += more[1]
        self.counts.rejected += more[2]
        for event, why in rejects:
            self._tell([event], why)

    def put_back(self, posted: Sequence[PostedEvent]) -> None:
        self.events.extendleft(reversed(posted))

    def give_up(self, events: Sequence[PostedEvent], why: str) -> None:
        self.counts.lost += len(events)
        log.warning("%d events are lost: %s", len(events), why)
        self._tell(events, why)

    def settle(self, posted: Sequence[PostedEvent], outcome: EventsReply | Exception) -> bool:
        """Take in what a post ended in; whether the service takes events now, so that the next may be posted."""
        if isinstance(outcome, Exception) and not isinstance(outcome, _LATER):  # of a batch that cannot be JSON, too
            told = str(outcome) if isinstance(outcome, ClientError) else f"{type(outcome).__name__}: {outcome}"
            self.give_up(posted, told)
            return True
        try:
            if isinstance(outcome, Exception):
                raise outcome
            self.answered(posted, outcome)
        except (*_LATER, LookupError, TypeError, ValueError) as error:
            log.warning("%d events are not taken and wait: %s", len(posted), error)
            self.put_back(posted)
            return False
        return True

    def _tell(self, events: Sequence[PostedEvent], why: str) -> None:
        try:
            self.lost(events, why)
        except Exception:
            self.counts.untold += len(events)
            log.exception("`lost` raised at %d events that are lost or rejected", len(events))


def _waiting(max_post: int, max_waiting: int, lost: Lost | None) -> _Waiting:
    if not 1 <= max_post <= MAX_POST:
        raise ValueError(f"max_post is {max_post}, not from 1 to {MAX_POST:,}")
    return _Waiting(max_post, max(max_waiting, max_post), lost or _say_nothing)


class EventBuffer:
    """Posts events from a thread of its own. Close it, or use it in a `with`: that posts what waits."""

    def __init__(
        self,
        client: Client,
        *,
        max_post: int = 200,
        seconds: float = 1.0,
        max_waiting: int = 10_000,
        lost: Lost | None = None,
    ) -> None:
        """Start the thread.

        Args:
            client: Posts, with its own retries.
            max_post: Events of one post, at most 1,000.
            seconds: Longest wait of an event for others.
            max_waiting: Events that may wait while the service is away; beyond, the oldest is lost.
            lost: Told of the events that are lost or rejected.
        """
        self._client, self._seconds = client, seconds
        self._waiting = _waiting(max_post, max_waiting, lost)
        self._lock, self._posting, self._wake = threading.RLock(), threading.Lock(), threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._post_from_time_to_time, name="rolecall-events", daemon=True)
        self._thread.start()

    @property
    def counts(self) -> Counts:
        """What became of the events so far."""
        return self._waiting.counts

    def add(self, event: PostedEvent) -> None:
        """Take an event in; it is posted soon. Never waits for the network."""
        with self._lock:
            if self._closed:
                raise ValueError("the buffer is closed")
            self._waiting.add(event)
            full = len(self._waiting.events) >= self._waiting.max_post
        if full:
            self._wake.set()

    def flush(self) -> int:
        """Post what waits, now; returns how many events still wait, since the service does not take them."""
        with self._posting:
            while True:
                with self._lock:
                    posted = self._waiting.next_post()
                if not posted or not self._post(posted):
                    with self._lock:
                        return len(self._waiting.events)

    def _post(self, posted: list[PostedEvent]) -> bool:
        outcome: EventsReply | Exception
        try:
            outcome = self._client.events(posted)
        except Exception as error:
            outcome = error
        with self._lock:
            return self._waiting.settle(posted, outcome)

    def _post_from_time_to_time(self) -> None:
        while not self._closed:
            self._wake.wait(self._seconds)
            self._wake.clear()
            if not self._closed and self.flush() and self._closed:
                self._give_up_rest()  # of a post that hung when the buffer was closed

    def close(self, seconds: float = 10.0) -> None:
        """Post what waits for at most so many seconds; what is left is lost, and `lost` is told.

        A post that hangs then is left to its end, which says what became of its events.
        """
        self._closed = True
        self._wake.set()
        until = time.monotonic() + seconds
        self._thread.join(seconds)
        while not self._thread.is_alive() and self.flush() and time.monotonic() < until:
            time.sleep(min(0.1, seconds))
        self._give_up_rest()

    def _give_up_rest(self) -> None:
        with self._lock:
            if self._waiting.events:
                self._waiting.give_up(list(self._waiting.events), "the buffer was closed")
                self._waiting.events.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncEventBuffer:
    """As `EventBuffer`, from a task of the running loop: `async with AsyncEventBuffer(client) as events`."""

    def __init__(
        self,
        client: AsyncClient,
        *,
        max_post: int = 200,
        seconds: float = 1.0,
        max_waiting: int = 10_000,
        lost: Lost | None = None,
    ) -> None:
        """The arguments are those of `EventBuffer`; the task starts with the `async with`."""
        self._client, self._seconds = client, seconds
        self._waiting = _waiting(max_post, max_waiting, lost)
        self._posting, self._wake = asyncio.Lock(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def counts(self) -> Counts:
        """What became of the events so far."""
        return self._waiting.counts

    def add(self, event: PostedEvent) -> None:
        """Take an event in; it is posted soon. Never waits."""
        if self._task is None:
            raise ValueError("the buffer is not open")
        self._waiting.add(event)
        if len(self._waiting.events) >= self._waiting.max_post:
            self._wake.set()

    async def flush(self) -> int:
        """Post what waits, now; returns how many events still wait, since the service does not take them."""
        async with self._posting:
            while posted := self._waiting.next_post():
                outcome: EventsReply | Exception
                try:
                    outcome = await self._client.events(posted)
                except asyncio.CancelledError:
                    self._waiting.put_back(posted)
                    raise
                except Exception as error:
                    outcome = error
                if not self._waiting.settle(posted, outcome):
                    break
            return len(self._waiting.events)

    async def _post_from_time_to_time(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._seconds)
            self._wake.clear()
            await self.flush()

    async def close(self, seconds: float = 10.0) -> None:
        """Post what waits for at most so many seconds; what is left is lost, and `lost` is told."""
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        until = time.monotonic() + seconds
        while await self.flush() and time.monotonic() < until:
            await asyncio.sleep(min(0.1, seconds))
        if self._waiting.events:
            self._waiting.give_up(list(self._waiting.events), "the buffer was closed")
            self._waiting.events.clear()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._post_from_time_to_time())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
