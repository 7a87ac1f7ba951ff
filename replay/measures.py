"""Measures of runs against qrels (by ir_measures) and of scores against labels, with bootstrap intervals.

Intervals are percentiles over resampled requests; all systems of one table are resampled alike, so that a difference
of two systems is paired. Source: Sakai, Evaluating evaluation metrics based on the bootstrap (SIGIR 2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import ir_measures
import numpy as np

from models.training.metrics import RESAMPLES, interval, resamples
from policy.golden.agreement import quadratic_kappa
from replay.trec import decode


class Estimate(NamedTuple):
    """A mean over requests with its interval. n: the requests that it is over."""

    value: float
    low: float
    high: float
    n: int


def per_request(qrels: Path, run: Path, measures: Sequence[str], requests: Sequence[str]) -> dict[str, np.ndarray]:
    """Each measure of each request, from TREC files.

    Args:
        qrels: File of the gains, which nDCG takes as they are (linear).
        run: File of a run.
        measures: As ir_measures spells them: "nDCG@10", "R@100", "RR@10".
        requests: n ids of requests.

    Returns:
        Measure -> (n,) float64; 0 for a request that the run does not answer.
    """
    parsed = {ir_measures.parse_measure(name): name for name in measures}
    place = {request: i for i, request in enumerate(requests)}
    values = {name: np.zeros(len(requests)) for name in measures}
    files = ir_measures.read_trec_qrels(str(qrels)), ir_measures.read_trec_run(str(run))
    for metric in ir_measures.iter_calc(list(parsed), *files):
        values[parsed[metric.measure]][place[decode(metric.query_id)]] = metric.value
    return values


def mean_estimates(
    values: np.ndarray, seed: int, count: int = RESAMPLES, groups: np.ndarray | None = None
) -> list[Estimate]:
    """The mean of each column with its bootstrap interval; the columns are resampled alike.

    Args:
        values: (n, columns) float64, a row a request.
        seed: Of the bootstrap.
        count: Resamples.
        groups: (n,) of any type that sorts; requests of one group depend on each other and are resampled together.
    """
    n = len(values)
    if not n:
        return [Estimate(np.nan, np.nan, np.nan, 0)] * values.shape[1]
    _, group = np.unique(np.arange(n) if groups is None else groups, return_inverse=True)
    sums = np.stack([np.bincount(group, column) for column in (*values.T, np.ones(n))], axis=1)
    drawn = np.concatenate([counts @ sums for counts in resamples(len(sums), seed, count)])
    low, high = interval(drawn[:, :-1] / drawn[:, -1:])
    means = values.mean(axis=0)
    return [Estimate(float(m), float(a), float(b), n) for m, a, b in zip(means, low, high, strict=True)]


def ratio_estimates(values: np.ndarray, base: np.ndarray, seed: int, count: int = RESAMPLES) -> list[Estimate]:
    """The sum of each column divided by that of a base, with its bootstrap interval; resampled as `mean_estimates`.

    Args:
        values: (n, columns) float64, a row a request.
        base: (n,) float64.
        seed: Of the bootstrap.
        count: Resamples.

    Returns:
        One estimate a column; 0 where the base adds up to nothing.
    """
    n = len(values)
    if not n or not base.any():
        return [Estimate(0.0, 0.0, 0.0, n)] * values.shape[1]
    sums = np.concatenate([values, base[:, None]], axis=1)
    drawn = np.concatenate([counts @ sums for counts in resamples(n, seed, count)])
    below = np.where(drawn[:, -1:] == 0, np.nan, drawn[:, -1:])
    low, high = interval(drawn[:, :-1] / below)
    ratios = values.sum(axis=0) / base.sum()
    return [Estimate(float(r), float(a), float(b), n) for r, a, b in zip(ratios, low, high, strict=True)]


def kappa_estimate(confusions: np.ndarray, seed: int, count: int = RESAMPLES) -> Estimate:
    """Quadratic kappa over the pairs of all lists with its bootstrap interval over lists.

    Args:
        confusions: (n, 25) counts of each list's pairs by both grades, as `policy.golden.agreement` lays them out.
        seed: Of the bootstrap.
        count: Resamples.
    """
    drawn = np.concatenate([counts @ confusions for counts in resamples(len(confusions), seed, count)])
    low, high = interval(quadratic_kappa(drawn)[:, None])[:, 0]
    return Estimate(float(quadratic_kappa(confusions.sum(axis=0))[0]), float(low), float(high), len(confusions))


def auc_by_list(scores: np.ndarray, labels: np.ndarray, lists: np.ndarray) -> np.ndarray:
    """Area under the ROC curve within each list, ties counted half.

    Args:
        scores: (n, systems) float.
        labels: (n,) bool.
        lists: (n,) of any type that sorts.

    Returns:
        (lists with both classes, systems) float64.
    """
    order = np.argsort(lists, kind="stable")
    areas = []
    for rows in np.split(order, np.flatnonzero(lists[order][1:] != lists[order][:-1]) + 1):
        positive, negative = rows[labels[rows]], rows[~labels[rows]]
        if len(positive) and len(negative):
            apart = scores[positive][:, None] - scores[negative][None]
            areas.append(((apart > 0) + (apart == 0) / 2).mean(axis=(0, 1)))
    return np.array(areas).reshape(len(areas), scores.shape[1])


def auc_estimates(
    scores: np.ndarray, labels: np.ndarray, lists: np.ndarray, seed: int, count: int = RESAMPLES
) -> list[Estimate]:
    """Area under the ROC curve of each column over all pairs, ties counted half, with its bootstrap interval.

    Args:
        scores: (n, systems) float.
        labels: (n,) bool.
        lists: (n,) of any type that sorts; lists are resampled.
        seed: Of the bootstrap.
        count: Resamples.

    Returns:
        One estimate a system; NaN where one class is absent.
    """
    _, segment = np.unique(lists, return_inverse=True)
    n = int(segment.max()) + 1 if len(segment) else 0
    if labels.all() or not labels.any():
        return [Estimate(np.nan, np.nan, np.nan, n)] * scores.shape[1]
    sweeps = [_Sweep(column, labels, segment) for column in scores.T]
    once = np.ones(n, np.float32)
    drawn = [[sweep.area(row) for sweep in sweeps] for counts in resamples(n, seed, count) for row in counts]
    low, high = interval(np.array(drawn))
    return [Estimate(sweep.area(once), float(a), float(b), n) for sweep, a, b in zip(sweeps, low, high, strict=True)]


def recall_curve(ranks: Sequence[np.ndarray], relevant: np.ndarray, depth: int) -> np.ndarray:
    """Mean recall at 1, 2, ... depth.

    Args:
        ranks: For each of n requests the 0-based ranks of its relevant jobs that were found.
        relevant: (n,) number of relevant jobs.
        depth: Last rank of the curve.

    Returns:
        (depth,) float64.
    """
    gained = np.zeros(depth)
    for of_request, total in zip(ranks, relevant, strict=True):
        np.add.at(gained, of_request[of_request < depth], 1 / total)
    return np.cumsum(gained) / max(len(ranks), 1)


class _Sweep:
    """One column's pairs in the order of its scores, so that a resampled area is a weighted count."""

    def __init__(self, scores: np.ndarray, labels: np.ndarray, segment: np.ndarray) -> None:
        order = np.argsort(scores, kind="stable")
        ranked = scores[order]
        self._segment, self._positive = segment[order], labels[order].astype(np.float64)
        self._ties = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))

    def area(self, counts: np.ndarray) -> float:
        """counts: (lists,) how often each list was drawn. NaN where the draw holds one class alone."""
        weights = counts[self._segment].astype(np.float64)
        positive = np.add.reduceat(weights * self._positive, self._ties)
        negative = np.add.reduceat(weights * (1 - self._positive), self._ties)
        pairs = positive.sum() * negative.sum()
        below = np.cumsum(negative) - negative
        return float(positive @ (below + negative / 2) / pairs) if pairs else float("nan")
