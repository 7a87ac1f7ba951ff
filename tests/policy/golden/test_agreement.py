"""Agreement of graders: kappa against a reference, and the rubric judge against a market's truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from contracts.arrow import to_records
from contracts.errors import BadInput
from contracts.records import Job, Member
from contracts.tables import latest
from policy import RubricJudge, load_policy
from policy.golden.agreement import agreement
from simulator.market import simulate
from simulator.truth import Truth
from tests.make import refused

grades = st.integers(0, 4)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(grades, grades), min_size=2, max_size=60))
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    first, second = zip(*pairs, strict=True)
    found = agreement(first, second, rounds=10)
    for name in ("linear", "quadratic"):
        expected = cohen_kappa_score(first, second, labels=range(5), weights=name)
        assert getattr(found, name).value == pytest.approx(1.0 if np.isnan(expected) else expected)


def test_the_interval_holds_the_value_and_narrows_with_more_pairs() -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(0, 5, 4_000)
    second = np.clip(first + rng.integers(-1, 2, 4_000), 0, 4)
    few, many = agreement(first[:100], second[:100]).quadratic, agreement(first, second).quadratic
    assert few.low < few.value < few.high
    assert many.high - many.low < (few.high - few.low) / 3


@pytest.mark.parametrize(
    ("first", "second", "named"),
    [([], [], "0 and 0"), ([1, 2], [1], "2 and 1"), ([1, 5], [1, 2], "grade 5")],
)
def test_what_cannot_be_compared_is_refused(first: list[int], second: list[int], named: str) -> None:
    with refused(BadInput, named):
        agreement(first, second)


def test_the_rubric_judge_agrees_with_the_truth_of_a_market(tmp_path: Path) -> None:
    simulate(tmp_path, members=300, jobs=900, events=8_000, seed=23)
    members = {m.id: m for m in to_records(latest(pq.read_table(tmp_path / "members"), "id", "updated_at"), Member)}
    jobs = {j.id: j for j in to_records(latest(pq.read_table(tmp_path / "jobs"), "id", "updated_at"), Job)}
    shown = [e for e in pq.read_table(tmp_path / "events").to_pylist() if e["action"] == "impression"][:4_000]
    judge = RubricJudge(load_policy())
    judged = [judge.grade(members[e["member_id"]], jobs[e["job_id"]], e["query"]).grade for e in shown]
    truth = Truth.load(tmp_path).fits(*([e[name] for e in shown] for name in ("member_id", "job_id", "query")))
    found = agreement(judged, truth)
    assert found.quadratic.low > 0.8, str(found)
