"""What is measured of one request, against numbers by hand."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.workspace import Workspace
from replay.runs.measured import CHOSEN, MEASURES, by_choices, of_jobs, within_list
from retrieval.index.job_index import JobIndex

FALLING = np.array([3, 2, 1], np.float32)


def test_choices_are_measured_and_a_request_without_any_says_nothing() -> None:
    qrels = {"a": {"x": 2, "y": 1}, "b": {}}
    run = {"a": (["n", "x", "y"], FALLING), "b": (["x"], FALLING[:1])}
    values = by_choices(qrels, run, {"a": ["x", "y"], "b": ["x"]}, ["a", "b"])
    assert values.shape == (2, 6) and np.isnan(values[1]).all()
    found = dict(zip(MEASURES, values[0], strict=False))
    ideal = 2 + 1 / np.log2(3)
    assert found["nDCG@10"] == pytest.approx((2 / np.log2(3) + 1 / 2) / ideal)
    assert (found["RR"], found["R@10"], found["P@10"]) == pytest.approx((0.5, 1.0, 0.2))
    assert found["nDCG@10 condensed"] == pytest.approx(1), "n was never shown"


def test_a_request_that_is_not_answered_is_a_miss_and_no_gap() -> None:
    values = by_choices({"a": {"x": 1}}, {"a": ([], FALLING[:0])}, {"a": ["x"]}, ["a"])
    assert (values[0, : len(CHOSEN)] == 0).all()


def test_the_auc_of_a_list_counts_pairs_and_ties_what_is_not_answered() -> None:
    opened, applied = np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.0, 0.0, 0.0, np.nan])
    ranks = np.array([1, 2, 0, 0])  # the last two are not among the answers
    auc, none = within_list(ranks, [opened, applied])
    assert auc == pytest.approx((1 + 1 + 0 + 0.5) / 4) and np.isnan(none)


def test_novelty_diversity_and_age_are_of_the_first_ten(shown: Workspace) -> None:
    index = JobIndex.load(shown.index)
    popular = np.zeros(len(index))
    popular[0] = 6
    rows = np.array([0, 1])
    novelty, diversity, age, judged, answered = of_jobs(index, rows, 0.0, popular, np.array([True, False]))
    assert novelty == pytest.approx(-(np.log2(7 / 8) + np.log2(1 / 8)) / 2)
    vectors = np.asarray(index.vectors, np.float64)
    assert diversity == pytest.approx(1 - vectors[0] @ vectors[1])
    assert np.isnan(age) and (judged, answered) == (0.5, 1.0)
    assert of_jobs(index, rows[:0], 0.0, popular, np.zeros(0, bool))[-1] == 0
