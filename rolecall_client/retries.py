"""When a call is tried again, and how long it waits before: no socket and no clock of its own."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

TRY_AGAIN = frozenset({429, 503})


@dataclass(frozen=True)
class Retries:
    """A policy: exponential backoff with full jitter, but never sooner than the service's `Retry-After` asks.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    Attributes:
        times: Further tries after the first; 0: none.
        first: Seconds that the first wait is drawn below.
        longest: Seconds that no wait exceeds; where `Retry-After` asks for more, the call ends with the problem.
        total: Seconds after which a call is not tried again.
    """

    times: int = 2
    first: float = 0.1
    longest: float = 5.0
    total: float = 10.0

    def wait(
        self,
        tried: int,
        elapsed: float,
        reply: httpx.Response | None,
        *,
        repeatable: bool,
        error: Exception | None = None,
        draw: Callable[[], float] = random.random,
    ) -> float | None:
        """Seconds to wait before the next try; None: there is none.

        Args:
            tried: Tries so far, from 1.
            elapsed: Seconds since the first began.
            reply: The answer of the last try; None where none came.
            repeatable: The service does a repeated request once, so that it may be sent again although the first may
                have arrived.
            error: Why no answer came.
            draw: Returns a number in [0, 1).
        """
        if tried > self.times:
            return None
        if reply is not None:
            if reply.status_code not in TRY_AGAIN:
                return None
        elif not repeatable and not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
            return None  # it may have arrived
        asked = retry_after(reply) if reply is not None else 0.0
        if asked > self.longest:
            return None
        seconds = max(asked, draw() * min(self.longest, self.first * 2 ** (tried - 1)))
        return seconds if elapsed + seconds <= self.total else None


def retry_after(reply: httpx.Response, now: datetime | None = None) -> float:
    """Seconds that an answer asks to wait (RFC 9110, section 10.2.3: seconds or a date); 0 where it does not say."""
    value = reply.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        until = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return 0.0
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - (now or datetime.now(UTC))).total_seconds())
