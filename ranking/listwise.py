"""A linear order of the candidates of a request, learned list by list.

Only differences within a list count: what is the same for all candidates of a request changes nothing.
Source: ListNet's top-one loss (Cao et al., ICML 2007), that is softmax cross-entropy over the candidates of a list.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from contracts.errors import BadInput, ShapeMismatch, TrainingFailed


class Linear(NamedTuple):
    """Score = sum of weight x (value - mean) / scale. (F,) float64 each; a constant has a scale of 1."""

    weights: np.ndarray
    means: np.ndarray
    scales: np.ndarray


def fit_listwise(features: np.ndarray, list_ids: np.ndarray, gains: np.ndarray, l2: float = 1e-3) -> Linear:
    """Weights that put the gains of each list on top.

    features: (n, F) finite float; list_ids: (n,) of any type that sorts; gains: (n,) non-negative, NaN where not known
    (such rows are left out); lists in which no gain is above zero say nothing and are left out too.
    l2: penalty on the weights of standardised features. Raises ShapeMismatch, BadInput, TrainingFailed.
    """
    from scipy.optimize import minimize

    if features.ndim != 2 or not len(features) == len(list_ids) == len(gains):
        raise ShapeMismatch(f"features {features.shape}, {len(list_ids)} list ids and {len(gains)} gains")
    x, starts, targets = _lists(np.asarray(features, np.float64), list_ids, np.asarray(gains, np.float64))
    means, scales = x.mean(axis=0), x.std(axis=0)
    scales[scales < 1e-9] = 1.0  # a constant has no say
    x = (x - means) / scales
    count = len(starts)
    segment = np.repeat(np.arange(count), np.diff(np.append(starts, len(x))))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        scores = x @ weights
        scores -= np.maximum.reduceat(scores, starts)[segment]
        exponents = np.exp(scores)
        totals = np.add.reduceat(exponents, starts)
        value = (targets @ (np.log(totals)[segment] - scores)) / count + l2 / 2 * weights @ weights
        gradient = x.T @ (exponents / totals[segment] - targets) / count + l2 * weights
        return float(value), gradient

    found = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B")
    if not np.isfinite(found.x).all():
        raise TrainingFailed(f"linear weights {found.x} after {found.nit} steps", cure="raise l2")
    return Linear(found.x, means, scales)


def _lists(x: np.ndarray, list_ids: np.ndarray, gains: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of the lists that say something, list by list: features, starts of the lists, and the target shares."""
    known = np.isfinite(gains)
    for row, column in np.argwhere(known[:, None] & ~np.isfinite(x)):
        raise BadInput(f"feature {column} is {x[row, column]}", where=f"row {row}", cure="give finite features")
    if (gains[known] < 0).any():
        raise BadInput(f"a gain is {gains[known].min():g}", cure="give gains of 0 or more")
    x, list_ids, gains = x[known], np.asarray(list_ids)[known], gains[known]
    _, segment = np.unique(list_ids, return_inverse=True)
    totals = np.bincount(segment, gains)
    useful = np.flatnonzero(totals[segment] > 0) if len(x) else np.zeros(0, np.int64)
    if not len(useful):
        raise BadInput("no list holds a positive gain", cure="label more lists")
    order = useful[np.argsort(segment[useful], kind="stable")]
    segment = segment[order]
    starts = np.flatnonzero(np.concatenate([[True], segment[1:] != segment[:-1]]))
    return x[order], starts, gains[order] / totals[segment]
