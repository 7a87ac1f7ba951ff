"""A night with 1% of the rows changed against the first one over all rows, training apart: `results/nightly.json`.

Both are `rolecall nightly` in a process of its own, on a copy of a workspace of the demo: the first from which records,
features, item tokens and the online store were taken away, so that it makes all of them; then the same data with 1% of
members and jobs edited and 1% more events. Seconds are of the clock and of the processor; a machine that others use too
moves the first and not the second. Lists hang on everything and are made whole every night; they are rows of their own.

With `--members`, `--jobs` and `--events` the data are a market of that size, simulated for this: the start of Python's
libraries is most of a night over the demo's.

    python -m benchmarks.nightly --workspace artifacts/demo
    python -m benchmarks.nightly --members 20000 --jobs 20000 --events 300000 --no-lists
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import result_file
from contracts.tables import latest, read_table
from contracts.workspace import RAW, Workspace
from simulator.market import simulate

CHANGED = 0.01
MADE = ("records", "features", "items", "feature_repo", "quarantine", "lists")


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/demo"), help="with a simulated market")
    parser.add_argument("--members", type=int, default=0, help="of a simulated market; 0: the workspace's own data (0)")
    parser.add_argument("--jobs", type=int, default=0, help="of that market")
    parser.add_argument("--events", type=int, default=0, help="of that market")
    parser.add_argument("--lists", action=argparse.BooleanOptionalAction, default=True, help="time a night with lists")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "w")
        left_out = shutil.ignore_patterns(*MADE, "teachers", "student", "training", "scores", "label_index")
        shutil.copytree(options.workspace, workspace.root, ignore=left_out)
        if options.members:
            size = {"members": options.members, "jobs": options.jobs, "events": options.events}
            simulate(workspace.root / RAW, **size, seed=1)
        took = {"rolecall nightly, first": night(workspace)}
        rows_before = change(workspace.root / RAW)
        took["rolecall nightly"] = night(workspace)
        if options.lists:
            took["rolecall nightly, nothing new, with lists"] = night(workspace, "--lists")
    first, second = took["rolecall nightly, first"], took["rolecall nightly"]
    case = f"1% changed of {rows_before:,} rows"
    rows: list[dict[str, Any]] = [
        {"case": case, "system": system, "metric": metric, "value": seconds[metric], "unit": "s"}
        for metric in ("seconds", "processor_seconds")
        for system, seconds in took.items()
    ]
    share = {"value": second["processor_seconds"] / first["processor_seconds"], "unit": ""}
    rows.append({"case": case, "system": "rolecall nightly", "metric": "share_of_first", **share})
    command = result_file.command_line("benchmarks.nightly")
    result_file.write("nightly", command, rows, simulated=True, publish=options.publish)


def night(workspace: Workspace, lists: str = "--no-lists") -> dict[str, float]:
    """Seconds of one night, start of the process included."""
    place = ["--workspace", str(workspace.root), "--data", str(workspace.root / RAW)]
    command = [sys.executable, "-m", "rolecall", "--quiet", "nightly", *place, "--links-days", "9999", lists]
    began = time.monotonic()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(os.waitstatus_to_exitcode(status))
    return {"seconds": time.monotonic() - began, "processor_seconds": usage.ru_utime + usage.ru_stime}


def change(raw: Path) -> int:
    """Edit 1% of the members and jobs of a market and add 1% of events. Gives the rows that there were."""
    draw, now = random.Random(0), (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    size = 0
    for table, field in (("members", "headline"), ("jobs", "title"), ("events", "")):
        rows = read_table(raw / table)
        size += rows.num_rows
        if field:
            rows = latest(rows, "id", "updated_at")
        drawn = rows.take(draw.sample(range(rows.num_rows), round(CHANGED * rows.num_rows))).to_pylist()
        for number, row in enumerate(drawn):
            row |= {"updated_at": now, field: f"Senior {row[field]}"} if field else {"id": f"new{number}", "time": now}
        lines = (json.dumps({name: of for name, of in row.items() if of is not None}, default=str) for row in drawn)
        (raw / table / "changed.jsonl").write_text("\n".join(lines))
    return size


if __name__ == "__main__":
    main()
