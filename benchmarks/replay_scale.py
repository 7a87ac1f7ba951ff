"""Replay of logged impressions, re-rank only with stored item tokens, beside the scorer alone: `replay_scale.json`.

The log is made here, in Parquet, by repeating the market's members and jobs under new ids and times: requests of
members, one a second, who were shown ten jobs of the index each, later than anything that the workspace knows, with a
view of one in twenty; every second request is a search for a job's title. So the index in use is that as of the first
request, and each shown job has item tokens.

Whole runs, each in processes of its own, two that answer and one that deals and gathers: wall seconds and those of all
processors; pairs a second (request and shown job, each counted once); memory, the highest sum of what the processes
hold, sampled five times a second (pages that they share count for each). Of the logs of `--drawn` so many requests are
asked and the others are dealt alone, so that a long log can be had in minutes.

The scorer, in turns with parts of a replay: two processes of one core each answer a part as the workers make it (texts
as they were, order, probabilities, measures), then score the same texts and jobs and nothing else, then the jobs alone
with the texts read already. Both processes take each turn together. Value: of all turns; low and high: their extremes.

    python -m benchmarks.replay_scale --workspace artifacts/demo
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions

from beam_jobs.workers import Share
from benchmarks import result_file
from benchmarks.markdown import Rows
from benchmarks.replay_tables import KINDS, REPLAY, SCORER
from contracts.arrow import arrow_schema
from contracts.features import MEMBER_KEY, MEMBER_TEXT
from contracts.records import Event
from contracts.tables import parts, read_table, write_part
from contracts.workspace import Workspace
from history.dealt import deal_requests
from history.requests import Which
from ranking.caching_scorer import CachingScorer, score_caches
from replay.runs.answers import PREFIX_BYTES, answer_part
from replay.runs.contender import find_contender
from replay.runs.run import PART_REQUESTS, Asked, run
from replay.runs.task import Task
from retrieval.index.job_index import JobIndex

SHOWN, VIEWED = 10, 0.05
PART_ROWS = 500_000
LATER = timedelta(days=1)
PROCESSES = 2
TURNS, SAMPLED = 6, 0.2


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/demo"), help="with a bundle and an index")
    sizes = [10_000, 100_000, 1_000_000]
    parser.add_argument("--impressions", type=int, nargs="*", default=sizes, help="lengths of the logs")
    parser.add_argument(
        "--drawn", type=int, nargs="*", default=[10_000_000], help="lengths of logs that are drawn from"
    )
    parser.add_argument("--requests", type=int, default=5_000, help="of each of those, how many are asked (5000)")
    parser.add_argument("--whole", help=argparse.SUPPRESS, metavar="FOLDER")
    parser.add_argument("--turns", help=argparse.SUPPRESS, metavar="FOLDER")
    parser.add_argument("--first", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.whole:
        whole(Workspace(Path(options.whole)), options.requests)
        return
    if options.turns:
        take_turns(Workspace(Path(options.turns)), options.first)
        return
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "w")
        left_out = ("teachers", "student", "training", "scores", "label_index", "raw", "events", "replay_runs")
        shutil.copytree(options.workspace, workspace.root, ignore=shutil.ignore_patterns(*left_out))
        for impressions in (*options.impressions, *options.drawn):
            write_log(workspace, impressions)
            asked = options.requests if impressions in options.drawn else impressions // SHOWN
            rows += measure_whole(workspace, impressions, asked)
            if impressions == max(options.impressions, default=0):
                rows += measure_turns(workspace, impressions // SHOWN)
                rows += share_of_scorer(rows, impressions)
    command = result_file.command_line("benchmarks.replay_scale")
    result_file.write("replay_scale", command, rows, simulated=True, publish=options.publish)


def write_log(workspace: Workspace, impressions: int) -> None:
    """Replace the events of a workspace by a log of so many impressions."""
    folder = workspace.records / "events"
    shutil.rmtree(folder, ignore_errors=True)
    index = JobIndex.load(workspace.index)
    jobs, titles = np.array(index.ids, object), np.array(index.jobs.titles(np.arange(len(index))), object)
    members = np.array(sorted(set(read_table(workspace.features / MEMBER_TEXT, [MEMBER_KEY])[MEMBER_KEY].to_pylist())))
    draw, since = np.random.default_rng(0), datetime.now(UTC) + LATER
    schema = arrow_schema(Event).append(pa.field("row_hash", pa.string()))
    for start in range(0, impressions, PART_ROWS):
        number = np.arange(start, min(start + PART_ROWS, impressions))
        request = number // SHOWN
        first = draw.integers(len(jobs), size=request.max() - request.min() + 1)[request - request.min()]
        time_of = pl.lit(since).cast(pl.Datetime("us", "UTC")) + pl.duration(seconds=pl.col("request"))
        searched = titles[draw.integers(len(titles), size=len(titles))[request % len(titles)]]
        query = np.where(request % 2, "", searched)
        surface = pl.when(pl.col("request") % 2 == 1).then(pl.lit("recommendation")).otherwise(pl.lit("search"))
        shown = pl.DataFrame({"number": number, "request": request}).with_columns(
            pl.Series("query", query, pl.String),
            surface.alias("surface"),
            pl.format("i{}", "number").alias("id"),
            time_of.alias("time"),
            pl.format("r{}", "request").alias("request_id"),
            pl.Series(MEMBER_KEY, members[request % len(members)].astype(object), pl.String),
            pl.Series("job_id", jobs[(first + 7 * (number % SHOWN)) % len(jobs)], pl.String),
            pl.Series("position", number % SHOWN + 1, pl.Int32),
            pl.lit("impression").alias("action"),
        )
        views = shown.filter(pl.Series(draw.random(len(number)) < VIEWED)).with_columns(
            pl.format("v{}", "number").alias("id"),
            pl.col("time") + pl.duration(seconds=5),
            pl.lit(None, pl.Int32).alias("position"),
            pl.lit("view").alias("action"),
        )
        write_part(folder, _events(pl.concat([shown, views]), schema), f"{start:010d}")


def _events(rows: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    """Events of some columns; the others are empty."""
    made = []
    for field in schema:
        if field.name in rows.columns:
            made.append(rows[field.name].to_arrow().cast(field.type))
        elif field.nullable:
            made.append(pa.nulls(len(rows), field.type))
        else:
            empty: Any = [] if pa.types.is_list(field.type) else {pa.string(): "", pa.bool_(): False}[field.type]
            made.append(pa.array([empty] * len(rows), field.type))
    return pa.table(made, schema=schema)


def measure_whole(workspace: Workspace, impressions: int, asked: int) -> list[dict[str, Any]]:
    """Memory, seconds and pairs a second of a run over the log, in processes of its own."""
    argv = [sys.executable, "-m", "benchmarks.replay_scale", "--whole", str(workspace.root), "--requests", str(asked)]
    began, most, used = time.monotonic(), 0, dict[int, float]()
    process = subprocess.Popen(argv)
    while process.poll() is None:
        held = 0
        for one in _tree(process.pid):
            with suppress(psutil.Error):
                held += one.memory_info().rss
                times = one.cpu_times()
                used[one.pid] = times.user + times.system
        most = max(most, held)
        time.sleep(SAMPLED)
    if process.returncode:
        raise SystemExit(process.returncode)
    seconds = time.monotonic() - began
    case = f"{impressions:,} impressions"
    if asked * SHOWN < impressions:
        case += f", {asked:,} requests drawn"
    values = {
        "impressions": (impressions, ""),
        "peak_memory_gb": (most / 1e9, "GB"),
        "wall_seconds": (seconds, "s"),
        "processor_seconds": (sum(used.values()), "s"),
        "pairs_per_second": (asked * SHOWN / seconds, "1/s"),
    }
    return [
        {"case": case, "system": REPLAY, "metric": metric, "value": value, "unit": unit}
        for metric, (value, unit) in values.items()
    ]


def _tree(pid: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    return []


def whole(workspace: Workspace, requests: int) -> None:
    """A run over the whole log."""
    shutil.rmtree(workspace.replay_runs, ignore_errors=True)
    flags = ["--direct_running_mode", "multi_processing", "--direct_num_workers", str(PROCESSES)]
    asked = Asked(which=Which(most=requests), rank_only=True, options=PipelineOptions(flags))
    run(workspace, find_contender(workspace), asked)


def measure_turns(workspace: Workspace, requests: int) -> list[dict[str, Any]]:
    """Pairs a second of a run's parts and of the scorer on the same texts and jobs, in turns."""
    scratch = workspace.root / "turns"
    shutil.rmtree(scratch, ignore_errors=True)
    needed = PROCESSES * (TURNS + 1)
    of_part = min(PART_REQUESTS, requests // needed)
    deal_requests(parts(workspace.records / "events"), Which(most=needed * of_part), scratch, of_part)
    argv = [sys.executable, "-m", "benchmarks.replay_scale", "--turns", str(workspace.root), "--first"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = [subprocess.Popen([*argv, str(number)], **pipes) for number in range(PROCESSES)]  # type: ignore[call-overload]
    took: dict[str, list[tuple[int, float]]] = {kind: [] for kind in KINDS}
    for turn in range(TURNS + 1):
        for kind in KINDS:
            for worker in workers:
                worker.stdin.write(kind + "\n")
                worker.stdin.flush()
            said = [json.loads(worker.stdout.readline()) for worker in workers]
            if turn:  # the first opens the models
                took[kind].append((sum(one["pairs"] for one in said), max(one["seconds"] for one in said)))
    for worker in workers:
        worker.stdin.close()
        worker.wait()
    shutil.rmtree(scratch)
    return list(rows_of_turns(took))


def rows_of_turns(took: Mapping[str, Sequence[tuple[int, float]]]) -> Iterator[dict[str, Any]]:
    """Rows of the result file; took: of each kind the pairs and seconds of each turn."""
    pairs = sum(number for number, _ in took["replay"])
    case = f"{pairs:,} pairs, {SHOWN} a request, {PROCESSES} processes of one core"
    for kind, turns in took.items():
        speeds = [number / seconds for number, seconds in turns]
        value = {"value": sum(n for n, _ in turns) / sum(s for _, s in turns), "low": min(speeds), "high": max(speeds)}
        yield {"case": case, "system": KINDS[kind], "metric": "pairs_per_second", **value, "unit": "1/s"}
    shares = [scorer / replay for (_, replay), (_, scorer) in zip(took["replay"], took["scorer"], strict=True)]
    value = {
        "value": sum(s for _, s in took["scorer"]) / sum(s for _, s in took["replay"]),
        "low": min(shares),
        "high": max(shares),
    }
    yield {"case": case, "system": KINDS["replay"], "metric": "share_of_scorer", **value, "unit": ""}


def share_of_scorer(rows: Rows, impressions: int) -> list[dict[str, Any]]:
    """Pairs a second of the whole run over the longest log as a share of the scorer's."""
    speed = {row["system"]: row["value"] for row in rows if row["metric"] == "pairs_per_second"}
    case, value = f"{impressions:,} impressions", speed[REPLAY] / speed[SCORER]
    return [{"case": case, "system": REPLAY, "metric": "share_of_scorer", "value": value, "unit": ""}]


def take_turns(workspace: Workspace, first: int) -> None:
    """Do what each line of standard input names, and print how many pairs it was and the seconds that it took."""
    contender, share = find_contender(workspace), Share(PROCESSES)
    scratch = workspace.root / "turns"
    done = scratch / f"answers-{first}"
    task = Task(workspace.root, done, scratch / "parts", contender, workspace.index, {}, rank_only=True, share=share)
    numbers = iter(sorted(int(path.stem) for path in task.asked.glob("*.parquet"))[first::PROCESSES])
    scores, calls = CachingScorer.scores, list[tuple[Any, ...]]()

    def noted(self: CachingScorer, *given: Any) -> np.ndarray:
        calls.append(given)
        return scores(self, *given)

    CachingScorer.scores = noted  # type: ignore[assignment, method-assign]
    bundle = workspace.bundles / contender.bundle
    for line in sys.stdin:
        kind = line.strip()
        if kind == "replay":
            calls.clear()
            number = next(numbers)
            began = time.perf_counter()
            answer_part(task, number)
        elif kind == "scorer":  # with the same memory as the workers' own, so that a text is read as often
            alone = CachingScorer(bundle, share.threads(), caches=score_caches(PREFIX_BYTES, 0))
            began = time.perf_counter()
            for given in calls:
                scores(alone, *given)
        else:
            prefixes = [alone.prefix(text) for text, *_ in calls]
            began = time.perf_counter()
            for prefix, (_, index, rows, match) in zip(prefixes, (given[:4] for given in calls), strict=True):
                alone.logits(prefix, index.items(rows), match)
        seconds = time.perf_counter() - began
        print(json.dumps({"pairs": sum(len(given[2]) for given in calls), "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
