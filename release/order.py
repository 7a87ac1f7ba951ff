"""The order that is served: a blend fitted to what members did, in which the policy has a stated weight.

What members choose and what is a good match are two questions. The blend answers the first; `weigh_policy` adds the
student's relevance, which answers the second, and takes its weight from the validation lists.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from contracts.bundle import Blend
from contracts.examples import PAIR_FEATURES
from models.config import ExportConfig
from models.training.metrics import mean_ndcg
from ranking.blend import apply_blend, blend_inputs, fit_blend
from release.held_out import HeldOut, engagement_gains

log = logging.getLogger("rolecall")

RELEVANCE = "relevance"
POLICY_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Weights of the standardised relevance that are tried, in lengths of the vector of the blend's weights."""


@dataclass(frozen=True)
class WeighedOrder:
    """The blend with one weight of the policy, on the validation lists.

    Attributes:
        weight: In lengths of the vector of the blend's weights.
        blend: With that weight.
        behaviour: Mean NDCG@10 of what members did.
        policy: Mean NDCG@10 of the judge's grades.
    """

    weight: float
    blend: Blend
    behaviour: float
    policy: float


def fit_order(held_out: HeldOut, config: ExportConfig) -> Blend | None:
    """Fit the blend on the validation lists: on what members did and, with `config.grades`, on grades too.

    A job that was not shown counts as not chosen. The blend orders all jobs that retrieval returns, of which members
    saw few; from the shown jobs alone it would learn only what sets apart the jobs that the former system put on top
    (docs/decisions/0008).

    Args:
        held_out: The scored pairs.
        config: Whether grades count, the pair features to leave out, the penalty on weights.

    Returns:
        The blend; None where no validation list has a positive.
    """
    rows, valid = held_out.rows, held_out.valid
    names = (*(name for name in PAIR_FEATURES if name not in config.leave_out), *held_out.tasks)
    inputs = blend_inputs(names, rows.features[valid], held_out.logits[valid], held_out.tasks)
    gains, list_ids = [np.nan_to_num(engagement_gains(rows)[valid])], [rows.list_ids[valid]]
    if config.grades:
        gains.append((2.0 ** (4 * rows.target("relevance")[valid]) - 1) / 15)
        list_ids.append(np.char.add("graded ", rows.list_ids[valid].astype(str)))
    if not any((np.nan_to_num(gain) > 0).any() for gain in gains):
        log.warning("no validation list holds a positive: results keep the order of retrieval")
        return None
    inputs = np.concatenate([inputs] * len(gains))
    return fit_blend(inputs, names, np.concatenate(list_ids), np.concatenate(gains), config.l2)


def final_scores(held_out: HeldOut, blend: Blend | None) -> np.ndarray | None:
    """(n,) float64 blended scores, NaN for training pairs; None without a blend."""
    if blend is None:
        return None
    pairs = held_out.pairs
    inputs = blend_inputs(blend.names, held_out.rows.features[pairs], held_out.logits[pairs], held_out.tasks)
    scores = np.full(len(held_out.rows), np.nan)
    scores[pairs] = apply_blend(blend, inputs)
    return scores


def weigh_policy(blend: Blend | None, held_out: HeldOut, config: ExportConfig) -> tuple[Blend | None, float | None]:
    """Give the student's relevance a weight of its own in the order.

    Without `config.policy_weight` it is the weight of `POLICY_WEIGHTS` whose order has the highest NDCG of the judge's
    grades, among those whose NDCG of what members did is at least that of the blend alone, less
    `config.most_behaviour_loss` of it.

    Args:
        blend: Fitted to what members did; None: there is none.
        held_out: The scored pairs; the validation lists choose.
        config: The weight, or how much of the members' choices it may cost.

    Returns:
        The blend with the weight added, and the weight; both unchanged and None where there is no blend, or no
        validation pair has a grade or an action to choose by.
    """
    if blend is None or RELEVANCE not in blend.names:
        return blend, None
    if config.policy_weight is not None:
        return with_policy(blend, config.policy_weight), config.policy_weight
    orders = [_weighed(blend, weight, held_out) for weight in POLICY_WEIGHTS]
    if not np.isfinite([(order.behaviour, order.policy) for order in orders]).all():
        return blend, None
    least = orders[0].behaviour * (1 - config.most_behaviour_loss)
    best = max((order for order in orders if order.behaviour >= least), key=lambda order: order.policy)
    for order in orders:
        log.info(
            "order: policy weight %.2f, valid NDCG@10 of what members did %.3f, of the grades %.3f%s",
            order.weight,
            order.behaviour,
            order.policy,
            " (chosen)" if order is best else "",
        )
    return best.blend, best.weight


def with_policy(blend: Blend, weight: float) -> Blend:
    """The blend with relevance weighed more by `weight` lengths of the vector of its weights."""
    added = weight * float(np.linalg.norm(blend.weights))
    weights = (w + added * (name == RELEVANCE) for name, w in zip(blend.names, blend.weights, strict=True))
    return blend.model_copy(update={"weights": tuple(weights)})


def _weighed(blend: Blend, weight: float, held_out: HeldOut) -> WeighedOrder:
    heavier = with_policy(blend, weight)
    scores = final_scores(held_out, heavier)
    assert scores is not None
    lists = held_out.rows.lists(held_out.valid)
    behaviour = mean_ndcg(scores, np.nan_to_num(engagement_gains(held_out.rows)), lists)
    return WeighedOrder(weight, heavier, behaviour, mean_ndcg(scores, held_out.rows.target(RELEVANCE), lists))
