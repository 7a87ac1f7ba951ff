"""Raw rows -> records. Checks every row, removes duplicates, and sets aside what does not fit with the reason.

    python -m beam_jobs.ingest --workspace W --source FOLDER

Members and jobs come first, so that events and grades can be checked against them. A row that an earlier run took in is
recognised by the hash of its raw text and skipped before it is checked; a file that an earlier run took in without a
reject is not opened again.

A cell of an optional field that does not fit is left empty, counted and told; its row is taken in.

What counts as the same: a member or job by (id, updated_at), an event by id, a grade by its whole content. Two with the
same name and the same content are counted once. Within one load, where the content differs the first is kept and the
other quarantined as `duplicate_id`; in a later load another content of a member or job is an edit, which counts from
then on if it brings no newer `updated_at`. A row without `updated_at` has the time of its load.

An event of a member who is not in the records is kept: visitors without an account are such. An event of an unknown
job, and a grade of either, is quarantined as `unknown_job` or `unknown_member` and looked at again in the next run.

With `--snapshot` the folder holds all jobs that there are: a job of the records that it does not name is closed.

Once the workspace has jobs, a folder may do without: the service's log, which holds events only, is taken in by
`--source W/logs`. What does not fit there is set aside as elsewhere, and never stops the rest.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.options.pipeline_options import PipelineOptions

from beam_jobs import ledger, loads
from beam_jobs.config import IngestFlags
from beam_jobs.deduplicate import (
    CARRIED,
    ORDER,
    RAW,
    ROW,
    SOURCE,
    STAMPED,
    VERSIONED,
    WHOLE_ROW,
    RowHashes,
    deduplicate,
    stored_records,
)
from beam_jobs.flags import read_flags
from beam_jobs.ledger import Unit
from beam_jobs.pipeline import Counts, by_bucket, command, count, run_id, run_pipeline
from beam_jobs.read_out import (
    COUNTER,
    LISTING,
    all_listed_skills,
    listed_skills,
    note_skills,
    summed,
    with_read_out,
)
from beam_jobs.snapshot import close_absent
from beam_jobs.spill import Spilled, read_spilled, spill
from beam_jobs.told import FOUND, require_few_rejects, tell_counts, tell_findings
from beam_jobs.workers import Mark, processes
from contracts.arrow import TIME, to_table
from contracts.erased import ErasedMembers
from contracts.progress import Progress
from contracts.reading.times import TimeReading
from contracts.records import RECORDS, Record
from contracts.tables import parts, read_table, write_part
from contracts.text.adverts.reader import TOLD
from contracts.text.adverts.skills import Gazetteer, extra_names, gazetteer
from contracts.text.verbalizer import content_hash
from contracts.versions import write_text
from contracts.workspace import Workspace
from sources import quarantine
from sources.check import RowChecker, check_known, is_stranger, named_id, owner, with_time
from sources.layout import unread_files
from sources.open import open_source
from sources.places import local_folder
from sources.rows import DUPLICATE_REASONS, KEYS, RawRow, Reject, Shard, Source, raw_text

log = logging.getLogger("rolecall")

PHASES = (("members", "jobs"), ("events", "grades"))
BATCH_ROWS = 4_096
PART_ROWS = 50_000
BUCKET_BYTES = 8_000_000
"""Source bytes a bucket: duplicates are looked for inside a bucket, which one worker holds in memory."""

_SAID = {
    "erased": "rows of members who were erased: left out for good (`rolecall erase`)",
    "strangers": "of nobody who is among the members: kept, with no text of the member's own",
    "stamped": "rows say no updated_at; they count from this load on",
    "edited": "rows are edits of what was there; those that bring no newer updated_at count from this load on",
}
"""Counter -> what is said of it."""


class Piece(NamedTuple):
    """A shard on its way to a worker; `order` is its place among the shards of its table, `unit` counts its rows."""

    order: int
    unit: int
    shard: Shard


def run(argv: Sequence[str] | None = None) -> Counts:
    """Take in a folder of raw data.

    Args:
        argv: The job's and Beam's flags, see `beam_jobs.config.IngestFlags`; None for those of the process.

    Returns:
        Counts of rows over all tables.

    Raises:
        UnknownSource: The folder holds no known layout; nothing is written.
        MissingColumn: A file lacks a needed column; nothing is written.
        BadInput: The folder holds a simulated market and the workspace real records, or the other way round; or a
            snapshot would close more jobs than is allowed.
        TooManyRejects: More than the allowed share of a table's rows was quarantined. The good rows of all tables are
            in the records and the quarantine is complete.
    """
    workspace, config, options = read_flags("ingest", __doc__, IngestFlags, argv)
    started = time.monotonic()
    folder = local_folder(config.source, workspace.copies, config.mapping)
    source = open_source(folder, bool(parts(workspace.records / "jobs")), config.mapping)
    simulated = loads.require_one_world(workspace, folder)
    units = {table: ledger.units(source, table) for table in source.tables}
    for path, columns in source.ignored_columns().items():
        log.info("%s: no record has the column %s; not read", path, ", ".join(columns))
    if unread := unread_files(source):
        log.warning("not read, of no table: %s (rename them, or name their tables in a mapping)", ", ".join(unread))
    write_text(workspace.reading, config.reading().model_dump_json())
    now = config.now or datetime.now(UTC)
    load = loads.Load(id=run_id(), time=now, source=folder, simulated=simulated)
    loads.note_load(workspace, load)
    workspace.quarantine.mkdir(parents=True, exist_ok=True)  # an output of the stage, also where nothing is set aside
    tables: dict[str, Counts] = {}
    for phase in PHASES:
        of_phase = {table: units[table] for table in phase if table in units}
        tables |= _take_in(workspace, source, of_phase, load, config.reading(), options)
    of_board = note_skills(workspace)
    if tables.get("jobs", Counts()).written:
        of_extra = len(extra_names())
        log.info("jobs: skills are known by %s names that the board lists, and %s of an extra", of_board, of_extra)
    for table, counts in tables.items():
        tell_counts(workspace, table, counts)
    written = {table: counts.written for table, counts in tables.items() if counts.written}
    if config.snapshot and (closed := close_absent(workspace, source, load, config.most_closed)):
        log.info("jobs: %s that the snapshot does not name are closed", f"{closed:,}")
        written["jobs"] = written.get("jobs", 0) + closed
    loads.finish_load(workspace, load.model_copy(update={"written": written}))
    total = sum(tables.values(), Counts())
    log.info("ingest: load %s, %s; quarantine: %s", load.id, total, workspace.quarantine)
    if not loads.is_own_log(workspace, folder):
        require_few_rejects(workspace, tables, config.max_reject_share)
    return replace(total, seconds=time.monotonic() - started)


def _take_in(
    workspace: Workspace,
    source: Source,
    units: dict[str, list[Unit]],
    load: loads.Load,
    reading: TimeReading,
    options: PipelineOptions,
) -> dict[str, Counts]:
    """Run one phase: read the units that are new or changed, and note those that came through without a reject."""
    notes = {table: ledger.units_taken_in(workspace.records / table) for table in units}
    changed = {
        table: [unit for unit in of_table if notes[table].get(unit.name, ("", 0))[0] != unit.digest]
        for table, of_table in units.items()
    }
    pieces = []
    for table, of_table in changed.items():
        for number, unit in enumerate(of_table):
            for path in unit.inputs:
                quarantine.forget(workspace.quarantine, table, path)
            pieces += [(number, shard) for shard in unit.shards]
    counters: Counter[str] = Counter()
    if pieces:
        inputs = [path for of_table in changed.values() for unit in of_table for path in unit.inputs]
        counters = _run(
            workspace,
            source,
            [Piece(order, unit, shard) for order, (unit, shard) in enumerate(pieces)],
            load,
            reading,
            buckets=1 + sum(path.stat().st_size for path in inputs) // BUCKET_BYTES,
            options=options,
        )
    counts = {}
    for table, of_table in units.items():
        rejected = quarantine.sources(workspace.quarantine, table)
        note = notes[table]
        names = {unit.name for unit in changed[table]}
        skipped_whole = sum(note[unit.name][1] for unit in of_table if unit.name not in names)
        for number, unit in enumerate(changed[table]):
            note.pop(unit.name, None)
            if not rejected & set(map(str, unit.inputs)):
                note[unit.name] = (unit.digest, counters[f"{table}.unit{number}"])
        if names:
            ledger.note_units_taken_in(workspace.records / table, note)
        of_rows = Counts(*(counters[f"{table}.{field.name}"] for field in fields(Counts)))
        counts[table] = of_rows + Counts(read=skipped_whole, skipped=skipped_whole)
        tell_findings(table, counters)
        for what, said in _SAID.items():
            if number_of := counters[f"{table}.{what}"]:
                log.info("%s: %s %s", table, f"{number_of:,}", said)
    if told := [f"{field} of {counters[COUNTER + field]:,}" for field in TOLD if counters[COUNTER + field]]:
        log.info("jobs: read out of their adverts: %s", ", ".join(told))
    return counts


def _run(
    workspace: Workspace,
    source: Source,
    pieces: list[Piece],
    load: loads.Load,
    reading: TimeReading,
    buckets: int,
    options: PipelineOptions,
) -> Counter[str]:
    rows = _rows_ahead(pieces)
    progress = Progress("ingest", "rows", rows and rows // processes(options))
    spilled = workspace.records / f".{load.id}"
    check_rows = CheckRows(source, workspace, load, reading, buckets, progress, spilled)

    write_records = WriteRecords(workspace, load, all_listed_skills(workspace))

    def build(pipeline: beam.Pipeline, mark: Mark) -> None:
        checked = (
            pipeline
            | "shards" >> beam.Create(pieces)
            | "shards on the workspace" >> beam.Map(mark.checked)
            | "check" >> beam.ParDo(check_rows).with_outputs("rejects", "skills", main="records")
        )
        listed = beam.pvalue.AsSingleton(checked.skills | "skills" >> beam.CombineGlobally(summed))
        kept = (
            checked.records
            | "by key" >> beam.GroupByKey()
            | "keys on the workspace" >> beam.Map(mark.checked)
            | "write records" >> beam.ParDo(write_records, listed).with_outputs("rejects", main="none")
        )
        (
            (checked.rejects, kept.rejects)
            | beam.Flatten()
            | "by source" >> beam.GroupByKey()
            | "sources on the workspace" >> beam.Map(mark.checked)
            | "write quarantine" >> beam.Map(_write_rejects, workspace.quarantine, load.time)
        )

    try:
        return run_pipeline(options, workspace, build)
    finally:
        shutil.rmtree(spilled, ignore_errors=True)


class CheckRows(beam.DoFn):
    """Piece -> (table and bucket, where its checked records lie), and rejects by table and source."""

    def __init__(
        self,
        source: Source,
        workspace: Workspace,
        load: loads.Load,
        reading: TimeReading,
        buckets: int,
        progress: Progress,
        spilled: Path,
    ) -> None:
        self._source, self._workspace, self._reading = source, workspace, reading
        self._load, self._now = load.id, load.time
        self._buckets, self._progress, self._spilled = buckets, progress, spilled

    def setup(self) -> None:
        self._checker = RowChecker(self._now, self._reading, self._source)
        self._hashes: dict[str, RowHashes] = {}
        self._ids: dict[str, set[str]] = {}
        self._erased = ErasedMembers(self._workspace)

    def process(self, piece: Piece) -> Iterator[Any]:
        table = piece.shard.table
        if table not in self._hashes:
            self._hashes[table] = RowHashes(self._workspace.records / table, self._load)
        self._progress.start()
        rows = iter(self._source.read(piece.shard))
        place = piece.order << 40
        waiting: list[pa.Table] = []
        while batch := list(islice(rows, BATCH_ROWS)):
            kept, rejects, skipped = self._check(table, batch, place)
            place += len(batch)
            count(f"{table}.read", len(batch))
            count(f"{table}.unit{piece.unit}", len(batch))
            waiting.append(kept)
            if sum(map(len, waiting)) >= PART_ROWS:
                yield from self._spill(table, waiting)
                waiting = []
            for bucket, part in by_bucket(pa.table({"id": pa.array(skipped, pa.string())}), "id", self._buckets):
                yield f"{table}/{bucket}", part["id"].to_pylist()
            yield from _by_source(table, rejects)
            if table in LISTING:
                yield beam.pvalue.TaggedOutput("skills", dict(listed_skills(kept)))
            self._progress.add(len(batch))
        yield from self._spill(table, waiting)

    def _spill(self, table: str, pieces: list[pa.Table]) -> list[tuple[str, Spilled]]:
        """(table and bucket, where its rows lie), of rows that were checked."""
        if not sum(map(len, pieces)):
            return []
        rows = pa.concat_tables(pieces)
        parts_ = by_bucket(rows, KEYS.get(table, WHOLE_ROW)[0], self._buckets)
        return spill(self._spilled, ((f"{table}/{bucket}", part) for bucket, part in parts_), rows.schema)

    def _check(self, table: str, batch: list[RawRow], place: int) -> tuple[pa.Table, list[Reject], list[str]]:
        """The records of a batch, its rejects, and the ids of members or jobs whose newest version it says again."""
        raw = [raw_text(row) for row in batch]
        hashes = [content_hash(text) for text in raw]
        stored = self._hashes[table].contains(hashes)
        records: list[Record] = []
        kept: list[int] = []
        rejects: list[Reject] = []
        stamped: list[bool] = []
        duplicates = skipped = strangers = erased = 0
        for i, row in enumerate(batch):
            if row.value is not None and stored[i]:
                skipped += 1
                continue
            if len(self._erased) and owner(row) in self._erased:
                erased += 1  # before it is checked: what does not fit of it must not be set aside
                continue
            row, is_stamped = with_time(row, self._now)
            result = self._checker.check(row)
            if not isinstance(result, Reject):
                result = check_known(row, result, self._stored_ids) or result
            if not isinstance(result, Reject):
                records.append(result)
                kept.append(i)
                stamped.append(is_stamped)
                strangers += is_stranger(result, self._stored_ids)
            elif result.reason in DUPLICATE_REASONS:
                duplicates += 1
            else:
                rejects.append(result._replace(raw=raw[i]))
                if result.row == 0:
                    log.warning("%s: %s", result.source, result.detail)
        for finding, rows_found, first in self._checker.findings.taken():
            count(f"{table}{FOUND}{json.dumps([*finding, first])}", rows_found)
        for name, number in (
            ("skipped", skipped),
            ("duplicates", duplicates),
            ("quarantined", len(rejects)),
            ("strangers", strangers),
            ("stamped", sum(stamped)),
            ("erased", erased),
        ):
            count(f"{table}.{name}", number)
        carried = {
            "row_hash": pa.array([hashes[i] for i in kept], pa.string()),
            ORDER: pa.array([place + i for i in kept], pa.int64()),
            SOURCE: pa.array([batch[i].source for i in kept], pa.string()),
            ROW: pa.array([batch[i].row for i in kept], pa.int64()),
            RAW: pa.array([raw[i] if table in KEYS else "" for i in kept], pa.large_string()),
        }
        if table in VERSIONED:
            carried[STAMPED] = pa.array(stamped, pa.bool_())
        rows = to_table(records, RECORDS[table])
        for name, column in carried.items():
            rows = rows.append_column(name, column)
        said_again = [named_id(row) or "" for row, again in zip(batch, stored, strict=True) if again]
        return rows, rejects, said_again if table in VERSIONED else []

    def _stored_ids(self, table: str) -> set[str]:
        if table not in self._ids:
            folder = self._workspace.records / table
            self._ids[table] = set(read_table(folder, ["id"])["id"].to_pylist()) if parts(folder) else set()
        return self._ids[table]


class WriteRecords(beam.DoFn):
    """(table and bucket, pieces) -> parts of the records without duplicates; contradictions as rejects.

    A piece is a place where rows were spilled to, or a list of ids whose newest version the load says again. What the
    adverts say of fields that nobody filled is read out of them.
    """

    def __init__(self, workspace: Workspace, load: loads.Load, known: Mapping[str, int]) -> None:
        """known: skill -> how many of the records list it."""
        self._workspace, self._load, self._known = workspace, load, known
        self._skills: Gazetteer | None = None

    def process(self, element: tuple[str, Iterable[Spilled | list[str]]], listed: Mapping[str, int]) -> Iterator[Any]:
        """listed: skill -> how many checked rows of the load list it."""
        key, pieces = element[0], list(element[1])
        table, _, bucket = key.partition("/")
        said_again = {id_ for piece in pieces if isinstance(piece, list) for id_ in piece}
        tables = [read_spilled(piece) for piece in pieces if isinstance(piece, Spilled)]
        if not tables:
            return
        rows = pa.concat_tables(tables).sort_by(ORDER)
        folder = self._workspace.records / table
        stored = stored_records(folder, table, rows, self._load.id)
        kept, edited, rejects = deduplicate(table, rows, stored, self._load.time, said_again)
        count(f"{table}.written", len(kept))
        count(f"{table}.edited", len(edited))
        count(f"{table}.quarantined", len(rejects))
        count(f"{table}.duplicates", rows.num_rows - len(kept) - len(rejects))
        if edited:
            rows = _with_times(rows, edited)
        new = rows.take(pa.array(kept, pa.int64())).drop(list(CARRIED))
        if table == "jobs" and new.num_rows:
            self._skills = self._skills or gazetteer(summed([self._known, listed]))
            new = with_read_out(new, self._skills)
        for start in range(0, new.num_rows, PART_ROWS):
            part = new.slice(start, PART_ROWS)
            write_part(folder, part, f"{self._load.id}-{int(bucket):05d}-{start // PART_ROWS:03d}")
        yield from _by_source(table, rejects)


def _with_times(rows: pa.Table, times: dict[int, datetime]) -> pa.Table:
    """The rows with other times of some of them, which are then those of their load.

    So is their hash: an edit that is taken back says again what an older version said, and is another row.
    """
    columns = {name: rows[name].to_pylist() for name in ("updated_at", STAMPED, "row_hash")}
    for row, moment in times.items():
        again = content_hash(columns["row_hash"][row], moment.isoformat())
        for name, value in (("updated_at", moment), (STAMPED, True), ("row_hash", again)):
            columns[name][row] = value
    for name, kind in (("updated_at", TIME), (STAMPED, pa.bool_()), ("row_hash", pa.string())):
        at = rows.schema.get_field_index(name)
        rows = rows.set_column(at, rows.schema.field(at), pa.array(columns[name], kind))
    return rows


def _by_source(table: str, rejects: Sequence[Reject]) -> Iterator[Any]:
    for source in {reject.source for reject in rejects}:
        of_source = [reject for reject in rejects if reject.source == source]
        yield beam.pvalue.TaggedOutput("rejects", (f"{table}/{source}", of_source))


def _write_rejects(element: tuple[str, Iterable[list[Reject]]], folder: Path, now: datetime) -> None:
    quarantine.write(folder, chain.from_iterable(element[1]), now)


def _rows_ahead(pieces: list[Piece]) -> int | None:
    """The rows in Parquet shards; None where a file does not say how many it has."""
    rows = 0
    for piece in pieces:
        if Path(piece.shard.path).suffix != ".parquet":
            return None
        try:
            metadata = pq.read_metadata(piece.shard.path)
        except (pa.ArrowInvalid, OSError):
            continue  # its reader will say what is wrong with it
        rows += sum(metadata.row_group(group).num_rows for group in piece.shard.row_groups)
    return rows


if __name__ == "__main__":  # by its module name, so that workers import what runs here instead of unpickling it
    from beam_jobs import ingest

    command(ingest.run)
