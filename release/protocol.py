"""What a pair feature tells: how a candidate came into its list, or whether it fits and is chosen.

A list holds the jobs that a log shows beside those that retrieval found. A log of views alone has no date of a job, so
its lists hold jobs of the future too: a job that nobody had viewed yet is in the log because somebody will view it. A
feature that tells such origins and hardly what fits or is chosen is of how lists were made: a blend that reads it looks
good on these lists and serves worse. Each feature is measured alone, before the blend is fitted.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from contracts.examples import PAIR_FEATURES
from contracts.values import FrozenModel
from models.config import ExportConfig
from release.held_out import HeldOut, engagement_gains

log = logging.getLogger("rolecall")

FUTURE = "of the future"
"""The origin of jobs that nobody had viewed before the request, in a log that does not say what was shown."""


class Told(FrozenModel):
    """What one pair feature tells within a list, each from -1 to 1 (Somers' D: 0 is nothing, 1 the whole order).

    Attributes:
        of: The origin that it tells with the largest excess: a stratum, or `FUTURE`.
        origin: Whether the candidate is of this origin.
        fit: The judge's grade.
        choice: What the member did, among jobs that were shown; in a log of views among those that somebody had viewed.
        excess: How much more it tells of the origin than of fit and choice in the same direction.
        left_out: Whether the blend does not read it.
    """

    of: str
    origin: float
    fit: float
    choice: float
    excess: float
    left_out: bool


def measure_features(held_out: HeldOut, config: ExportConfig) -> dict[str, Told]:
    """What each pair feature tells on the validation lists; one of too much `excess` is left out, and said.

    Args:
        held_out: The pairs.
        config: The bound and the features that are left out in any case.

    Returns:
        Pair feature -> what it tells.
    """
    rows, valid = held_out.rows, held_out.valid
    lists = rows.lists(valid)
    origins = {stratum: rows.strata == stratum for stratum in np.unique(rows.strata[valid]).tolist()}
    candid = rows.position > 0
    if not candid[valid].any():
        candid = rows.features[:, PAIR_FEATURES.index("unseen")] == 0
        origins[FUTURE] = ~candid
    chosen = np.where(candid, engagement_gains(rows), np.nan)
    choice, fit = (somers_d(rows.features, target, lists) for target in (chosen, rows.target("relevance")))
    by_origin = np.stack([somers_d(rows.features, is_of.astype(np.float64), lists) for is_of in origins.values()])
    gains = np.nan_to_num(engagement_gains(rows))
    gained = np.stack([somers_d(is_of[:, None].astype(np.float64), gains, lists) for is_of in origins.values()])
    towards = np.sign(by_origin) * np.where(gained < 0, -1, 1)  # a blend weighs a feature so as to find the gains
    supported = np.maximum(0, np.maximum(towards * choice, towards * fit))
    excesses = np.abs(by_origin) - supported
    told: dict[str, Told] = {}
    for i, name in enumerate(PAIR_FEATURES):
        worst = int(np.argmax(excesses[:, i]))
        of, origin, excess = list(origins)[worst], float(by_origin[worst, i]), float(excesses[worst, i])
        is_protocol = excess > config.most_origin
        if is_protocol and name not in config.leave_out:
            log.warning(
                "blend: %s is left out: it tells which candidates are %s (%.2f) and hardly fit (%.2f) or choice "
                "(%.2f); most_origin is %.2f",
                *(name, of, origin, fit[i], choice[i], config.most_origin),
            )
        told[name] = Told(
            of=of,
            origin=round(origin, 4),
            fit=round(float(fit[i]), 4),
            choice=round(float(choice[i]), 4),
            excess=round(excess, 4),
            left_out=is_protocol or name in config.leave_out,
        )
    return told


def left_out(told: Mapping[str, Told]) -> tuple[str, ...]:
    """The features that a blend is not to read."""
    return tuple(name for name, of_feature in told.items() if of_feature.left_out)


def somers_d(features: np.ndarray, target: np.ndarray, lists: Sequence[np.ndarray]) -> np.ndarray:
    """How well each feature alone orders the pairs of a list by a target: the mean of Somers' D over lists.

    Args:
        features: (n, F) float.
        target: (n,) float, NaN for rows to leave out.
        lists: Row numbers of each list.

    Returns:
        (F,) float64 in [-1, 1]: of two rows of unlike targets, the share in the target's order less the share against
        it; 0 where no list has two such rows.

    Source: Somers, A new asymmetric measure of association for ordinal variables (ASR 1962).
    """
    values = []
    for rows in lists:
        rows = rows[np.isfinite(target[rows])]
        higher = target[rows][:, None] > target[rows][None]
        if pairs := higher.sum():
            of_list = features[rows].astype(np.float64)
            apart = np.sign(of_list[:, None] - of_list[None])
            values.append((apart * higher[..., None]).sum(axis=(0, 1)) / pairs)
    return np.mean(values, axis=0) if values else np.zeros(features.shape[1])
