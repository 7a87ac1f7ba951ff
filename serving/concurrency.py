"""How many requests run at once: a limit that follows the measured service time."""

from __future__ import annotations

from collections.abc import Hashable

BASELINE_SAMPLES = 600
"""Service times that the baseline of a kind averages over."""
RECENT_SAMPLES = 10
TOLERANCE = 1.5
"""Times the baseline up to which a service time counts as undisturbed."""
BACK_OFF = 0.9
MAX_KINDS = 100


class ConcurrencyLimit:
    """Grows by one a round of requests while they take as long as they do alone; shrinks by a tenth where they do not.

    More requests at once help where they wait for a store, and only slow each other down where they compute. What a
    request takes undisturbed is an average, kept for each kind of request apart, of those that ran while no more than
    `start` did.

    Source: additive increase and multiplicative decrease, Chiu and Jain, "Analysis of the increase and decrease
    algorithms for congestion avoidance" (Computer Networks 17, 1989); the ratio of long-term to recent service time as
    the signal, `Gradient2Limit` of Netflix's concurrency-limits (2018).
    """

    def __init__(self, start: int, most: int, least: int = 1) -> None:
        """Begin at `start`.

        Args:
            start: The limit at first: the cores.
            most: The limit is never over it.
            least: The limit is never under it.
        """
        self._start, self._most, self._least = min(start, most), most, least
        self._limit = float(self._start)
        self._baselines: dict[Hashable, tuple[float, int]] = {}
        self._recent = 1.0

    @property
    def value(self) -> int:
        return int(self._limit)

    def observe(self, seconds: float, kind: Hashable, running: int) -> None:
        """Take in the service time of a request.

        Args:
            seconds: From the grant of a place to the response.
            kind: Requests of one kind take about as long as each other.
            running: How many ran when it began, itself among them.
        """
        baseline, seen = self._baselines.get(kind, (seconds, 0))
        self._recent += (seconds / max(baseline, 1e-6) - self._recent) / RECENT_SAMPLES
        if running <= self._start and (seen or len(self._baselines) < MAX_KINDS):
            seen = min(seen + 1, BASELINE_SAMPLES)
            self._baselines[kind] = baseline + (seconds - baseline) / seen, seen
        if self._recent > TOLERANCE:
            self._limit = max(float(self._least), self._limit * BACK_OFF)
            self._recent = 1.0  # the next cut waits until the smaller limit has shown what it does
        elif running >= self.value:
            self._limit = min(float(self._most), self._limit + 1 / self._limit)
