"""The world as a past moment knew it: the request of then, the index of jobs without later edits, a job's record."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

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
from contracts.tables import parts, read_as_of, read_records, read_table, write_part
from contracts.text.fitted import open_verbalizer
from contracts.text.verbalizer import Percentiles
from contracts.time.as_of import first_rows, rows_as_of
from contracts.workspace import Workspace
from retrieval.filters.filters import Filter
from retrieval.request import Request, build_request

KNOWN = (EVENT_TIME, CREATED_TIME)
"""When a feature row was true from, and when it was written: it is known once both have passed."""
_PART = "first"


class LoggedRequest(NamedTuple):
    """A request as the log has it.

    exclude: ids of jobs that are no candidates; profile: who asks, where that is nobody of the records.
    """

    member_id: str
    query: str
    time: datetime
    exclude: Collection[str]
    profile: Member | None = None


def requests_as_of(
    workspace: Workspace,
    asks: Sequence[LoggedRequest],
    percentiles: Percentiles | None = None,
) -> list[Request]:
    """Each request as it would have been made, with the member's text, activity and record as known at its time.

    Args:
        workspace: its records and feature tables.
        asks: the logged requests.
        percentiles: break points of the member texts; rules on pay need them.

    Returns:
        One request for each of `asks`, in their order.
    """
    moments = [(ask.member_id, ask.time) for ask in asks]
    texts = read_as_of(workspace.features / MEMBER_TEXT, MEMBER_KEY, moments, ["text", "location"], KNOWN)
    activities = read_as_of(workspace.features / MEMBER_ACTIVITY, MEMBER_KEY, moments, ["activity"], KNOWN)
    fields = list(Member.model_fields)
    known, first = (
        read_as_of(workspace.records / "members", "id", moments, fields, ["updated_at"], else_first=else_first)
        for else_first in (False, True)
    )
    # A first record is trusted back as far as its text is, see `beam_jobs.verbalize`.
    members = [one or (other if text else None) for one, other, text in zip(known, first, texts, strict=True)]
    verbalizer = open_verbalizer(workspace) if any(ask.profile for ask in asks) else None
    requests = []
    for ask, text, activity, member in zip(asks, texts, activities, members, strict=True):
        if ask.profile is not None and verbalizer is not None:
            text = {"text": verbalizer.member(ask.profile), "location": ask.profile.location}
            member = ask.profile.model_dump()
        requests.append(
            build_request(
                member_text=text["text"] if text else "",
                activity=Activity.from_json(activity["activity"] if activity else None),
                query=ask.query,
                location=(text["location"] or "") if text else "",
                filter=Filter(),
                time=ask.time,
                exclude=ask.exclude,
                percentiles=percentiles,
                member=member,
            )
        )
    return requests


def first_versions(workspace: Workspace, out: Workspace) -> None:
    """Write to `out` what `retrieval.index.build.build_index` reads, with each job as it stood when it was first known.

    One index serves requests of all times: a job's later edits, its being hidden at last among them, are not in it, and
    a job that was not yet known is kept back as one that is not yet posted.

    Args:
        workspace: where the job records, texts and vectors are read.
        out: where they are written; its encoder and events become links to those of `workspace`.

    Raises:
        NotReady: jobs, texts or vectors are missing.
    """
    jobs = first_known(read_records(workspace.records, "jobs"), "id", "updated_at")
    texts = first_known(read_table(workspace.features / JOB_TEXT), JOB_KEY, *KNOWN)
    vectors = first_known(_vectors(workspace), JOB_KEY, *KNOWN)
    text_known = pl.DataFrame(texts.select([JOB_KEY, *KNOWN])).select(
        pl.col(JOB_KEY).alias("id"), pl.max_horizontal(*KNOWN).alias("known")
    )
    times = pl.DataFrame(jobs.select(["id", "posted_at", "updated_at"])).join(
        text_known, on="id", how="left", maintain_order="left"
    )
    # The text says since when the job counts as known: a first record may be trusted back (`beam_jobs.verbalize`).
    known = pl.coalesce("known", "updated_at")
    posted = times.select(pl.max_horizontal("posted_at", known).alias("known"))["known"]
    column = jobs.schema.get_field_index("posted_at")
    jobs = jobs.set_column(column, jobs.schema.field(column), pa.chunked_array([posted.to_arrow().cast(TIME)]))
    for folder, table in (("jobs", jobs), (JOB_TEXT, texts), (JOB_VECTOR, vectors)):
        write_part((out.records if folder == "jobs" else out.features) / folder, table, _PART)
    for there, here in ((workspace.encoder, out.encoder), (workspace.records / "events", out.records / "events")):
        link(here, there)


def link(here: Path, there: Path) -> None:
    """Make `here` a symbolic link to `there`, whatever it was before: a workspace may have been moved or copied."""
    if here.is_dir() and not here.is_symlink():
        shutil.rmtree(here)
    here.unlink(missing_ok=True)
    here.symlink_to(there.resolve())


def _vectors(workspace: Workspace) -> pa.Table:
    if not parts(workspace.features / JOB_VECTOR):
        cure = f"run `rolecall embed --workspace {workspace.root}` first"
        raise NotReady(f"no job vectors in {workspace.features}", cure=cure)
    made_by = pc.field("encoder_version") == read_encoder(workspace.encoder).version
    return read_table(workspace.features / JOB_VECTOR, filter=made_by)


def first_known(table: pa.Table, key: str, *times: str) -> pa.Table:
    """The first known row of each key, the earliest first (`contracts.time.as_of.first_rows`)."""
    return table.take(first_rows(pl.DataFrame(table.select([key, *times])), [key], times).to_arrow())


class JobVersions:
    """All versions of the job records; `as_of` validates those that are asked for and keeps the last 100,000."""

    def __init__(self, workspace: Workspace) -> None:
        table = read_records(workspace.records, "jobs", list(Job.model_fields))
        self._table, self._times = table.combine_chunks(), pl.DataFrame(table.select(["id", "updated_at"]))
        self._record = lru_cache(maxsize=100_000)(self._read)

    def as_of(self, moments: Sequence[tuple[str, datetime]]) -> list[Job]:
        """For each (job id, time) the version known at that time, or the first where a job was shown before that.

        Raises:
            KeyError: a job is not in the records.
        """
        asked = pl.DataFrame(moments, {"id": pl.String, "at": self._times.schema["updated_at"]}, orient="row")
        rows = rows_as_of(self._times, asked, ["id"], "at", ["updated_at"], else_first=True)
        if rows.null_count():
            raise KeyError(asked["id"].filter(rows.is_null())[0])
        return [self._record(row) for row in rows]

    def _read(self, row: int) -> Job:
        return Job.model_validate(self._table.slice(row, 1).to_pylist()[0])
