"""What an order is for: people's choices, the policy beside them, and a floor on how surely a job is a good match.

Preference orders, qualification divides: the blend says what members choose, and a job that hardly fits comes after all
that do, however often it would be chosen. One function orders for the service, for replay and for the release.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from contracts.bundle import Blend, Bounds, Calibration, Manifest, Objective
from contracts.errors import BadInput
from contracts.records import Surface
from contracts.values import FrozenModel
from ranking.blend import RELEVANCE, apply_blend, blend_inputs, weighed
from ranking.calibrate import calibrated
from retrieval.merge import below_others

GOOD = 2.5
"""Least mean grade that rounds to 3, a good match."""


class Wish(FrozenModel):
    """What a request asks of the order; None: as the bundle has it."""

    weight: float | None = Field(None, strict=True, allow_inf_nan=False, description="Of relevance, beside the blend.")
    floor: float | None = Field(
        None,
        strict=True,
        allow_inf_nan=False,
        description="Probability of a good match below which jobs come later; 0: no floor.",
    )


def objective_of(manifest: Manifest, surface: Surface, wish: Wish | None = None) -> Objective:
    """The objective of a request: the bundle's for its surface, with what the request wishes.

    Raises:
        BadInput: A wish lies outside the bounds that the bundle states; the error names field, value and bounds.
    """
    objective = manifest.objective(surface)
    if wish is None:
        return objective
    wished = wish.model_dump(exclude_none=True)
    bounds: dict[str, Bounds] = {"weight": objective.weights, "floor": objective.floors}
    for name, value in wished.items():
        low, high = bounds[name]
        if not low <= value <= high:
            raise BadInput(
                f"{value:g} lies outside {low:g} to {high:g}, which bundle {manifest.version} allows on {surface}",
                where=f"objective.{name}",
                cure=f"ask for {low:g} to {high:g}" if high > low else "leave it out",
            )
    return objective.model_copy(update=wished)


def good_matches(calibration: Calibration | None, logits: np.ndarray, tasks: Sequence[str]) -> np.ndarray | None:
    """Probabilities that the judge grades pairs 3 or 4.

    Args:
        calibration: `Manifest.good_match`.
        logits: (n, tasks) of the student.
        tasks: Of the student, in the order of `logits`.

    Returns:
        (n,) float64; None where the bundle does not say.
    """
    if calibration is None or RELEVANCE not in tasks:
        return None
    return calibrated(calibration, logits[:, tasks.index(RELEVANCE)])


def blend_of(manifest: Manifest, objective: Objective) -> Blend | None:
    """The blend as an objective weighs it; None where that orders by something else."""
    if objective.order != "blend" or manifest.blend is None:
        return None
    return weighed(manifest.blend, objective.weight)


def ordering(
    objective: Objective,
    blend: Blend | None,
    inputs: np.ndarray | None,
    logits: np.ndarray,
    tasks: Sequence[str],
    retrieved: np.ndarray,
    good: np.ndarray | None,
) -> np.ndarray:
    """The scores by which n candidates are put in order, the highest first.

    Args:
        objective: Of the request.
        blend: Of `blend_of`.
        inputs: (n, F) float32 that the blend reads; None without one.
        logits: (n, tasks) of the student.
        tasks: Of the student, in the order of `logits`.
        retrieved: (n,) scores of retrieval.
        good: (n,) of `good_matches`.

    Returns:
        (n,) float64. Jobs under the floor lie below all others, lowered by one amount.
    """
    if blend is not None and inputs is not None:
        scores = apply_blend(blend, inputs)
    elif objective.order == RELEVANCE:
        scores = logits[:, tasks.index(RELEVANCE)].astype(np.float64)
    else:
        scores = np.asarray(retrieved, np.float64)
    return floored(scores, good, objective.floor)


def served_scores(
    manifest: Manifest, features: np.ndarray, logits: np.ndarray, retrieved: np.ndarray, searches: np.ndarray
) -> np.ndarray:
    """The scores by which a bundle puts labelled pairs of many requests in order, each by its surface's objective.

    Args:
        manifest: Of the bundle.
        features: (n, len(PAIR_FEATURES)) of the pairs.
        logits: (n, tasks) of the student.
        retrieved: (n,) scores of retrieval.
        searches: (n,) bool, the pairs whose request has a query.

    Returns:
        (n,) float64.
    """
    scores, good = np.zeros(len(logits)), good_matches(manifest.good_match, logits, manifest.tasks)
    surfaces: tuple[tuple[Surface, np.ndarray], ...] = (("search", searches), ("recommendation", ~searches))
    for surface, of in surfaces:
        objective = manifest.objective(surface)
        blend, inputs = blend_of(manifest, objective), None
        if blend is not None:
            inputs = blend_inputs(blend.names, features[of], logits[of], manifest.tasks)
        known = None if good is None else good[of]
        scores[of] = ordering(objective, blend, inputs, logits[of], manifest.tasks, retrieved[of], known)
    return scores


def floored(scores: np.ndarray, good: np.ndarray | None, floor: float) -> np.ndarray:
    """Scores by which jobs under a floor come after all others; within both parts the order stays.

    Args:
        scores: (n,) float.
        good: (n,) probabilities of a good match; None: not known, and nothing moves.
        floor: Of the objective.
    """
    return scores if good is None or not floor else below_others(scores, good < floor)
