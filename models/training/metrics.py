"""How good scores are on held-out pairs: NDCG within lists, AUC over events, agreement of orders, calibration.

Intervals are percentiles over resampled lists. Source: Sakai, Evaluating evaluation metrics based on the bootstrap
(SIGIR 2006).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from contracts.values import FrozenModel

RESAMPLES = 1_000
LEVEL = 0.95
_CHUNK = 200


class Bin(FrozenModel):
    """Pairs of like predicted probability: mean prediction, observed rate with its interval, and their number."""

    predicted: float
    observed: float
    low: float
    high: float
    n: int


def list_ndcgs(scores: np.ndarray, gains: np.ndarray, lists: Sequence[np.ndarray], k: int = 10) -> np.ndarray:
    """NDCG@k of each list of row numbers (lists,) float64: linear gains, ties broken against the system.

    Rows whose gain is NaN are left out; a list is NaN where no gain differs from another.
    """
    values = np.full(len(lists), np.nan)
    for i, rows in enumerate(lists):
        rows = rows[np.isfinite(gains[rows])]
        if len(rows) < 2 or np.ptp(gains[rows]) == 0:
            continue
        order = np.lexsort((gains[rows], -scores[rows]))[:k]
        ideal = np.sort(gains[rows])[::-1][:k]
        discount = 1 / np.log2(np.arange(len(order)) + 2)
        values[i] = (gains[rows][order] @ discount) / (ideal @ discount)
    return values


def mean_ndcg(scores: np.ndarray, gains: np.ndarray, lists: Sequence[np.ndarray], k: int = 10) -> float:
    """Mean of `list_ndcgs` over the lists that have one; NaN where none has."""
    values = list_ndcgs(scores, gains, lists, k)
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def auc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Area under the ROC curve over rows whose label is known; NaN where one class is absent."""
    from sklearn.metrics import roc_auc_score

    known = np.isfinite(labels)
    positive = labels[known] > 0.5
    if not positive.any() or positive.all():
        return float("nan")
    return float(roc_auc_score(positive, scores[known]))


def top_agreement(scores: np.ndarray, reference: np.ndarray, lists: Sequence[np.ndarray]) -> float:
    """NDCG@1 agreement: mean over lists of reference(top by scores) / reference(top by reference), as probabilities."""
    probability = 1 / (1 + np.exp(-reference))
    values = [probability[rows[np.argmax(scores[rows])]] / probability[rows].max() for rows in lists if len(rows) > 1]
    return float(np.mean(values)) if values else float("nan")


def rank_correlation(scores: np.ndarray, reference: np.ndarray, lists: Sequence[np.ndarray]) -> float:
    """Mean of Kendall's tau-b (Kendall 1945) over the lists in which both tell jobs apart; NaN where there is none."""
    from scipy.stats import kendalltau

    told = [rows for rows in lists if len(rows) > 1 and np.ptp(scores[rows]) > 0 and np.ptp(reference[rows]) > 0]
    return float(np.mean([kendalltau(scores[rows], reference[rows]).statistic for rows in told])) if told else np.nan


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = 10) -> list[Bin]:
    """Up to `bins` bins of about equal mass, ascending, with Wilson score intervals (Wilson 1927).

    probabilities: (n,) in [0, 1]; labels: (n,) in [0, 1], NaN where not known, which are left out. Pairs of one
    probability stay in one bin, and each bin holds at least a `bins`-th of them. Of soft labels the interval is wider
    than need be: they vary less than events of the same rate.
    """
    known = np.isfinite(labels)
    p, y = probabilities[known], labels[known]
    place, found = _places(p, bins), []
    for i in range(int(place.max(initial=-1)) + 1):
        mine = place == i
        rate, n = float(y[mine].mean()), int(mine.sum())
        low, high = _wilson(rate, n)
        found.append(Bin(predicted=float(p[mine].mean()), observed=rate, low=low, high=high, n=n))
    return found


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 10) -> float:
    """Mean distance of observed from predicted over the bins of `reliability`, by their pairs; NaN for none.

    The expected calibration error of Naeini et al., Obtaining well calibrated probabilities (AAAI 2015), over bins of
    equal mass. Few pairs make it look larger than it is: each bin's rate is off by chance.
    """
    found = reliability(probabilities, labels, bins)
    total = sum(b.n for b in found)
    return sum(b.n * abs(b.observed - b.predicted) for b in found) / total if total else float("nan")


def calibration_interval(
    probabilities: np.ndarray, labels: np.ndarray, lists: np.ndarray, seed: int = 0, bins: int = 10
) -> tuple[float, float]:
    """The interval of `calibration_error` over resampled lists, in the bins of the whole; NaN where no label is known.

    lists: (n,) of any type that sorts, the list of each pair.
    """
    known = np.isfinite(labels)
    if not known.any():
        return float("nan"), float("nan")
    p, y = probabilities[known], labels[known]
    names, of_list = np.unique(lists[known], return_inverse=True)
    place = _places(p, bins)
    apart = np.zeros((len(names), int(place.max()) + 1))
    np.add.at(apart, (of_list, place), y - p)
    sizes = np.bincount(of_list).astype(np.float64)
    drawn = [np.abs(counts @ apart).sum(axis=1) / (counts @ sizes) for counts in resamples(len(names), seed)]
    low, high = interval(np.concatenate(drawn)[:, None])[:, 0]
    return float(low), float(high)


def mean_interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """The interval of the mean of `values` (lists,) over resampled lists; NaN values are left out, NaN for none."""
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    drawn = np.concatenate([counts @ values / len(values) for counts in resamples(len(values), seed)])
    low, high = interval(drawn[:, None])[:, 0]
    return float(low), float(high)


def resamples(n: int, seed: int, count: int = RESAMPLES) -> Iterator[np.ndarray]:
    """Bootstrap samples of n lists as (chunk, n) float32 counts, each row adding up to n; the same for one seed."""
    rng = np.random.default_rng(seed)
    for start in range(0, count, _CHUNK):
        rows = min(_CHUNK, count - start)
        drawn = rng.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float32)


def interval(drawn: np.ndarray) -> np.ndarray:
    """(2, columns): the percentile interval of each column of (resamples, columns)."""
    tail = 100 * (1 - LEVEL) / 2
    return np.nanpercentile(drawn, [tail, 100 - tail], axis=0)


def _places(p: np.ndarray, bins: int) -> np.ndarray:
    """(n,) int64 bin of each probability (n,)."""
    values, place, counts = np.unique(p, return_inverse=True, return_counts=True)
    group, mass, left, least = np.zeros(len(values), np.int64), 0, len(p), len(p) / bins
    for i in range(1, len(values)):
        mass, left = mass + counts[i - 1], left - counts[i - 1]
        closed = mass >= least and left >= least  # what is left must make a bin of its own
        group[i] = group[i - 1] + closed
        mass = 0 if closed else mass
    return group[place]


def _wilson(rate: float, n: int, z: float = 1.96) -> tuple[float, float]:
    centre, margin = rate + z * z / (2 * n), z * np.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    low, high = (centre - margin) / (1 + z * z / n), (centre + margin) / (1 + z * z / n)
    return min(float(low), rate), max(float(high), rate)  # at 0 and 1 they meet the rate but for rounding
