"""Propensities are the probabilities with which jobs were shown."""

from itertools import permutations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.logging_policy import LIST_LENGTH, Shelf, draw_lists
from simulator.population import DAY

SCORES = np.array([0.3, -1.0, 1.2, 0.0, 2.0])


def _probability(order: tuple[int, ...]) -> float:
    """Plackett-Luce by its definition, written out."""
    left, probability = list(range(len(SCORES))), 1.0
    for job in order:
        probability *= np.exp(SCORES[job]) / sum(np.exp(SCORES[k]) for k in left)
        left.remove(job)
    return probability


def _lists(n: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    pool = np.tile(np.arange(len(SCORES)), (n, 1))
    return draw_lists(np.random.default_rng(0), pool, np.tile(SCORES, (n, 1)), length)


def test_the_propensities_of_a_list_multiply_to_its_probability() -> None:
    jobs, propensity = _lists(500, 3)
    expected = [_probability(tuple(order)) for order in jobs.tolist()]
    np.testing.assert_allclose(propensity.prod(axis=1), expected, rtol=1e-12)


def test_the_probabilities_of_all_lists_add_up_to_one() -> None:
    assert sum(_probability(order) for order in permutations(range(len(SCORES)), 3)) == pytest.approx(1.0)


def test_lists_are_drawn_as_often_as_their_probability_says() -> None:
    n = 40_000
    jobs, _ = _lists(n, 2)
    orders = list(permutations(range(len(SCORES)), 2))
    counts = np.array([(jobs == order).all(axis=1).sum() for order in orders])
    expected = n * np.array([_probability(order) for order in orders])
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert chi_squared < 50  # 19 degrees of freedom: the 99.99th percentile is 50.8


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=15), st.integers(0, 2**31))
def test_a_list_shows_each_job_once_with_a_propensity_in_range(scores: list[float], seed: int) -> None:
    pool = np.arange(len(scores))[None, :]
    jobs, propensity = draw_lists(np.random.default_rng(seed), pool, np.array([scores]))
    shown = jobs[jobs >= 0]
    assert len(set(shown.tolist())) == len(shown) == min(len(scores), LIST_LENGTH)
    assert ((propensity[jobs >= 0] > 0) & (propensity[jobs >= 0] <= 1)).all()


def test_an_empty_slot_is_never_shown() -> None:
    pool = np.array([[-1, 4, -1, 9]])
    jobs, propensity = draw_lists(np.random.default_rng(0), pool, np.array([[-np.inf, 1.0, -np.inf, 0.0]]), 4)
    assert sorted(jobs[0, :2].tolist()) == [4, 9]
    assert jobs[0, 2:].tolist() == [-1, -1]
    assert propensity[0, 1] == 1.0


def test_a_shelf_gives_jobs_of_the_group_posted_before_the_time() -> None:
    rng = np.random.default_rng(1)
    group, posted = rng.integers(0, 5, 300), np.sort(rng.integers(0, 30, 300)) * DAY
    time = rng.integers(0, 30, 40) * DAY
    wanted = rng.integers(0, 6, (40, 8))
    found = Shelf(group, posted).draw(rng, wanted, time)
    hit = found >= 0
    assert (group[found][hit] == wanted[hit]).all()
    assert (posted[found] <= time[:, None])[hit].all()
    exists = np.array(
        [[((group == g) & (posted <= t)).any() for g in row] for row, t in zip(wanted, time, strict=True)]
    )
    assert (hit == exists).all()


def test_the_log_carries_a_propensity_for_every_event(events: pl.DataFrame) -> None:
    assert events["propensity"].is_between(0, 1, closed="right").all()
    assert events["position"].is_between(1, LIST_LENGTH).all()
