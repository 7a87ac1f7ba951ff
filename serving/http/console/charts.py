"""The numbers that the console's drawings are made of; the templates draw them as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Bar(NamedTuple):
    """A bar to the left or right of a middle line: share -1 to 1 of the widest."""

    name: str
    value: float
    share: float


class Cell(NamedTuple):
    """A cell of a confusion matrix: how many pairs, and how strong its colour is, 0 to 4."""

    pairs: int
    level: int


def bars(values: Sequence[tuple[str, float]]) -> list[Bar]:
    """One bar a value, beside the widest of them."""
    widest = max((abs(value) for _, value in values), default=0.0) or 1.0
    return [Bar(name, value, value / widest) for name, value in values]


def cells(confusion: np.ndarray) -> list[list[Cell]]:
    """(n, n) counts as rows of cells."""
    most = max(int(confusion.max(initial=0)), 1)
    return [[Cell(int(count), round(4 * (count / most) ** 0.5)) for count in row] for row in confusion]


def quantile(buckets: Sequence[tuple[float, float]], share: float) -> float | None:
    """A quantile of a histogram, between its bounds by straight lines, as Prometheus' `histogram_quantile`.

    Args:
        buckets: (upper bound, number at most that), ascending; the last bound may be infinite.
        share: Of the observations, 0 to 1.

    Returns:
        None without observations; the highest finite bound where the quantile lies above it.
    """
    total = buckets[-1][1] if buckets else 0
    if not total:
        return None
    below, low = 0.0, 0.0
    for bound, count in buckets:
        if count >= share * total and count > below:
            if bound == float("inf"):
                return low
            return low + (bound - low) * (share * total - below) / (count - below)
        if bound != float("inf"):
            low = bound
        below = count
    return low
