"""Measures of one ordered list by grades 0 to 4: good fits and poor fits in its first ten, graded NDCG, agreement.

A job without a grade is neither a good fit nor a poor one, and its gain is 0.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

DEPTH = 10
GOOD, POOR = 3, 1
"""The least grade of a good fit, and the highest of a poor one."""
UNGRADED = -1
SHARE = "share_of_possible"
MEASURES = ("good_fits@10", "poor_fits@10", "ndcg@10_graded")


def ordered(scores: np.ndarray) -> np.ndarray:
    """(n,) int places, the highest of (n,) scores first; equal scores stay in their order, which is retrieval's."""
    return np.argsort(-scores, kind="stable")


def measures(grades: np.ndarray) -> np.ndarray:
    """(3,) float64: the `MEASURES` of a list whose grades (n,) stand in the order of the list."""
    return np.array([good_fits(grades), poor_fits(grades), graded_ndcg(grades)])


def good_fits(grades: np.ndarray, k: int = DEPTH) -> float:
    """Share of the first k places that hold a job of grade 3 or 4; a place that is empty holds none."""
    return float((grades[:k] >= GOOD).sum() / k)


def poor_fits(grades: np.ndarray, k: int = DEPTH) -> float:
    """Share of the first k places that hold a job of grade 0 or 1."""
    first = grades[:k]
    return float(((first <= POOR) & (first != UNGRADED)).sum() / k)


def graded_ndcg(grades: np.ndarray, k: int = DEPTH) -> float:
    """NDCG of the first k places against the best order of all n grades; 0 where no job has a gain.

    Gains are linear, as in all tables of a replay.

    Source: Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques (TOIS 20, 2002).
    """
    gains = np.maximum(grades, 0).astype(np.float64)
    discounts = 1 / np.log2(np.arange(min(k, len(gains))) + 2)
    best = float(np.sort(gains)[::-1][:k] @ discounts)
    return float(gains[:k] @ discounts) / best if best else 0.0


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's correlation of two scorings (n,) of the same jobs, ties at their mean rank.

    Returns:
        A number in [-1, 1]; NaN where one of the two tells no jobs apart.

    Source: Spearman, The proof and measurement of association between two things (1904).
    """
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])
