"""How far long work is: units done, their rate and the seconds left, at most one log line in five seconds.

The line reads "embed: 768/1,500 texts, 142/s, 5 s left". Its log record carries the same as a `Step`, which a terminal
shows as a bar (`rolecall.console`).
"""

from __future__ import annotations

import logging
import time
from typing import NamedTuple

log = logging.getLogger("rolecall")

EVERY_S = 5.0
"""Seconds between two lines."""


class Step(NamedTuple):
    """How far a task is. `total`: None where it is not known beforehand; `rate`: of `rated` units a second."""

    task: str
    done: int
    total: int | None
    unit: str
    rate: float
    rated: str
    left_s: float | None

    def __str__(self) -> str:
        total = "" if self.total is None else f"/{self.total:,}"
        rate = f"{self.rate:,.0f}" if self.rate >= 10 else f"{self.rate:.1f}"
        rated = "" if self.rated == self.unit else f" {self.rated}"
        left = "" if self.left_s is None else f", {self.left_s:.0f} s left"
        return f"{self.done:,}{total} {self.unit}, {rate}{rated}/s{left}"


class Progress:
    """Counts units of one task and logs how far it is.

    It can be pickled before it starts: it travels to a worker with the function that holds it.
    """

    def __init__(self, task: str, unit: str, total: int | None = None, rated: str = "") -> None:
        """Make a counter; its clock starts with `start`, or with the first `add`.

        Args:
            task: The head of the line, such as "embed".
            unit: What is counted, in the plural.
            total: Units that this process will do; None where that is not known.
            rated: What the rate counts where that is another unit, such as pairs in training steps.
        """
        self._task, self._unit, self._total, self._rated = task, unit, total, rated or unit
        self._done = self._rated_done = 0
        self._started: float | None = None
        self._logged = 0.0

    def start(self) -> None:
        """Start the clock. For tasks whose first unit takes long."""
        if self._started is None:
            self._started = self._logged = time.monotonic()

    def add(self, done: int = 1, rated: int | None = None) -> None:
        """Count finished units.

        Args:
            done: Units finished since the last call.
            rated: How many of `rated` were in them; as many as `done` where None.
        """
        self.start()
        self._done += done
        self._rated_done += done if rated is None else rated
        now = time.monotonic()
        if now - self._logged < EVERY_S:
            return
        self._logged = now
        passed = self._passed(now)
        left = None if self._total is None else passed / max(1, self._done) * max(0, self._total - self._done)
        rate = self._rated_done / passed
        step = Step(self._task, self._done, self._total, self._unit, rate, self._rated, left)
        log.info("%s: %s", self._task, step, extra={"progress": step})

    def close(self) -> None:
        """Log how long the task took: units a second and milliseconds a unit."""
        passed, count = self._passed(time.monotonic()), self._rated_done
        log.info(
            "%s: %d %s in %.0f s, %.0f %s/s, %.2f ms/%s",
            self._task,
            count,
            self._rated,
            passed,
            count / passed,
            self._rated,
            1_000 * passed / max(1, count),
            self._rated.removesuffix("s"),
        )

    def _passed(self, now: float) -> float:
        return max(now - (now if self._started is None else self._started), 1e-9)
