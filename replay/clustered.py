"""Means over requests whose interval knows that requests of one member are alike."""

from __future__ import annotations

from collections.abc import Sequence

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


def clustered_mean(values: np.ndarray, members: Sequence[str], level: float = 0.95) -> Mean | None:
    """The mean with an interval by Student's t over members.

    Source: Cameron and Miller, A practitioner's guide to cluster-robust inference (Journal of Human Resources 2015),
    section II, with the factor G / (G - 1) and G - 1 degrees of freedom of G members.

    Args:
        values: (n,) float64; NaN where a request says nothing.
        members: n ids; an empty one is nobody in particular, and each such request stands for itself.
        level: Of the interval.

    Returns:
        None where no value is known.
    """
    known = ~np.isnan(values)
    if not known.any():
        return None
    who = [member or f"\x00{i}" for i, member in enumerate(members)]
    _, group = np.unique(np.array(who, object)[known].astype(str), return_inverse=True)
    of, groups = values[known], int(group.max()) + 1
    value = float(of.mean())
    unknown = Mean(value=value, low=None, high=None, error=None, requests=len(of), members=groups)
    if groups < 2:
        return unknown
    sums = np.bincount(group, of - value)
    error = float(np.sqrt(groups / (groups - 1) * (sums**2).sum()) / len(of))
    if error < 1e-12:  # rounding of equal values is no evidence
        error = 0.0
        if 2 * 0.5**groups >= 1 - level:
            return unknown
    half = float(t.ppf((1 + level) / 2, groups - 1)) * error
    return Mean(value=value, low=value - half, high=value + half, error=error, requests=len(of), members=groups)


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
