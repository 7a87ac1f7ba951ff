"""Events -> what each member did lately and how often each job was viewed, one row after each event; only the new ones.

    python -m beam_jobs.activity --workspace W

Events are first joined with the jobs, in buckets of jobs: there a job's counts are made, and each event gets the words
of the job as it was advertised then. They go on in buckets of members, where `contracts.activity.Activity` folds them
in order of time; the service folds with the same function.

A row holds from KNOWN_AFTER past its event. On the first load it counts as known from then on (the source's clock is
trusted for what lies behind), later from the run's time on. A later run folds again the members and jobs that have new
events, and writes the rows from the earliest new event on: an event that came late corrects what came after it.
Parts that a service pushed stay as they are: they say what was served.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from apache_beam.options.pipeline_options import PipelineOptions

from beam_jobs import ledger
from beam_jobs.flags import NoFlags, read_flags
from beam_jobs.ledger import FoldedEvents
from beam_jobs.pipeline import Counts, by_bucket, command, count, ingested, run_id, run_pipeline
from beam_jobs.workers import Mark, processes
from contracts.activity import KNOWN_AFTER, Activity
from contracts.arrow import TIME
from contracts.features import CREATED_TIME, EVENT_TIME, JOB_KEY, JOB_STATS, MEMBER_ACTIVITY, MEMBER_KEY
from contracts.progress import Progress
from contracts.records import Event, Job
from contracts.tables import adding, in_use, parts, reading, write_part
from contracts.text.verbalizer import job_snippet
from contracts.time.as_of import rows_as_of
from contracts.workspace import Workspace

log = logging.getLogger("rolecall")

BUCKET_EVENTS = 50_000
"""Events a bucket, which one worker holds in memory."""
PART_ROWS = 10_000
STATS_DAYS = 7

_EVENT_COLUMNS = ["id", "time", MEMBER_KEY, JOB_KEY, "action", "reason"]
_JOB_COLUMNS = ["id", "updated_at", "title", "company", "location"]
FOLDED_BY = "fold."
"""What the names of parts begin with that this job folded, before their run; others were pushed."""
_JOB_MISSING = "of unknown jobs"


class RowGroup(NamedTuple):
    """One row group of a records part. new: not folded by an earlier run."""

    path: Path
    row_group: int
    new: bool


class Scope(NamedTuple):
    """The members and jobs whose events are folded: those with new events."""

    members: pa.Array
    jobs: pa.Array


def run(argv: Sequence[str] | None = None) -> Counts:
    """Bring activity and job statistics up to the events.

    Raises:
        NotReady: There are no jobs.
        OtherWriter: Somebody switches to another version of activity at this moment.
    """
    workspace, _, options = read_flags("activity", __doc__, NoFlags, argv)
    with adding(workspace.features / MEMBER_ACTIVITY, "activity"):
        return _fold(workspace, options)


def _fold(workspace: Workspace, options: PipelineOptions) -> Counts:
    started = time.monotonic()
    ingested(workspace, "jobs")
    paths = {path.name: path for path in parts(workspace.records / "events")}
    folders = {view: in_use(workspace.features / view) for view in (MEMBER_ACTIVITY, JOB_STATS)}
    features = folders[MEMBER_ACTIVITY]
    for folder in folders.values():  # DVC looks for both, on a board without a log too
        folder.mkdir(parents=True, exist_ok=True)
    folded = ledger.folded_events(features, paths)
    fresh = [path for name, path in paths.items() if name not in folded.events]
    scope, sizes = _scope(fresh, first=not folded.events)
    written, skipped = sum(sizes.values()), sum(folded.events.values())
    if fresh:
        name = run_id()
        created = datetime.now(UTC) if folded.events else None
        buckets = 1 + (written + (skipped if scope else 0)) // BUCKET_EVENTS
        fold = _Fold(workspace, folders, name, scope, created, buckets)
        if written:
            chunks = [chunk for path in paths.values() for chunk in row_groups(path, path.name not in folded.events)]
            progress = Progress("activity", "events", (written + skipped) // processes(options))
            counters = run_pipeline(
                options, workspace, lambda pipeline, mark: _build(pipeline, mark, chunks, fold, progress)
            )
            if missing := counters[_JOB_MISSING]:
                log.warning("activity: %s events of jobs that the records lack left out", f"{missing:,}")
        folded = FoldedEvents(folded.events | sizes, [*folded.runs, name])
        ledger.note_folded_events(features, folded)
    if fresh or not paths:
        _remove_unfinished(folders, folded.runs)
    counts = Counts(read=written + skipped, written=written, skipped=skipped)
    log.info("activity: %s (impressions are not counted)", counts)
    return replace(counts, seconds=time.monotonic() - started)


class _Fold(NamedTuple):
    """The values that every step of one run needs. scope None: all; created None: each row's event time."""

    workspace: Workspace
    folders: Mapping[str, Path]
    run: str
    scope: Scope | None
    created: datetime | None
    buckets: int

    def write(self, view: str, table: pa.Table, bucket: int, number: int) -> None:
        write_part(self.folders[view], table, f"{FOLDED_BY}{self.run}-{bucket:05d}-{number:03d}")


def _build(pipeline: beam.Pipeline, mark: Mark, chunks: list[RowGroup], fold: _Fold, progress: Progress) -> None:
    jobs = [chunk for path in parts(fold.workspace.records / "jobs") for chunk in row_groups(path, new=True)]
    events = (
        pipeline
        | "event parts" >> beam.Create(chunks)
        | "events on the workspace" >> beam.Map(mark.checked)
        | "read events" >> beam.FlatMap(_read_events, fold, progress)
    )
    adverts = (
        pipeline
        | "job parts" >> beam.Create(jobs)
        | "jobs on the workspace" >> beam.Map(mark.checked)
        | "read jobs" >> beam.FlatMap(_read_jobs, fold)
    )
    (
        {"events": events, "jobs": adverts}
        | "by job" >> beam.CoGroupByKey()
        | "statistics on the workspace" >> beam.Map(mark.checked)
        | "job statistics" >> beam.FlatMap(_join_jobs, fold)
        | "by member" >> beam.GroupByKey()
        | "members on the workspace" >> beam.Map(mark.checked)
        | "fold" >> beam.Map(_fold_members, fold)
    )


def _read_events(chunk: RowGroup, fold: _Fold, progress: Progress) -> Iterator[tuple[int, pa.Table]]:
    """A chunk's events but impressions, by bucket of their job, with the column `new`."""
    progress.start()
    table = read_group(chunk.path, _EVENT_COLUMNS, chunk.row_group)
    table = table.filter(pc.not_equal(table["action"], "impression"))
    progress.add(table.num_rows)
    if fold.scope:
        table = table.filter(
            pc.or_(
                pc.is_in(table[MEMBER_KEY], value_set=fold.scope.members),
                pc.is_in(table[JOB_KEY], value_set=fold.scope.jobs),
            )
        )
    table = table.append_column("new", pa.array(np.full(table.num_rows, chunk.new)))
    yield from by_bucket(table, JOB_KEY, fold.buckets)


def _read_jobs(chunk: RowGroup, fold: _Fold) -> Iterator[tuple[int, pa.Table]]:
    yield from by_bucket(read_group(chunk.path, _JOB_COLUMNS, chunk.row_group), "id", fold.buckets)


def _join_jobs(element: tuple[int, dict[str, Iterable[pa.Table]]], fold: _Fold) -> Iterator[tuple[int, pa.Table]]:
    """A bucket of jobs: writes their statistics, and hands on the events with the job's words, by bucket of members."""
    bucket, tables = element
    events = _concat(tables["events"])
    if events.is_empty():
        return
    _write_statistics(events, fold, bucket)
    if fold.scope:
        events = events.filter(pl.col(MEMBER_KEY).is_in(pl.Series(fold.scope.members).implode()))
    events = events.filter(pl.col(MEMBER_KEY) != "")  # nobody in particular has no activity
    jobs = _concat(tables["jobs"])
    worded = with_snippets(events, jobs) if len(jobs) else events.clear()
    if len(worded) < len(events):
        count(_JOB_MISSING, len(events) - len(worded))
    yield from by_bucket(worded.to_arrow(), MEMBER_KEY, fold.buckets)


def with_snippets(events: pl.DataFrame, jobs: pl.DataFrame) -> pl.DataFrame:
    """Events with the column `snippet`: the job as advertised at the event's time, else as first advertised.

    Args:
        events: with the columns `job_id` and `time`.
        jobs: every version with `id`, `updated_at` and what `job_snippet` reads.

    Returns:
        The events in order of time, without those of other jobs.
    """
    versions = jobs.rename({"id": JOB_KEY}).join(events.select(JOB_KEY).unique(), on=JOB_KEY, how="semi")
    words = [job_snippet(Job.model_construct(id=row.pop(JOB_KEY), **row)) for row in versions.iter_rows(named=True)]
    rows = rows_as_of(versions, events, [JOB_KEY], "time", ["updated_at"], else_first=True)
    worded = events.with_columns(pl.Series("snippet", words, pl.String).gather(rows))
    return worded.filter(rows.is_not_null()).sort("time")


def job_statistics(events: pl.DataFrame) -> pl.DataFrame:
    """One row after each view or apply: job_id, counts up to and with it, its event time, and `new`.

    events: job_id, time, id, action, new. views_7d counts the views of the seven days that end with the event; `new`
    is True from the job's earliest new event on. Of rows with the same time the last one stays.
    """
    seen = events.filter(pl.col("action").is_in(["view", "apply"])).sort(JOB_KEY, "time", "id")
    view, apply = pl.col("action") == "view", pl.col("action") == "apply"
    rows = seen.with_columns(view.cast(pl.Int64).alias("view")).with_columns(
        pl.col("view").rolling_sum_by("time", f"{STATS_DAYS}d").over(JOB_KEY).alias("views_7d"),
        pl.col("view").cum_sum().over(JOB_KEY).alias("views_total"),
        apply.cast(pl.Int64).cum_sum().over(JOB_KEY).alias("applies_total"),
        pl.when(view).then("time").forward_fill().over(JOB_KEY).alias("last_view"),
        pl.col("new").cum_max().over(JOB_KEY).alias("new"),
        (pl.col("time") + KNOWN_AFTER).alias(EVENT_TIME),
    )
    rows = rows.unique([JOB_KEY, EVENT_TIME], keep="last", maintain_order=True)
    return rows.select(JOB_KEY, "views_7d", "views_total", "applies_total", "last_view", EVENT_TIME, "new")


def fold_member(events: Iterable[tuple[Event, str, bool]]) -> Iterator[tuple[datetime, Activity]]:
    """(when it holds from, activity) after each event from the earliest new one on.

    events: (event, snippet of its job, new) of one member in order of time. Of events known at the same time only the
    last gives a row.
    """
    activity, writing = Activity(), False
    pending: tuple[datetime, Activity] | None = None
    for event, snippet, new in events:
        activity = activity.add(event, snippet)
        writing = writing or new
        if not writing:
            continue
        holds = event.time + KNOWN_AFTER
        if pending is not None and pending[0] != holds:
            yield pending
        pending = holds, activity
    if pending is not None:
        yield pending


def _write_statistics(events: pl.DataFrame, fold: _Fold, bucket: int) -> None:
    if fold.scope:
        events = events.filter(pl.col(JOB_KEY).is_in(pl.Series(fold.scope.jobs).implode()))
    rows = statistics_of_jobs(events)
    if rows.num_rows:
        fold.write(JOB_STATS, rows.append_column(CREATED_TIME, _created(rows[EVENT_TIME], fold)), bucket, 0)


def statistics_of_jobs(events: pl.DataFrame) -> pa.Table:
    """`job_statistics` as rows of JOB_STATS without their created time. events: as there."""
    rows = job_statistics(events).filter("new").drop("new").to_arrow()
    columns = {JOB_KEY: rows[JOB_KEY].cast(pa.string())}
    columns |= {name: rows[name] for name in ("views_7d", "views_total", "applies_total")}
    columns |= {name: rows[name].cast(TIME) for name in ("last_view", EVENT_TIME)}
    return pa.table(columns)


def activity_of_members(events: pl.DataFrame) -> pa.Table:
    """Rows of MEMBER_ACTIVITY, without their created time, after each event of some members.

    events: those of all of them, with `snippet` and `new` (`with_snippets`); members come in order of their ids.
    """
    ordered = events.sort(MEMBER_KEY, "time", "id")
    rows: list[tuple[str, datetime, Activity]] = []
    for (member_id,), group in ordered.group_by(MEMBER_KEY, maintain_order=True):
        rows += [(str(member_id), holds, activity) for holds, activity in fold_member(_events(group))]
    return _activity_rows(rows)


def _fold_members(element: tuple[int, Iterable[pa.Table]], fold: _Fold) -> None:
    bucket, tables = element
    events = _concat(tables).sort(MEMBER_KEY, "time", "id")
    rows: list[tuple[str, datetime, Activity]] = []
    number = 0
    for (member_id,), group in events.group_by(MEMBER_KEY, maintain_order=True):
        rows += [(str(member_id), holds, activity) for holds, activity in fold_member(_events(group))]
        if len(rows) >= PART_ROWS:
            _write_activity(rows, fold, bucket, number)
            rows, number = [], number + 1
    if rows:
        _write_activity(rows, fold, bucket, number)


def _write_activity(rows: list[tuple[str, datetime, Activity]], fold: _Fold, bucket: int, number: int) -> None:
    made = _activity_rows(rows)
    fold.write(MEMBER_ACTIVITY, made.append_column(CREATED_TIME, _created(made[EVENT_TIME], fold)), bucket, number)


def _events(rows: pl.DataFrame) -> Iterator[tuple[Event, str, bool]]:
    for row in rows.iter_rows(named=True):
        snippet, new = row.pop("snippet"), row.pop("new")
        yield Event.model_construct(**row), snippet, new  # a record already: it was validated as it came in


def _activity_rows(rows: list[tuple[str, datetime, Activity]]) -> pa.Table:
    return pa.table(
        {
            MEMBER_KEY: pa.array([row[0] for row in rows], pa.string()),
            "activity": pa.array([row[2].to_json() for row in rows], pa.string()),
            "activity_text": pa.array([row[2].text() for row in rows], pa.string()),
            EVENT_TIME: pa.array([row[1] for row in rows], TIME),
        }
    )


def _created(holds: Any, fold: _Fold) -> Any:
    return holds if fold.created is None else pa.array([fold.created] * len(holds), TIME)


def _scope(fresh: list[Path], first: bool) -> tuple[Scope | None, dict[str, int]]:
    """The scope, None on a first load; and the number of events but impressions of each fresh part."""
    sizes: dict[str, int] = {}
    members: list[pa.ChunkedArray] = []
    jobs: list[pa.ChunkedArray] = []
    for path in fresh:
        table = read_group(path, ["action"] if first else ["action", MEMBER_KEY, JOB_KEY])
        table = table.filter(pc.not_equal(table["action"], "impression"))
        sizes[path.name] = table.num_rows
        if not first:
            members.append(pc.unique(table[MEMBER_KEY]))
            jobs.append(pc.unique(table[JOB_KEY]))
    if first or not fresh:
        return None, sizes
    return Scope(pc.unique(pa.concat_arrays(members)), pc.unique(pa.concat_arrays(jobs))), sizes


def _remove_unfinished(folders: Mapping[str, Path], runs: Collection[str]) -> None:
    """Remove the parts of runs that were broken off or are void."""
    for folder in folders.values():
        for path in parts(folder):
            name = path.name.removeprefix("part-")
            if name.startswith(FOLDED_BY) and name.removeprefix(FOLDED_BY).partition("-")[0] not in runs:
                path.unlink()


def row_groups(path: Path, new: bool) -> list[RowGroup]:
    with reading(path), pq.ParquetFile(path) as file:
        return [RowGroup(path, group, new) for group in range(file.num_row_groups)]


def read_group(path: Path, columns: list[str], row_group: int | None = None) -> pa.Table:
    """Columns of a part; one that it was written without, before events had reasons, is null."""
    with reading(path), pq.ParquetFile(path) as file:
        here = [name for name in columns if name in file.schema_arrow.names]
        table = file.read(here) if row_group is None else file.read_row_group(row_group, here)
    for name in columns:
        if name not in here:
            table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
    return table.select(columns)


def _concat(tables: Iterable[pa.Table]) -> pl.DataFrame:
    chunks = list(tables)
    return pl.DataFrame(pa.concat_tables(chunks)) if chunks else pl.DataFrame()


if __name__ == "__main__":  # by its module name, so that workers import what runs here instead of unpickling it
    from beam_jobs import activity

    command(activity.run)
