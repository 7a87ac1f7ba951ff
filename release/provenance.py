"""What a bundle was made from: pairs, who graded them, teachers; and the kinds of request that it is measured on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.examples import SPLITS
from contracts.tables import parts, read_table
from contracts.workspace import Workspace

if TYPE_CHECKING:
    from models.training.rows import Rows


def provenance(workspace: Workspace, rows: Rows, teachers: Mapping[str, str]) -> dict[str, Any]:
    """For the lineage in a bundle's manifest. teachers: kind -> version.

    data: split -> pairs, lists, first and last request, and of each task how many labels are known and what they add
    up to; graders: who -> pairs; policy: its version; judge: the label job's report of how far they agree with the
    golden set, None where there is none; teachers_measured, teachers_config: kind -> its own held-out metrics, its
    knobs; simulated: whether the simulator drew an event.
    """
    of_teachers = teachers.items()
    return {
        "data": _data(workspace, rows),
        **_graders(workspace),
        "judge": _judge(workspace),
        "teachers_measured": {kind: _read(workspace, kind, version, "metrics.json") for kind, version in of_teachers},
        "teachers_config": {
            kind: _read(workspace, kind, version, "teacher.json").get("config", {}) for kind, version in of_teachers
        },
        "simulated": _simulated(workspace),
    }


def slices(workspace: Workspace, rows: Rows, test: np.ndarray) -> dict[str, list[np.ndarray]]:
    """Name -> lists of row numbers: all under "", then by who asks and how, by history, and by where pairs come from.

    A member without history has opened nothing before the request that the index knows.
    """
    table = read_table(workspace.training, ["list_id", "member_id", "query", "recent"])
    lists = rows.lists(test)
    names = [rows.list_ids[of_list[0]] for of_list in lists]
    facts = table.group_by("list_id").aggregate([("member_id", "max"), ("query", "max"), ("recent", "max")])
    of = {row["list_id"]: row for row in facts.to_pylist()}
    found: dict[str, list[np.ndarray]] = {"": lists}
    for name, of_list in zip(names, lists, strict=True):
        for kind in _kinds(of[name]):
            found.setdefault(kind, []).append(of_list)
    for stratum in np.unique(rows.strata[test]):
        within = [of_list[rows.strata[of_list] == stratum] for of_list in lists]
        found[f"jobs: {stratum}"] = [of_list for of_list in within if len(of_list)]
    return found


def _kinds(request: Mapping[str, Any]) -> list[str]:
    if not request["member_id_max"]:
        return ["asked: query alone"]
    asked = "asked: query and member" if request["query_max"] else "asked: member alone"
    return [asked, "member: with history" if request["recent_max"] else "member: without history"]


def _data(workspace: Workspace, rows: Rows) -> dict[str, Any]:
    times = read_table(workspace.training, ["split", "event_timestamp"])
    found = {}
    for split in SPLITS:
        mine = (rows.splits == split) & rows.listed
        when = times.filter(pc.field("split") == split)["event_timestamp"]
        if not mine.any():
            continue
        known = {task: rows.target(task)[mine][np.isfinite(rows.target(task)[mine])] for task in rows.tasks}
        found[split] = {
            "pairs": int(mine.sum()),
            "lists": len(np.unique(rows.list_ids[mine])),
            "first": pc.min(when).as_py().date().isoformat(),
            "last": pc.max(when).as_py().date().isoformat(),
            "known": {task: len(labels) for task, labels in known.items()},
            "sum": {task: round(float(labels.sum()), 2) for task, labels in known.items()},
        }
    return found


def _graders(workspace: Workspace) -> dict[str, Any]:
    if not parts(workspace.grades):
        return {}
    table = read_table(workspace.grades, ["grader", "policy_version"])
    counts = {row["values"]: row["counts"] for row in table["grader"].value_counts().to_pylist()}
    policies = table["policy_version"].unique().sort().to_pylist()
    return {"graders": dict(sorted(counts.items())), "policy": ", ".join(policies)}


def _judge(workspace: Workspace) -> dict[str, Any] | None:
    path = workspace.judge_report
    return json.loads(path.read_text()) if path.is_file() else None


def _read(workspace: Workspace, kind: str, version: str, name: str) -> dict[str, Any]:
    path = workspace.teachers / kind / version / name
    return json.loads(path.read_text()) if path.is_file() else {}


def _simulated(workspace: Workspace) -> bool:
    """Whether any event was drawn by the simulator, which signs what it logs."""
    signed: pa.ChunkedArray = read_table(workspace.records / "events", ["logged_by"])["logged_by"]
    return any(name.startswith("simulator/") for name in signed.unique().to_pylist())
