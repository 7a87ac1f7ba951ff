"""Guards calls of what may be slow or down: a limit on waiting, and a circuit breaker that leaves it alone.

The limit holds whatever hangs, a socket, a locked file or a file system, since the caller waits for a thread of the
guard's own and goes on without it. A client's own time limits let those threads come back.

Source: the circuit breaker of M. Nygard, "Release It!" (2007), chapter 5: closed, open, half-open.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from queue import Empty, SimpleQueue
from typing import Any, Literal, TypeVar, get_args

from contracts.errors import RolecallError
from feature_repo.config import StoreConfig

T = TypeVar("T")
State = Literal["closed", "half_open", "open"]
STATES: tuple[State, ...] = get_args(State)
"""From the best to the worst."""


class StoreDown(RolecallError):
    """The online store does not answer, or not in time."""

    reason, http_status = "store_down", 503


class StoreSlow(StoreDown):
    """It did not answer in time."""


class BreakerOpen(StoreDown):
    """It failed several times in a row and is left alone."""


class Breaker:
    """Tells whether a call is worth trying. Safe to share between threads."""

    def __init__(self, failures: int, probe_seconds: float) -> None:
        self._most, self._pause = failures, probe_seconds
        self._failures, self._retry_at, self._probing = 0, 0.0, False
        self._lock = threading.Lock()

    @property
    def state(self) -> State:
        if self._failures < self._most:
            return "closed"
        return "half_open" if self._probing else "open"

    def admit(self) -> None:
        """Let a call pass. Raises BreakerOpen while the store is left alone; of those that come then one is a probe."""
        with self._lock:
            if self._failures < self._most:
                return
            if self._probing or time.monotonic() < self._retry_at:
                raise BreakerOpen("the online store failed and is left alone", cure="it is tried again by itself")
            self._probing = True

    def note(self, ok: bool) -> None:
        """Say how an admitted call ended."""
        with self._lock:
            self._failures = 0 if ok else self._failures + 1
            self._probing = False
            self._retry_at = time.monotonic() + self._pause


class Guard:
    """Runs calls of one kind, on a store, on threads of its own, so that one kind that hangs does not stop another."""

    def __init__(self, threads: int, seconds: float, config: StoreConfig) -> None:
        """Start closed.

        Args:
            threads: Calls that may run at once.
            seconds: Longest wait for a call, and for its turn.
            config: When its breaker opens and for how long.
        """
        self._seconds = seconds
        self.breaker = Breaker(config.failures, config.probe_seconds)
        self._threads = _Threads(threads)

    def run(self, call: Callable[[], T]) -> T:
        """The value of `call`. Raises BreakerOpen, StoreSlow, and what `call` raises.

        After StoreSlow the call may still be done, or not.
        """
        self.breaker.admit()
        ok = False
        try:
            value = _result(self._threads.submit(call), self._seconds)
            ok = True
            return value
        finally:
            self.breaker.note(ok)

    def close(self) -> None:
        """Drop what has not begun, and wait for what has: a thread that hangs ends with its socket's own limit."""
        self._threads.close()


class _Threads:
    """Threads that run calls in their order. Python's own executor waits for its threads when the process ends, so that
    a store that hangs would keep the process; these are left behind."""

    def __init__(self, count: int) -> None:
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._closed = False
        self._threads = [threading.Thread(target=self._run, name=f"store_{n}", daemon=True) for n in range(count)]
        for thread in self._threads:
            thread.start()

    def submit(self, call: Callable[[], T]) -> Future[T]:
        if self._closed:
            raise StoreDown("the online store is closed", cure="ask the service that took its place")
        future: Future[T] = Future()
        self._calls.put((future, call))
        return future

    def close(self) -> None:
        """Drop what has not begun, and wait for what has."""
        self._closed = True
        with contextlib.suppress(Empty):
            while True:
                if (waiting := self._calls.get_nowait()) is not None:
                    waiting[0].cancel()
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while (found := self._calls.get()) is not None:
            future, call = found
            if not future.set_running_or_notify_cancel():
                continue
            try:
                value = call()
            except BaseException as error:  # it is raised where somebody waits for it
                future.set_exception(error)
            else:
                future.set_result(value)


def _result(future: Future[T], seconds: float) -> T:
    try:
        return future.result(seconds)
    except NotInTime as error:
        if future.done():  # the call itself raised it
            raise
        future.cancel()
        raise StoreSlow(f"the online store took over {seconds:g} s", cure="see whether it hangs") from error
