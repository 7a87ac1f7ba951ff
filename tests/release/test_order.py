"""The order that is served: what members did and the policy, each with a stated weight."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from contracts.bundle import Blend
from contracts.workspace import Workspace
from models.config import ExportConfig
from models.training.metrics import mean_ndcg
from models.training.rows import read_rows
from release.held_out import HeldOut, engagement_gains
from release.order import POLICY_WEIGHTS, final_scores, weigh_policy, with_policy

CONFIG = ExportConfig(most_behaviour_loss=0)


def held_out(
    labelled: Callable[..., Workspace], table: pa.Table, relevance: Callable[[np.ndarray], np.ndarray]
) -> HeldOut:
    """Pairs whose logits are of `relevance` (from the grades) and of `view` (a coin: the blend knows nothing)."""
    rows = read_rows(labelled(table=table).training)
    valid, test = (np.flatnonzero(rows.splits == split) for split in ("valid", "test"))
    logits = np.stack([relevance(rows.target("relevance")), np.random.default_rng(0).normal(size=len(rows))], axis=1)
    return HeldOut(rows, ("relevance", "view"), valid, test, logits.astype(np.float32))


def blend_of_views() -> Blend:
    return Blend(names=("relevance", "view"), weights=(0.0, 1.0), means=(0.0, 0.0), scales=(1.0, 1.0))


def figures(pairs: HeldOut, blend: Blend) -> tuple[float, float]:
    scores, lists = final_scores(pairs, blend), pairs.rows.lists(pairs.valid)
    assert scores is not None
    behaviour = mean_ndcg(scores, np.nan_to_num(engagement_gains(pairs.rows)), lists)
    return behaviour, mean_ndcg(scores, pairs.rows.target("relevance"), lists)


def test_a_relevance_that_knows_the_policy_gets_weight_and_costs_no_choices(
    labelled: Callable[..., Workspace], table: Callable[..., pa.Table]
) -> None:
    pairs = held_out(labelled, table(60), lambda grades: 8 * grades - 4)
    blend, weight = weigh_policy(blend_of_views(), pairs, CONFIG)
    assert blend is not None and weight in POLICY_WEIGHTS and weight
    (behaviour, policy), (before, graded_before) = figures(pairs, blend), figures(pairs, blend_of_views())
    assert policy > graded_before + 0.2 and behaviour >= before


def test_a_relevance_that_members_contradict_gets_no_weight(
    labelled: Callable[..., Workspace], table: Callable[..., pa.Table]
) -> None:
    made = table(60)
    contrary = pa.array([4 - grade for grade in made["grade"].to_pylist()], made.schema.field("grade").type)
    made = made.set_column(made.schema.get_field_index("grade"), "grade", contrary)
    pairs = held_out(labelled, made, lambda grades: 8 * grades - 4)
    views = pairs.rows.target("view")
    pairs.logits[:, 1] = views + 0.1 * pairs.logits[:, 1]
    assert weigh_policy(blend_of_views(), pairs, CONFIG)[1] == 0.0
    dear = CONFIG.model_copy(update={"most_behaviour_loss": 1.0})
    weight = weigh_policy(blend_of_views(), pairs, dear)[1]
    assert weight, "what the choices may cost is a knob"


def test_a_stated_weight_is_taken_as_it_is(labelled: Callable[..., Workspace], table: Callable[..., pa.Table]) -> None:
    pairs = held_out(labelled, table(10), lambda grades: grades)
    blend, weight = weigh_policy(blend_of_views(), pairs, CONFIG.model_copy(update={"policy_weight": 2.5}))
    assert (blend, weight) == (with_policy(blend_of_views(), 2.5), 2.5)
    assert blend is not None and blend.weights == (2.5, 1.0)


def test_without_a_grade_to_choose_by_the_blend_stays_as_it_is(
    labelled: Callable[..., Workspace], table: Callable[..., pa.Table]
) -> None:
    made = table(10)
    none = pa.nulls(len(made), made.schema.field("grade").type)
    made = made.set_column(made.schema.get_field_index("grade"), "grade", none)
    pairs = held_out(labelled, made, np.nan_to_num)
    assert weigh_policy(blend_of_views(), pairs, CONFIG) == (blend_of_views(), None)
    assert weigh_policy(None, pairs, CONFIG) == (None, None)
