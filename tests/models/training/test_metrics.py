"""Measures against values worked out by hand and by a library."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.training.metrics import (
    auc,
    calibration_error,
    calibration_interval,
    list_ndcgs,
    mean_ndcg,
    rank_correlation,
    reliability,
    top_agreement,
)


def test_ndcg_worked_by_hand() -> None:
    gains = np.array([1.0, 0.5, 0.0])
    found = mean_ndcg(np.array([0.1, 0.9, 0.5]), gains, [np.arange(3)])
    assert found == pytest.approx((0.5 + 0 / np.log2(3) + 1 / 2) / (1 + 0.5 / np.log2(3)))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-50, 50)), min_size=2, max_size=30, unique_by=lambda p: p[1]))
def test_ndcg_is_that_of_scikit_learn_where_nothing_ties(pairs: list[tuple[int, int]]) -> None:
    from sklearn.metrics import ndcg_score

    gains, scores = (np.array(column, np.float64) for column in zip(*pairs, strict=True))
    found = mean_ndcg(scores, gains, [np.arange(len(pairs))])
    if np.ptp(gains) == 0:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(ndcg_score([gains], [scores], k=10))


def test_equal_scores_gain_nothing_from_a_lucky_order() -> None:
    gains = np.array([1.0, 0.0, 0.0, 0.0])
    assert mean_ndcg(np.zeros(4), gains, [np.arange(4)], k=1) == 0.0


def test_ungraded_rows_and_flat_lists_are_left_out() -> None:
    gains = np.array([1.0, np.nan, 0.0, 0.5, 0.5])
    values = list_ndcgs(np.array([2.0, 3.0, 1.0, 1.0, 2.0]), gains, [np.array([0, 1, 2]), np.array([3, 4])])
    assert values[0] == 1.0 and np.isnan(values[1])


def test_auc_counts_ordered_pairs_of_known_labels() -> None:
    assert auc(np.array([3.0, 1.0, 2.0, 9.0]), np.array([1.0, 0.0, 0.0, np.nan])) == 1.0
    assert np.isnan(auc(np.array([1.0, 2.0]), np.array([1.0, 1.0])))


def test_agreement_is_one_for_the_same_order_and_falls_with_a_worse_top() -> None:
    reference = np.array([3.0, 0.0, -3.0])
    assert top_agreement(reference * 2, reference, [np.arange(3)]) == 1.0
    assert top_agreement(-reference, reference, [np.arange(3)]) < 0.1


def test_calibration_error_of_true_rates_is_zero_and_of_shifted_rates_the_shift() -> None:
    labels = np.tile([0.0, 1.0], 500)
    assert calibration_error(np.full(1_000, 0.5), labels) == pytest.approx(0.0, abs=1e-9)
    assert calibration_error(np.full(1_000, 0.8), labels) == pytest.approx(0.3)


def test_reliability_bins_hold_equal_mass_and_never_split_a_probability() -> None:
    p = np.repeat([0.1, 0.5, 0.9], [50, 30, 20])
    bins = reliability(p, (p > 0.4).astype(float), bins=10)
    assert [b.n for b in bins] == [50, 30, 20]
    assert [b.predicted for b in bins] == pytest.approx([0.1, 0.5, 0.9])
    assert all(b.low <= b.observed <= b.high for b in bins)


@given(st.lists(st.tuples(st.sampled_from(np.linspace(0, 1, 7).tolist()), st.booleans()), min_size=1, max_size=80))
def test_every_reliability_bin_holds_its_share_and_all_pairs_are_in_one(pairs: list[tuple[float, bool]]) -> None:
    p, y = np.array([p for p, _ in pairs]), np.array([float(y) for _, y in pairs])
    bins = reliability(p, y, bins=5)
    assert sum(b.n for b in bins) == len(pairs)
    assert all(b.n >= len(pairs) / 5 for b in bins)
    assert sum(b.n * b.observed for b in bins) == pytest.approx(y.sum())
    assert all(a.predicted < b.predicted for a, b in pairwise(bins))


def test_calibration_error_is_the_mean_distance_over_pairs() -> None:
    p, labels = np.array([0.2] * 4 + [0.6] * 4 + [0.9]), np.array([0, 0, 0, 1, 1, 1, 1, 1, np.nan])
    assert calibration_error(p, labels, bins=2) == pytest.approx((4 * 0.05 + 4 * 0.4) / 8)


def test_the_interval_of_a_calibration_error_narrows_with_the_lists_and_holds_the_truth() -> None:
    random, widths = np.random.default_rng(0), []
    for lists in (20, 500):
        labels = (random.random(lists * 10) < 0.3).astype(float)
        low, high = calibration_interval(np.full(len(labels), 0.5), labels, np.repeat(np.arange(lists), 10))
        assert low < 0.2 < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 3
    assert np.isnan(calibration_interval(np.ones(2), np.full(2, np.nan), np.arange(2))).all()


def test_rank_correlation_is_the_mean_of_the_lists_that_tell_jobs_apart() -> None:
    reference = np.array([3.0, 2.0, 1.0, 3.0, 2.0, 1.0, 5.0, 5.0])
    scores = np.array([3.0, 2.0, 1.0, 1.0, 2.0, 3.0, 1.0, 2.0])
    lists = [np.arange(3), np.arange(3, 6), np.array([6, 7])]
    assert rank_correlation(scores, reference, lists[:1]) == 1.0
    assert rank_correlation(scores, reference, lists) == pytest.approx(0.0)
    assert np.isnan(rank_correlation(scores, reference, lists[2:]))
