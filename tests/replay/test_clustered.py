"""Intervals that know that requests of one member are alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.clustered import clustered_mean, holm

NUMBERS = st.floats(-1e3, 1e3, allow_nan=False)


def test_one_member_has_no_interval_however_many_requests() -> None:
    mean = clustered_mean(np.array([0.0, 1.0, 0.5]), ["m", "m", "m"])
    assert mean is not None and (mean.low, mean.high, mean.error, mean.members) == (None, None, None, 1)
    assert mean.below() == mean.above() == 1.0 and mean.requests_needed(0.1) is None


@pytest.mark.parametrize(("value", "members"), [(0.1, 2), (0.0, 3), (1.0, 5)])
def test_few_who_agree_by_chance_tell_nothing_of_others(value: float, members: int) -> None:
    few = clustered_mean(np.full(members, value), [f"m{i}" for i in range(members)])
    assert few is not None and few.low is few.high is few.error is None and few.above() == few.below() == 1.0


def test_many_who_agree_tell_as_much_as_a_sign_test_and_not_how_they_vary() -> None:
    many = clustered_mean(np.full(20, 0.1), [f"m{i}" for i in range(20)])
    assert many is not None and many.low == many.high == pytest.approx(0.1)
    assert many.above() == 0.5**20 and many.requests_needed(0.01) is None


def test_anonymous_requests_are_each_somebody() -> None:
    mean = clustered_mean(np.array([0.0, 1.0, 0.5]), ["", "", ""])
    assert mean is not None and mean.members == 3


def test_requests_of_one_member_each_have_students_own_interval() -> None:
    from scipy.stats import t, ttest_1samp

    values = np.random.default_rng(0).normal(0.3, 1, 50)
    mean = clustered_mean(values, [f"m{i}" for i in range(50)])
    assert mean is not None and mean.low is not None
    error = values.std(ddof=1) / np.sqrt(50)
    assert mean.low == pytest.approx(values.mean() - t.ppf(0.975, 49) * error)
    assert mean.above() == pytest.approx(ttest_1samp(values, 0, alternative="greater").pvalue)


def test_a_request_told_ten_times_is_no_more_evidence() -> None:
    values, members = np.random.default_rng(1).normal(size=30), [f"m{i}" for i in range(30)]
    once, often = clustered_mean(values, members), clustered_mean(np.repeat(values, 10), list(np.repeat(members, 10)))
    assert once is not None and often is not None and once.low == pytest.approx(often.low)


def test_intervals_cover_the_truth_where_members_differ() -> None:
    rng, covered = np.random.default_rng(2), 0
    for _ in range(300):
        own = rng.normal(size=25)
        sizes = rng.integers(1, 12, 25)
        values = np.repeat(own, sizes) + rng.normal(0, 0.2, sizes.sum())
        mean = clustered_mean(values, [f"m{i}" for i in np.repeat(range(25), sizes)])
        assert mean is not None and mean.low is not None and mean.high is not None
        covered += mean.low <= 0 <= mean.high
    assert 0.89 <= covered / 300 <= 0.99


@given(st.lists(st.tuples(NUMBERS, st.sampled_from("abcdef")), min_size=1, max_size=40))
def test_the_mean_lies_in_its_interval_and_nan_says_nothing(rows: list[tuple[float, str]]) -> None:
    values, members = np.array([value for value, _ in rows]), [member for _, member in rows]
    mean = clustered_mean(values, members)
    with_nan = clustered_mean(np.append(values, np.nan), [*members, "z"])
    assert mean == with_nan and mean is not None
    if mean.low is not None and mean.high is not None:
        assert mean.low <= mean.value <= mean.high


def test_nothing_known_is_nothing() -> None:
    assert clustered_mean(np.array([np.nan]), ["m"]) is None


def test_the_requests_that_are_needed_find_such_a_gain_in_four_logs_of_five() -> None:
    rng = np.random.default_rng(3)
    first = clustered_mean(rng.normal(size=400), [f"m{i}" for i in range(400)])
    assert first is not None
    needed = first.requests_needed(0.2)
    assert needed is not None
    found = 0
    for _ in range(300):
        mean = clustered_mean(rng.normal(0.2, 1, needed), [f"m{i}" for i in range(needed)])
        assert mean is not None and mean.low is not None
        found += mean.low > 0
    assert 0.7 <= found / 300 <= 0.9


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_never_lowers_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(a >= p for a, p in zip(adjusted, p_values, strict=True)) and max(adjusted) <= 1
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()
    assert min(adjusted) == pytest.approx(min(1, min(p_values) * len(p_values)))
