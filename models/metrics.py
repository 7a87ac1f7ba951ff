"""How good scores are on held-out pairs: NDCG within lists, AUC over events, agreement at the top, calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import roc_auc_score


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


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error over equal-mass bins of the rows whose label is known (Naeini et al. 2015)."""
    known = np.isfinite(labels)
    p, y = probabilities[known], labels[known]
    if not len(p):
        return float("nan")
    parts = np.array_split(np.argsort(p, kind="stable"), min(bins, len(p)))
    return float(sum(len(part) * abs(p[part].mean() - y[part].mean()) for part in parts) / len(p))
