"""Logits to probabilities that mean what they say: isotonic regression, stored as knots in the bundle.

Source: Zadrozny and Elkan, Transforming classifier scores into accurate multiclass probability estimates (KDD 2002).
"""

from __future__ import annotations

import numpy as np

from contracts.bundle import Calibration, Manifest
from contracts.errors import BadInput


def fit_isotonic(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> Calibration:
    """The non-decreasing map from logit to label with the least squared error.

    logits: (n,) float; labels: (n,) in [0, 1], NaN where not known; weights: (n,) non-negative.
    Probabilities stay 1 / (m + 2) away from 0 and 1, m known labels: so few cannot prove certainty (Laplace).
    Raises BadInput where no label is known or a logit is not finite.
    """
    from sklearn.isotonic import IsotonicRegression

    known = np.isfinite(labels)
    if not known.any() or not np.isfinite(logits[known]).all():
        raise BadInput(f"{known.sum():,} known labels to calibrate on, or a logit that is not finite")
    margin = 1 / (known.sum() + 2)
    fit = IsotonicRegression(y_min=margin, y_max=1 - margin, out_of_bounds="clip")
    fit.fit(logits[known].astype(np.float64), labels[known], None if weights is None else weights[known])
    knots, values = np.atleast_1d(fit.X_thresholds_), np.atleast_1d(fit.y_thresholds_)
    return Calibration(logits=tuple(knots.tolist()), probabilities=tuple(values.tolist()))


def probabilities(manifest: Manifest, logits: np.ndarray) -> np.ndarray:
    """(n, tasks) float64 from logits (n, tasks) by the bundle's calibration; the plain sigmoid where it has none."""
    return np.stack(
        [calibrated(manifest.calibration.get(task), logits[:, i]) for i, task in enumerate(manifest.tasks)], axis=1
    )


def calibrated(calibration: Calibration | None, logits: np.ndarray) -> np.ndarray:
    """(n,) float64: linear between the knots and flat outside; the sigmoid for None."""
    if calibration is None:
        return 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -500, 500)))
    return np.interp(logits, calibration.logits, calibration.probabilities)
