"""The whole recipe on the public job-views data, by the protocol that the data's README states.

`python -m benchmarks.jobviews --data FOLDER` runs `rolecall run` on the folder and copies the replay's rows, every
system with its interval, into `results/spine.json`, and those of the served candidates into `results/affinity.json`.

The protocol's candidates are all jobs of the file, so also those that nobody had looked at when the request was made;
what other members looked at before the request tells them apart, as it would not among jobs that are all on offer.
Such features are out of the order by default; what they would add is measured in a copy of the workspace (`GIVEN`).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import result_file
from benchmarks.affinity import served_rows
from benchmarks.summary import summary_rows
from contracts.documents import read_yaml, to_yaml
from contracts.workspace import Workspace
from models.config import ExportConfig
from replay.results import WHOLE
from replay.summary import read_results

GIVEN = ExportConfig().leave_out
NAME, COMMAND = "job views", "python -m benchmarks.jobviews --data FOLDER"


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds Job_Views.csv")
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/jobviews"))
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--reuse", action="store_true", help="take the summary of an earlier run in the workspace")
    options = parser.parse_args(argv)
    knobs = read_yaml(options.params.read_text(), str(options.params))
    workspace: Path = options.workspace
    if not (options.reuse and (workspace / "summary.json").is_file()):
        _run(knobs, options.data, workspace)
    rows = summary_rows(workspace, NAME) + _with_given(knobs, options)
    result_file.write("spine", COMMAND, rows, simulated=False, publish=options.publish)
    served = served_rows(read_results(Workspace(workspace)), NAME)
    result_file.write("affinity", COMMAND, served, simulated=False, publish=options.publish)


def _with_given(knobs: dict[str, Any], options: argparse.Namespace) -> list[dict[str, Any]]:
    """The rows of the whole system of the first table, with the features that the protocol gives away."""
    copy = options.workspace.with_name(options.workspace.name + "-given")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(options.workspace, copy)
    _run(knobs | {"export": {**knobs.get("export", {}), "leave_out": []}}, options.data, copy, "--from", "export")
    rows = summary_rows(copy, NAME)
    name = f"{WHOLE} with {', '.join(GIVEN)}"
    first = [row for row in rows if row["case"] == rows[0]["case"]]
    return [row | {"system": name} for row in first if row["system"] == WHOLE]


def _run(knobs: dict[str, Any], data: Path, workspace: Path, *options: str) -> None:
    workspace.mkdir(parents=True, exist_ok=True)
    params = workspace / "params.yaml"
    params.write_text(to_yaml(knobs))
    command = ["rolecall", "--params", str(params), "run", "--data", str(data), "--workspace", str(workspace)]
    subprocess.run([sys.executable, "-m", *command, *options], check=True)


if __name__ == "__main__":
    main()
