"""Measures equal what is computed by hand, and intervals behave as intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from replay.measures import (
    Estimate,
    auc_by_list,
    auc_estimates,
    kappa_estimate,
    mean_estimates,
    per_request,
    ratio_estimates,
    recall_curve,
    resamples,
)
from replay.results import Cell
from replay.trec import write_qrels, write_run


def test_measures_equal_hand_computed_values(tmp_path: Path) -> None:
    """One graded request with a good job at rank 2 and another that was missed; one that the run does not answer."""
    write_qrels(tmp_path / "q", {"a": {"x": 3, "y": 1}, "b": {"z": 1}})
    write_run(tmp_path / "r", {"a": (["w", "x", "v"], np.array([3, 2, 1], np.float32))}, "t")
    found = per_request(tmp_path / "q", tmp_path / "r", ["nDCG@10", "R@10", "RR"], ["a", "b"])
    ideal = 3 + 1 / np.log2(3)
    assert found["nDCG@10"] == pytest.approx([3 / np.log2(3) / ideal, 0])
    assert found["R@10"] == pytest.approx([0.5, 0])
    assert found["RR"] == pytest.approx([0.5, 0])


def test_requests_come_back_in_the_asked_order_whatever_their_ids(tmp_path: Path) -> None:
    write_qrels(tmp_path / "q", {"b b": {"x": 1}, "é": {"y": 1}})
    write_run(tmp_path / "r", {"é": (["y"], np.ones(1, np.float32))}, "t")
    assert per_request(tmp_path / "q", tmp_path / "r", ["RR"], ["é", "b b"])["RR"].tolist() == [1.0, 0.0]


def test_resamples_are_of_full_size_and_the_same_for_one_seed() -> None:
    first, again = (np.concatenate(list(resamples(7, 3, 450))) for _ in range(2))
    assert first.shape == (450, 7)
    assert (first.sum(axis=1) == 7).all()
    assert np.array_equal(first, again)


def test_bootstrap_intervals_cover_the_true_mean_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    samples = rng.exponential(1.0, size=(80, 400))  # 400 experiments of 80 requests, true mean 1
    found = mean_estimates(samples, seed=1)
    assert 0.90 <= np.mean([e.low <= 1 <= e.high for e in found]) <= 0.98


def test_a_paired_difference_is_sharper_than_the_two_means() -> None:
    rng = np.random.default_rng(2)
    hard = rng.random(200)
    better = hard + 0.05 + rng.normal(0, 0.01, 200)
    one, other, apart = mean_estimates(np.stack([hard, better, better - hard], axis=1), seed=0)
    assert one.high > other.low
    assert apart.low > 0.04


def test_requests_of_one_group_are_resampled_whole() -> None:
    values = np.random.default_rng(0).random((40, 1))
    alone = mean_estimates(values, seed=0)
    copied = mean_estimates(np.repeat(values, 25, axis=0), seed=0, groups=np.repeat(np.arange(40), 25))
    np.testing.assert_allclose([one[:3] for one in copied], [one[:3] for one in alone])
    assert copied[0].n == 1_000
    apart = mean_estimates(np.repeat(values, 25, axis=0), seed=0)
    assert apart[0].high - apart[0].low < 0.5 * (alone[0].high - alone[0].low)
    uneven = mean_estimates(np.array([[1.0], [0.0], [0.0], [0.0]]), seed=0, groups=np.array(["a", "b", "b", "b"]))
    assert uneven[0].value == 0.25


def test_no_request_has_no_mean() -> None:
    (found,) = mean_estimates(np.zeros((0, 1)), seed=0)
    assert np.isnan(found.value) and found.n == 0


def test_auc_equals_scikit_learns_with_ties() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.integers(0, 6, (300, 2)).astype(float), rng.random(300) < 0.3
    found = auc_estimates(scores, labels, np.arange(300) // 10, seed=0, count=200)
    assert [e.value for e in found] == pytest.approx([roc_auc_score(labels, column) for column in scores.T])
    assert all(e.low < e.value < e.high for e in found)


def test_auc_of_one_class_is_not_a_number() -> None:
    (found,) = auc_estimates(np.ones((3, 1)), np.ones(3, bool), np.arange(3), seed=0)
    assert np.isnan(found.value)


def test_recall_curve_counts_what_is_found_by_each_depth() -> None:
    curve = recall_curve([np.array([0, 2]), np.array([1])], np.array([2, 4]), 3)
    assert curve.tolist() == [0.25, 0.375, 0.625]


def test_auc_within_a_request_is_that_of_each_list_with_both_outcomes() -> None:
    rng = np.random.default_rng(1)
    scores, labels, lists = rng.integers(0, 4, (60, 2)).astype(float), rng.random(60) < 0.4, np.arange(60) % 6
    labels[lists == 3] = True
    expected = [
        [roc_auc_score(labels[lists == name], column[lists == name]) for column in scores.T] for name in (0, 1, 2, 4, 5)
    ]
    np.testing.assert_allclose(auc_by_list(scores, labels, lists), expected)


def test_auc_of_one_request_is_that_within_it_however_its_level_differs_from_others() -> None:
    """Two requests of opposite level: each is ordered perfectly, all pairs together are not."""
    scores, labels = np.array([[1.0], [0.0], [9.0], [8.0]]), np.array([True, False, True, False])
    assert auc_by_list(scores, labels, np.array(["a", "a", "b", "b"])).mean() == 1
    assert auc_estimates(scores, labels, np.array(["a", "a", "b", "b"]), seed=0, count=100)[0].value == 0.75


def test_a_share_of_what_is_possible_is_one_for_all_of_it_and_zero_where_nothing_is_possible() -> None:
    possible = np.array([0.5, 0.1, 0.0, 0.4])
    all_of_it, half = ratio_estimates(np.stack([possible, possible / 2], axis=1), possible, seed=0)
    assert all_of_it[:3] == pytest.approx((1, 1, 1))
    assert half[:3] == pytest.approx((0.5, 0.5, 0.5))
    (nothing,) = ratio_estimates(np.zeros((4, 1)), np.zeros(4), seed=0)
    assert nothing == (0, 0, 0, 4)


def test_kappa_over_lists_is_scikit_learns_over_their_pairs() -> None:
    rng = np.random.default_rng(4)
    first = rng.integers(0, 5, (30, 20))
    second = np.clip(first + rng.integers(-1, 2, first.shape), 0, 4)
    confusions = np.stack([np.bincount(a * 5 + b, minlength=25) for a, b in zip(first, second, strict=True)])
    found = kappa_estimate(confusions, seed=0)
    assert found.value == pytest.approx(cohen_kappa_score(first.ravel(), second.ravel(), weights="quadratic"))
    assert found.low < found.value < found.high and found.n == 30


def test_one_request_has_no_interval_but_the_whole_range() -> None:
    once, twice = (Estimate(0.5, 0.5, 0.5, n) for n in (1, 2))
    assert Cell.of("BM25", "nDCG@10", once, once).model_dump() == {
        "system": "BM25",
        "metric": "nDCG@10",
        "value": 0.5,
        "low": 0.0,
        "high": 1.0,
        "difference": (0.5, -1.0, 1.0),
    }
    assert Cell.of("BM25", "kappa_with_judge", once).low == -1
    assert Cell.of("BM25", "nDCG@10", twice).low == 0.5
