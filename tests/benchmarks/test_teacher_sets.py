"""What each teacher adds: shares, the branch that alone may run, measures of served orders, and the page's tables."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from benchmarks import teacher_sets as benchmark
from benchmarks.teacher_sets import Taught, check_branch, cost_rows, mean_rows, shares, snapshot, student_rows
from benchmarks.teacher_sets_served import Grades, Served, expected_gain, measured
from benchmarks.teacher_sets_tables import teacher_sets_tables
from contracts.errors import NotReady
from contracts.versions import write_text
from contracts.workspace import Workspace
from replay.holdout import HeldOut
from replay.results import BM25, RETRIEVAL, SERVED, student
from replay.served import ServedList
from tests.make import refused


def test_a_task_of_several_teachers_is_mixed_and_the_click_teacher_counts_within_the_graph_teacher() -> None:
    tasks = {"policy": ("relevance",), "click": ("view",), "graph": ("view",), "decoder": ("relevance", "view")}
    assert shares({"policy": ("relevance",), "click": ("view",)}) == {}
    mix = shares(tasks)
    assert mix["relevance"] == {"policy": 3, "decoder": 1}
    assert mix["view"] == {"click": 0, "graph": 3, "decoder": 1}


@pytest.mark.parametrize(
    ("changed", "refuses"),
    [
        ("teachers/graph/v/model", False),
        ("bundles/v2/graph", False),
        ("teachers/click/v2/model", True),
        ("teachers/click/v1/model", True),
        ("scores/click/v2.parquet", True),
        ("scores/click/.switching", False),
        ("records/jobs/part", True),
        ("training/part", True),
    ],
)
def test_a_set_writes_below_its_own_new_teachers_and_what_hangs_on_them_alone(
    tmp_path: Path, changed: str, refuses: bool
) -> None:
    workspace = Workspace(tmp_path)
    for path in ("teachers/click/v1/model", "scores/click/v1.parquet", "records/jobs/part", "bundles/v1/graph"):
        write_text(tmp_path / path, "before")
    before = snapshot(workspace)
    write_text(tmp_path / changed, "after, and longer")
    if refuses:
        with refused(NotReady, changed.split("/")[0]):
            check_branch(before, snapshot(workspace))
    else:
        check_branch(before, snapshot(workspace))


def test_an_order_is_measured_by_the_truth_by_the_judge_and_by_what_was_done() -> None:
    truth = np.array([4, 0, 2, *[0] * 9])
    judge = np.full(12, -1)
    gains = np.array([0, 2, *[0] * 10])
    by_truth = measured(truth.astype(float), Grades(truth, judge), gains)
    np.testing.assert_allclose(by_truth, [0.1, 0.8, np.nan, np.nan, 1 / np.log2(4)])
    assert np.isnan(measured(truth.astype(float), Grades(truth, judge), gains * 0)[4])
    assert expected_gain({"view": np.zeros(2), "apply": np.zeros(2)}).tolist() == [1, 1]


def served(relevance: float) -> Served:
    """Two requests of two members with twelve candidates; the third of each was opened and fits."""
    jobs = [f"j{i}" for i in range(12)]
    held = [HeldOut(f"r{m}", f"m{m}", "", datetime(2026, 1, 1, tzinfo=UTC), {"j2": 1}, frozenset()) for m in range(2)]
    good = np.eye(12)[2]
    scores = {
        SERVED: relevance * good,
        student("relevance"): relevance * good,
        student("view"): good,
        RETRIEVAL: -np.arange(12.0),
        BM25: np.zeros(12),
    }
    return Served(held, [], [ServedList(place, jobs, scores) for place in range(2)], 4.0)


def test_students_stand_beside_the_best_order_and_each_beside_the_set_before(monkeypatch: pytest.MonkeyPatch) -> None:
    grades = [Grades(np.eye(12, dtype=np.int64)[2] * 4, np.eye(12, dtype=np.int64)[2] * 4)] * 2
    sets = [(("policy",), -1.0), (("policy", "click"), 1.0)]
    students = [Taught(teachers, served(of), {"student": 3.0, "click_teacher": 5.0}) for teachers, of in sets]
    rows = [*student_rows(students, grades), *cost_rows(students)]
    of = {(row["system"], row["metric"]): row["value"] for row in rows}
    assert of["best possible", "NDCG@10"] == of["judge", "NDCG@10"] == 1
    assert of["retrieval alone", "NDCG@10"] == pytest.approx(0.5)
    assert of["student of policy", "NDCG@10"] == 0 and of["student of policy + click", "NDCG@10"] == 1
    assert of["student of policy, actions alone", "NDCG@10"] == 1
    assert of["student of policy + click", "NDCG@10 minus student of policy"] == 1
    assert of["student of policy", "a request, retrieved and scored"] == 2_000
    other = served(1.0)
    moved = Served(other.held, [], [other.lists[0], other.lists[1].first(11)], 1.0)
    with pytest.raises(ValueError, match="other candidates"):
        list(student_rows([*students, Taught(("click",), moved, {})], grades))
    about = {"command": "c", "date": "2026-01-01T00:00:00", "machine": "m"}
    left = {"case": "left out", "system": "decoder", "metric": "no --decoder was given", "value": 1.0}
    tables = teacher_sets_tables([{**row, **about} for row in [*rows, left]])
    assert tables["served"].count("| student of policy") == 6
    assert "| student of policy + click | student of policy | 0.100" in tables["added"]
    assert "5.000 s" in tables["costs"] and tables["left-out"] == "- decoder: no --decoder was given\n"
    assert "Nothing" in teacher_sets_tables([{**row, **about} for row in rows])["left-out"]


def test_an_interval_is_over_members_and_a_request_that_tells_nothing_is_left_out() -> None:
    values = np.array([[0.0] * 5, [1.0] * 5, [np.nan] * 5])
    row = next(mean_rows("c", "s", values, ["a", "b", "c"]))
    assert row["value"] == 0.5 and row["low"] < 0 < 1 < row["high"]


def test_without_a_decoder_its_sets_are_left_out_by_name() -> None:
    assert "--decoder" not in benchmark.command(None)
    assert benchmark.command(Path("folder")).endswith("--decoder FOLDER")
