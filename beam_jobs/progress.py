"""How far a job is, said from inside its workers: rows, rate and the time left, at most one line every five seconds."""

from __future__ import annotations

import logging
import time

log = logging.getLogger("rolecall")

EVERY_S = 5.0


class Progress:
    """Counts rows and says how it goes. Travels to a worker with the function that holds it, and starts there.

    total: rows that this process will see, None where not known beforehand.
    """

    def __init__(self, what: str, unit: str, total: int | None = None) -> None:
        self._what, self._unit, self._total = what, unit, total
        self._done = 0
        self._started: float | None = None
        self._said = 0.0

    def start(self) -> None:
        """The clock starts with the first row at the latest; call it before where the first row takes long."""
        if self._started is None:
            self._started = self._said = time.monotonic()

    def add(self, rows: int) -> None:
        self.start()
        self._done += rows
        now = time.monotonic()
        if now - self._said < EVERY_S or self._started is None:
            return
        self._said = now
        rate = self._done / (now - self._started)
        line = f"{self._what}: {self._done:,}"
        if self._total is None:
            log.info("%s %s, %s/s", line, self._unit, _short(rate))
        else:
            left = max(0, self._total - self._done) / rate if rate else 0.0
            log.info("%s/%s %s, %s/s, %.0f s left", line, f"{self._total:,}", self._unit, _short(rate), left)


def _short(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"
