"""How far two graders agree: Cohen's kappa, linear and quadratic, with bootstrap intervals.

Source: Cohen, Weighted kappa (Psychological Bulletin 70, 1968). The bootstrap draws pairs with replacement; what kappa
reads of a sample is its confusion matrix, so matrices are drawn instead, which is the same distribution and fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from contracts.errors import BadInput

SCALE = 5
STEPS = np.abs(np.subtract.outer(np.arange(SCALE), np.arange(SCALE)))
"""(5, 5): how many grades two graders are apart."""


class Interval(NamedTuple):
    """A value and its 95% bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


class Agreement(NamedTuple):
    """exact: share of pairs with equal grades; confusion: (5, 5) int64, rows by the first grader."""

    pairs: int
    exact: float
    linear: Interval
    quadratic: Interval
    confusion: np.ndarray

    def __str__(self) -> str:
        kappas = f"quadratic kappa {self.quadratic}, linear {self.linear}"
        return f"{kappas}, equal {self.exact:.1%} of {self.pairs:,} pairs"

    def as_dict(self) -> dict[str, Any]:
        """For JSON, without the confusion."""
        kappas = {"linear": self.linear._asdict(), "quadratic": self.quadratic._asdict()}
        return {"pairs": self.pairs, "exact": self.exact, **kappas}


def agreement(first: Sequence[int], second: Sequence[int], rounds: int = 1_000, seed: int = 0) -> Agreement:
    """How far two graders agree on the same pairs.

    Kappa is 1 for equal grades, 0 for agreement by chance, and 1 where both give one and the same grade throughout.

    Args:
        first: One grader's grades, 0 to 4.
        second: The other grader's grades of the same pairs.
        rounds: Bootstrap samples of the intervals.
        seed: Of the bootstrap.

    Raises:
        BadInput: There are no pairs, unequal numbers of them, or a grade off the scale.
    """
    a, b = np.asarray(first, np.int64), np.asarray(second, np.int64)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise BadInput(f"{a.size} and {b.size} grades", cure="give both graders' grades of the same pairs")
    for grades in (a, b):
        if grades.min() < 0 or grades.max() >= SCALE:
            off = grades[(grades < 0) | (grades >= SCALE)][0]
            raise BadInput(f"grade {off} is not on the scale", cure="grades are 0 to 4")
    confusion = np.bincount(a * SCALE + b, minlength=SCALE * SCALE)
    drawn = np.random.default_rng(seed).multinomial(len(a), confusion / len(a), rounds)
    intervals = []
    for penalty in (STEPS, STEPS**2):
        low, high = np.quantile(_kappa(drawn, penalty), (0.025, 0.975))
        intervals.append(Interval(float(_kappa(confusion[None], penalty)[0]), float(low), float(high)))
    exact = float(np.mean(a == b))
    return Agreement(len(a), exact, intervals[0], intervals[1], confusion.reshape(SCALE, SCALE))


def quadratic_kappa(confusions: np.ndarray) -> np.ndarray:
    """(n,) float64: the quadratic kappa of n confusion matrices, (25,) or (n, 25) counts, rows by the first grader."""
    return _kappa(confusions, STEPS**2)


def _kappa(confusions: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """(n,) float64 of n flat confusion matrices under a (5, 5) penalty of disagreement."""
    tables = confusions.reshape(-1, SCALE, SCALE).astype(np.float64)
    total = tables.sum(axis=(1, 2))
    observed = (tables * penalty).sum(axis=(1, 2)) * total
    expected = np.einsum("ni,nj,ij->n", tables.sum(axis=2), tables.sum(axis=1), penalty)
    return 1.0 - np.divide(observed, expected, out=np.zeros(len(tables)), where=expected > 0)
