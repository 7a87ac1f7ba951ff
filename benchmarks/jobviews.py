"""The whole recipe on the public job-views data, by the protocol that the data's README states.

`python -m benchmarks.jobviews --data FOLDER` runs `rolecall run` on the folder and copies the replay's rows, every
system with its interval, into `results/spine.json`.

The protocol's candidates are all jobs of the file, so also those that nobody had looked at when the request was made;
what other members looked at before the request tells them apart, as it would not among jobs that are all on offer. So
the first table is of the jobs that somebody had looked at by then, and the whole system is measured once more without
those features (`LEFT_OUT`), in a copy of the workspace. And the recipe
runs once more with an encoder that is trained on the log (`TRAIN`), in a workspace of its own.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import result_file
from benchmarks.summary import summary_rows
from contracts.documents import read_yaml, to_yaml
from replay.results import ENCODER_ALONE, RETRIEVAL, WHOLE

LEFT_OUT = ("views_7d", "days_since_view", "unseen")
TRAIN = {"max_requests": 3_000}
NAME, TRAINED = "job views", ", encoder trained"


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds Job_Views.csv")
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/jobviews"))
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--reuse", action="store_true", help="take the summary of an earlier run in the workspace")
    options = parser.parse_args(argv)
    knobs = read_yaml(options.params.read_text(), str(options.params))
    trained = knobs | {"encoder": {**knobs.get("encoder", {}), "train": TRAIN}}
    rows = _ran(options, options.workspace, knobs)
    rows += _ran(options, options.workspace.with_name(options.workspace.name + "-trained"), trained, TRAINED)
    result_file.write(
        "spine", "python -m benchmarks.jobviews --data FOLDER", rows, simulated=False, publish=options.publish
    )


def _ran(options: argparse.Namespace, workspace: Path, knobs: dict[str, Any], suffix: str = "") -> list[dict[str, Any]]:
    """A run's rows, and those of its whole system, from the first table, without features of what others looked at.

    suffix: behind the names of the systems; of such a run the first table's rows of the systems with vectors alone.
    """
    if not (options.reuse and (workspace / "summary.json").is_file()):
        _run(knobs, options.data, workspace)
    copy = workspace.with_name(workspace.name + "-without-views")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(workspace, copy)
    _run(
        knobs | {"export": {**knobs.get("export", {}), "leave_out": list(LEFT_OUT)}},
        options.data,
        copy,
        "--from",
        "export",
    )
    without = _renamed(copy, {WHOLE: f"{WHOLE} without {', '.join(LEFT_OUT)}{suffix}"})
    if not suffix:
        return summary_rows(workspace, NAME) + without
    return _renamed(workspace, {name: name + suffix for name in (ENCODER_ALONE, RETRIEVAL, WHOLE)}) + without


def _renamed(workspace: Path, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """A run's rows of the first table, of the systems in `names`, under their new names."""
    rows = summary_rows(workspace, NAME)
    first = [row for row in rows if row["case"] == rows[0]["case"]]
    return [row | {"system": names[row["system"]]} for row in first if row["system"] in names]


def _run(knobs: dict[str, Any], data: Path, workspace: Path, *options: str) -> None:
    workspace.mkdir(parents=True, exist_ok=True)
    params = workspace / "params.yaml"
    params.write_text(to_yaml(knobs))
    command = ["rolecall", "--params", str(params), "run", "--data", str(data), "--workspace", str(workspace)]
    subprocess.run([sys.executable, "-m", *command, *options], check=True)


if __name__ == "__main__":
    main()
