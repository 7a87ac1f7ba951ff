"""What a bundle tells of its data, and the kinds of request that it is measured on."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from contracts.tables import write_part
from contracts.tasks import EMPLOYER_TASKS
from contracts.workspace import Workspace
from models.training.rows import read_rows
from release.figures import Figures
from release.provenance import provenance, slices


@pytest.fixture
def workspace(labelled: Callable[..., Workspace], table: Callable[..., pa.Table]) -> Workspace:
    """Forty lists: of the eight test lists every second is a search, the first by nobody; one member has a history."""
    made = table(40).to_pylist()
    for row in made:
        number = int(row["list_id"][1:])
        row["query"] = "nurse" if number % 10 == 9 else ""
        row["member_id"] = "" if number == 9 else row["member_id"]
        row["recent"] = float(number == 4 and row["position"] == 2)
        row["stratum"] = "logged" if row["position"] <= 3 else "retrieved"
    found = labelled(table=pa.Table.from_pylist(made, schema=table(1).schema))
    write_part(found.records / "events", pa.table({"logged_by": ["bundle/index"]}))
    return found


def test_test_lists_are_sliced_by_who_asks_by_history_and_by_where_jobs_come_from(workspace: Workspace) -> None:
    rows = read_rows(workspace.training)
    found = slices(workspace, rows, np.flatnonzero(rows.splits == "test"))
    assert {name: len(lists) for name, lists in found.items()} == {
        "": 8,
        "asked: query alone": 1,
        "asked: query and member": 3,
        "asked: member alone": 4,
        "member: with history": 1,
        "member: without history": 6,
        "jobs: logged": 8,
        "jobs: retrieved": 8,
    }
    assert all(len(of_list) == 3 for of_list in found["jobs: logged"])


def test_data_graders_judge_and_teachers_are_told(workspace: Workspace) -> None:
    grade = {"grader": "rubric", "policy_version": "p1", "time": datetime(2026, 1, 1, tzinfo=UTC)}
    write_part(workspace.grades, pa.Table.from_pylist([grade] * 3))
    workspace.judge_report.write_text(json.dumps({"grader": "rubric", "golden": None}))
    teacher = workspace.teachers / "click" / "c1"
    teacher.mkdir(parents=True)
    (teacher / "metrics.json").write_text('{"view_auc": 0.7}')
    (teacher / "teacher.json").write_text('{"config": {"epochs": 2}}')
    rows = read_rows(workspace.training)
    found = provenance(workspace, rows, {"policy": "p0", "click": "c1"})
    assert found["asked"] == {
        "graded": {"pairs": 144, "lists": 24, "searches": 0, "members": 24, "only": "recommendations"},
        "all": {"pairs": 144, "lists": 24, "searches": 0, "members": 24},
    }
    valid = rows.splits == "valid"
    assert found["data"]["valid"] == {
        "pairs": 48,
        "lists": 8,
        "first": "2026-01-01",
        "last": "2026-01-01",
        "known": {
            "relevance": 48,
            "view": 48,
            "apply": 48,
            "dismiss": 48,
            "hire": 0,
            **dict.fromkeys(EMPLOYER_TASKS, 0),
        },
        "sum": {task: round(float(np.nansum(rows.target(task)[valid])), 2) for task in rows.tasks},
    }
    assert found["graders"] == {"rubric": 3} and found["policy"] == "p1" and found["judge"]["grader"] == "rubric"
    assert found["teachers_measured"] == {"policy": {}, "click": {"view_auc": 0.7}}
    assert found["teachers_config"]["click"] == {"epochs": 2} and not found["simulated"]


def test_a_mean_of_too_few_lists_is_left_out() -> None:
    figures = Figures()
    figures.mean("few", np.array([0.5, np.nan]), least=2)
    figures.mean("none", np.array([np.nan]))
    figures.mean("two", np.array([0.0, 1.0]), least=2)
    assert figures.metrics == {"two": 0.5} and figures.intervals == {"two": (0.0, 1.0)}
