"""A floor divides and does not reorder; a request moves an objective within the bundle's bounds and no further."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from contracts.bundle import Blend, Calibration, Manifest, Objective
from contracts.errors import BadInput
from contracts.examples import PAIR_FEATURES
from ranking.objective import Wish, floored, good_matches, objective_of, served_scores
from tests.make import refused

BOUNDED = Objective(order="blend", weight=1.0, floor=0.2, weights=(0.0, 4.0), floors=(0.1, 0.5))
BLEND = Blend(names=("dense", "relevance"), weights=(3.0, 4.0), means=(0.0, 0.0), scales=(1.0, 1.0))


def manifest(**fields: object) -> Manifest:
    known = {"text_version": "1", "tasks": ("relevance", "view"), "task_sentences": {}, "item_tokens": 1, "hidden": 1}
    return Manifest(**known, max_prefix_tokens=1, max_item_tokens=1, precision="int8", **fields)  # type: ignore[arg-type]


scores = arrays(np.float64, 12, elements=st.floats(-1e6, 1e6))
shares = arrays(np.float64, 12, elements=st.floats(0, 1))


@given(scores, shares, st.floats(0, 0.999))
def test_a_floor_is_a_stable_partition(values: np.ndarray, good: np.ndarray, floor: float) -> None:
    before = np.argsort(-values, kind="stable")
    after = np.argsort(-floored(values, good, floor), kind="stable")
    passes = good[after] >= floor
    assert not (np.diff(passes.astype(int)) > 0).any(), "no job that reaches it stands after one that does not"
    for part in (good >= floor, good < floor):
        if (np.diff(np.sort(values)) > 1e-6).all():  # sums keep differences of this size
            assert [i for i in after if part[i]] == [i for i in before if part[i]]
    assert sorted(after) == list(range(12)), "none is hidden"


@given(scores, st.floats(0, 0.999))
def test_without_probabilities_or_floor_nothing_moves(values: np.ndarray, floor: float) -> None:
    assert floored(values, None, floor) is values and floored(values, np.zeros(12), 0.0) is values


def test_a_request_takes_the_bundles_objective_or_moves_it_within_its_bounds() -> None:
    of = manifest(blend=BLEND, objectives={"search": BOUNDED})
    assert objective_of(of, "search") == objective_of(of, "search", Wish()) == BOUNDED
    wished = objective_of(of, "search", Wish(weight=4.0, floor=0.1))
    assert (wished.weight, wished.floor, wished.order) == (4.0, 0.1, "blend")
    assert objective_of(of, "recommendation") == Objective(order="blend"), "a surface that is not named"
    assert objective_of(manifest(), "search").order == "retrieval"


@pytest.mark.parametrize(("name", "value", "bounds"), [("weight", 4.5, "0 to 4"), ("floor", 0.05, "0.1 to 0.5")])
def test_a_wish_outside_the_bounds_is_refused_by_field_value_and_bounds(name: str, value: float, bounds: str) -> None:
    of = manifest(objectives={"search": BOUNDED})
    with refused(BadInput, f"{value:g}", bounds, where=f"objective.{name}"):
        objective_of(of, "search", Wish(**{name: value}))


def test_a_bundle_without_a_blend_has_nothing_to_weigh() -> None:
    with refused(BadInput, 1, "0 to 0", where="objective.weight"):
        objective_of(manifest(objectives={"search": Objective(order="relevance")}), "search", Wish(weight=1.0))


def test_pairs_are_ordered_by_the_objective_of_their_surface() -> None:
    """Three pairs of a search and three of a recommendation: the one weighs relevance, the other has a floor alone."""
    features = np.zeros((6, len(PAIR_FEATURES)))
    features[:, PAIR_FEATURES.index("dense")] = [1, 0, 0, 3, 2, 1]
    logits = np.array([[0, 0], [1, 0], [2, 0], [-1, 0], [1, 0], [1, 0]], np.float32)
    of = manifest(
        blend=BLEND,
        good_match=Calibration(logits=(-1.0, 1.0), probabilities=(0.0, 1.0)),
        objectives={
            "search": Objective(order="blend", weight=2.0),
            "recommendation": Objective(order="blend", floor=0.5),
        },
    )
    searches = np.array([True] * 3 + [False] * 3)
    found = served_scores(of, features, logits, np.zeros(6), searches)
    assert found[:3] == pytest.approx([3, 14, 28]), "4 and twice the length, which is 5"
    assert np.argsort(-found[3:]).tolist() == [1, 2, 0], "the first, of 9 - 4, is under the floor"
    assert good_matches(of.good_match, logits, of.tasks) is not None
    assert good_matches(None, logits, of.tasks) is None
