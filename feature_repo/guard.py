"""Guards calls of what may be slow or down: a limit on waiting, and a circuit breaker that leaves it alone.

The limit holds whatever hangs, a socket, a locked file or a file system, since the caller waits for a thread of the
guard's own and goes on without it. A client's own time limits let those threads come back.

Source: the circuit breaker of M. Nygard, "Release It!" (2007), chapter 5: closed, open, half-open.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from typing import Literal, TypeVar, get_args

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
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="store")

    def run(self, call: Callable[[], T]) -> T:
        """The value of `call`. Raises BreakerOpen, StoreSlow, and what `call` raises.

        After StoreSlow the call may still be done, or not.
        """
        self.breaker.admit()
        ok = False
        try:
            value = _result(self._pool.submit(call), self._seconds)
            ok = True
            return value
        finally:
            self.breaker.note(ok)

    def close(self) -> None:
        """Drop what has not begun, and wait for what has: a thread that hangs ends with its socket's own limit."""
        self._pool.shutdown(cancel_futures=True)


def _result(future: Future[T], seconds: float) -> T:
    try:
        return future.result(seconds)
    except NotInTime as error:
        if future.done():  # the call itself raised it
            raise
        future.cancel()
        raise StoreSlow(f"the online store took over {seconds:g} s", cure="see whether it hangs") from error
