"""The order that is served: whether a blend is fit to ship, and each surface's objective, chosen on validation lists.

What members choose and what is a good match are two questions. The blend answers the first. The policy has its say by
a weight of the student's relevance and by a floor on the probability of a good match. Of the points that cost at most a
stated share of the members' choices, those whose policy is all but the best are left, and the one with the most of the
members' choices is served, if it is ahead of every simpler order by more than chance; else the simpler order is.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from contracts.bundle import Blend, Bounds, Calibration, Manifest, Objective, OrderName
from contracts.records import Surface
from contracts.values import FrozenModel
from models.config import ExportConfig, ObjectiveConfig
from models.training.metrics import resamples
from ranking.blend import RELEVANCE
from release.held_out import HeldOut
from release.orders import (
    Orders,
    Point,
    count_positives,
    count_weights,
    fit_order,
)

log = logging.getLogger("rolecall")

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Weights of relevance that are tried, in lengths of the vector of the blend's weights."""
FLOORS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Probabilities of a good match that are tried as a floor."""
CHANCE = 0.05
"""How often an order that is as good as another may seem ahead of it, or behind."""
Place = tuple[OrderName, float, float]
"""Order, weight and floor of a point."""
SURFACES: Mapping[Surface, str] = {"recommendation": "recommend", "search": "search"}
"""Surface -> its knob of `export`."""


class Difference(FrozenModel):
    """How far one order is ahead of another, paired by list; the ends are those between which chance leaves it.

    Attributes:
        mean: Over lists.
        low: It lies below in `CHANCE` of the resamples of lists.
        high: It lies above in as many.
    """

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.3f} ({self.low:+.3f} to {self.high:+.3f})"


class Lead(FrozenModel):
    """How far an order is ahead of a simpler one.

    Attributes:
        behaviour: In NDCG@10 of what members did; None where too few lists tell.
        policy: In NDCG@10 of the judge's grades; None where no list tells.
    """

    behaviour: Difference | None
    policy: Difference | None

    @property
    def ahead(self) -> bool:
        """By more than chance in what members did; or in the grades, while members' choices show no loss."""
        if self.behaviour is not None and (self.behaviour.low > 0 or self.behaviour.high < 0):
            return self.behaviour.low > 0
        return self.policy is not None and self.policy.low > 0

    def __str__(self) -> str:
        parts = {"what members did": self.behaviour, "the grades": self.policy}
        return " and ".join(f"{lead} in NDCG@10 of {name}" for name, lead in parts.items() if lead) or "not measured"


class Trial(FrozenModel):
    """Whether a surface is served by the blend.

    Attributes:
        outcome: `ships`; `stated`: a knob names a simpler order; `too_few_positives` to fit a blend to; `no_better`
            than a simpler order by more than chance.
        weights: How many weights of a blend could move a job.
        positives: Validation pairs on which members acted.
        lists: Validation lists with such a pair.
        tried: The blend's best point; None where none was fitted.
        least_behaviour: NDCG@10 of what members did that it had to reach.
        ahead_of: Simpler order -> how far it is ahead, on lists that it was not fitted to.
        why: The outcome in a sentence.
    """

    outcome: Literal["ships", "stated", "too_few_positives", "no_better"]
    weights: int
    positives: int
    lists: int
    tried: Point | None = None
    least_behaviour: float | None = None
    ahead_of: Mapping[str, Lead] = {}
    why: str


class Frontier(FrozenModel):
    """What could be served, in means over validation lists, and what is.

    Attributes:
        lists: Validation lists.
        points: Every order that was measured.
        trials: Surface -> whether the blend serves it.
        chosen: Surface -> its point; none where no order could be measured.
    """

    lists: int
    points: tuple[Point, ...]
    trials: Mapping[Surface, Trial]
    chosen: Mapping[Surface, Point]


@dataclass(frozen=True)
class Order:
    """All that a bundle says of its order.

    Attributes:
        blend: As fitted to what members did; None where it serves no surface.
        good_match: From the logit of relevance to the probability of a good match; None where too few are known.
        objectives: Surface -> its objective.
        frontier: What they were chosen from.
    """

    blend: Blend | None
    good_match: Calibration | None
    objectives: Mapping[Surface, Objective]
    frontier: Frontier

    def of(self, manifest: Manifest) -> Manifest:
        """A manifest with this order."""
        return manifest.model_copy(
            update={"blend": self.blend, "good_match": self.good_match, "objectives": dict(self.objectives)}
        )


def decide(held_out: HeldOut, config: ExportConfig) -> Order:
    """Fit what the order is made of, and choose each surface's objective.

    Args:
        held_out: The scored pairs; the validation lists decide.
        config: What is stated of the objectives, and what bounds a choice.
    """
    orders, asked = Orders(held_out, config), {surface: getattr(config, knob) for surface, knob in SURFACES.items()}
    trials = {surface: try_blend(orders, knobs) for surface, knobs in asked.items()}
    chosen = {
        surface: point
        for surface, trial in trials.items()
        if (point := trial.tried if trial.outcome == "ships" else _simple(orders, asked[surface], trial)) is not None
    }
    for surface, trial in trials.items():
        (log.info if trial.outcome in ("ships", "stated") else log.warning)("order of a %s: %s", surface, trial.why)
        log.info("order of a %s: %s", surface, in_words(chosen[surface]) if surface in chosen else "as retrieved")
    ships = any(trial.outcome == "ships" for trial in trials.values())
    return Order(
        blend=fit_order(held_out, config, held_out.valid) if ships else None,
        good_match=orders.good_match,
        objectives={
            surface: _objective(chosen.get(surface), asked[surface], orders, trials[surface]) for surface in asked
        },
        frontier=Frontier(lists=len(orders.lists), points=orders.points, trials=trials, chosen=chosen),
    )


def try_blend(orders: Orders, knobs: ObjectiveConfig) -> Trial:
    """Find out whether the blend serves a surface: may it be fitted, and is its best point ahead of simpler orders?

    Args:
        orders: Of the validation lists.
        knobs: What is stated of the surface.
    """
    held_out, config = orders.held_out, orders.config
    positives, lists = count_positives(held_out, config)
    weights = count_weights(held_out, config)
    known = {"weights": weights, "positives": positives, "lists": lists}
    least = [max(2, round(each * weights)) for each in (config.positives_a_weight, config.lists_a_weight)]
    if positives < least[0] or lists < least[1]:
        why = f"{positives:,} positives in {lists:,} validation lists are too few for a blend of {weights} weights, "
        return Trial(outcome="too_few_positives", **known, why=f"{why}which takes {least[0]:,} in {least[1]:,}")
    if knobs.order:
        return Trial(outcome="stated", **known, why=f"the order by {knobs.order} was asked for")
    simple = [orders.point(name) for name in orders.simple]
    points = [orders.point(*place) for place in _grid("blend", knobs, orders)]
    reach = max(_known(point.behaviour) for point in (*simple, *points)) * (1 - config.most_behaviour_loss)
    best = choose(points, reach, config.most_poor_fits, config.most_policy_loss)
    leads = {name: lead(orders, best, name, behaviour=True) for name in orders.simple}
    tried = {"tried": best, "least_behaviour": reach, "ahead_of": leads}
    behind = {name: of for name, of in leads.items() if not of.ahead}
    said = "; ".join(f"of {name} by {of}" for name, of in (behind or leads).items())
    if behind:
        why = f"on lists that it was not fitted to, the blend is not ahead by more than chance {said}"
        return Trial(outcome="no_better", **known, **tried, why=why)
    return Trial(
        outcome="ships", **known, **tried, why=f"on lists that it was not fitted to, the blend is ahead {said}"
    )


def lead(orders: Orders, point: Point, simpler: OrderName, behaviour: bool) -> Lead:
    """How far a point is ahead of a simpler order. behaviour: whether lists enough tell of what members did."""
    ours, theirs = orders.scores(point.order, point.weight, point.floor), orders.scores(simpler)
    acted = orders.behaviour(ours) - orders.behaviour(theirs) if behaviour else np.zeros(0)
    graded = orders.policy(ours) - orders.policy(theirs)
    return Lead(behaviour=_difference(acted, orders.config.seed), policy=_difference(graded, orders.config.seed))


def choose(
    points: Sequence[Point],
    least_behaviour: float,
    most_poor_fits: float | None = None,
    most_policy_loss: float = 0.0,
) -> Point:
    """The point with the most of the members' choices among those that lose next to nothing of the policy.

    Args:
        points: At least one.
        least_behaviour: NDCG@10 of what members did that it has to reach. Where none reaches it, the points that come
            closest are taken.
        most_poor_fits: Share of poor fits that it may have, among those that reach the first; None for any. Where none
            has as few, the points with the fewest are taken.
        most_policy_loss: Share of the best NDCG@10 of the grades, among those that both allow, that it may lose.

    Returns:
        Of equal points the first. Without a grade it is the one with the best behaviour, without either the first.
    """
    closest = min(least_behaviour, max(_known(point.behaviour) for point in points))
    allowed = [point for point in points if _known(point.behaviour) >= closest]
    if most_poor_fits is not None:
        fewest = max(most_poor_fits, min(-_known(-point.poor_fits) for point in allowed))
        allowed = [point for point in allowed if -_known(-point.poor_fits) <= fewest]
    best = max(_known(point.policy) for point in allowed)
    least = best * (1 - most_policy_loss) if np.isfinite(best) else best
    near = [point for point in allowed if _known(point.policy) >= least]
    return max(near, key=lambda point: (_known(point.behaviour), _known(point.policy)))


def in_words(point: Point) -> str:
    """A point in a line."""
    weight = f", policy weight {point.weight:g}" if point.order == "blend" else ""
    floor = f", floor {point.floor:g}" if point.floor else ""
    return (
        f"{point.order}{weight}{floor}; on validation lists NDCG@10 of what members did {point.behaviour:.3f}, "
        f"of the grades {point.policy:.3f}, good fits {point.good_fits:.3f}, poor fits {point.poor_fits:.3f}"
    )


def _simple(orders: Orders, knobs: ObjectiveConfig, trial: Trial) -> Point | None:
    """The point of a surface that no blend serves: relevance where it is ahead of the order of retrieval, else that."""
    names = [knobs.order] if knobs.order in orders.simple else orders.simple
    if not names:
        return None
    served: OrderName = names[0]
    for name in names[1:]:
        told = trial.outcome != "too_few_positives"
        served = name if lead(orders, orders.point(name), served, behaviour=told).ahead else served
    stated = knobs.floor if served != RELEVANCE and orders.good is not None else None
    return orders.point(served, 0.0, stated or 0.0)


def _grid(name: OrderName, knobs: ObjectiveConfig, orders: Orders) -> list[Place]:
    """The weights and floors among which those of a blend are chosen, with what is stated in place of what is tried."""
    weights = _tried(knobs.weight, knobs.weights, WEIGHTS)
    floors = _tried(knobs.floor, knobs.floors, FLOORS) if orders.good is not None else [0.0]
    return [(name, weight, floor) for weight in weights for floor in floors]


def _tried(stated: float | None, bounds: Bounds, values: Sequence[float]) -> list[float]:
    if stated is not None:
        return [stated]
    return [value for value in values if bounds[0] <= value <= bounds[1]] or [bounds[0]]


def _objective(point: Point | None, knobs: ObjectiveConfig, orders: Orders, trial: Trial) -> Objective:
    """What the bundle says of a surface. A request may set what the order can heed, and nothing else."""
    if point is None:
        return Objective(order="retrieval", why=trial.why)
    return Objective(
        order=point.order,
        weight=point.weight,
        floor=point.floor,
        weights=knobs.weights if point.order == "blend" else (0.0, 0.0),
        floors=knobs.floors if point.order != RELEVANCE and orders.good is not None else (0.0, 0.0),
        why=trial.why,
    )


def _difference(values: np.ndarray, seed: int) -> Difference | None:
    """The mean of paired differences (lists,) and its ends; None where no list has one."""
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    drawn = np.concatenate([counts @ known / len(known) for counts in resamples(len(known), seed)])
    low, high = np.percentile(drawn, [100 * CHANCE, 100 * (1 - CHANCE)])
    return Difference(mean=float(known.mean()), low=float(low), high=float(high))


def _known(value: float) -> float:
    """The value; where it is not known, the lowest of all."""
    return value if np.isfinite(value) else -np.inf
