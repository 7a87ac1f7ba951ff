"""Lists for every member against the student's own limit, and runs that are killed ten times: `results/backfill.json`.

The limit is the time that the bundle's scorer takes for the same request texts and candidates and nothing else, as many
calls at once as there are cores, on one each, as lists are made. Both sides are measured in this process in turns, on
the same members, whose vectors are stored as `rolecall embed` leaves them; value: of all; low and high: extremes of the
turns.

A killed run is a process that is ended by SIGKILL in a random part; the next goes on. Extra work: rows of parts that
were begun, over rows that there are, less 1; extra seconds: of the processor in all of a killed run's processes but for
their start, which a run without a part to make is measured by, over those of the run that was not killed, less 1.
Identical: 1 where all parts have the bytes of a run that was not killed.

Lists are of a workspace; text is of a simulated board of `--jobs` jobs, which the benchmark ingests and verbalizes.

    python -m benchmarks.backfill --workspace artifacts/demo --jobs 200000
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
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from backfill import run
from backfill.lists import Lists
from backfill.product import Product
from backfill.products import Asked, open_product
from backfill.text import Text
from backfill.versions import all_parts, is_finished
from beam_jobs import ingest, verbalize
from benchmarks import result_file
from contracts.machine import cores
from contracts.tables import write_part
from contracts.workspace import Workspace
from ranking.scorer import BundleScorer
from serving.config import ServeConfig
from simulator.market import simulate

KILLS, TURN = 10, 16


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/demo"), help="with a bundle and an index")
    parser.add_argument("--members", type=int, default=160, help="whose lists are timed; 0: no lists (160)")
    parser.add_argument("--part", type=int, default=4, help="members a part of the killed run of lists (4)")
    parser.add_argument("--jobs", type=int, default=20_000, help="of the board whose text is killed; 0: none (20000)")
    parser.add_argument(
        "--killed", nargs=5, help=argparse.SUPPRESS, metavar=("WHAT", "FOLDER", "TIME", "PART", "AFTER")
    )
    options = parser.parse_args(argv)
    if options.killed:
        what, folder, at, part, after = options.killed
        _killed(what, Workspace(Path(folder)), datetime.fromisoformat(at), int(part), int(after))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        if options.members:
            rows += measure_lists(Workspace(options.workspace), options.members)
            rows += measure_kills("lists", options.workspace, Path(folder) / "lists", options.part)
        if options.jobs:
            board = Path(folder) / "board"
            make_board(Workspace(board), options.jobs)
            case = f"{options.jobs:,} jobs, killed ten times"
            rows += measure_kills("text", board, Path(folder) / "text", Text.part_rows, case)
    command = result_file.command_line("benchmarks.backfill")
    result_file.write("backfill", command, rows, simulated=True, publish=options.publish)


def make_board(workspace: Workspace, jobs: int) -> None:
    """A simulated board with a text of each job and of some members."""
    place = ["--workspace", str(workspace.root)]
    simulate(workspace.root / "raw", members=1_000, jobs=jobs, events=1_000, seed=1)
    ingest.run([*place, "--source", str(workspace.root / "raw")])
    verbalize.run(place)


def measure_lists(workspace: Workspace, members: int) -> list[dict[str, Any]]:
    """Members a second of lists, of the student alone on the same calls, and the share."""
    product = Lists(ServeConfig())
    plan = run.plan_of(workspace, product, datetime.now(UTC).replace(microsecond=0))
    piece, *_ = product.pieces(workspace, plan.time)
    (keys,) = product.read(workspace, piece)
    keys = keys.slice(0, members)
    make = product.open(workspace, plan, None)
    make("", keys.slice(0, 2))
    calls: list[tuple[Any, ...]] = []
    scores = BundleScorer.scores

    def noted(*arguments: Any) -> Any:
        calls.append(arguments[:-1])  # without what was begun of the text before: the student reads it here
        return scores(*arguments)

    lists, student = [], []
    for start in range(0, keys.num_rows, TURN):
        calls.clear()
        BundleScorer.scores = noted  # type: ignore[assignment, method-assign]
        began = time.perf_counter()
        make("", keys.slice(start, TURN))
        lists.append(time.perf_counter() - began)
        BundleScorer.scores = scores  # type: ignore[method-assign]
        began = time.perf_counter()
        with ThreadPoolExecutor(cores()) as pool:
            list(pool.map(lambda arguments: scores(*arguments), calls))
        student.append(time.perf_counter() - began)
    case = f"{keys.num_rows} members, {len(product.inputs(workspace)['surfaces'])} surface"
    shares = [alone / whole for alone, whole in zip(student, lists, strict=True)]
    rows = [
        {
            "case": case,
            "system": system,
            "metric": "members_per_second",
            "value": keys.num_rows / sum(of),
            "unit": "1/s",
        }
        for system, of in (("rolecall lists", lists), ("student alone", student))
    ]
    share = {"value": sum(student) / sum(lists), "low": min(shares), "high": max(shares), "unit": ""}
    return [*rows, {"case": case, "system": "rolecall lists", "metric": "share_of_student", **share}]


def measure_kills(what: str, source: Path, scratch: Path, part: int, case: str = "") -> list[dict[str, Any]]:
    """Whether a run that is killed ends in the same bytes, and what it did twice. case: its name; empty: its parts."""
    whole, killed = (Workspace(scratch / name) for name in ("whole", "killed"))
    left_out = shutil.ignore_patterns("teachers", "student", "training", "lists", "raw")
    for copy in (whole, killed):
        shutil.copytree(source, copy.root, ignore=left_out)
    product, at = _product(what, part), datetime.now(UTC).replace(microsecond=0)
    plan = run.plan_of(whole, product, at)
    never = str(plan.buckets + 1)
    through = _process(what, whole, at, part, never)
    start = _process(what, whole, at, part, never)[1]  # all is there: what a process costs that makes no part
    draw, ended, seconds = random.Random(0), 0, 0.0
    while True:
        after = str(draw.randint(1, plan.buckets // KILLS)) if ended < KILLS else never
        status, took = _process(what, killed, at, part, after)
        seconds += took - start
        if status == 0:
            break
        ended += 1
    assert ended == KILLS
    version, other = (product.folder(copy) / plan.version for copy in (killed, whole))
    assert is_finished(version)
    made, wanted = (all_parts(folder, plan) for folder in (version, other))
    same = list(made) == list(wanted) and all(made[name].read_bytes() == wanted[name].read_bytes() for name in made)
    begun = sum(int(line) for line in (killed.root / "begun").read_text().splitlines())
    rows = sum(int(line) for line in (whole.root / "begun").read_text().splitlines())
    case = case or f"{what} of {plan.keys} members in {plan.buckets} parts, killed ten times"
    values = {
        "identical": (float(same), ""),
        "extra_work": (begun / rows - 1, ""),
        "extra_seconds": (seconds / (through[1] - start) - 1, ""),
        "seconds": (through[1] - start, "s"),
        "parts": (float(plan.buckets), ""),
    }
    return [
        {"case": case, "system": "rolecall backfill", "metric": metric, "value": value, "unit": unit}
        for metric, (value, unit) in values.items()
    ]


def _product(what: str, part: int) -> Product:
    product = open_product(what, Asked(ServeConfig()))
    product.part_rows = part
    return product


def _process(what: str, workspace: Workspace, at: datetime, part: int, after: str) -> tuple[int, float]:
    """The exit code of a run that is killed in a part, and its seconds of the processor."""
    argv = ["--killed", what, str(workspace.root), at.isoformat(), str(part), after]
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.backfill", *argv])
    _, status, usage = os.wait4(process.pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, -signal.SIGKILL):
        raise SystemExit(code)
    return code, usage.ru_utime + usage.ru_stime


def _killed(what: str, workspace: Workspace, at: datetime, part: int, after: int) -> None:
    """A run that ends itself in the midst of its part number `after`, counted from its own first."""
    begun = 0

    def write(folder: Path, rows: Any, name: str) -> Path:
        nonlocal begun
        begun += 1
        with (workspace.root / "begun").open("a") as file:
            file.write(f"{rows.num_rows}\n")
        if begun == after:
            os.kill(os.getpid(), signal.SIGKILL)
        return write_part(folder, rows, name)

    run.write_part = write  # type: ignore[assignment]
    product = _product(what, part)
    run.run(workspace, product, run.plan_of(workspace, product, at), PipelineOptions([]))


if __name__ == "__main__":
    main()
