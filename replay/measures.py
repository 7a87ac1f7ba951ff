"""Measures of runs against qrels (by ir_measures) and of scores against labels, all with bootstrap intervals.

Intervals are percentiles over resampled requests; all systems of one table are resampled alike, so that a difference
of two systems is paired. Source: Sakai, Evaluating evaluation metrics based on the bootstrap (SIGIR 2006).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import ir_measures
import numpy as np

from replay.results import Bin
from replay.trec import decode

RESAMPLES = 1_000
LEVEL = 0.95
_CHUNK = 200


class Estimate(NamedTuple):
    """A mean over requests with its interval. n: the requests that it is over."""

    value: float
    low: float
    high: float
    n: int


def per_request(qrels: Path, run: Path, measures: Sequence[str], requests: Sequence[str]) -> dict[str, np.ndarray]:
    """Each measure (as ir_measures spells it: "nDCG@10", "R@100", "RR@10") of each request, from TREC files.

    Returns measure -> (len(requests),) float64; a request that the run does not answer counts as zero. Gains of
    nDCG are the qrels' own (linear).
    """
    parsed = {ir_measures.parse_measure(name): name for name in measures}
    place = {request: i for i, request in enumerate(requests)}
    values = {name: np.zeros(len(requests)) for name in measures}
    found = ir_measures.iter_calc(
        list(parsed), ir_measures.read_trec_qrels(str(qrels)), ir_measures.read_trec_run(str(run))
    )
    for metric in found:
        values[parsed[metric.measure]][place[decode(metric.query_id)]] = metric.value
    return values


def resamples(n: int, seed: int, count: int = RESAMPLES) -> Iterator[np.ndarray]:
    """Bootstrap samples of n requests as (chunk, n) float32 counts, each row adding up to n; the same for one seed."""
    rng = np.random.default_rng(seed)
    for start in range(0, count, _CHUNK):
        rows = min(_CHUNK, count - start)
        drawn = rng.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float32)


def mean_estimates(values: np.ndarray, seed: int, count: int = RESAMPLES) -> list[Estimate]:
    """The mean of each column of (n, columns) float64 with its interval; the columns are resampled alike."""
    n = len(values)
    if not n:
        return [Estimate(np.nan, np.nan, np.nan, 0)] * values.shape[1]
    drawn = np.concatenate([counts @ values for counts in resamples(n, seed, count)]) / n
    low, high = _interval(drawn)
    means = values.mean(axis=0)
    return [Estimate(float(m), float(a), float(b), n) for m, a, b in zip(means, low, high, strict=True)]


def auc_estimates(
    scores: np.ndarray, labels: np.ndarray, lists: np.ndarray, seed: int, count: int = RESAMPLES
) -> list[Estimate]:
    """Area under the ROC curve of each column of scores over all pairs, ties counted half; lists are resampled.

    scores: (n, systems) float; labels: (n,) bool; lists: (n,) of any type that sorts. NaN where one class is absent.
    """
    _, segment = np.unique(lists, return_inverse=True)
    n = int(segment.max()) + 1 if len(segment) else 0
    if labels.all() or not labels.any():
        return [Estimate(np.nan, np.nan, np.nan, n)] * scores.shape[1]
    sweeps = [_Sweep(column, labels, segment) for column in scores.T]
    once = np.ones(n, np.float32)
    drawn = [[sweep.area(row) for sweep in sweeps] for counts in resamples(n, seed, count) for row in counts]
    low, high = _interval(np.array(drawn))
    return [Estimate(sweep.area(once), float(a), float(b), n) for sweep, a, b in zip(sweeps, low, high, strict=True)]


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = 10) -> list[Bin]:
    """Up to `bins` bins of about equal mass, ascending, with Wilson score intervals (Wilson 1927).

    probabilities: (n,) in [0, 1]; labels: (n,) bool. Pairs of one probability stay in one bin, and each bin holds at
    least n / bins pairs.
    """
    values, place, counts = np.unique(probabilities, return_inverse=True, return_counts=True)
    group, mass, least = np.zeros(len(values), np.int64), 0, len(probabilities) / bins
    for i in range(1, len(values)):
        mass += counts[i - 1]
        closed = mass >= least and counts[i:].sum() >= least  # what is left must make a bin of its own
        group[i] = group[i - 1] + closed
        mass = 0 if closed else mass
    bin_of, found = group[place], []
    for i in range(int(group[-1]) + 1 if len(group) else 0):
        mine = bin_of == i
        rate, n = float(labels[mine].mean()), int(mine.sum())
        low, high = _wilson(rate, n)
        found.append(Bin(predicted=float(probabilities[mine].mean()), observed=rate, low=low, high=high, n=n))
    return found


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """Mean distance of observed from predicted over bins, by their pairs (Naeini et al. 2015); NaN for none."""
    total = sum(b.n for b in bins)
    return sum(b.n * abs(b.observed - b.predicted) for b in bins) / total if total else float("nan")


def recall_curve(ranks: Sequence[np.ndarray], relevant: np.ndarray, depth: int) -> np.ndarray:
    """(depth,) float64: mean share of a request's relevant jobs among its first 1, 2, ... depth.

    ranks: for each request the 0-based ranks of its relevant jobs that were found; relevant: (n,) how many it has.
    """
    found = np.zeros(depth)
    for mine, total in zip(ranks, relevant, strict=True):
        np.add.at(found, mine[mine < depth], 1 / total)
    return np.cumsum(found) / max(len(ranks), 1)


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


def _interval(drawn: np.ndarray) -> np.ndarray:
    """(2, columns): the percentile interval of each column of (resamples, columns)."""
    tail = 100 * (1 - LEVEL) / 2
    return np.nanpercentile(drawn, [tail, 100 - tail], axis=0)


def _wilson(rate: float, n: int, z: float = 1.96) -> tuple[float, float]:
    centre, margin = rate + z * z / (2 * n), z * np.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    low, high = (centre - margin) / (1 + z * z / n), (centre + margin) / (1 + z * z / n)
    return min(float(low), rate), max(float(high), rate)  # at 0 and 1 they meet the rate but for rounding
