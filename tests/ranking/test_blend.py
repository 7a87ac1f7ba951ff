from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from contracts.bundle import Blend
from contracts.errors import BadInput, ShapeMismatch
from contracts.examples import PAIR_FEATURES
from ranking.blend import apply_blend, blend_inputs, contributions, fit_blend
from tests.make import refused

LISTS, SIZE = 60, 8


def clicks(weights: list[float], seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lists of random candidates in which the one with the highest weighted sum is the positive."""
    random = np.random.default_rng(seed)
    features = random.standard_normal((LISTS * SIZE, len(weights)))
    lists = np.repeat(np.arange(LISTS), SIZE)
    scores = (features @ weights).reshape(LISTS, SIZE)
    gains = (scores == scores.max(axis=1, keepdims=True)).astype(float).ravel()
    return features, lists, gains


def test_it_recovers_a_known_order() -> None:
    features, lists, gains = clicks([2.0, -1.0, 0.0])
    blend = fit_blend(features, ("a", "b", "c"), lists, gains)
    weights = np.array(blend.weights) / np.abs(blend.weights).max()
    assert weights[0] == 1 and -0.7 < weights[1] < -0.3 and abs(weights[2]) < 0.15
    scores = apply_blend(blend, features).reshape(LISTS, SIZE)
    assert (scores.argmax(axis=1) == gains.reshape(LISTS, SIZE).argmax(axis=1)).mean() > 0.95


@given(arrays(np.float64, LISTS, elements=st.floats(-50, 50)))
def test_what_all_candidates_of_a_list_share_moves_no_order(shared: np.ndarray) -> None:
    features, lists, gains = clicks([2.0, -1.0])
    blend = fit_blend(features, ("a", "b"), lists, gains)
    moved = features + np.repeat(shared, SIZE)[:, None] * [0, 1]
    before, after = (apply_blend(blend, x).reshape(LISTS, SIZE) for x in (features, moved))
    np.testing.assert_allclose(np.diff(before), np.diff(after), atol=1e-9)


def test_a_feature_that_is_constant_in_each_list_gets_no_weight() -> None:
    features, lists, gains = clicks([2.0, -1.0])
    features = np.column_stack([features, np.repeat(np.random.default_rng(1).normal(size=LISTS), SIZE)])
    assert abs(fit_blend(features, ("a", "b", "shared"), lists, gains).weights[2]) < 1e-6


def test_the_order_of_the_rows_does_not_matter() -> None:
    features, lists, gains = clicks([2.0, -1.0])
    order = np.random.default_rng(3).permutation(len(gains))
    straight = fit_blend(features, ("a", "b"), lists, gains)
    mixed = fit_blend(features[order], ("a", "b"), lists[order], gains[order])
    np.testing.assert_allclose(straight.weights, mixed.weights, rtol=1e-3)


def test_lists_without_a_positive_and_unknown_gains_say_nothing() -> None:
    features, lists, gains = clicks([2.0, -1.0])
    noise = np.random.default_rng(4).standard_normal((2 * SIZE, 2)) * 100
    more = np.concatenate([features, noise])
    ids = np.concatenate([lists, [LISTS] * SIZE, [0] * SIZE])
    extended = np.concatenate([gains, np.zeros(SIZE), np.full(SIZE, np.nan)])
    assert fit_blend(more, ("a", "b"), ids, extended) == fit_blend(features, ("a", "b"), lists, gains)


def test_no_positive_at_all_is_an_error() -> None:
    features, lists, gains = clicks([1.0])
    with refused(BadInput, "positive gain"):
        fit_blend(features, ("a",), lists, gains * 0)
    with refused(BadInput, "positive gain"):
        fit_blend(np.zeros((0, 1)), ("a",), np.zeros(0), np.zeros(0))


def test_a_feature_that_is_not_a_number_is_an_error() -> None:
    features, lists, gains = clicks([1.0])
    features[3] = np.nan
    with refused(BadInput, "feature 0", "nan", where="row 3"):
        fit_blend(features, ("a",), lists, gains)


def test_a_gain_below_zero_is_an_error() -> None:
    features, lists, gains = clicks([1.0])
    gains[3] = -2.5
    with refused(BadInput, -2.5):
        fit_blend(features, ("a",), lists, gains)


def test_names_and_columns_must_agree() -> None:
    features, lists, gains = clicks([1.0, 1.0])
    with refused(ShapeMismatch, features.shape, "1 names"):
        fit_blend(features, ("a",), lists, gains)
    with refused(ShapeMismatch, features.shape, ("a",)):
        apply_blend(Blend(names=("a",), weights=(1,), means=(0,), scales=(1,)), features)


def test_contributions_add_up_to_the_score() -> None:
    blend = Blend(names=("a", "b"), weights=(2.0, 1.0), means=(1.0, 0.0), scales=(2.0, 1.0))
    features = np.array([[3.0, 5.0]])
    assert contributions(blend, features).tolist() == [[2.0, 5.0]]
    assert apply_blend(blend, features).tolist() == [7.0]


def test_inputs_are_taken_by_name() -> None:
    features = np.arange(len(PAIR_FEATURES), dtype=np.float32)[None]
    logits = np.array([[-1.0, -2.0]], np.float32)
    got = blend_inputs(("apply", "terms", "dense"), features, logits, ("view", "apply"))
    assert got.tolist() == [[-2.0, PAIR_FEATURES.index("terms"), 0.0]]
    with refused(BadInput, "hire", "apply"):
        blend_inputs(("hire",), features, logits, ("view", "apply"))
