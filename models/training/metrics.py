"""Metrics of scores on held-out pairs: NDCG within lists, AUC over events, agreement of orders, calibration.

Intervals are percentiles over resampled lists.

Source: Sakai, Evaluating evaluation metrics based on the bootstrap (SIGIR 2006).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from contracts.values import FrozenModel

RESAMPLES = 1_000
LEVEL = 0.95
"""Coverage of the intervals."""
_CHUNK = 200


class Bin(FrozenModel):
    """Pairs of similar predicted probability.

    Attributes:
        predicted: Mean predicted probability.
        observed: Mean label.
        low: Lower end of the interval of `observed`.
        high: Upper end.
        n: Number of pairs.
    """

    predicted: float
    observed: float
    low: float
    high: float
    n: int


def list_ndcgs(scores: np.ndarray, gains: np.ndarray, lists: Sequence[np.ndarray], k: int = 10) -> np.ndarray:
    """NDCG@k of each list, with linear gains; of equal scores the lowest gain comes first.

    Args:
        scores: (n,) float.
        gains: (n,) float, NaN for rows to leave out.
        lists: Row numbers of each list.
        k: Cutoff.

    Returns:
        (lists,) float64, NaN where all gains of a list are equal.
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


def grouped_mean(values: np.ndarray, groups: Sequence[str], seed: int) -> tuple[float, float, float]:
    """The mean of (n,) values with its interval over resampled groups: value, low and high.

    groups: n names; values of one group are resampled together, as one person's requests are alike.
    """
    _, which = np.unique(np.asarray(groups), return_inverse=True)
    sums, sizes = np.bincount(which, values), np.bincount(which)
    drawn = np.random.default_rng(seed).integers(len(sums), size=(RESAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(values.mean()), float(low), float(high)


def mean_ndcg(scores: np.ndarray, gains: np.ndarray, lists: Sequence[np.ndarray], k: int = 10) -> float:
    """Mean of `list_ndcgs` over the lists whose value is known; NaN where none is."""
    values = list_ndcgs(scores, gains, lists, k)
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def auc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Area under the ROC curve.

    Args:
        scores: (n,) float.
        labels: (n,) in [0, 1], NaN where not known; above 0.5 is a positive.

    Returns:
        The area over rows of known label; NaN where one class is absent.
    """
    from sklearn.metrics import roc_auc_score

    known = np.isfinite(labels)
    positive = labels[known] > 0.5
    if not positive.any() or positive.all():
        return float("nan")
    return float(roc_auc_score(positive, scores[known]))


def top_agreement(scores: np.ndarray, reference: np.ndarray, lists: Sequence[np.ndarray]) -> float:
    """NDCG@1 agreement: how good the first of each list is by the reference, as a share of the best.

    Args:
        scores: (n,) logits whose order is compared.
        reference: (n,) logits; their sigmoids are the gains.
        lists: Row numbers of each list.

    Returns:
        Mean over the lists of two rows or more; NaN where there is none.
    """
    probability = 1 / (1 + np.exp(-reference))
    values = [probability[rows[np.argmax(scores[rows])]] / probability[rows].max() for rows in lists if len(rows) > 1]
    return float(np.mean(values)) if values else float("nan")


def rank_correlation(scores: np.ndarray, reference: np.ndarray, lists: Sequence[np.ndarray]) -> float:
    """Mean of Kendall's tau-b over lists.

    Args:
        scores: (n,) float.
        reference: (n,) float.
        lists: Row numbers of each list.

    Returns:
        Mean over the lists in which neither is constant; NaN where there is none.

    Source: Kendall 1945.
    """
    from scipy.stats import kendalltau

    varied = [rows for rows in lists if len(rows) > 1 and np.ptp(scores[rows]) > 0 and np.ptp(reference[rows]) > 0]
    taus = [kendalltau(scores[rows], reference[rows]).statistic for rows in varied]
    return float(np.mean(taus)) if taus else np.nan


def mean_spearman(scores: np.ndarray, gains: np.ndarray, lists: Sequence[np.ndarray]) -> float:
    """Mean of Spearman's rank correlation over the lists in which both tell jobs apart; NaN where there is none."""
    from scipy.stats import spearmanr

    apart = [rows for rows in lists if len(rows) > 1 and np.ptp(scores[rows]) > 0 and np.ptp(gains[rows]) > 0]
    return float(np.mean([spearmanr(scores[rows], gains[rows]).statistic for rows in apart])) if apart else float("nan")


def quadratic_kappa(probabilities: np.ndarray, judge: np.ndarray, steps: int = 4) -> float:
    """Agreement of two graders beyond chance, disagreements weighted by their square.

    Args:
        probabilities: (n,) in [0, 1], read as grades 0 to `steps` by rounding.
        judge: (n,) in [0, 1], the same of the other grader, all known.
        steps: The highest grade.

    Returns:
        At most 1; NaN where one grader gives all pairs one and the same grade as the other.

    Source: Cohen, Weighted kappa (Psychological Bulletin 70, 1968).
    """
    first, second = (np.rint(steps * values.astype(np.float64)) for values in (probabilities, judge))
    expected = ((first[:, None] - np.unique(second)) ** 2 * np.unique(second, return_counts=True)[1]).sum()
    observed = len(first) * ((first - second) ** 2).sum()
    return float(1 - observed / expected) if expected else float("nan")


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = 10) -> list[Bin]:
    """Bins of a reliability diagram, of about equal numbers of pairs.

    Args:
        probabilities: (n,) in [0, 1].
        labels: (n,) in [0, 1], NaN for pairs to leave out. For soft labels the intervals are too wide, as these vary
            less than events of the same rate.
        bins: Most bins.

    Returns:
        Bins in ascending order with Wilson score intervals. Pairs of one probability share a bin, and each bin has at
        least n / bins pairs.

    Source: Wilson 1927.
    """
    known = np.isfinite(labels)
    p, y = probabilities[known], labels[known]
    bin_of_pair, diagram = _bin_numbers(p, bins), []
    for number in range(int(bin_of_pair.max(initial=-1)) + 1):
        inside = bin_of_pair == number
        rate, n = float(y[inside].mean()), int(inside.sum())
        low, high = _wilson(rate, n)
        diagram.append(Bin(predicted=float(p[inside].mean()), observed=rate, low=low, high=high, n=n))
    return diagram


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error over the bins of `reliability`.

    Few pairs make it look larger than it is: each bin's rate is off by chance.

    Args:
        probabilities: As `reliability`.
        labels: As `reliability`.
        bins: As `reliability`.

    Returns:
        Mean over pairs of |observed - predicted| of their bin; NaN where no label is known.

    Source: Naeini et al., Obtaining well calibrated probabilities (AAAI 2015), here with bins of equal mass.
    """
    diagram = reliability(probabilities, labels, bins)
    total = sum(b.n for b in diagram)
    return sum(b.n * abs(b.observed - b.predicted) for b in diagram) / total if total else float("nan")


def calibration_interval(
    probabilities: np.ndarray, labels: np.ndarray, lists: np.ndarray, seed: int = 0, bins: int = 10
) -> tuple[float, float]:
    """Interval of `calibration_error` over resampled lists; the bins are those of all pairs.

    Args:
        probabilities: As `reliability`.
        labels: As `reliability`.
        lists: (n,) id of each pair's list, of any type that sorts.
        seed: Of the resampling.
        bins: As `reliability`.

    Returns:
        Low and high; NaN where no label is known.
    """
    known = np.isfinite(labels)
    if not known.any():
        return float("nan"), float("nan")
    p, y = probabilities[known], labels[known]
    names, of_list = np.unique(lists[known], return_inverse=True)
    bin_of_pair = _bin_numbers(p, bins)
    differences = np.zeros((len(names), int(bin_of_pair.max()) + 1))
    np.add.at(differences, (of_list, bin_of_pair), y - p)
    sizes = np.bincount(of_list).astype(np.float64)
    drawn = [np.abs(counts @ differences).sum(axis=1) / (counts @ sizes) for counts in resamples(len(names), seed)]
    low, high = interval(np.concatenate(drawn)[:, None])[:, 0]
    return float(low), float(high)


def mean_interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Interval of the mean over resampled lists.

    Args:
        values: (lists,) float, NaN for lists to leave out.
        seed: Of the resampling.

    Returns:
        Low and high; NaN where no value is known.
    """
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    drawn = np.concatenate([counts @ values / len(values) for counts in resamples(len(values), seed)])
    low, high = interval(drawn[:, None])[:, 0]
    return float(low), float(high)


def resamples(n: int, seed: int, count: int = RESAMPLES) -> Iterator[np.ndarray]:
    """Bootstrap samples of lists, the same for one seed.

    Args:
        n: Number of lists.
        seed: Of the drawing.
        count: Number of samples.

    Yields:
        (chunk, n) float32: how often each list is in each sample of the chunk; a row adds up to n.
    """
    rng = np.random.default_rng(seed)
    for start in range(0, count, _CHUNK):
        rows = min(_CHUNK, count - start)
        drawn = rng.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float32)


def interval(drawn: np.ndarray) -> np.ndarray:
    """Percentile interval (2, columns) of each column of values `drawn` (resamples, columns)."""
    tail = 100 * (1 - LEVEL) / 2
    return np.nanpercentile(drawn, [tail, 100 - tail], axis=0)


def _bin_numbers(p: np.ndarray, bins: int) -> np.ndarray:
    """(n,) int64 number of the bin of each probability (n,)."""
    values, value_of_pair, counts = np.unique(p, return_inverse=True, return_counts=True)
    group, mass, left, least = np.zeros(len(values), np.int64), 0, len(p), len(p) / bins
    for i in range(1, len(values)):
        mass, left = mass + counts[i - 1], left - counts[i - 1]
        closed = mass >= least and left >= least  # the pairs that are left must fill a bin
        group[i] = group[i - 1] + closed
        mass = 0 if closed else mass
    return group[value_of_pair]


def _wilson(rate: float, n: int, z: float = 1.96) -> tuple[float, float]:
    centre, margin = rate + z * z / (2 * n), z * np.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    low, high = (centre - margin) / (1 + z * z / n), (centre + margin) / (1 + z * z / n)
    return min(float(low), rate), max(float(high), rate)  # at 0 and 1 they meet the rate but for rounding
