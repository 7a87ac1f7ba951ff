"""The summary of a recipe's run: every system's metrics and every stage's cost, in the row format of the benchmarks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from contracts.errors import NotReady, UnreadableFile
from contracts.machine import machine, versions
from contracts.validation import typed
from contracts.workspace import Workspace
from replay.report.page import write_report
from replay.results import Results

PACKAGES = ("apache-beam", "feast", "onnxruntime", "torch", "transformers", "ir_measures", "numpy", "pyarrow")


def write_summary(
    workspace: Workspace, *, stages: Sequence[Mapping[str, Any]], knobs: Mapping[str, Any] | None = None
) -> Results:
    """Write `summary.json` of a workspace, and the report again, now that all stages' costs are known.

    Returns the results of the replay that it is made of.

    stages: {name, seconds, peak_mb} each, in their order; knobs: what the recipe ran with. Raises NotReady where no
    replay was run, UnreadableFile where its results are broken.
    """
    results = read_results(workspace)
    document = {
        "name": "summary",
        "command": "rolecall run",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(PACKAGES) | dict(results.versions),
        "simulated": results.simulated,
        "knobs": dict(knobs or {}),
        "rows": [*results.rows(), *_costs(stages)],
    }
    workspace.summary.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
    write_report(workspace, results, stages)
    return results


def read_results(workspace: Workspace) -> Results:
    """The results of the last replay. Raises NotReady, UnreadableFile."""
    path = workspace.replay / "metrics.json"
    try:
        return Results.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise NotReady(f"no replay in {workspace.replay}", cure="run `rolecall replay` first") from error
    except ValidationError as error:
        raise typed(error, UnreadableFile, where=str(path), cure="run `rolecall replay` again") from error


def _costs(stages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for stage in stages:
        row = {"case": f"stage {stage['name']}", "system": "rolecall"}
        rows.append(row | {"metric": "wall time", "value": stage["seconds"], "unit": "s"})
        rows.append(row | {"metric": "peak memory", "value": stage["peak_mb"], "unit": "MB"})
    return rows
