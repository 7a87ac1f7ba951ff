"""How fast what nobody waits for may write to the online store, so that those who ask meanwhile do not wait either."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

from contracts.errors import BadInput

BATCH = 50
"""Members a write: between two writes the store is free for those who ask."""
PER_SECOND = 500.0
"""Members a second, unless stated."""


class Pace:
    """Keeps writes to a rate. Time in which nothing was written is not made up for."""

    def __init__(self, rate: float) -> None:
        """Begin. rate: members a second at most. Raises BadInput where it is none."""
        if not rate > 0:
            raise BadInput(f"{rate:g} members a second", where="rate", cure="a number above 0")
        self._rate, self._free = rate, monotonic()

    def wrote(self, members: int) -> None:
        """Wait until so many more may have been written."""
        now, takes = monotonic(), members / self._rate
        self._free = max(self._free, now - takes) + takes
        sleep(max(0.0, self._free - now))


def at_rate(write: Callable[..., None], pace: Pace) -> Callable[..., None]:
    """Feast's `online_write_batch` of a store, which writes a few rows at a time and keeps to a pace."""

    def paced(config: Any, table: Any, data: list[Any], progress: Callable[[int], Any] | None) -> None:
        for start in range(0, len(data), BATCH):
            some = data[start : start + BATCH]
            write(config, table, some, progress)
            pace.wrote(len(some))

    return paced
