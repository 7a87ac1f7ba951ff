"""Means over requests whose interval knows that requests of one member are alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from scipy.stats import norm, t

from contracts.values import FrozenModel


class Mean(FrozenModel):
    """A mean over requests.

    Attributes:
        value: The mean.
        low: Lower end of the interval; None where too few were asked to tell anything of others: one member alone, or
            so few that all of one value may be chance (five at 95%).
        high: Upper end; None likewise.
        error: Its standard error; None likewise.
        requests: That it is over.
        members: Who made them; an anonymous request is a member of its own.
    """

    value: float
    low: float | None
    high: float | None
    error: float | None
    requests: int
    members: int

    def below(self, bound: float = 0.0) -> float:
        """One-sided p-value of "the true mean is at `bound` or above"; 1 where nothing can be told."""
        return self._tail(self.value - bound)

    def above(self, bound: float = 0.0) -> float:
        """One-sided p-value of "the true mean is at `bound` or below"; 1 where nothing can be told."""
        return self._tail(bound - self.value)

    def _tail(self, apart: float) -> float:
        if self.error is None:
            return 1.0
        if self.error == 0:  # the sign test: so many would be on one side by chance
            return 0.5**self.members if apart < 0 else 1.0
        return float(t.cdf(apart / self.error, self.members - 1))

    def requests_needed(self, gain: float, alpha: float = 0.05, power: float = 0.8) -> int | None:
        """How many such requests would tell a gain from chance, two-sided, in a share `power` of logs; None: not known.

        Args:
            gain: In the unit of the mean, above 0.
            alpha: How often nothing may be taken for a gain.
            power: How often the gain is to be found.
        """
        if not self.error or not gain > 0:
            return None
        quantiles = norm.ppf(1 - alpha / 2) + norm.ppf(power)
        return int(np.ceil(self.requests * (quantiles * self.error / gain) ** 2))


class MeanAdder:
    """Sums of some columns by member, of which their means and intervals are read; parts may come one by one.

    Memory is that of the members that were seen, however many their requests are. Values are summed as differences from
    the first one of their column, so that what is equal everywhere has no error.

    Source: Cameron and Miller, A practitioner's guide to cluster-robust inference (Journal of Human Resources 2015),
    section II, with the factor G / (G - 1) and G - 1 degrees of freedom of G members.
    """

    def __init__(self, columns: int) -> None:
        """Begin with none."""
        self._origin = np.full(columns, np.nan)
        self._members: dict[str, int] = {}
        self._sums, self._counts = np.zeros((0, columns)), np.zeros((0, columns), np.int32)
        self._of_nobody = np.zeros((3, columns))
        """Number, sum and sum of squares of the requests of nobody in particular, each of which is by itself."""

    def add(self, values: np.ndarray, members: Sequence[str]) -> None:
        """Add n requests.

        Args:
            values: (n, columns) float64; NaN where a request says nothing.
            members: n ids; an empty one is nobody in particular, and each such request stands for itself.
        """
        known = ~np.isnan(values)
        first = values[known.argmax(axis=0), np.arange(values.shape[1])] if len(values) else self._origin
        self._origin = np.where(np.isnan(self._origin), first, self._origin)
        apart = np.where(known, values - self._origin, 0.0)
        named = np.array([bool(member) for member in members], bool)
        for i, of in enumerate((known, apart, apart**2)):
            self._of_nobody[i] += of[~named].sum(axis=0)
        rows = [self._members.setdefault(member, len(self._members)) for member in members if member]
        self._grow(len(self._members))
        np.add.at(self._sums, rows, apart[named])
        np.add.at(self._counts, rows, known[named])

    def merge(self, other: Self) -> None:
        """Add the sums of another part, added up elsewhere."""
        self._origin = np.where(np.isnan(self._origin), other._origin, self._origin)
        moved = np.nan_to_num(other._origin - self._origin)
        number, total, squares = other._of_nobody
        self._of_nobody += number, total + number * moved, squares + 2 * moved * total + number * moved**2
        rows = [self._members.setdefault(member, len(self._members)) for member in other._members]
        self._grow(len(self._members))
        seen = len(rows)
        np.add.at(self._sums, rows, other._sums[:seen] + other._counts[:seen] * moved)
        np.add.at(self._counts, rows, other._counts[:seen])

    def result(self, level: float = 0.95) -> list[Mean | None]:
        """The mean of each column with an interval by Student's t over members; None where no value is known."""
        return [self._mean(column, level) for column in range(len(self._origin))]

    def _mean(self, column: int, level: float) -> Mean | None:
        sums, counts = self._sums[:, column], self._counts[:, column]
        number, total, squares = self._of_nobody[:, column]
        requests, groups = int(counts.sum() + number), int(np.count_nonzero(counts) + number)
        if not requests:
            return None
        mean = float((sums.sum() + total) / requests)
        value = float(self._origin[column] + mean)
        unknown = Mean(value=value, low=None, high=None, error=None, requests=requests, members=groups)
        if groups < 2:
            return unknown
        apart = ((sums - counts * mean) ** 2).sum() + max(0.0, squares - 2 * mean * total + number * mean**2)
        error = float(np.sqrt(groups / (groups - 1) * apart) / requests)
        if error < 1e-12:  # rounding of equal values is no evidence
            error = 0.0
            if 2 * 0.5**groups >= 1 - level:
                return unknown
        half = float(t.ppf((1 + level) / 2, groups - 1)) * error
        return Mean(value=value, low=value - half, high=value + half, error=error, requests=requests, members=groups)

    def _grow(self, members: int) -> None:
        more = members - len(self._sums)
        if more > 0:
            more += len(self._sums) // 2
            self._sums = np.pad(self._sums, ((0, more), (0, 0)))
            self._counts = np.pad(self._counts, ((0, more), (0, 0)))


def clustered_mean(values: np.ndarray, members: Sequence[str], level: float = 0.95) -> Mean | None:
    """The mean of (n,) values of n members' requests, as `MeanAdder` has it; None where no value is known."""
    adder = MeanAdder(1)
    adder.add(np.asarray(values, np.float64)[:, None], members)
    return adder.result(level)[0]


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for how many were asked: all claims below alpha hold together, but for a share alpha of logs.

    Source: Holm, A simple sequentially rejective multiple test procedure (Scandinavian Journal of Statistics 1979).
    """
    order = np.argsort(p_values, kind="stable")
    adjusted, worst = [0.0] * len(p_values), 0.0
    for place, i in enumerate(order.tolist()):
        worst = max(worst, min(1.0, p_values[i] * (len(p_values) - place)))
        adjusted[i] = worst
    return adjusted
