"""Measures of an ordered list by grade equal what is computed by hand, and behave as measures of fit should."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.training.metrics import list_ndcgs
from replay.fits import MEASURES, UNGRADED, good_fits, graded_ndcg, measures, ordered, poor_fits, rank_correlation

GRADES = st.lists(st.integers(UNGRADED, 4), min_size=1, max_size=40).map(lambda grades: np.array(grades, np.int8))
KNOWN = st.lists(st.integers(0, 4), min_size=2, max_size=40).map(lambda grades: np.array(grades, np.int8))


def test_fits_are_shares_of_the_first_ten_places() -> None:
    grades = np.array([4, 3, 2, 1, 0, UNGRADED, 4, 2, 2, 2, 4, 0])
    assert good_fits(grades) == pytest.approx(0.3)
    assert poor_fits(grades) == pytest.approx(0.2)


def test_a_place_without_a_job_is_neither_a_good_nor_a_poor_fit() -> None:
    assert good_fits(np.array([4, 0])) == pytest.approx(0.1)
    assert poor_fits(np.array([4, 0])) == pytest.approx(0.1)


def test_graded_ndcg_compares_with_the_best_order_of_all_candidates() -> None:
    """The one good job stands at rank 11: the first ten places gain nothing, and the ideal is its gain at rank 1."""
    assert graded_ndcg(np.array([0] * 10 + [4])) == 0
    assert graded_ndcg(np.array([1, 4])) == pytest.approx((1 + 4 / np.log2(3)) / (4 + 1 / np.log2(3)))


@given(KNOWN)
def test_graded_ndcg_is_that_of_the_trainers_where_grades_differ(grades: np.ndarray) -> None:
    if np.ptp(grades):
        scores = -np.arange(len(grades), dtype=float)
        (expected,) = list_ndcgs(scores, grades.astype(float), [np.arange(len(grades))])
        assert graded_ndcg(grades) == pytest.approx(expected)


@given(GRADES, st.randoms())
def test_no_order_is_better_than_the_best_possible_one(grades: np.ndarray, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = grades.copy()
    random.shuffle(shuffled)
    best, other = (dict(zip(MEASURES, measures(of), strict=True)) for of in (-np.sort(-grades), shuffled))
    assert best["good_fits@10"] >= other["good_fits@10"]
    assert best["ndcg@10_graded"] >= other["ndcg@10_graded"] - 1e-12
    if UNGRADED not in grades:
        assert best["poor_fits@10"] <= other["poor_fits@10"]


@given(GRADES, st.integers(0, 39), st.integers(0, 39))
def test_a_better_job_further_up_never_lowers_a_measure(grades: np.ndarray, one: int, other: int) -> None:
    above, below = sorted((one % len(grades), other % len(grades)))
    if grades[above] >= grades[below] or UNGRADED in grades:
        return
    swapped = grades.copy()
    swapped[[above, below]] = grades[[below, above]]
    (good, poor, ndcg), (good_before, poor_before, ndcg_before) = measures(swapped), measures(grades)
    assert good >= good_before
    assert poor <= poor_before
    assert ndcg > ndcg_before or above >= 10


@given(GRADES)
def test_good_and_poor_fits_are_never_more_than_the_places(grades: np.ndarray) -> None:
    assert 0 <= good_fits(grades) + poor_fits(grades) <= 1


def test_equal_scores_stay_in_the_order_of_retrieval() -> None:
    scores = np.tile([1.0, 2.0], 20)
    assert ordered(scores).tolist() == [*range(1, 40, 2), *range(0, 40, 2)]


@given(KNOWN)
def test_rank_correlation_is_that_of_scipy_with_ties(grades: np.ndarray) -> None:
    from scipy.stats import spearmanr

    other = np.random.default_rng(0).integers(0, 3, len(grades))
    if np.ptp(grades) and np.ptp(other):
        assert rank_correlation(grades, other) == pytest.approx(spearmanr(grades, other).statistic)
    else:
        assert np.isnan(rank_correlation(grades, other))
