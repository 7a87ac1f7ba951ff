"""The draw of pairs for a judge with a budget: what is certain, what is chance, and that estimates have no bias."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_jobs.labelling.draw import disagreement, draw_pairs, shares


def test_a_disagreement_among_the_first_counts_more_than_one_far_down() -> None:
    first = -np.arange(200.0)
    second = first.copy()
    second[[2, 99]] = first[[99, 2]]
    second[[150, 199]] = first[[199, 150]]
    apart = disagreement([first, second])
    assert apart[2] == apart[99] == pytest.approx(np.log2(100 / 3))
    assert apart[150] == pytest.approx(np.log2(200 / 151)) and apart[150] < apart[2]
    assert (np.delete(apart, [2, 99, 150, 199]) == 0).all()


def test_of_several_systems_the_two_that_are_furthest_apart_count() -> None:
    orders = [np.array([3.0, 2.0, 1.0, 0.0]), np.array([3.0, 2.0, 1.0, 0.0]), np.array([0.0, 2.0, 1.0, 3.0])]
    assert disagreement(orders).tolist() == [2.0, 0.0, 0.0, 2.0]


def test_the_pairs_of_most_disagreement_are_certain_and_the_others_have_their_chance() -> None:
    apart = np.array([0.0, 9.0, 1.0, 7.0, 2.0, 8.0, 3.0, 0.5])
    drawn = draw_pairs(apart, 5, 0.4, np.random.default_rng(0))
    certain = drawn.places[drawn.inclusion == 1]
    assert certain.tolist() == [1, 3, 5] and len(drawn.places) == 5
    assert set(drawn.inclusion) == {1.0, 2 / 5}


@given(st.integers(1, 60), st.integers(0, 70), st.floats(0.01, 1), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_the_budget_is_kept_and_every_candidate_may_be_drawn(n: int, budget: int, floor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = draw_pairs(rng.random(n), budget, floor, rng)
    assert len(drawn.places) == len(set(drawn.places.tolist())) == min(n, budget)
    assert (np.diff(drawn.places) > 0).all()
    assert ((drawn.inclusion > 0) & (drawn.inclusion <= 1)).all()
    if budget:
        assert 1 / drawn.inclusion @ np.ones(len(drawn.inclusion)) == pytest.approx(n)  # the weights stand for all


def test_weighted_sums_have_no_bias_though_disagreement_goes_with_the_grade() -> None:
    rng = np.random.default_rng(0)
    apart = rng.random(30)
    grades = 4 * apart + rng.random(30)
    sums, plain = [], []
    for seed in range(4_000):
        places, inclusion = draw_pairs(apart, 10, 0.4, np.random.default_rng(seed))
        sums.append((grades[places] / inclusion).sum())
        plain.append(grades[places].mean() * 30)
    error = np.std(sums) / np.sqrt(len(sums))
    assert abs(np.mean(sums) - grades.sum()) < 4 * error
    assert np.mean(plain) > grades.sum() + 10 * error  # what it would be without the weights


@given(st.integers(0, 10_000), st.integers(1, 500))
def test_a_budget_is_spread_evenly(budget: int, lists: int) -> None:
    parts = shares(budget, lists)
    assert sum(parts) == budget and len(parts) == lists and max(parts) - min(parts) <= 1
