"""How good a link is: the weight of an L1 logistic regression that predicts hires, or the share of hires.

The regression leaves out what other links say already, so its graph is small; the share is the baseline.
Source: arXiv 2402.13435, the section on auto-targeting.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from retrieval.links.candidates import CandidateLinks, balance

INTERCEPT_SCALE = 100.0
"""The solver penalises the intercept; scaled so, it is as good as free."""
TOLERANCE = 1e-5


def hire_shares(candidates: CandidateLinks, hired: np.ndarray) -> np.ndarray:
    """(c,) float64 in [0, 1]: hires / (hires + non-hires), both classes weighing the same.

    In the order of the paper's ratio, and finite where a link has no non-hire. hired: (n,) bool.
    """
    weighed = candidates.non_hires * balance(hired)
    return candidates.hires / np.maximum(candidates.hires + weighed, 1e-12)


def l1_weights(candidates: CandidateLinks, hired: np.ndarray, strength: float) -> np.ndarray:
    """(c,) float64: the weight of each link in a logistic regression with an L1 penalty, most of them 0.

    Minimises |w|_1 + strength * sum of the log losses, non-hires weighed by `balance`. Of links that hold for the same
    pairs the first, so the shortest, stands for all: the penalty cannot tell them apart. hired: (n,) bool.
    """
    weights = np.zeros(len(candidates))
    alone = _first_of_twins(candidates.holds)
    if len(alone):
        weights[alone] = solve_l1(candidates.holds[:, alone].astype(np.float64), hired, strength, balance(hired))[0]
    return weights


def solve_l1(
    features: sparse.csc_array, positive: np.ndarray, strength: float, weight: float
) -> tuple[np.ndarray, float]:
    """Weights (c,) float64 and intercept of an L1 logistic regression by coordinate descent (liblinear, Fan 2008).

    features: (n, c) float64; positive: (n,) bool, both classes present; weight: of a negative pair.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(
        l1_ratio=1.0,
        C=strength,
        solver="liblinear",
        intercept_scaling=INTERCEPT_SCALE,
        tol=TOLERANCE,
        max_iter=1_000,
        random_state=0,
    )
    matrix = sparse.csr_matrix(features)
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)  # all it reads
    model.fit(matrix, positive, sample_weight=np.where(positive, 1.0, weight))
    return model.coef_[0], float(model.intercept_[0])


def _first_of_twins(holds: sparse.csc_array) -> np.ndarray:
    """(k,) int64 ascending: the columns without those that repeat an earlier one."""
    holds = sparse.csc_array(holds)
    holds.sort_indices()
    seen: dict[bytes, int] = {}
    for column in range(holds.shape[1]):
        rows = holds.indices[holds.indptr[column] : holds.indptr[column + 1]]
        seen.setdefault(rows.tobytes(), column)
    return np.array(sorted(seen.values()), np.int64)
