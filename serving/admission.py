"""Who runs, who waits and who is turned away: a line of requests before a bounded number of places.

While it is short, the line is served in the order of coming, and each in it was expected to be answered within its
deadline. Where it would be longer than that, the line is congested: whoever comes then is served newest first, or told
within `patience` seconds that they are not. A long line would make everyone late; this way those who are answered
are answered soon, no place is ever idle, and those who waited before are not put off.

Before anyone is turned away, the depth of ranking falls with the time that the line stands for.

Source: adaptive LIFO and a controlled delay for what waits, B. Maurer, "Fail at Scale" (ACM Queue 13:8, 2015), after
CoDel, Nichols and Jacobson, "Controlling queue delay" (ACM Queue 10:5, 2012); the length of line that a wait stands for
by Little's law.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from serving.concurrency import ConcurrencyLimit

SERVICE_SAMPLES = 10
"""Service times that their mean averages over."""
CALM_LOAD = 0.95
"""Share of what can be served that may be asked for before a congested line counts as calm."""
FULL_SHARE = 0.5
"""Share of the bearable wait up to which the depth stays whole."""
LOAD_SECONDS, SHED_SECONDS = 1.0, 5.0
"""Spans over which the requests that came, and the share that was refused, are counted."""
MIN_FOR_A_SHARE = 20
HANGING = 3.0
"""Times the mean service time past which a request counts as hanging."""


@dataclass(frozen=True, eq=False)
class Granted:
    """The place of a request that runs. depth: candidates to score; running: requests that run, itself among them."""

    depth: int
    at: float
    running: int


@dataclass(frozen=True)
class Refused:
    """Why a request was turned away: `full` (no room in the line), `patience` (others were newer), `late`."""

    cause: str


@dataclass(eq=False)
class Waiter:
    """A request in a line. until: after it its work must not begin; told: is told once."""

    until: float
    told: Callable[[Granted | Refused], None]


class Window:
    """Counts what happened in the last `seconds`, from the counts of two spans of that length."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._span, self._count, self._before = 0, 0, 0

    def add(self, now: float) -> None:
        self._turn(now)
        self._count += 1

    def count(self, now: float) -> float:
        self._turn(now)
        return self._count + self._before * (1 - now / self._seconds % 1)

    def _turn(self, now: float) -> None:
        span = int(now // self._seconds)
        if span != self._span:
            self._before = self._count if span == self._span + 1 else 0
            self._span, self._count = span, 0


class Line:
    """A line and its places. Of one thread; times are those of one clock, in seconds, handed in."""

    def __init__(
        self,
        limit: ConcurrencyLimit,
        most: int,
        *,
        bearable: float = float("inf"),
        patience: float | None = None,
        depths: Sequence[int] = (0,),
    ) -> None:
        """Begin with nobody.

        Args:
            limit: How many run at once.
            most: How many wait at most.
            bearable: Seconds that a request may be expected to wait.
            patience: Seconds that a request waits in a congested line; None: then it is refused at once.
            depths: Of ranking, from that without load to that of a congested line.
        """
        self.limit = limit
        self._most, self._bearable, self._patience, self._depths = most, bearable, patience, tuple(depths)
        self._promised: deque[Waiter] = deque()
        self._newest: deque[Waiter] = deque()
        self._running: set[Granted] = set()
        self._congested = False
        self._mean: float | None = None
        self._load, self._came, self._shed = Window(LOAD_SECONDS), Window(SHED_SECONDS), Window(SHED_SECONDS)

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return len(self._promised) + len(self._newest)

    @property
    def service(self) -> float:
        """Mean service time of late in seconds; 0 where nothing was measured."""
        return self._mean or 0.0

    @property
    def closed(self) -> bool:
        """Whether whoever comes now is refused at once."""
        return self._patience is None and self.running >= self.limit.value and len(self._promised) >= self._most

    def shed_share(self, now: float) -> float:
        """Share of the requests of late that were refused; 0 where too few came to say."""
        came = self._came.count(now)
        return self._shed.count(now) / came if came >= MIN_FOR_A_SHARE else 0.0

    def enter(self, waiter: Waiter, now: float) -> None:
        """Take in a request that came; it is told before this returns, or later."""
        self._load.add(now)
        self._came.add(now)
        self.expire(now)
        self._congested = self._congested and not self._is_calm(now)
        if self.running < self.limit.value and not self.waiting:
            self._grant(waiter, now)
        elif not self._congested and len(self._promised) < self._room(now):
            self._promised.append(waiter)
        elif self._patience is None:
            self._refuse(waiter, "full", now)
        else:
            self._congested = True
            waiter.until = min(waiter.until, now + self._patience)
            self._newest.append(waiter)
            if len(self._newest) > self.limit.value:  # places: before there is one for more, these are told
                self._refuse(self._newest.popleft(), "full", now)

    def turn_away(self, now: float) -> None:
        """Count a request that was refused at the door, since the line was `closed`."""
        for window in (self._load, self._came, self._shed):
            window.add(now)

    def leave(self, granted: Granted, now: float, kind: Hashable = None) -> None:
        """Give a place back. kind: of the request, as `ConcurrencyLimit.observe` has it."""
        self._running.discard(granted)
        seconds = now - granted.at
        self.limit.observe(seconds, (kind, granted.depth), granted.running)
        self._mean = seconds if self._mean is None else self._mean + (seconds - self._mean) / SERVICE_SAMPLES
        self._serve(now)

    def expire(self, now: float) -> None:
        """Refuse who must not begin any more."""
        for line, cause in ((self._promised, "late"), (self._newest, "patience")):
            while line and line[0].until < now:
                self._refuse(line.popleft(), cause, now)

    def withdraw(self, waiter: Waiter) -> None:
        """Forget a request whose client has gone; it is told nothing."""
        for line in (self._promised, self._newest):
            if waiter in line:
                line.remove(waiter)

    def _room(self, now: float) -> int:
        """How many may wait their turn: as many as are served in a bearable time, by what hangs where anything does."""
        if not self._mean or self._bearable == float("inf"):
            return self._most
        oldest = max((now - granted.at for granted in self._running), default=0.0)
        service = oldest if oldest > HANGING * self._mean else self._mean
        return max(1, min(self._most, int(self._bearable * self.limit.value / service)))

    def _is_calm(self, now: float) -> bool:
        """Whether less is asked for than can be served, and those who waited are gone."""
        return not self._promised and self._load.count(now) / LOAD_SECONDS * self.service < CALM_LOAD * self.limit.value

    def _serve(self, now: float) -> None:
        self.expire(now)
        while self.running < self.limit.value and self.waiting:
            self._grant(self._promised.popleft() if self._promised else self._newest.pop(), now)

    def _grant(self, waiter: Waiter, now: float) -> None:
        granted = Granted(self._depth(), now, self.running + 1)
        self._running.add(granted)
        waiter.told(granted)

    def _depth(self) -> int:
        """Whole while the line stands for half of the bearable wait, then step by step the least of a congested one."""
        if self._congested:
            return self._depths[-1]
        share = len(self._promised) * self.service / self.limit.value / self._bearable
        if share <= FULL_SHARE:
            return self._depths[0]
        steps = len(self._depths) - 1
        return self._depths[min(steps, 1 + int((share - FULL_SHARE) / (1 - FULL_SHARE) * steps))]

    def _refuse(self, waiter: Waiter, cause: str, now: float) -> None:
        self._shed.add(now)
        waiter.told(Refused(cause))
