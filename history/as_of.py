"""What was known at a past moment: values of a feature table, records, and the index of jobs without later edits."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from contracts.activity import Activity
from contracts.arrow import TIME
from contracts.encoder import read_encoder
from contracts.errors import NotReady
from contracts.features import (
    CREATED_TIME,
    EVENT_TIME,
    JOB_KEY,
    JOB_TEXT,
    JOB_VECTOR,
    MEMBER_ACTIVITY,
    MEMBER_KEY,
    MEMBER_TEXT,
)
from contracts.records import Job, Member
from contracts.tables import parts, read_table, write_part
from contracts.text.verbalizer import Percentiles
from contracts.workspace import Workspace
from retrieval.filters.filters import Filter
from retrieval.request import Request, build_request

KNOWN = (EVENT_TIME, CREATED_TIME)
"""When a value was true from, and when it was known from: the past holds only what was both."""
_PART = "first"


class PastAsk(NamedTuple):
    """What the log tells of a request. exclude: jobs that are no candidates."""

    member_id: str
    query: str
    time: datetime
    exclude: Collection[str]


def requests_as_of(
    workspace: Workspace,
    asked: Sequence[PastAsk],
    percentiles: Percentiles | None = None,
) -> list[Request]:
    """Each request as it would have been made, with the member's text, activity and record as known at its time.

    percentiles: of the member texts, for rules that compare pay.
    """
    keys = [(one.member_id, one.time) for one in asked]
    texts = values_as_of(workspace.features / MEMBER_TEXT, MEMBER_KEY, keys, ["text", "location"], KNOWN)
    done = values_as_of(workspace.features / MEMBER_ACTIVITY, MEMBER_KEY, keys, ["activity"], KNOWN)
    fields = list(Member.model_fields)
    members = values_as_of(workspace.records / "members", "id", keys, fields, ["updated_at"])
    return [
        build_request(
            member_text=text["text"] if text else "",
            activity=Activity.from_json(activity["activity"] if activity else None),
            query=one.query,
            location=(text["location"] or "") if text else "",
            filter=Filter(),
            time=one.time,
            exclude=one.exclude,
            percentiles=percentiles,
            member=member,
        )
        for one, text, activity, member in zip(asked, texts, done, members, strict=True)
    ]


def values_as_of(
    folder: Path, key: str, asked: Sequence[tuple[str, datetime]], columns: Sequence[str], times: Sequence[str]
) -> list[dict[str, Any] | None]:
    """For each (key, time) the newest row of a table that was there by then, None where there was none or no table.

    times: columns that must all be at or before the asked time; the first one says which row is newer. With
    KNOWN it is the rule of Feast's point-in-time join with `filter_by_created_timestamp`.
    """
    if not parts(folder):
        return [None] * len(asked)
    keys = pa.array(sorted({name for name, _ in asked}), pa.string())
    table = read_table(folder, list(dict.fromkeys((key, *columns, *times))), pc.field(key).isin(keys))
    table = table.sort_by([(name, "ascending") for name in times])
    known = _known(table, times).to_list()
    history: dict[str, list[tuple[datetime, int]]] = {}
    for row, (name, time) in enumerate(zip(table[key].to_pylist(), known, strict=True)):
        history.setdefault(name, []).append((time, row))
    rows = [next((row for time, row in reversed(history.get(name, ())) if time <= then), None) for name, then in asked]
    present = pa.array([row for row in rows if row is not None], pa.int64())
    found = iter(table.select(list(columns)).take(present).to_pylist())
    return [None if row is None else next(found) for row in rows]


def first_versions(workspace: Workspace, out: Workspace) -> None:
    """Write to `out` what `retrieval.index.build.build_index` reads, with each job as it stood when it was first known.

    One index serves requests of all times: a job's later edits, its being hidden at last among them, are not in it, and
    a job that was not yet known is kept back as one that is not yet posted.
    Raises NotReady where jobs, texts or vectors are missing.
    """
    jobs = first_rows(read_table(workspace.records / "jobs"), "id", "updated_at")
    texts = first_rows(read_table(workspace.features / JOB_TEXT), JOB_KEY, EVENT_TIME, CREATED_TIME)
    vectors = first_rows(_vectors(workspace), JOB_KEY, EVENT_TIME, CREATED_TIME)
    text_known = pl.DataFrame({"id": pl.Series(texts[JOB_KEY]), "known": _known(texts, (EVENT_TIME, CREATED_TIME))})
    times = pl.DataFrame(jobs.select(["id", "posted_at", "updated_at"])).join(
        text_known, on="id", how="left", maintain_order="left"
    )
    posted = times.select(pl.max_horizontal("posted_at", "updated_at", "known").alias("known"))["known"]
    column = jobs.schema.get_field_index("posted_at")
    jobs = jobs.set_column(column, jobs.schema.field(column), pa.chunked_array([posted.to_arrow().cast(TIME)]))
    for folder, table in (("jobs", jobs), (JOB_TEXT, texts), (JOB_VECTOR, vectors)):
        write_part((out.records if folder == "jobs" else out.features) / folder, table, _PART)
    for there, here in ((workspace.encoder, out.encoder), (workspace.records / "events", out.records / "events")):
        link(here, there)


def link(here: Path, there: Path) -> None:
    """Let `here` stand for `there`, whatever it stood for before: a workspace may have been moved or copied."""
    if here.is_dir() and not here.is_symlink():
        shutil.rmtree(here)
    here.unlink(missing_ok=True)
    here.symlink_to(there.resolve())


def _known(table: pa.Table, times: Sequence[str]) -> pl.Series:
    """The latest of some time columns, row by row."""
    frame = pl.DataFrame(table.select(list(times)))
    return frame.select(pl.max_horizontal(*times).alias("known"))["known"]


def _vectors(workspace: Workspace) -> pa.Table:
    if not parts(workspace.features / JOB_VECTOR):
        cure = f"run `rolecall embed --workspace {workspace.root}` first"
        raise NotReady(f"no job vectors in {workspace.features}", cure=cure)
    made_by = pc.field("encoder_version") == read_encoder(workspace.encoder).version
    return read_table(workspace.features / JOB_VECTOR, filter=made_by)


def first_rows(table: pa.Table, key: str, *times: str) -> pa.Table:
    """The oldest row of each key."""
    ranked = table.sort_by([(name, "ascending") for name in times])
    row = pa.array(range(ranked.num_rows), pa.int64())
    oldest = ranked.select([key]).append_column("row", row).group_by(key).aggregate([("row", "min")])["row_min"]
    return ranked.take(oldest)


class JobVersions:
    """Job records by id and time, validated when first asked for."""

    def __init__(self, workspace: Workspace) -> None:
        table = read_table(workspace.records / "jobs").sort_by("updated_at")
        self._table = table.select(list(Job.model_fields)).combine_chunks()
        self._rows: dict[str, list[tuple[datetime, int]]] = {}
        ids, times = (table[name].to_pylist() for name in ("id", "updated_at"))
        for row, (job_id, known) in enumerate(zip(ids, times, strict=True)):
            self._rows.setdefault(job_id, []).append((known, row))
        self._record = lru_cache(maxsize=100_000)(self._read)

    def as_of(self, job_id: str, time: datetime) -> Job:
        """The newest version by then; the first one where it was shown before its record says that it was there."""
        versions = self._rows[job_id]
        return self._record(next((row for known, row in reversed(versions) if known <= time), versions[0][1]))

    def _read(self, row: int) -> Job:
        return Job.model_validate(self._table.slice(row, 1).to_pylist()[0])
