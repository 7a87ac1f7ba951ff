"""Calibration: logits to probabilities by isotonic regression, stored as knots in the bundle.

Source: Zadrozny and Elkan, Transforming classifier scores into accurate multiclass probability estimates (KDD 2002).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contracts.bundle import Calibration, Manifest
from contracts.errors import BadInput

FIRST_RANKS = (1, 2, 4, 11)
"""First ranks of the groups that are calibrated together: 1, 2 to 3, 4 to 10, and all after."""
PRIOR = 20
"""Expected positives at which a group's own map weighs as much as the map of all ranks."""


def fit_isotonic(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> Calibration:
    """The non-decreasing map from logit to label with the least squared error.

    Args:
        logits: (n,) float.
        labels: (n,) in [0, 1], NaN where not known.
        weights: (n,) non-negative; None: all alike.

    Returns:
        The map. Its probabilities stay 1 / (m + 2) away from 0 and 1, with m known labels (Laplace's rule).

    Raises:
        BadInput: No label is known, or a logit is not finite.
    """
    from sklearn.isotonic import IsotonicRegression

    known = np.isfinite(labels)
    if not known.any():
        raise BadInput(f"0 of {len(labels):,} labels are known", cure="calibrate on pairs with labels")
    if not np.isfinite(logits[known]).all():
        unfit = (~np.isfinite(logits[known])).sum()
        raise BadInput(f"{unfit:,} of {known.sum():,} logits are not finite", cure="train the student again")
    margin = 1 / (known.sum() + 2)
    fit = IsotonicRegression(y_min=margin, y_max=1 - margin, out_of_bounds="clip")
    fit.fit(logits[known].astype(np.float64), labels[known], None if weights is None else weights[known])
    knots, values = np.atleast_1d(fit.X_thresholds_), np.atleast_1d(fit.y_thresholds_)
    return Calibration(logits=tuple(knots.tolist()), probabilities=tuple(values.tolist()))


def fit_by_rank(logits: np.ndarray, labels: np.ndarray, ranks: np.ndarray) -> tuple[Calibration, ...]:
    """The map of all ranks, and one for each group of `FIRST_RANKS` that has a label.

    A group's map is fitted on its own pairs and mixed with the map of all ranks, with weights e : `PRIOR`, where e is
    the number of positives that the latter expects in the group. Both maps rise, so their mix does too.

    Args:
        logits: As `fit_isotonic`.
        labels: As `fit_isotonic`.
        ranks: (n,) int, the rank at which each pair was shown, from 1; 0 where it was not.

    Source: the calibration by position of LinkedIn's semantic job search (arXiv 2602.07309).
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
    """Calibrated probabilities of the tasks that the bundle calibrates.

    Args:
        manifest: Of the bundle.
        logits: (n, tasks) float.
        ranks: (n,) int, the rank of each in the answer, from 1; 0 where it is not known, as everywhere where None.

    Returns:
        Task -> (n,) float64.
    """
    ranks = np.zeros(len(logits), np.int64) if ranks is None else ranks
    return {
        task: by_rank(manifest.calibration[task], logits[:, column], ranks)
        for column, task in enumerate(manifest.tasks)
        if task in manifest.calibration
    }


def by_rank(maps: Sequence[Calibration], logits: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """(n,) float64 probabilities of logits (n,), each by the map of its rank (n,).

    maps: of one task, in ascending order of `from_rank`; the first, of rank 0, is that of all ranks. A rank whose group
    has no map takes the nearest group before it that has one, else the first group: neighbours are looked at alike, and
    a rank differs from the average of all.
    """
    which = np.searchsorted([group.from_rank for group in maps], ranks, side="right") - 1
    if len(maps) > 1:
        which = np.where(np.asarray(ranks) > 0, np.maximum(which, 1), which)
    out = np.zeros(len(logits))
    for number, group in enumerate(maps):
        out[which == number] = calibrated(group, logits[which == number])
    return out


def calibrated(calibration: Calibration, logits: np.ndarray) -> np.ndarray:
    """(n,) float64: linear between the knots and flat outside."""
    return np.interp(logits, calibration.logits, calibration.probabilities)


def _mixed(group: Calibration, everywhere: Calibration, share: float, from_rank: int) -> Calibration:
    """share x group + (1 - share) x everywhere: exact, as both are linear between the knots of the two."""
    knots = np.union1d(group.logits, everywhere.logits)
    values = share * calibrated(group, knots) + (1 - share) * calibrated(everywhere, knots)
    return Calibration(from_rank=from_rank, logits=tuple(knots.tolist()), probabilities=tuple(values.tolist()))
