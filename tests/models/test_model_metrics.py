"""Measures against values worked out by hand and by a library."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.metrics import auc, calibration_error, list_ndcgs, mean_ndcg, top_agreement


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
