"""What it costs to replace one teacher: the whole recipe against the stages that hang on the new teacher.

    python -m benchmarks.branch

The recipe runs once in a fresh workspace, then again in the same one with another click teacher (another learning
rate): stages that do not hang on it find their work done. Both are timed by the clock, from start to end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import result_file
from contracts.bundle import read_manifest
from contracts.workspace import Workspace
from rolecall.params import load_params

CASE = "another click teacher"
FULL, PARTIAL = "full run", "partial run"
CHANGED = "ROLECALL_CLICK_TEACHER__LEARNING_RATE"


class Run(NamedTuple):
    """A run of the recipe by the clock: all of it and, of it, each stage, in seconds; and the teachers' versions."""

    seconds: float
    stages: Mapping[str, float]
    teachers: Mapping[str, str]


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--within", type=Path, default=Path("artifacts"), help="a folder for the scratch workspace")
    options = parser.parse_args(argv)
    full, part = measured(options.within)
    if full.teachers["policy"] != part.teachers["policy"] or full.teachers["click"] == part.teachers["click"]:
        raise SystemExit(f"the click teacher alone should have changed: {full.teachers}, then {part.teachers}")
    made = list(_rows(full, part))
    result_file.write(
        "recipe_ladder", result_file.command_line("benchmarks.branch"), made, simulated=True, publish=options.publish
    )


def measured(within: Path) -> tuple[Run, Run]:
    """The whole recipe in a workspace that nothing was done in, and then with another click teacher."""
    within.mkdir(parents=True, exist_ok=True)
    rate = load_params().teacher("click").learning_rate
    with tempfile.TemporaryDirectory(dir=within, prefix="branch-") as scratch:
        workspace = Path(scratch) / "workspace"
        return run(workspace, {}), run(workspace, {CHANGED: str(rate * 0.9)})


def run(workspace: Path, changed: Mapping[str, str]) -> Run:
    """The recipe in a workspace, with some knobs as environment variables."""
    command = [sys.executable, "-m", "rolecall", "run", "--workspace", str(workspace)]
    started = time.perf_counter()
    subprocess.run(command, check=True, env=os.environ | changed)
    seconds = time.perf_counter() - started
    costs = json.loads((workspace / "stages.json").read_text())
    teachers = read_manifest(Workspace(workspace).bundle).lineage["teachers"]
    return Run(seconds, {cost["name"]: cost["seconds"] for cost in costs}, teachers)


def _rows(full: Run, part: Run) -> Iterator[dict[str, Any]]:
    same = {"case": CASE}
    for kind, one in ((FULL, full), (PARTIAL, part)):
        yield same | {"system": kind, "metric": "seconds", "value": one.seconds, "unit": "s"}
        for name, seconds in one.stages.items():
            yield same | {"system": f"{kind}, {name}", "metric": "seconds", "value": seconds, "unit": "s"}
    yield same | {"system": PARTIAL, "metric": "of the full run", "value": part.seconds / full.seconds}


if __name__ == "__main__":
    main()
