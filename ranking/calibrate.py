"""Logits to probabilities that mean what they say: isotonic regression, stored as knots in the bundle.

Source: Zadrozny and Elkan, Transforming classifier scores into accurate multiclass probability estimates (KDD 2002).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contracts.bundle import Calibration, Manifest
from contracts.errors import BadInput

FIRST_RANKS = (1, 2, 4, 11)
"""Places in an answer that are calibrated together: 1, 2 and 3, 4 to 10, and all after."""
PRIOR = 20
"""Expected positives that the map of all places is worth in the map of some."""


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


def fit_by_rank(logits: np.ndarray, labels: np.ndarray, ranks: np.ndarray) -> tuple[Calibration, ...]:
    """The map of all places, and one for each group of places of `FIRST_RANKS` that has a label.

    ranks: (n,) int, the place at which each pair was shown, 0 where it was not; else as `fit_isotonic`. A group's map
    is its own, mixed with that of all places in the proportion of the positives that the latter expects here to
    `PRIOR`: both rise, so it does too.
    After the per-position calibration of LinkedIn's semantic job search (arXiv 2602.07309).
    """
    everywhere = fit_isotonic(logits, labels)
    group = np.searchsorted(FIRST_RANKS, ranks, side="right")
    maps = [everywhere]
    for number, first in enumerate(FIRST_RANKS, start=1):
        here = (group == number) & np.isfinite(labels)
        if here.any():
            expected = float(calibrated(everywhere, logits[here]).sum())
            own = fit_isotonic(logits[here], labels[here])
            maps.append(_mixed(own, everywhere, expected / (expected + PRIOR), first))
    return tuple(maps)


def probabilities(manifest: Manifest, logits: np.ndarray, ranks: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Task -> (n,) float64 probability, of the tasks that the bundle calibrates.

    logits: (n, tasks); ranks: (n,) int, the place of each in the answer from 1 on, 0 or None where it is not known.
    """
    ranks = np.zeros(len(logits), np.int64) if ranks is None else ranks
    return {
        task: by_rank(manifest.calibration[task], logits[:, column], ranks)
        for column, task in enumerate(manifest.tasks)
        if task in manifest.calibration
    }


def by_rank(maps: Sequence[Calibration], logits: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """(n,) float64 of logits (n,), each by the map of its rank (n,). maps: of one task, by `from_rank`, from 0.

    A known place whose group has no map is read as the nearest group before it that has one, or, before the first, as
    that: places near each other are looked at alike, and all places on average are not what it is.
    """
    which = np.searchsorted([one.from_rank for one in maps], ranks, side="right") - 1
    if len(maps) > 1:
        which = np.where(np.asarray(ranks) > 0, np.maximum(which, 1), which)
    out = np.zeros(len(logits))
    for number, one in enumerate(maps):
        out[which == number] = calibrated(one, logits[which == number])
    return out


def calibrated(calibration: Calibration, logits: np.ndarray) -> np.ndarray:
    """(n,) float64: linear between the knots and flat outside."""
    return np.interp(logits, calibration.logits, calibration.probabilities)


def _mixed(one: Calibration, other: Calibration, share: float, from_rank: int) -> Calibration:
    """share x one + (1 - share) x other: exact, as both are linear between the knots of the two."""
    knots = np.union1d(one.logits, other.logits)
    values = share * calibrated(one, knots) + (1 - share) * calibrated(other, knots)
    return Calibration(from_rank=from_rank, logits=tuple(knots.tolist()), probabilities=tuple(values.tolist()))
