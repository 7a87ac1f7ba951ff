"""Lists for every member against the student's own limit, and a run that is killed ten times: `results/backfill.json`.

The limit is the time that the bundle's scorer takes for the same request texts and candidates and nothing else. Both
sides are measured in this process in turns, on the same members; value: of all; low and high: extremes of the turns.

A killed run is a process that is ended by SIGKILL after a random part; the next goes on. Extra work: parts that were
begun, over parts that there are, less 1. Identical: 1 where all parts have the bytes of a run that was not killed.

    python -m benchmarks.backfill --workspace artifacts/demo
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from backfill import run
from backfill.lists import Lists
from backfill.versions import is_finished, versions
from benchmarks import result_file
from contracts.tables import parts, write_part
from contracts.workspace import Workspace
from ranking.scorer import BundleScorer
from serving.config import ServeConfig

KILLS, TURN = 10, 16


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/demo"), help="with a bundle and an index")
    parser.add_argument("--members", type=int, default=160, help="whose lists are timed (160)")
    parser.add_argument("--part", type=int, default=4, help="members a part of the killed run (4)")
    parser.add_argument("--killed", nargs=4, help=argparse.SUPPRESS, metavar=("FOLDER", "TIME", "PART", "AFTER"))
    options = parser.parse_args(argv)
    if options.killed:
        folder, at, part, after = options.killed
        _killed(Workspace(Path(folder)), datetime.fromisoformat(at), int(part), int(after))
        return
    rows = measure_lists(Workspace(options.workspace), options.members)
    with tempfile.TemporaryDirectory() as folder:
        rows += measure_kills(options.workspace, Path(folder), options.part)
    command = result_file.command_line("benchmarks.backfill")
    result_file.write("backfill", command, rows, simulated=True, publish=options.publish)


def measure_lists(workspace: Workspace, members: int) -> list[dict[str, Any]]:
    """Members a second of lists, of the student alone on the same calls, and the share."""
    product = Lists(ServeConfig())
    plan = run.plan_of(workspace, product, datetime.now(UTC).replace(microsecond=0))
    keys = product.keys(workspace, plan.time)[:members]
    make = product.open(workspace, plan, None)
    make(keys[:2])
    calls: list[tuple[Any, ...]] = []
    scores = BundleScorer.scores

    def noted(*arguments: Any) -> Any:
        calls.append(arguments)
        return scores(*arguments)

    lists, student = [], []
    for start in range(0, len(keys), TURN):
        calls.clear()
        BundleScorer.scores = noted  # type: ignore[assignment, method-assign]
        began = time.perf_counter()
        make(keys[start : start + TURN])
        lists.append(time.perf_counter() - began)
        BundleScorer.scores = scores  # type: ignore[method-assign]
        began = time.perf_counter()
        for arguments in calls:
            scores(*arguments)
        student.append(time.perf_counter() - began)
    case = f"{len(keys)} members, {len(product.inputs(workspace)['surfaces'])} surface"
    shares = [alone / whole for alone, whole in zip(student, lists, strict=True)]
    rows = [
        {"case": case, "system": system, "metric": "members_per_second", "value": len(keys) / sum(of), "unit": "1/s"}
        for system, of in (("rolecall lists", lists), ("student alone", student))
    ]
    share = {"value": sum(student) / sum(lists), "low": min(shares), "high": max(shares), "unit": ""}
    return [*rows, {"case": case, "system": "rolecall lists", "metric": "share_of_student", **share}]


def measure_kills(source: Path, scratch: Path, part: int) -> list[dict[str, Any]]:
    """Whether a run that is killed ends in the same bytes, and what it did twice."""
    whole, killed = (Workspace(scratch / name) for name in ("whole", "killed"))
    for copy in (whole, killed):
        shutil.copytree(source, copy.root, ignore=shutil.ignore_patterns("teachers", "student", "training", "lists"))
    run.BUCKET_KEYS = part
    product, at = Lists(ServeConfig()), datetime.now(UTC).replace(microsecond=0)
    plan = run.plan_of(whole, product, at)
    run.run(whole, product, plan, PipelineOptions([]))
    draw, ended = random.Random(0), 0
    while True:
        after = draw.randint(1, plan.buckets // KILLS) if ended < KILLS else plan.buckets + 1
        argv = ["--killed", str(killed.root), at.isoformat(), str(part), str(after)]
        done = subprocess.run([sys.executable, "-m", "benchmarks.backfill", *argv], check=False)
        if done.returncode == 0:
            break
        if done.returncode != -signal.SIGKILL:
            raise SystemExit(done.returncode)
        ended += 1
    (version,) = versions(killed.root / "lists")
    assert is_finished(version) and ended == KILLS
    other = whole.root / "lists" / version.name
    same = [path.read_bytes() == (other / path.name).read_bytes() for path in parts(version)]
    begun = len((killed.root / "begun").read_text().splitlines())
    case = f"lists of {plan.keys} members in {plan.buckets} parts, killed ten times"
    return [
        {"case": case, "system": "rolecall backfill", "metric": "identical", "value": float(all(same)), "unit": ""},
        {
            "case": case,
            "system": "rolecall backfill",
            "metric": "extra_work",
            "value": begun / plan.buckets - 1,
            "unit": "",
        },
    ]


def _killed(workspace: Workspace, at: datetime, part: int, after: int) -> None:
    """A run that ends itself in the midst of its part number `after`, counted from its own first."""
    begun = 0

    def write(folder: Path, rows: Any, name: str) -> Path:
        nonlocal begun
        begun += 1
        with (workspace.root / "begun").open("a") as file:
            file.write(f"{name}\n")
        if begun == after:
            os.kill(os.getpid(), signal.SIGKILL)
        return write_part(folder, rows, name)

    run.BUCKET_KEYS, run.write_part = part, write  # type: ignore[assignment]
    product = Lists(ServeConfig())
    run.run(workspace, product, run.plan_of(workspace, product, at), PipelineOptions([]))


if __name__ == "__main__":
    main()
