"""Every order of the validation lists, each list scored by what the other lists fitted, and how good each order is.

A blend that is judged on the lists it was fitted to looks better than it is, the more so the fewer they are. So the
lists are cut into folds, and what is fitted (the blend, the probability of a good match) scores a fold from the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from contracts.bundle import Blend, Calibration, OrderName
from contracts.examples import PAIR_FEATURES
from contracts.values import FrozenModel
from models.config import ExportConfig
from models.training.metrics import list_ndcgs
from ranking.blend import RELEVANCE, apply_blend, blend_inputs, fit_blend, weighed
from ranking.calibrate import calibrated, fit_isotonic
from ranking.objective import GOOD, floored
from release.held_out import HeldOut, engagement_gains

FOLDS = 10
LEAST_GOOD = 10
"""Good matches among the graded pairs under which their probability is not fitted."""
DEPTH = 10
POOR = 1.5
"""A mean grade below it rounds to 0 or 1, a poor match."""


class Point(FrozenModel):
    """One order of the validation lists and how good it is, in means over lists.

    Attributes:
        order: What it orders by.
        weight: Of relevance, beside the blend.
        floor: Probability of a good match below which jobs come later.
        behaviour: NDCG@10 of what members did.
        policy: NDCG@10 of the judge's grades.
        good_fits: Share of the first ten places with a job that the judge grades 3 or 4.
        poor_fits: Share of the first ten places with a job that it grades 0 or 1.
    """

    order: OrderName
    weight: float = 0.0
    floor: float = 0.0
    behaviour: float
    policy: float
    good_fits: float
    poor_fits: float


@dataclass(frozen=True)
class Orders:
    """The validation lists as they would be served, and what each order makes of them.

    Attributes:
        held_out: The scored pairs.
        config: Knobs of the fits.
    """

    held_out: HeldOut
    config: ExportConfig

    @cached_property
    def lists(self) -> list[np.ndarray]:
        """Row numbers of each validation list, of its retrieved jobs alone: no order can serve another."""
        rows, valid = self.held_out.rows, self.held_out.valid
        return rows.lists(valid[rows.retrieved[valid] > 0] if self.measures_retrieval else valid)

    @property
    def simple(self) -> tuple[OrderName, ...]:
        """The orders that need no blend, as far as they can be measured, the simplest first."""
        names: list[OrderName] = ["retrieval"] if self.measures_retrieval else []
        return (*names, "relevance") if RELEVANCE in self.held_out.tasks else tuple(names)

    @property
    def measures_retrieval(self) -> bool:
        """Whether the order of retrieval is known of these lists."""
        return bool((self.held_out.rows.retrieved[self.held_out.valid] > 0).any())

    @cached_property
    def gains(self) -> np.ndarray:
        """(n,) of what members did; a job that was not shown counts as not chosen."""
        return np.nan_to_num(engagement_gains(self.held_out.rows))

    @cached_property
    def grades(self) -> np.ndarray:
        """(n,) mean grades 0 to 4, NaN where not graded."""
        return 4 * self.held_out.rows.target(RELEVANCE)

    @cached_property
    def _folds(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each fold the validation pairs, and those of the other folds."""
        rows, valid = self.held_out.rows, self.held_out.valid
        fold = folds_of(rows.list_ids[valid], self.gains[valid] > 0, self.config.seed)
        return [(valid[fold == number], valid[fold != number]) for number in np.unique(fold)]

    @cached_property
    def _blends(self) -> list[Blend]:
        """Of each fold, as the other folds fit it."""
        return [fit_order(self.held_out, self.config, others) for _, others in self._folds]

    @cached_property
    def good(self) -> np.ndarray | None:
        """(n,) probabilities of a good match, NaN but for validation pairs; None where a fold could not fit them."""
        maps = [fit_good_match(self.held_out, others) for _, others in self._folds]
        good = np.full(len(self.held_out.rows), np.nan)
        for (pairs, _), calibration in zip(self._folds, maps, strict=True):
            if calibration is None:
                return None
            good[pairs] = calibrated(calibration, self.held_out.task_logits(RELEVANCE)[pairs])
        return good if maps else None

    @property
    def good_match(self) -> Calibration | None:
        """The map of `good` as all validation pairs fit it."""
        return None if self.good is None else fit_good_match(self.held_out, self.held_out.valid)

    def scores(self, order: OrderName, weight: float = 0.0, floor: float = 0.0) -> np.ndarray:
        """(n,) float64 that put the validation pairs in an order, NaN for all other pairs."""
        scores = np.full(len(self.held_out.rows), np.nan)
        for number, (pairs, _) in enumerate(self._folds):
            if order == "blend":
                blend = self._blends[number]
                scores[pairs] = apply_blend(weighed(blend, weight), inputs_of(self.held_out, blend.names, pairs))
            elif order == RELEVANCE:
                scores[pairs] = self.held_out.task_logits(RELEVANCE)[pairs]
            else:
                scores[pairs] = retrieval_scores(self.held_out.rows.retrieved[pairs])
            good = None if self.good is None else self.good[pairs]
            scores[pairs] = floored(scores[pairs], good, floor)
        return scores

    def behaviour(self, scores: np.ndarray) -> np.ndarray:
        """(lists,) NDCG@10 of what members did, NaN where they did nothing."""
        return list_ndcgs(scores, self.gains, self.lists)

    def policy(self, scores: np.ndarray) -> np.ndarray:
        """(lists,) NDCG@10 of the judge's grades, NaN where they are all alike."""
        return list_ndcgs(scores, self.grades, self.lists)

    def point(self, order: OrderName, weight: float = 0.0, floor: float = 0.0) -> Point:
        """How good an order is on the lists; it is measured once."""
        if (order, weight, floor) not in self._points:
            scores = self.scores(order, weight, floor)
            good, poor = fits(scores, self.grades, self.lists)
            self._points[order, weight, floor] = Point(
                order=order,
                weight=weight,
                floor=floor,
                behaviour=mean_of(self.behaviour(scores)),
                policy=mean_of(self.policy(scores)),
                good_fits=mean_of(good),
                poor_fits=mean_of(poor),
            )
        return self._points[order, weight, floor]

    @property
    def points(self) -> tuple[Point, ...]:
        """All that were measured so far."""
        return tuple(self._points.values())

    @cached_property
    def _points(self) -> dict[tuple[OrderName, float, float], Point]:
        return {}


def folds_of(list_ids: np.ndarray, positive: np.ndarray, seed: int) -> np.ndarray:
    """Cut pairs into folds of whole lists, the lists with a positive evenly among them.

    Args:
        list_ids: (n,) of the pairs, of any type that sorts.
        positive: (n,) bool.
        seed: Of the draw.

    Returns:
        (n,) int64 numbers of folds, below `FOLDS`. With two lists or more that have a positive, every fold leaves one
        to the others.
    """
    _, of_pair = np.unique(list_ids, return_inverse=True)
    has_positive = np.bincount(of_pair, positive) > 0
    drawn = np.random.default_rng(seed).permutation(len(has_positive))
    order = drawn[np.argsort(~has_positive[drawn], kind="stable")]
    fold = np.empty(len(order), np.int64)
    fold[order] = np.arange(len(order)) % FOLDS
    return fold[of_pair]


def count_positives(held_out: HeldOut, config: ExportConfig) -> tuple[int, int]:
    """Validation pairs on which members acted, with `config.grades` the good matches too; and lists with one."""
    rows, valid = held_out.rows, held_out.valid
    positive = np.nan_to_num(engagement_gains(rows)[valid]) > 0
    if config.grades:
        positive |= good_labels(rows.target(RELEVANCE)[valid]) == 1
    return int(positive.sum()), len(np.unique(rows.list_ids[valid][positive]))


def count_weights(held_out: HeldOut, config: ExportConfig) -> int:
    """Inputs of the blend that differ between validation pairs: a constant's weight moves no job."""
    inputs = inputs_of(held_out, blend_names(held_out, config), held_out.valid)
    return int((np.ptp(inputs, axis=0) > 1e-9).sum()) if len(inputs) else 0


def fit_order(held_out: HeldOut, config: ExportConfig, pairs: np.ndarray) -> Blend:
    """Fit the blend to what members did and, with `config.grades`, to grades too.

    A job that was not shown counts as not chosen. The blend orders all jobs that retrieval returns, of which members
    saw few; from the shown jobs alone it would learn only what sets apart the jobs that the former system put on top
    (docs/decisions/0008).

    Args:
        held_out: The scored pairs.
        config: Whether grades count, the pair features to leave out, the penalty on weights.
        pairs: Row numbers of the pairs to fit to.

    Raises:
        BadInput: No list of these pairs has a positive.
    """
    rows, names = held_out.rows, blend_names(held_out, config)
    inputs = inputs_of(held_out, names, pairs)
    gains, list_ids = [np.nan_to_num(engagement_gains(rows)[pairs])], [rows.list_ids[pairs]]
    if config.grades:
        gains.append((2.0 ** (4 * rows.target(RELEVANCE)[pairs]) - 1) / 15)
        list_ids.append(np.char.add("graded ", rows.list_ids[pairs].astype(str)))
    inputs = np.concatenate([inputs] * len(gains))
    return fit_blend(inputs, names, np.concatenate(list_ids), np.concatenate(gains), config.l2)


def fit_good_match(held_out: HeldOut, pairs: np.ndarray) -> Calibration | None:
    """The map from the logit of relevance to the probability that the judge grades a pair 3 or 4.

    Args:
        held_out: The scored pairs.
        pairs: Row numbers of the pairs to fit to.

    Returns:
        The map; None where fewer than `LEAST_GOOD` of the pairs are graded so, or none is graded lower.
    """
    if RELEVANCE not in held_out.tasks:
        return None
    labels = good_labels(held_out.rows.target(RELEVANCE)[pairs])
    if np.nansum(labels) < LEAST_GOOD or not (labels == 0).any():
        return None
    return fit_isotonic(held_out.task_logits(RELEVANCE)[pairs], labels)


def good_labels(relevance: np.ndarray) -> np.ndarray:
    """(n,) 1 where a grade over 4 rounds to 3 or 4, else 0; NaN where there is none."""
    return np.where(np.isfinite(relevance), 4 * relevance >= GOOD, np.nan)


def blend_names(held_out: HeldOut, config: ExportConfig) -> tuple[str, ...]:
    """What the blend reads."""
    return (*(name for name in PAIR_FEATURES if name not in config.leave_out), *held_out.tasks)


def inputs_of(held_out: HeldOut, names: Sequence[str], pairs: np.ndarray) -> np.ndarray:
    """(m, F) float32 that a blend of these names reads of m pairs."""
    return blend_inputs(names, held_out.rows.features[pairs], held_out.logits[pairs], held_out.tasks)


def retrieval_scores(retrieved: np.ndarray) -> np.ndarray:
    """(n,) float64 that order by the place in retrieval (n,), from 1; those of place 0 come last."""
    return -np.where(retrieved > 0, retrieved, retrieved.max(initial=0) + 1).astype(np.float64)


def fits(scores: np.ndarray, grades: np.ndarray, lists: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(lists,) shares of good and of poor matches in the first ten places, NaN where a list has no grade."""
    good, poor = np.full(len(lists), np.nan), np.full(len(lists), np.nan)
    for i, rows in enumerate(lists):
        if np.isfinite(grades[rows]).any():
            first = grades[rows[np.argsort(-scores[rows], kind="stable")][:DEPTH]]
            good[i], poor[i] = (first >= GOOD).sum() / DEPTH, (first < POOR).sum() / DEPTH
    return good, poor


def mean_of(values: np.ndarray) -> float:
    """The mean of the known values; NaN where none is known."""
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
