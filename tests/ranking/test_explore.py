"""A drawn list's propensities are those with which it is drawn: exact joint ones, marginal ones of each place."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from contracts.errors import BadInput
from ranking.explore import MOST_DRAWN, at_places, draw, log_joint
from tests.make import refused

_SCORES = st.lists(st.floats(-8, 8), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(scores=_SCORES)
def test_joint_propensities_sum_to_one_over_all_lists(scores: list[float]) -> None:
    logits = np.array(scores)
    for k in range(1, len(scores) + 1):
        lists = [np.array(order) for order in permutations(range(len(scores)), k)]
        assert sum(np.exp(log_joint(logits, order)) for order in lists) == pytest.approx(1, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(scores=_SCORES)
def test_a_jobs_propensity_at_a_place_is_the_sum_over_the_lists_that_put_it_there(scores: list[float]) -> None:
    logits, n = np.array(scores), len(scores)
    marginal = np.zeros((n, n))
    for order in permutations(range(n)):
        marginal[order, range(n)] += np.exp(log_joint(logits, np.array(order)))
    for order in permutations(range(n)):
        assert at_places(logits, np.array(order)) == pytest.approx(marginal[order, range(n)], abs=1e-7)


def test_lists_come_as_often_as_their_propensities_say() -> None:
    scores, k, times = np.array([1.0, 0.5, 0.0, -1.0]), 2, 6_000
    counts: dict[tuple[int, ...], int] = {}
    for seed in range(times):
        order = tuple(draw(scores, k, 0.7, seed).order.tolist())
        counts[order] = counts.get(order, 0) + 1
    expected = {order: np.exp(log_joint(scores / 0.7, np.array(order))) * times for order in permutations(range(4), k)}
    observed = [counts.get(order, 0) for order in expected]
    assert chisquare(observed, list(expected.values())).pvalue > 0.001


def test_a_click_divided_by_its_propensity_counts_every_job_once() -> None:
    """The unbiasedness that replay rests on: over the draws, shown / propensity is 1 for each job and place."""
    scores, times = np.array([2.0, 1.0, 0.0, -0.5]), 4_000
    weight = np.zeros((4, 2))
    for seed in range(times):
        one = draw(scores, 2, 1.0, seed)
        weight[one.order, [0, 1]] += 1 / one.propensities
    assert weight / times == pytest.approx(np.ones((4, 2)), abs=0.2)


def test_places_before_the_first_are_as_they_were() -> None:
    one = draw(np.array([5.0, 4.0, 3.0, 2.0, 1.0]), 4, 10.0, seed=3, first=3)
    assert one.order[:2].tolist() == [0, 1] and one.propensities[:2].tolist() == [1.0, 1.0]
    assert set(one.order[2:].tolist()) < {2, 3, 4} and (one.propensities[2:] < 1).all()


def test_a_low_temperature_keeps_the_order_and_says_so() -> None:
    one = draw(np.array([3.0, 2.0, 1.0]), 3, 0.01, seed=1)
    assert one.order.tolist() == [0, 1, 2]
    assert (one.joint, one.propensities) == (pytest.approx(1), pytest.approx(np.ones(3)))


def test_a_seed_gives_the_same_list() -> None:
    scores = np.linspace(1, -1, 50)
    assert (draw(scores, 10, 1.0, 7).order == draw(scores, 10, 1.0, 7).order).all()
    assert len({tuple(draw(scores, 10, 1.0, seed).order) for seed in range(5)}) > 1


@settings(max_examples=30, deadline=None)
@given(scores=st.lists(st.floats(-1e6, 1e6), max_size=40), temperature=st.floats(0.01, 100), first=st.integers(1, 50))
def test_any_scores_give_propensities_that_an_event_may_have(
    scores: list[float], temperature: float, first: int
) -> None:
    one = draw(np.array(scores), 10, temperature, 0, first)
    assert len(set(one.order.tolist())) == len(one.order) == min(10, len(scores))
    assert ((one.propensities > 0) & (one.propensities <= 1)).all() and 0 < one.joint <= 1


def test_what_cannot_be_drawn_is_refused() -> None:
    with refused(BadInput, "finite"):
        draw(np.array([1.0, np.nan]), 1, 1.0, 0)
    with refused(BadInput, "temperature 0"):
        draw(np.array([1.0]), 1, 0.0, 0)


@pytest.mark.parametrize("first", [1, 3])
def test_a_long_list_is_drawn_up_to_a_bound(first: int) -> None:
    one = draw(np.linspace(2, -2, 300), 300, 1.0, seed=1, first=first)
    assert len(one.order) == len(one.propensities) == len(set(one.order.tolist())) == first - 1 + MOST_DRAWN
    short = draw(np.linspace(2, -2, 300), 20, 1.0, seed=1, first=first)
    assert (one.order[:20] == short.order).all()
    assert one.propensities[:20] == pytest.approx(short.propensities, abs=1e-7)


def test_jobs_of_one_score_stand_at_every_place_that_is_drawn_alike() -> None:
    assert at_places(np.zeros(100), np.arange(MOST_DRAWN)) == pytest.approx(np.full(MOST_DRAWN, 0.01), abs=1e-9)
