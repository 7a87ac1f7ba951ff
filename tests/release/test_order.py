"""The order that is served: when a blend ships, and which weight and floor are chosen of those that were measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.workspace import Workspace
from models.config import ExportConfig, ObjectiveConfig
from models.training.rows import read_rows
from ranking.blend import apply_blend
from release.held_out import HeldOut
from release.order import FLOORS, WEIGHTS, Difference, Lead, Order, Trial, _difference, choose, decide
from release.orders import FOLDS, Orders, Point, fit_order, fits, folds_of, inputs_of, mean_of

FEW = ExportConfig(positives_a_weight=2, lists_a_weight=2, most_behaviour_loss=0.05, most_policy_loss=0.0)
TASKS = ("relevance", "view")


class Made:
    """Makes scored pairs of a training table: the logits of `relevance` and `view` are functions of the labels."""

    def __init__(self, labelled: Callable[..., Workspace], table: Callable[..., pa.Table]) -> None:
        self._labelled, self._table = labelled, table

    def __call__(self, lists: int, relevance: Callable, view: Callable, /, **columns: Callable) -> HeldOut:
        """columns: name -> the values of a column, from its values."""
        made = self._table(lists)
        for name, values in columns.items():
            field = made.schema.field(name)
            column = pa.array(values(made[name].to_pylist()), field.type)
            made = made.set_column(made.schema.get_field_index(name), field, column)
        rows = read_rows(self._labelled(table=made).training)
        valid, test = (np.flatnonzero(rows.splits == split) for split in ("valid", "test"))
        logits = np.stack([relevance(rows.target("relevance")), view(rows.target("view"))], axis=1)
        return HeldOut(rows, TASKS, valid, test, logits.astype(np.float32))


@pytest.fixture
def pairs(labelled: Callable[..., Workspace], table: Callable[..., pa.Table]) -> Made:
    return Made(labelled, table)


def noise(labels: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).normal(size=len(labels))


def knows(labels: np.ndarray) -> np.ndarray:
    return 4 * labels + noise(labels)


def contrary(grades: list[int]) -> list[int]:
    return [4 - grade for grade in grades]


# --- when a blend ships ----------------------------------------------------------------------------------------------


def trial_of(order: Order) -> Trial:
    """The trial of both surfaces, of which nothing else is stated."""
    assert order.frontier.trials["search"] == order.frontier.trials["recommendation"]
    assert all(objective.why == order.frontier.trials["search"].why for objective in order.objectives.values())
    return order.frontier.trials["search"]


def served(order: Order) -> str:
    """By what both surfaces are put in order."""
    (name,) = {objective.order for objective in order.objectives.values()}
    return name


def test_a_blend_that_is_ahead_of_every_simpler_order_ships(pairs: Made) -> None:
    order = decide(pairs(200, noise, knows), FEW)
    trial = trial_of(order)
    assert trial.outcome == "ships" and set(trial.ahead_of) == {"retrieval", "relevance"}
    assert all(lead.ahead and lead.behaviour and lead.behaviour.low > 0 for lead in trial.ahead_of.values())
    assert order.blend is not None and dict(zip(order.blend.names, order.blend.weights, strict=True))["view"] > 0.1
    assert served(order) == "blend" and order.frontier.chosen["search"] == trial.tried


def test_one_positive_fits_no_blend_and_the_policy_decides(pairs: Made) -> None:
    def one(values: list[float]) -> list[float]:
        return [float(i == 18) for i in range(len(values))]  # of the first validation list

    made = pairs(100, knows, knows, view=one, apply=lambda values: [0.0] * len(values))
    order = decide(made, ExportConfig())
    trial = trial_of(order)
    assert (trial.outcome, trial.positives, trial.lists) == ("too_few_positives", 1, 1)
    assert order.blend is None and trial.tried is None and served(order) == "relevance"


@pytest.mark.parametrize("knob", ["positives_a_weight", "lists_a_weight"])
def test_how_many_positives_a_weight_takes_is_a_knob(pairs: Made, knob: str) -> None:
    """Forty validation lists, most with a positive, and two weights that could move a job."""
    made = pairs(200, noise, knows)
    few, many = (FEW.model_copy(update={knob: value}) for value in (6.0, 1e4))
    assert trial_of(decide(made, few)).outcome == "ships"
    assert trial_of(decide(made, many)).outcome == "too_few_positives"


def test_a_blend_that_is_no_better_than_relevance_does_not_ship(pairs: Made) -> None:
    """What members do is what the policy says, and relevance knows it without an error."""
    made = pairs(200, lambda labels: labels, noise, apply=lambda values: [0.0] * len(values))
    order = decide(made, FEW)
    trial = trial_of(order)
    assert trial.outcome == "no_better" and order.blend is None and served(order) == "relevance"
    assert trial.tried is not None and not trial.ahead_of["relevance"].ahead and trial.ahead_of["retrieval"].ahead
    assert all(objective.weights == (0.0, 0.0) for objective in order.objectives.values()), "nothing to weigh"


def test_a_blend_of_chance_does_not_ship(pairs: Made) -> None:
    """Random views, features and logits: fitted to all lists, such a blend looks better than on lists not seen."""
    rng = np.random.default_rng(1)
    columns = {name: lambda values: rng.random(len(values)).tolist() for name in ("dense", "recent", "terms", "unseen")}
    columns |= {
        "view": lambda values: (rng.random(len(values)) < 0.2).tolist(),
        "apply": lambda values: [0.0] * len(values),
        "grade": lambda values: rng.integers(0, 5, len(values)).tolist(),
    }
    made = pairs(200, noise, noise, **columns)
    trial = trial_of(decide(made, FEW))
    assert trial.outcome == "no_better" and trial.tried is not None
    inputs = inputs_of(made, (blend := fit_order(made, FEW, made.valid)).names, made.valid)
    own = np.full(len(made.rows), np.nan)
    own[made.valid] = apply_blend(blend, inputs)
    orders = Orders(made, FEW)
    assert mean_of(orders.behaviour(own)) > orders.point("blend").behaviour + 0.02


def test_where_relevance_is_worse_than_retrieval_the_order_of_retrieval_is_served(pairs: Made) -> None:
    """Neither logit knows anything, and each list was retrieved with its best job on top."""
    made = pairs(200, noise, noise)
    gains = made.rows.target("view")
    for rows in made.rows.lists(made.valid):
        made.rows.retrieved[rows[np.argsort(-gains[rows], kind="stable")]] = np.arange(1, len(rows) + 1)
    order = decide(made, FEW)
    assert trial_of(order).outcome == "no_better" and served(order) == "retrieval"
    asked = FEW.model_copy(update={"search": ObjectiveConfig(floor=0.3)})
    assert decide(made, asked).objectives["search"].floor == 0.3, "a stated floor holds for it too"


def test_a_simpler_order_that_is_asked_for_is_served(pairs: Made) -> None:
    made = pairs(200, noise, knows)
    for name in ("relevance", "retrieval"):
        order = decide(made, FEW.model_copy(update={"search": ObjectiveConfig(order=name)}))
        assert order.objectives["search"].order == name and order.frontier.trials["search"].outcome == "stated"
        assert order.objectives["recommendation"].order == "blend" and order.blend is not None


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30), st.floats(-0.5, 0.5))
def test_a_lead_is_beyond_chance_on_one_side_alone(values: list[float], shift: float) -> None:
    ours = _difference(np.array(values) + shift, 0)
    theirs = _difference(-np.array(values) - shift, 0)
    assert ours is not None and theirs is not None
    assert ours.low - 1e-9 <= ours.mean <= ours.high + 1e-9
    leads = [Lead(behaviour=of, policy=None).ahead for of in (ours, theirs)]
    assert not all(leads) and Lead(behaviour=None, policy=ours).ahead == leads[0]


def test_a_gain_in_the_grades_counts_where_members_lose_nothing() -> None:
    ahead, level, behind = (Difference(mean=m, low=m - 0.1, high=m + 0.1) for m in (0.2, 0.0, -0.2))
    assert Lead(behaviour=level, policy=ahead).ahead and Lead(behaviour=ahead, policy=behind).ahead
    assert not Lead(behaviour=behind, policy=ahead).ahead and not Lead(behaviour=level, policy=level).ahead
    assert not Lead(behaviour=None, policy=None).ahead


def test_jobs_that_were_not_retrieved_are_no_part_of_what_is_measured(pairs: Made) -> None:
    made = pairs(50, noise, knows)
    made.rows.retrieved[made.valid[::2]] = 0
    lists = Orders(made, FEW).lists
    assert np.array_equal(np.sort(np.concatenate(lists)), made.valid[1::2])


# --- which point is chosen -------------------------------------------------------------------------------------------


def test_a_policy_that_costs_no_choices_is_followed(pairs: Made) -> None:
    order = decide(pairs(200, knows, lambda views: views + 0.5 * noise(views)), FEW)
    tried = trial_of(order).tried
    assert tried is not None and tried.policy == max(p.policy for p in order.frontier.points if p.order == "blend")


def test_a_policy_that_members_contradict_costs_no_more_than_is_stated(pairs: Made) -> None:
    made = pairs(200, knows, lambda views: views + 0.1 * noise(views), grade=contrary)
    none, all_of_it = (decide(made, FEW.model_copy(update={"most_behaviour_loss": loss})) for loss in (0.0, 1.0))
    for order in (none, all_of_it):
        tried, least = trial_of(order).tried, trial_of(order).least_behaviour
        assert tried is not None and least is not None and tried.behaviour >= least
    policies = [tried.policy for order in (none, all_of_it) if (tried := trial_of(order).tried)]
    assert policies[0] < policies[1] - 0.1


def test_what_is_stated_of_a_surface_is_taken_as_it_is_and_the_other_is_chosen(pairs: Made) -> None:
    config = FEW.model_copy(update={"search": ObjectiveConfig(weight=2.5, floor=0.25, floors=(0.1, 0.3))})
    order = decide(pairs(200, noise, knows), config)
    stated, chosen = order.objectives["search"], order.objectives["recommendation"]
    assert (stated.weight, stated.floor, stated.floors) == (2.5, 0.25, (0.1, 0.3))
    assert chosen.weight in WEIGHTS and chosen.floor in FLOORS


def test_without_a_grade_there_is_no_floor_and_members_alone_decide(pairs: Made) -> None:
    order = decide(pairs(200, noise, knows, grade=lambda grades: [None] * len(grades)), FEW)
    assert order.good_match is None and order.blend is not None and served(order) == "blend"
    assert all(objective.floors == (0.0, 0.0) for objective in order.objectives.values())
    assert order.frontier.chosen["search"].behaviour == max(point.behaviour for point in order.frontier.points)


@pytest.mark.parametrize(
    "knobs",
    [{"weight": 5}, {"floor": 0.95}, {"floors": (0.5, 0.2)}, {"weight": -1}, {"floor": 1.0}, {"order": "blend"}],
)
def test_knobs_that_contradict_themselves_are_refused(knobs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(knobs))):
        ObjectiveConfig(**knobs)


shares = st.floats(0, 1)
unknown = st.one_of(shares, st.just(float("nan")))


@given(st.lists(st.tuples(unknown, unknown, shares), min_size=1, max_size=8), shares, st.none() | shares, shares)
def test_the_chosen_point_is_the_best_of_those_that_are_allowed(
    figures: list[tuple[float, float, float]], least: float, most_poor: float | None, loss: float
) -> None:
    points = [
        Point(order="blend", weight=i, behaviour=b, policy=p, good_fits=0.0, poor_fits=poor)
        for i, (b, p, poor) in enumerate(figures)
    ]
    found = choose(points, least, most_poor, loss)
    reach = [point for point in points if point.behaviour >= least]
    if reach:
        assert found in reach, "behaviour goes first"
        few = [point for point in reach if most_poor is None or point.poor_fits <= most_poor]
        if few:
            best = max((point.policy for point in few if np.isfinite(point.policy)), default=-np.inf)
            near = [point for point in few if point.policy >= best * (1 - loss)] if np.isfinite(best) else few
            assert found in near and not any(point.behaviour > found.behaviour for point in near)


@given(st.lists(st.booleans(), min_size=2, max_size=40), st.integers(0, 5))
def test_folds_keep_lists_whole_and_leave_each_other_a_positive(positive: list[bool], seed: int) -> None:
    lists = np.repeat(np.arange(len(positive)), 3)
    fold = folds_of(lists, np.repeat(positive, 3), seed)
    assert all(len(set(fold[lists == of])) == 1 for of in range(len(positive))) and fold.max() < FOLDS
    if sum(positive) > 1:
        assert all(np.repeat(positive, 3)[fold != number].any() for number in np.unique(fold))


def test_fits_are_shares_of_ten_places() -> None:
    grades = np.array([4.0, 2.6, 1.4, 0, np.nan, 2.0] + [4.0] * 6)
    good, poor = fits(-np.arange(12.0), grades, [np.arange(12), np.array([4])])
    assert good[0] == pytest.approx(0.6) and poor[0] == pytest.approx(0.2) and np.isnan([good[1], poor[1]]).all()
