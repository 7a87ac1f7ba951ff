"""Records -> text features, one row a record version; only the versions that have no text yet.

    python -m beam_jobs.verbalize --workspace W

Rows that have text are skipped by (id, row_hash) before any record is read. The first run fixes the percentile break
points, which are part of the text version. Where the text version has changed since, every record is verbalised again
and the old text goes when the new one is complete.

A row of the first load counts as known from its own time on (the source's clock is trusted for what lies behind);
later ones from the run's time on. New text of an old record version keeps the time from which that was known.

Where events of a member or job lie before its first record, as in an export that dates every row today, that record is
trusted back to the first of them: else such requests would know nobody. A job is never known before it was posted.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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

from beam_jobs import feature_tables, ledger
from beam_jobs.config import VerbalizeConfig
from beam_jobs.feature_tables import ROW
from beam_jobs.flags import read_flags
from beam_jobs.pipeline import Counts, command, count, finish, ingested, run_id, run_pipeline
from beam_jobs.trust import trust_first_records
from beam_jobs.workers import Mark, processes
from contracts.arrow import TIME, to_records
from contracts.features import CREATED_TIME, EVENT_TIME, JOB_TEXT, KEYS, MEMBER_TEXT
from contracts.progress import Progress
from contracts.reading.pay import all_yearly
from contracts.records import Job, Member
from contracts.tables import adding, in_use, parts, read_table, write_part
from contracts.text.fitted import keep_verbalizer, open_verbalizer
from contracts.text.form import TextForm, read_form
from contracts.text.verbalizer import Percentiles, Verbalizer, content_hash
from contracts.workspace import Workspace

log = logging.getLogger("rolecall")

VIEWS = {"members": MEMBER_TEXT, "jobs": JOB_TEXT}
BATCH_ROWS = 1_000


class PendingRows(NamedTuple):
    """Rows of one row group of a records part that are to be verbalised.

    Attributes:
        table: "members" or "jobs".
        path: the records part.
        row_group: its number in the part.
        size: n, the number of rows.
        places: (n,) int64 ascending rows of the row group; None: all of it.
        created: (n,) or (1,) timestamps from which the text counts as known; null: from the row's own time.
        name: the part of text that the rows become.
    """

    table: str
    path: Path
    row_group: int
    size: int
    places: np.ndarray | None
    created: pa.Array
    name: str


def run(argv: Sequence[str] | None = None) -> Counts:
    """Bring the text features of a workspace up to its records.

    Raises:
        NotReady: There are no jobs.
        OtherWriter: Somebody switches to another version of the text at this moment.
    """
    workspace, config, options = read_flags("verbalize", __doc__, VerbalizeConfig, argv)
    with adding(workspace.features / MEMBER_TEXT, "verbalize"):
        return _verbalize(workspace, config, options)


def _verbalize(workspace: Workspace, config: VerbalizeConfig, options: PipelineOptions) -> Counts:
    started = time.monotonic()
    verbalizer = fitted_verbalizer(workspace, None if config.form is None else read_form(config.form))
    name, now = run_id(), datetime.now(UTC)
    folders = {view: in_use(workspace.features / view) for view in VIEWS.values()}
    chunks: list[PendingRows] = []
    counts: dict[str, Counts] = {}
    for table, view in VIEWS.items():
        pending, rows = _pending(workspace, table, folders[view], verbalizer.version, name, now)
        counts[table] = Counts(rows, skipped=rows - sum(chunk.size for chunk in pending))
        chunks += pending
    done = _run(workspace, chunks, folders, verbalizer, options) if chunks else Counter[str]()
    for table, view in VIEWS.items():
        for path in feature_tables.made_by_others(folders[view], verbalizer.version):
            path.unlink()
        if parts(folders[view]):
            ledger.note_loaded(workspace.features / view)
        counts[table] += Counts(written=done[f"{view}.written"])
        if config.trust_first_record and (trusted := trust_first_records(workspace, table)):
            log.info("%s: the first record of %s is trusted back to its first event", table, f"{trusted:,}")
    return finish("verbalize", f"text version {verbalizer.version}", counts, started)


def fitted_verbalizer(workspace: Workspace, form: TextForm | None = None) -> Verbalizer:
    """The workspace's verbaliser in a form, with its break points; these are fitted on its jobs where it has none yet.

    It is kept in the workspace.
    """
    verbalizer = Verbalizer(_percentiles(workspace), form)
    keep_verbalizer(workspace.percentiles, verbalizer)
    return verbalizer


def _percentiles(workspace: Workspace) -> Percentiles:
    if workspace.percentiles.is_file() and b"currency" in workspace.percentiles.read_bytes():
        return open_verbalizer(workspace).percentiles  # without a currency they were fitted across currencies
    return fit_percentiles(workspace)


def fit_percentiles(workspace: Workspace) -> Percentiles:
    """Break points of what the jobs of a workspace pay now; nothing is written. Raises NotReady without jobs."""
    ingested(workspace, "jobs")
    return Percentiles.fit_pay(_yearly_amounts(workspace.records / "jobs"))


def _yearly_amounts(jobs: Path) -> dict[str, list[float]]:
    """Currency in upper case -> all that the job records pay in it, by the year."""
    pay = read_table(jobs, ["salary_min", "salary_max", "currency", "salary_period"])
    currencies = np.array([currency.upper() for currency in pay["currency"].to_pylist()], object)
    amounts: dict[str, list[float]] = {}
    for name in ("salary_min", "salary_max"):
        yearly = all_yearly(pay[name].to_numpy(), pay["salary_period"].to_pylist())
        for currency in np.unique(currencies[~np.isnan(yearly)]):
            amounts.setdefault(currency, []).extend(yearly[(currencies == currency) & ~np.isnan(yearly)].tolist())
    return amounts


def verbalize_batch(
    batch: pa.RecordBatch | pa.Table, table: str, created: pa.Array, verbalizer: Verbalizer
) -> pa.Table:
    """Text rows of a batch of records, in its order.

    Args:
        batch: n records' columns and `row_hash`.
        table: "members" or "jobs".
        created: (n,) timestamps, as in PendingRows.
        verbalizer: Makes the text.
    """
    if table == "members":
        text = [verbalizer.member(member) for member in to_records(batch, Member)]
    else:
        text = [verbalizer.job(job) for job in to_records(batch, Job)]
    happened = batch["updated_at"]
    happened = happened.combine_chunks() if isinstance(happened, pa.ChunkedArray) else happened
    columns = {
        KEYS[VIEWS[table]]: batch["id"],
        "text": pa.array(text, pa.string()),
        "text_hash": pa.array([content_hash(line, verbalizer.version) for line in text], pa.string()),
        "text_version": pa.array([verbalizer.version] * len(text), pa.string()),
        "row_hash": batch["row_hash"],
        EVENT_TIME: happened.cast(TIME),
        CREATED_TIME: pc.coalesce(created, happened.cast(TIME)),
    }
    if table == "members":
        columns["location"] = batch["location"]
    return pa.table(columns)


class VerbalizeRows(beam.DoFn):
    """PendingRows -> (part name, view, table of text)."""

    def __init__(self, verbalizer: Verbalizer, progress: Progress) -> None:
        self._verbalizer, self._progress = verbalizer, progress

    def process(self, chunk: PendingRows) -> Iterator[Any]:
        self._progress.start()
        places = np.arange(chunk.size) if chunk.places is None else chunk.places
        created = pa.repeat(chunk.created[0], len(places)) if len(chunk.created) == 1 else chunk.created
        done = []
        start = taken = 0
        with pq.ParquetFile(chunk.path) as file:
            for batch in file.iter_batches(BATCH_ROWS, row_groups=[chunk.row_group]):
                stop = int(np.searchsorted(places, start + batch.num_rows))
                inside = places[taken:stop] - start
                if len(inside):
                    rows = batch if len(inside) == batch.num_rows else batch.take(pa.array(inside))
                    done.append(verbalize_batch(rows, chunk.table, created.slice(taken, len(inside)), self._verbalizer))
                    self._progress.add(len(inside))
                start, taken = start + batch.num_rows, stop
        yield VIEWS[chunk.table], chunk.name, pa.concat_tables(done).combine_chunks()


def _write(element: tuple[str, str, pa.Table], folders: Mapping[str, Path]) -> None:
    view, name, table = element
    write_part(folders[view], table, name)
    count(f"{view}.written", table.num_rows)


def _pending(
    workspace: Workspace, table: str, folder: Path, version: str, name: str, now: datetime
) -> tuple[list[PendingRows], int]:
    """The chunks of a table that have no text of this version in a folder, and how many rows the table has."""
    paths = parts(workspace.records / table)
    if not paths:
        return [], 0
    match = [KEYS[VIEWS[table]], "row_hash"]
    rows = feature_tables.places(paths, ["id", "row_hash", "updated_at"])
    wanted = _not_superseded(rows, ledger.text_from(folder))
    done = feature_tables.places(feature_tables.made_by(folder, version), match)
    todo = feature_tables.without(wanted, done, ["id", "row_hash"], match)
    default = now if ledger.was_loaded(workspace.features / VIEWS[table]) else None
    before = feature_tables.places(feature_tables.made_by_others(folder, version), [*match, CREATED_TIME])
    if before.is_empty():
        todo = todo.with_columns(pl.lit(default, pl.Datetime("us", "UTC")).alias(CREATED_TIME))
    else:
        since = before.select(*match, CREATED_TIME).unique(match)
        todo = todo.join(since, left_on=["id", "row_hash"], right_on=match, how="left")
        todo = todo.with_columns(pl.col(CREATED_TIME).fill_null(default))
    chunks: list[PendingRows] = []
    for part, of_part in feature_tables.by_part(todo):
        for group, start, size in row_groups(paths[part]):
            inside = of_part.filter(pl.col(ROW).is_between(start, start + size, closed="left"))
            if len(inside):
                places = None if len(inside) == size else inside[ROW].to_numpy().astype(np.int64) - start
                created = inside[CREATED_TIME]
                times = (created if created.n_unique() > 1 else created.head(1)).to_arrow().cast(TIME)
                part_name = feature_tables.part_name(version, name, len(chunks))
                chunks.append(PendingRows(table, paths[part], group, len(inside), places, times, part_name))
    return chunks, len(rows)


def _not_superseded(rows: pl.DataFrame, since: datetime | None) -> pl.DataFrame:
    """Of each key the newest record as of a time, and all later ones; all where there is no time."""
    if since is None:
        return rows
    newest = pl.col("updated_at").filter(pl.col("updated_at") <= since).max().over("id")
    return rows.filter(newest.is_null() | (pl.col("updated_at") >= newest))


def row_groups(path: Path) -> Iterator[tuple[int, int, int]]:
    """(row group, its first row, its rows) of a part."""
    metadata, start = pq.read_metadata(path), 0
    for group in range(metadata.num_row_groups):
        size = metadata.row_group(group).num_rows
        yield group, start, size
        start += size


def _run(
    workspace: Workspace,
    chunks: list[PendingRows],
    folders: Mapping[str, Path],
    verbalizer: Verbalizer,
    options: PipelineOptions,
) -> Counter[str]:
    rows = sum(chunk.size for chunk in chunks)
    progress = Progress("verbalize", "rows", rows // min(processes(options), len(chunks)))

    def build(pipeline: beam.Pipeline, mark: Mark) -> None:
        (
            pipeline
            | "pending rows" >> beam.Create(chunks)
            | "on the workspace" >> beam.Map(mark.checked)
            | "verbalize" >> beam.ParDo(VerbalizeRows(verbalizer, progress))
            | "write" >> beam.Map(_write, folders)
        )

    return run_pipeline(options, workspace, build)


if __name__ == "__main__":  # by its module name, so that workers import what runs here instead of unpickling it
    from beam_jobs import verbalize

    command(verbalize.run)
