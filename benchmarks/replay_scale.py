"""Replay of logged impressions, re-rank only with stored item tokens, and the scorer alone: `replay_scale.json`.

The log is made here, in Parquet: requests of members of the workspace who were shown ten jobs of its index each, later
than anything that the workspace knows, with a view of one in twenty. The index in use is then that as of the first
request, and each shown job has item tokens.

Pairs a second: request and shown job, each counted once. Both sides are measured in one process in turns, on the same
requests: a part of the run as the workers make it (texts as they were, retrieval, order, probabilities, measures), and
the scorer on the same texts and jobs and nothing else. Value: of all turns; low and high: their extremes. Memory: the
peak of a process that does the whole run, by the number of impressions in the log; seconds: of that run.

    python -m benchmarks.replay_scale --workspace artifacts/demo --impressions 10000 100000 1000000
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from benchmarks import result_file
from contracts.arrow import TIME, arrow_schema
from contracts.errors import NotReady
from contracts.features import MEMBER_KEY, MEMBER_TEXT
from contracts.records import Event
from contracts.tables import read_table, write_part
from contracts.workspace import Workspace
from history.requests import EVENT_COLUMNS, Which, requests_again
from ranking.scorer import BundleScorer
from replay.runs.answers import Task, answer_part
from replay.runs.contender import find_contender
from replay.runs.run import Asked, run
from retrieval.index.job_index import JobIndex

SHOWN, VIEWED = 10, 0.05
TURN = 32
"""Requests of a turn."""
PART_ROWS = 200_000
LATER = timedelta(days=1)


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/demo"), help="with a bundle and an index")
    parser.add_argument("--impressions", type=int, nargs="+", default=[10_000], help="lengths of the log (10000)")
    parser.add_argument("--turns", type=int, default=8, help="turns of 32 requests for pairs a second (8)")
    parser.add_argument("--whole", help=argparse.SUPPRESS, metavar="FOLDER")
    options = parser.parse_args(argv)
    if options.whole:
        whole(Workspace(Path(options.whole)))
        return
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "w")
        left_out = shutil.ignore_patterns("teachers", "student", "training", "scores", "label_index", "raw", "events")
        shutil.copytree(options.workspace, workspace.root, ignore=left_out)
        for impressions in options.impressions:
            write_log(workspace, impressions)
            rows += measure_whole(workspace, impressions)
        rows += measure_pairs(workspace, options.turns)
    command = result_file.command_line("benchmarks.replay_scale")
    result_file.write("replay_scale", command, rows, simulated=True, publish=options.publish)


def write_log(workspace: Workspace, impressions: int) -> None:
    """Replace the events of a workspace by a log of so many impressions."""
    folder = workspace.records / "events"
    shutil.rmtree(folder, ignore_errors=True)
    jobs = np.array(JobIndex.load(workspace.index).ids, object)
    members = np.array(sorted(set(read_table(workspace.features / MEMBER_TEXT, [MEMBER_KEY])[MEMBER_KEY].to_pylist())))
    draw, since = np.random.default_rng(0), datetime.now(UTC) + LATER
    schema = arrow_schema(Event).append(pa.field("row_hash", pa.string()))
    for start in range(0, impressions, PART_ROWS):
        of_part = np.arange(start, min(start + PART_ROWS, impressions))
        requests = of_part // SHOWN
        asked = [since + timedelta(seconds=int(one)) for one in requests]
        shown = jobs[(draw.integers(len(jobs), size=requests.max() - requests.min() + 1))[requests - requests.min()]]
        places = (np.searchsorted(jobs, shown) + 7 * (of_part % SHOWN)) % len(jobs)
        columns: dict[str, Any] = {
            "id": [f"i{one}" for one in of_part],
            "time": pa.array(asked, TIME),
            "surface": ["recommendation"] * len(of_part),
            "request_id": [f"r{one}" for one in requests],
            MEMBER_KEY: members[requests % len(members)].tolist(),
            "query": [""] * len(of_part),
            "job_id": jobs[places].tolist(),
            "position": (of_part % SHOWN + 1).tolist(),
            "action": ["impression"] * len(of_part),
        }
        shows = _events(columns, schema)
        viewed = np.flatnonzero(draw.random(len(of_part)) < VIEWED)
        views = {name: pa.array(of).take(pa.array(viewed)) for name, of in columns.items()}
        views |= {
            "id": [f"v{of_part[i]}" for i in viewed],
            "time": pa.array([asked[i] + timedelta(seconds=5) for i in viewed], TIME),
            "position": pa.nulls(len(viewed), pa.int32()),
            "action": ["view"] * len(viewed),
        }
        write_part(folder, pa.concat_tables([shows, _events(views, schema)]), f"{start:010d}")


def _events(columns: dict[str, Any], schema: pa.Schema) -> pa.Table:
    """Events of some columns; the others are empty."""
    number = len(columns["id"])
    made = []
    for field in schema:
        if field.name in columns:
            made.append(pa.array(columns[field.name]).cast(field.type))
        elif field.nullable:
            made.append(pa.nulls(number, field.type))
        elif pa.types.is_list(field.type):
            made.append(pa.array([[]] * number, field.type))
        else:
            made.append(pa.array([_EMPTY[field.type]] * number, field.type))
    return pa.table(made, schema=schema)


_EMPTY: dict[Any, Any] = {pa.string(): "", pa.bool_(): False}


def measure_whole(workspace: Workspace, impressions: int) -> list[dict[str, Any]]:
    """Peak memory and seconds of a run over the whole log, in a process of its own."""
    began = time.monotonic()
    argv = [sys.executable, "-m", "benchmarks.replay_scale", "--whole", str(workspace.root)]
    process = subprocess.Popen(argv)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(os.waitstatus_to_exitcode(status))
    case, system = f"{impressions:,} impressions", "rolecall replay run --rank-only"
    values = {
        "peak_memory_gb": (usage.ru_maxrss / 1e6, "GB"),
        "wall_seconds": (time.monotonic() - began, "s"),
        "processor_seconds": (usage.ru_utime + usage.ru_stime, "s"),
    }
    return [
        {"case": case, "system": system, "metric": metric, "value": value, "unit": unit}
        for metric, (value, unit) in values.items()
    ]


def whole(workspace: Workspace) -> None:
    """A run over the whole log."""
    shutil.rmtree(workspace.replay_runs, ignore_errors=True)
    run(workspace, find_contender(workspace), _asked(sys.maxsize))


def _asked(most: int) -> Asked:
    return Asked(which=Which(most=most), rank_only=True)


def measure_pairs(workspace: Workspace, turns: int) -> list[dict[str, Any]]:
    """Pairs a second of a run's parts and of the scorer alone on the same requests."""
    contender = find_contender(workspace)
    events = pl.DataFrame(read_table(workspace.records / "events", EVENT_COLUMNS))
    found, _ = requests_again(events, Which(most=(turns + 1) * TURN))
    if not found:
        raise NotReady("the log holds no request", cure="ask for more impressions")
    scratch = workspace.root / "turns"
    shutil.rmtree(scratch, ignore_errors=True)  # a part that is there is not made again
    task = Task(workspace.root, scratch, contender, workspace.index, {}, rank_only=True)
    calls: dict[tuple[str, bytes], tuple[Any, ...]] = {}
    scores = BundleScorer.scores

    def noted(*arguments: Any) -> Any:
        _, text, _, rows, *_ = arguments
        calls[text, np.sort(rows).tobytes()] = arguments[1:]  # where it is asked twice, once
        return scores(*arguments)

    alone = BundleScorer(workspace.bundles / contender.bundle)
    runs, limits, pairs = [], [], []
    for turn in range(min(turns + 1, len(found) // TURN)):
        asked = found[turn * TURN : (turn + 1) * TURN]
        calls.clear()
        BundleScorer.scores = noted  # type: ignore[assignment, method-assign]
        began = time.perf_counter()
        answer_part(task, turn, asked, [""] * len(asked))
        runs.append(time.perf_counter() - began)
        BundleScorer.scores = scores  # type: ignore[method-assign]
        began = time.perf_counter()
        for arguments in calls.values():
            alone.scores(*arguments)
        limits.append(time.perf_counter() - began)
        pairs.append(sum(len(arguments[2]) for arguments in calls.values()))
    runs, limits, pairs = runs[1:], limits[1:], pairs[1:]  # the first turn opens the models
    case = f"{sum(pairs):,} pairs, {SHOWN} a request"
    each = {"rolecall replay run --rank-only": runs, "scorer alone": limits}
    rows: list[dict[str, Any]] = []
    for system, took in each.items():
        speeds = [number / seconds for number, seconds in zip(pairs, took, strict=True)]
        value = {"value": sum(pairs) / sum(took), "low": min(speeds), "high": max(speeds), "unit": "1/s"}
        rows.append({"case": case, "system": system, "metric": "pairs_per_second", **value})
    shares = [limit / took for limit, took in zip(limits, runs, strict=True)]
    share = {"value": sum(limits) / sum(runs), "low": min(shares), "high": max(shares), "unit": ""}
    return [*rows, {"case": case, "system": "rolecall replay run --rank-only", "metric": "share_of_scorer", **share}]


if __name__ == "__main__":
    main()
