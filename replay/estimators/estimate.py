"""An estimate that grows as a log streams by: parts are added, the sums of several machines merged, then read."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np

from contracts.errors import BadInput
from replay.estimators.estimators import Estimator, difference_columns, difference_value
from replay.estimators.logged import LoggedLists
from replay.estimators.verdict import Support, Verdict

BUCKETS = 1_024
"""Groups of members by the hash of their id, which intervals resample: memory is bounded whatever the log's length."""
RESAMPLES = 1_000
_MIX = np.uint64(0x9E3779B97F4A7C15)


class Estimate(NamedTuple):
    """What an estimator says of a policy.

    Attributes:
        value: Mean reward of a request; NaN where it refuses.
        low: Lower end of the interval, from resampled members.
        high: Upper end.
        safe_low: Lower end of an interval that holds at every moment and for any distribution of weights; wider. It is
            of a log that was drawn at random: otherwise it says nothing, from 0 to the largest reward.
        safe_high: Upper end.
        requests: How many of them were logged.
        support: Whether the log supports the estimate.
        verdict: Whether to believe it, and why not.
    """

    value: float
    low: float
    high: float
    safe_low: float
    safe_high: float
    requests: int
    support: Support
    verdict: Verdict


class Adder:
    """Sums of one estimator over the lists added so far."""

    def __init__(self, estimator: Estimator, most: float) -> None:
        """Begin with none.

        Args:
            estimator: What is estimated.
            most: The largest reward that one request can bring; the smallest is 0. The safe interval needs it.
        """
        self._estimator, self._most = estimator, most
        self._sums: np.ndarray | None = None
        self._support = Support()
        self._bets = Bets()

    def add(self, lists: LoggedLists) -> None:
        """Add a part of the log.

        Raises:
            BadInput: A field that the estimator needs is absent, or a request brought more than `most`.
        """
        reward = lists.rewards.sum(axis=1)
        if len(reward) and (reward.max() > self._most or reward.min() < 0):
            worst = reward.max() if reward.max() > self._most else reward.min()
            raise BadInput(f"a request brought {worst:.3g}", where="rewards", cure=f"scale to 0 to {self._most:.3g}")
        self._sums = _added(self._sums, bucket_sums(lists.members, self._estimator.columns(lists)))
        weights = self._estimator.weights(lists)
        self._support = self._support.with_lists(lists, weights)
        if self._estimator.random and len(lists):
            weight = lists.ratios()[:, -1]
            self._bets.add(weight * reward / self._most, weight * (1 - reward / self._most))

    def merge(self, other: Self) -> None:
        """Add the sums of another part of the log, added up elsewhere."""
        if other._sums is not None:
            self._sums = _added(self._sums, other._sums)
        self._support = self._support.merged(other._support)
        self._bets.merge(other._bets)

    def result(self, alpha: float = 0.05, seed: int = 0) -> Estimate:
        """The estimate of what was added, with intervals that miss in a share `alpha` of logs; seed: of resamples."""
        verdict = self._support.verdict(self._estimator.random)
        if self._sums is None or verdict.refuses:
            nan = float("nan")
            return Estimate(nan, nan, nan, nan, nan, self._support.requests, self._support, verdict)
        value, low, high = resampled(self._sums, self._estimator.value, alpha, seed)
        safe_low, safe_high = self._bets.interval(alpha)
        return Estimate(
            value, low, high, safe_low * self._most, safe_high * self._most, self._support.requests, self._support,
            verdict,
        )  # fmt: skip


class DifferenceAdder:
    """Sums of the difference of two policies over the lists added so far: what people ask of a log."""

    def __init__(self) -> None:
        self._sums: np.ndarray | None = None
        self._supports = Support(), Support()

    def add(self, lists: LoggedLists, other: LoggedLists) -> None:
        """Add a part of the log, with the probabilities of the first policy and with those of the second."""
        if not np.array_equal(lists.logging, other.logging) or not np.array_equal(lists.rewards, other.rewards):
            raise BadInput("two logs", where="other", cure="give the same requests with the other policy's `target`")
        self._sums = _added(self._sums, bucket_sums(lists.members, difference_columns(lists, other)))
        first, second = self._supports
        self._supports = (
            first.with_lists(lists, lists.ratios()[:, -1:]),
            second.with_lists(other, other.ratios()[:, -1:]),
        )

    def merge(self, other: Self) -> None:
        """Add the sums of another part of the log."""
        if other._sums is not None:
            self._sums = _added(self._sums, other._sums)
        self._supports = (
            self._supports[0].merged(other._supports[0]),
            self._supports[1].merged(other._supports[1]),
        )

    def result(self, alpha: float = 0.05, seed: int = 0) -> Estimate:
        """The first policy's mean reward less the second's; the safe interval is not there for differences."""
        first, second = self._supports
        worse = max((first.verdict(True), second.verdict(True)), key=lambda verdict: verdict.rank)
        support = first if first.effective <= second.effective else second
        nan = float("nan")
        if self._sums is None or worse.refuses:
            return Estimate(nan, nan, nan, nan, nan, first.requests, support, worse)
        value, low, high = resampled(self._sums, difference_value, alpha, seed)
        return Estimate(value, low, high, nan, nan, first.requests, support, worse)


class Bets:
    """Log-wealth of gamblers who bet that a mean of nonnegative values is above m, for a grid of m and of stakes.

    The mean wealth of the gamblers who are right about m is at most 1, so that those m are left out whose gamblers
    have won 1 / alpha. Wealth is a sum of logs, so that parts of a log are merged. A bet against the mean of weight
    times reward bounds the value from below; one against weight times what is missing to the largest reward, from
    above, since weights have the mean 1.

    Source: Waudby-Smith et al., Anytime-valid off-policy inference for contextual bandits (arXiv 2210.10768), section
    2.2, with a mixture over fixed stakes in place of a predictable one.
    """

    MEANS = np.linspace(0.01, 1.0, 100)
    STAKES = 1 / np.geomspace(1.05, 2_000, 16)

    def __init__(self) -> None:
        shape = (len(self.MEANS), len(self.STAKES))
        self._below, self._above = np.zeros(shape), np.zeros(shape)

    def add(self, below: np.ndarray, above: np.ndarray) -> None:
        """Add values: (n,) float64 each, at least 0."""
        for wealth, values in ((self._below, below), (self._above, above)):
            for part in np.array_split(values, max(1, len(values) // 2_000)):
                distinct, counts = np.unique(part, return_counts=True)
                for j, stake in enumerate(self.STAKES):  # shares of the largest that cannot lose everything, 1 / m
                    gains = stake * (distinct[:, None] / self.MEANS - 1.0)
                    wealth[:, j] += counts @ np.log1p(gains)

    def merge(self, other: Self) -> None:
        self._below += other._below
        self._above += other._above

    def interval(self, alpha: float) -> tuple[float, float]:
        """(low, high) of a mean between 0 and 1; each end misses in at most a share alpha / 2."""
        low = self._largest_refuted(self._below, alpha / 2)
        return low, 1.0 - self._largest_refuted(self._above, alpha / 2)

    def _largest_refuted(self, wealth: np.ndarray, alpha: float) -> float:
        top = wealth.max(axis=1, keepdims=True)
        mixed = top[:, 0] + np.log(np.exp(wealth - top).mean(axis=1))
        refuted = np.flatnonzero(mixed >= -np.log(alpha))
        return float(self.MEANS[refuted[-1]]) if len(refuted) else 0.0


def bucket_sums(members: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(BUCKETS, c) float64: the columns summed over the members of each bucket."""
    bucket = ((members.astype(np.uint64) * _MIX) >> np.uint64(40)).astype(np.int64) % BUCKETS
    return np.stack([np.bincount(bucket, column, BUCKETS) for column in columns.T], axis=1)


def resampled(
    sums: np.ndarray, value: Callable[[np.ndarray], np.ndarray], alpha: float, seed: int
) -> tuple[float, float, float]:
    """The value of all members, and the interval of those of resampled buckets (reverse percentile, clustered).

    Source: Davison and Hinkley, Bootstrap Methods and their Application (1997), section 5.2.
    """
    present = sums[(sums != 0).any(axis=1)]
    whole = float(value(sums.sum(axis=0)))
    if len(present) < 2:
        return whole, float("-inf"), float("inf")  # one member tells nothing of others
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(present), np.full(len(present), 1 / len(present)), RESAMPLES)
    drawn = value(counts @ present)
    low, high = np.nanquantile(drawn, [alpha / 2, 1 - alpha / 2])
    return whole, 2 * whole - float(high), 2 * whole - float(low)


def requests_needed(estimate: Estimate, gain: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """How many requests of such a log would tell a gain from chance, in a share `power` of logs.

    Args:
        estimate: Of the log so far, with an interval at `alpha`.
        gain: In the estimate's own unit, above 0.
        alpha: How often nothing may be taken for a gain.
        power: How often the gain is to be found.

    Raises:
        BadInput: The gain is not above 0.
    """
    from scipy.stats import norm

    if not gain > 0:
        raise BadInput(f"{gain:g}", where="gain", cure="state the smallest gain that would be worth shipping")
    deviation = (estimate.high - estimate.low) / (2 * norm.ppf(1 - alpha / 2))
    ratio = deviation * (norm.ppf(1 - alpha / 2) + norm.ppf(power)) / gain
    return int(np.ceil(estimate.requests * ratio**2))


def _added(sums: np.ndarray | None, more: np.ndarray) -> np.ndarray:
    return more if sums is None else sums + more
