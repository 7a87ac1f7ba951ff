"""Where a bundle comes from (pairs, graders, teachers), and the slices of test lists on which it is measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.examples import SPLITS
from contracts.tables import parts, read_table
from contracts.workspace import Workspace
from models.training.graded import asked_for_grades

if TYPE_CHECKING:
    from models.training.rows import Rows


def provenance(workspace: Workspace, rows: Rows, teachers: Mapping[str, str]) -> dict[str, Any]:
    """What a bundle was made from, for the lineage in its manifest.

    Args:
        workspace: With the training set, the grades, the teachers and the events.
        rows: The training set.
        teachers: Kind -> version of the student's teachers.

    Returns:
        A dict with these keys:
            data: Split -> pairs, lists, first and last day of requests, and by task how many labels are known and
                their sum.
            asked: Of the training lists, all of them and those with graded pairs: pairs, lists, searches, members; and
                what those that are graded have alone in common (`only`).
            graders: Grader -> pairs, and policy: its versions; both absent without grades.
            judge: The label job's report of agreement with the golden set; None where there is none.
            teachers_measured: Kind -> the teacher's own metrics on the held-out lists.
            teachers_config: Kind -> its knobs.
            simulated: Whether the simulator drew an event.
    """
    graded, every = asked_for_grades(workspace.training)
    folders = {kind: workspace.teachers / kind / version for kind, version in teachers.items()}
    return {
        "data": _data(workspace, rows),
        "asked": {"graded": graded.model_dump() | {"only": graded.only}, "all": every.model_dump()},
        **_graders(workspace),
        "judge": _read_json(workspace.judge_report, None),
        "teachers_measured": {kind: _read_json(folder / "metrics.json", {}) for kind, folder in folders.items()},
        "teachers_config": {
            kind: _read_json(folder / "teacher.json", {}).get("config", {}) for kind, folder in folders.items()
        },
        "simulated": _simulated(workspace),
    }


def searches(workspace: Workspace, rows: Rows) -> np.ndarray:
    """(n,) bool: the pairs whose request has a query."""
    table = read_table(workspace.training, ["list_id", "query"], pc.field("query") != "")
    asked = set(table["list_id"].unique().to_pylist())
    return np.array([list_id in asked for list_id in rows.list_ids.tolist()], bool)


def slices(workspace: Workspace, rows: Rows, test: np.ndarray) -> dict[str, list[np.ndarray]]:
    """The test lists, whole and in parts: by kind of request, by the member's history, by the pairs' stratum.

    Args:
        workspace: With the training set.
        rows: The training set.
        test: Row numbers of the test pairs.

    Returns:
        Slice -> row numbers of each list; "" for all. A member without history had opened no job that the index holds
        before the request.
    """
    table = read_table(workspace.training, ["list_id", "member_id", "query", "recent"])
    lists = rows.lists(test)
    list_ids = [rows.list_ids[of_list[0]] for of_list in lists]
    facts = table.group_by("list_id").aggregate([("member_id", "max"), ("query", "max"), ("recent", "max")])
    requests = {row["list_id"]: row for row in facts.to_pylist()}
    by_slice: dict[str, list[np.ndarray]] = {"": lists}
    for list_id, of_list in zip(list_ids, lists, strict=True):
        for kind in _kinds(requests[list_id]):
            by_slice.setdefault(kind, []).append(of_list)
    for stratum in np.unique(rows.strata[test]):
        within = [of_list[rows.strata[of_list] == stratum] for of_list in lists]
        by_slice[f"jobs: {stratum}"] = [of_list for of_list in within if len(of_list)]
    return by_slice


def _kinds(request: Mapping[str, Any]) -> list[str]:
    if not request["member_id_max"]:
        return ["asked: query alone"]
    kind = "asked: query and member" if request["query_max"] else "asked: member alone"
    return [kind, "member: with history" if request["recent_max"] else "member: without history"]


def _data(workspace: Workspace, rows: Rows) -> dict[str, Any]:
    times = read_table(workspace.training, ["split", "event_timestamp"])
    by_split = {}
    for split in SPLITS:
        of_split = rows.of_splits(split)
        when = times.filter(pc.field("split") == split)["event_timestamp"]
        if not len(of_split):
            continue
        known = {task: rows.target(task)[of_split][np.isfinite(rows.target(task)[of_split])] for task in rows.tasks}
        by_split[split] = {
            "pairs": len(of_split),
            "lists": len(np.unique(rows.list_ids[of_split])),
            "first": pc.min(when).as_py().date().isoformat(),
            "last": pc.max(when).as_py().date().isoformat(),
            "known": {task: len(labels) for task, labels in known.items()},
            "sum": {task: round(float(labels.sum()), 2) for task, labels in known.items()},
        }
    return by_split


def _graders(workspace: Workspace) -> dict[str, Any]:
    if not parts(workspace.grades):
        return {}
    table = read_table(workspace.grades, ["grader", "policy_version"])
    counts = {row["values"]: row["counts"] for row in table["grader"].value_counts().to_pylist()}
    policies = table["policy_version"].unique().sort().to_pylist()
    return {"graders": dict(sorted(counts.items())), "policy": ", ".join(policies)}


def _read_json(path: Path, default: Any) -> Any:
    return json.loads(path.read_text()) if path.is_file() else default


def _simulated(workspace: Workspace) -> bool:
    """Whether any event was drawn by the simulator, which signs what it logs."""
    if not parts(workspace.records / "events"):
        return False
    signed: pa.ChunkedArray = read_table(workspace.records / "events", ["logged_by"])["logged_by"]
    return any(name.startswith("simulator/") for name in signed.unique().to_pylist())
