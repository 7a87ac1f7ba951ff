"""Which candidates a judge grades if it has a budget of pairs: those on which systems disagree, and a floor of any.

A pair on which all systems agree teaches little, and one that a system shows and another buries teaches much. But the
grades of such pairs alone say nothing about all candidates. So the draw has two strata: the pairs of most disagreement
are taken with certainty, and of the rest some uniformly. Each drawn pair has its inclusion probability, and a mean over
all candidates is estimated without bias by weighing each drawn pair with its inverse.

Source: Horvitz and Thompson, A generalization of sampling without replacement from a finite universe (JASA 47, 1952).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Drawn(NamedTuple):
    """The drawn pairs of one request.

    Attributes:
        places: (m,) int64 of the candidates, ascending.
        inclusion: (m,) float64 in (0, 1], the probability with which each of them was drawn.
    """

    places: np.ndarray
    inclusion: np.ndarray


def disagreement(orders: Sequence[np.ndarray]) -> np.ndarray:
    """(n,) float64: how far systems place each candidate apart, in powers of 2: 3rd and 100th are further apart than
    150th and 200th, since the first ones are those that people see.

    Args:
        orders: Of each system (n,) float scores, higher first; equal scores share the mean of their places.
    """
    from scipy.stats import rankdata

    places = np.stack([np.log2(rankdata(-scores)) for scores in orders])
    return places.max(axis=0) - places.min(axis=0)


def draw_pairs(apart: np.ndarray, budget: int, floor: float, rng: np.random.Generator) -> Drawn:
    """Draw the candidates of a request that the judge grades.

    Args:
        apart: (n,) float, how far systems disagree on each candidate.
        budget: Pairs at most; all n where there are no more.
        floor: Share of the budget that is drawn uniformly of what disagreement leaves; one pair at least.
        rng: Draws them.
    """
    n = len(apart)
    if budget >= n:
        return Drawn(np.arange(n), np.ones(n))
    uniform = min(budget, max(1, round(floor * budget))) if budget else 0
    order = np.argsort(-apart, kind="stable")
    certain, rest = order[: budget - uniform], order[budget - uniform :]
    inclusion = np.ones(n)
    inclusion[rest] = uniform / len(rest)
    places = np.sort(np.concatenate([certain, rng.permutation(rest)[:uniform]])).astype(np.int64)
    return Drawn(places, inclusion[places])


def shares(budget: int, lists: int) -> list[int]:
    """A budget of pairs over so many lists, as evenly as it goes."""
    return [budget * (i + 1) // lists - budget * i // lists for i in range(lists)]
