"""What it costs to replace one teacher: the whole recipe against the stages that hang on the new teacher.

    python -m benchmarks.branch --workspace artifacts/demo

A copy of a finished workspace gets another click teacher (another learning rate) and the recipe is run again: stages
that do not hang on it find their work done. The full time is that of the workspace's own run, stage by stage.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import result_file
from contracts.bundle import read_manifest
from contracts.workspace import Workspace
from rolecall.params import load_params

CHANGED = "ROLECALL_CLICK_TEACHER__LEARNING_RATE"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/demo"), help="a finished simulated workspace")
    parser.add_argument("--print-only", action="store_true", help="write no result file")
    options = parser.parse_args(argv)
    full = _seconds(options.workspace)
    with tempfile.TemporaryDirectory(dir=options.workspace.parent) as scratch:
        copy = Path(scratch) / "workspace"
        shutil.copytree(options.workspace, copy, symlinks=True)
        rate = load_params().click_teacher.learning_rate
        environment = os.environ | {CHANGED: str(rate * 0.9)}
        command = [sys.executable, "-m", "rolecall", "run", "--workspace", str(copy)]
        subprocess.run(command, check=True, env=environment)
        part = _seconds(copy)
        before, after = (
            read_manifest(Workspace(root).bundle).lineage["teachers"] for root in (options.workspace, copy)
        )
    if before["policy"] != after["policy"] or before["click"] == after["click"]:
        raise SystemExit(f"the click teacher alone should have changed: {before}, then {after}")
    made = list(_rows(full, part))
    if options.print_only:
        print(result_file.as_table(made))
    else:
        result_file.write("recipe_ladder", result_file.command_line("benchmarks.branch"), made, simulated=True)


def _rows(full: Mapping[str, float], part: Mapping[str, float]) -> list[dict[str, Any]]:
    case = "another click teacher"
    shared = [name for name in full if name in part]
    totals = {"full": sum(full[name] for name in shared), "partial": sum(part[name] for name in shared)}
    made = [{"case": case, "system": f"{kind} run", "metric": "seconds", "value": value, "unit": "s"}
            for kind, value in totals.items()]  # fmt: skip
    ratio = {
        "case": case,
        "system": "partial run",
        "metric": "of the full run",
        "value": totals["partial"] / totals["full"],
    }
    stages = [{"case": case, "system": f"partial run, {name}", "metric": "seconds", "value": part[name], "unit": "s"}
              for name in shared]  # fmt: skip
    return [*made, ratio, *stages]


def _seconds(workspace: Path) -> dict[str, float]:
    """Stage -> wall time of its last run."""
    return {cost["name"]: cost["seconds"] for cost in json.loads((workspace / "stages.json").read_text())}


if __name__ == "__main__":
    main()
