"""Lists drawn by chance, with the probabilities with which they were: what a log must know to be learned from honestly.

Places are filled one by one, each from the jobs that are left with probability proportional to exp(score / temperature)
(Plackett-Luce); adding Gumbel noise to score / temperature and sorting draws the same (Gumbel-top-k, Kool et al. 2019,
arXiv 1903.06059). The places before `first` are not drawn, nor are those behind the first `MOST_DRAWN` that are: the
marginal propensities of d places cost some d^3.

The joint propensity is the product over the places drawn, exact. That of a job at its place is the marginal over all
lists, which is what `contracts.records.Event.propensity` means and what makes a click divided by it unbiased; the
probability given the jobs before it would not be. With the weights w, job i stands behind exactly p others with
probability

    integral over t > 0 of w_i exp(-t w_i) P[p of the others have come by t] dt,   P[j has come by t] = 1 - exp(-t w_j)

since jobs come in order of independent exponential times with the weights as rates: a Poisson-binomial count under one
integral. It is summed by the trapezoid rule in log t, whose error falls exponentially in the step; here it is below
1e-9. Those that were not shown are counted once for all that were.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from contracts.errors import BadInput
from contracts.records import LEAST_PROPENSITY

MOST_DRAWN = 50
"""Places of a list that are drawn."""
_STEP, _EARLY, _LATE = 0.125, 25.0, 4.5
"""Of log t: the step, and how far before and behind a job's mean time is summed; outside is below 1e-10."""
_GAP = 30.0
"""Between two logits that are neighbours in order; jobs further apart swap places with a probability below 1e-13."""
_OVER = 6.0
"""Log of a time by which a job of rate 1 has come."""


@dataclass(frozen=True)
class Draw:
    """The first m places of a list of n jobs, m the last place that was drawn.

    Attributes:
        order: (m,) int, the job at each place.
        propensities: (m,) float64 in (0, 1], the marginal probability of each job at its place; 1 before `first`.
        joint: Probability of the list.
        temperature: By which scores were divided.
        first: The first place that was drawn, from 1.
        seed: With which the same scores give the same list.
    """

    order: np.ndarray
    propensities: np.ndarray
    joint: float
    temperature: float
    first: int
    seed: int


def draw(scores: np.ndarray, k: int, temperature: float, seed: int, first: int = 1) -> Draw:
    """The first k of n jobs, drawn from place `first` on, `MOST_DRAWN` places at most: there the list ends.

    Args:
        scores: (n,) finite, of jobs in the order in which they would be shown.
        k: Places; all jobs where there are fewer.
        temperature: Above 0; towards 0 the order is that of the scores, at infinity it is uniform.
        seed: Not negative.
        first: From 1.

    Raises:
        BadInput: A score is not finite, or temperature or first are out of their range.
    """
    if not np.isfinite(scores).all():
        raise BadInput("a score is not finite", cure="draw among jobs that were scored")
    if not temperature > 0 or first < 1:
        raise BadInput(f"temperature {temperature:g}, first {first}", cure="a temperature above 0, and first from 1")
    k = min(k, len(scores))
    fixed = min(first - 1, k)
    logits = np.asarray(scores[fixed:], np.float64) / temperature
    noise = np.random.default_rng(seed).gumbel(size=len(logits))
    drawn = np.argsort(-(logits + noise), kind="stable")[: min(k - fixed, MOST_DRAWN)]
    propensities = np.concatenate([np.ones(fixed), at_places(logits, drawn)])
    joint = float(np.exp(log_joint(logits, drawn)))
    return Draw(
        np.concatenate([np.arange(fixed), drawn + fixed]).astype(np.int64),
        np.clip(propensities, LEAST_PROPENSITY, 1.0),
        max(joint, LEAST_PROPENSITY),
        temperature,
        first,
        seed,
    )


def log_joint(logits: np.ndarray, order: np.ndarray) -> float:
    """Logarithm of the probability that the first places hold `order`.

    Args:
        logits: (n,) of all jobs.
        order: (k,) int, jobs of the first places.
    """
    if not len(order):
        return 0.0
    chosen = logits[order]
    rest = np.delete(logits, order)
    behind = np.concatenate([chosen, rest])
    left = np.logaddexp.accumulate(behind[::-1])[::-1][: len(order)]  # of each place and all behind it
    return float((chosen - left).sum())


def at_places(logits: np.ndarray, order: np.ndarray) -> np.ndarray:
    """(k,) float64: the marginal probability of each job of `order` to stand at its place.

    Args:
        logits: (n,) of all jobs.
        order: (k,) int, jobs of the first places.
    """
    places = len(order)
    if not places:
        return np.zeros(0)
    rates = _closed_up(logits)
    shown = rates[order]
    log_t = np.arange(-shown.max() - _EARLY, -shown.min() + _LATE, _STEP)
    came = -np.expm1(-np.exp(np.minimum(log_t[None] + rates[:, None], _OVER)))  # (n, q)
    counts = np.zeros((places, len(log_t)))  # probability that so many came, of those that were not shown
    counts[0] = 1.0
    for job in np.delete(np.arange(len(logits)), order):
        counts = _with_one_more(counts, came[job])
    others = np.repeat(counts[None], places, axis=0)  # (k, k, q), of all but the job at each place
    for place, job in enumerate(order):
        added = _with_one_more(others, came[job])
        added[place] = others[place]
        others = added
    at_own = others[np.arange(places), np.arange(places)]
    times = np.exp(np.minimum(log_t[None] + shown[:, None], _OVER))
    return np.asarray((at_own * times * np.exp(-times)).sum(axis=1) * _STEP)


def _closed_up(logits: np.ndarray) -> np.ndarray:
    """(n,) logits with no gap above `_GAP`, so that the range over which is summed is bounded."""
    best = np.argsort(-logits, kind="stable")
    closed = np.zeros(len(logits))
    closed[best[1:]] = -np.minimum(-np.diff(logits[best]), _GAP).cumsum()
    return closed


def _with_one_more(counts: np.ndarray, came: np.ndarray) -> np.ndarray:
    """(..., k, q) probabilities that so many of some jobs came, with one more that comes with `came` ((q,))."""
    made = counts * (1.0 - came)
    made[..., 1:, :] += counts[..., :-1, :] * came
    return np.asarray(made)
