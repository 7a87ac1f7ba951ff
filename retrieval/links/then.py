"""Members and jobs as they were when a pair came about: what a hire made of somebody is no reason for the hire.

A member counts by the newest record from before. Where there is none, as in an export that is dated by its day, the
first record stands in, as everywhere (`beam_jobs.trust`). From either the positions go that began at that time or
later, and those that are a hire of the log.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from contracts.records import Job
from contracts.text.place_names import folded
from contracts.text.verbalizer import job_title
from contracts.time.as_of import rows_as_of
from retrieval.links.outcomes import Outcomes
from retrieval.links.values import Read, Row, Values, job_values, member_values, no_family

EARLY = timedelta(days=90)
"""A position that matches a hire is that hire though it began so long before: an export may date hires late."""


class Pairs(NamedTuple):
    """(pairs,) each: the values of the member and of the job as of then, and whether it is a hire."""

    members: list[Values]
    jobs: list[Values]
    hired: np.ndarray

    @property
    def hires(self) -> int:
        return int(self.hired.sum())


class _Hire(NamedTuple):
    time: datetime
    title: str
    company: str


def pairs_then(pairs: Outcomes, members: pa.Table, jobs: pa.Table, title: Read, family: Read = no_family) -> Pairs:
    """The pairs of members and jobs that have a record, as of the time of each.

    Args:
        pairs: By id.
        members: All versions of the records (`contracts.records.Member`).
        jobs: All versions of the records (`contracts.records.Job`).
        title: How a title is read (`Templates.title`).
        family: Its family.
    """
    of_member, of_job = (
        _versions(table, ids, pairs.times) for table, ids in ((members, pairs.members), (jobs, pairs.jobs))
    )
    known = [i for i, both in enumerate(zip(of_member, of_job, strict=True)) if None not in both]
    member_rows, job_rows = _Rows(members, of_member, known), _Rows(jobs, of_job, known)
    hires: dict[str, list[_Hire]] = defaultdict(list)
    for i in known:
        if pairs.hired[i]:
            hires[pairs.members[i]].append(_hire(job_rows[i], pairs.times[i], title))
    return Pairs(
        [
            member_values(before(member_rows[i], pairs.times[i], hires[pairs.members[i]], title), title, family)
            for i in known
        ],
        [job_values(job_rows[i], title, family) for i in known],
        pairs.hired[known],
    )


class _Rows:
    """Rows of a table by the pair that asks for them; each is read once."""

    def __init__(self, table: pa.Table, row_of: Sequence[int | None], pairs: Sequence[int]) -> None:
        wanted = sorted({row for pair in pairs if (row := row_of[pair]) is not None})
        read = table.take(pa.array(wanted, pa.int64())).to_pylist()
        self._rows: Mapping[int | None, dict[str, Any]] = dict(zip(wanted, read, strict=True))
        self._row_of = row_of

    def __getitem__(self, pair: int) -> dict[str, Any]:
        return self._rows[self._row_of[pair]]


def _versions(table: pa.Table, ids: Sequence[str], times: Sequence[datetime]) -> list[int | None]:
    """The row of each id's newest version from before a time, else of its first; None for an id without a record."""
    history = pl.DataFrame(table.select(["id", "updated_at"]))
    moments = pl.DataFrame({"id": ids, "at": times}, {"id": pl.String, "at": history.schema["updated_at"]})
    return rows_as_of(history, moments, ["id"], "at", ["updated_at"], strict=True, else_first=True).to_list()


def _hire(job: Row, time: datetime, title: Read) -> _Hire:
    return _Hire(time, title(job_title(Job.model_construct(**job))), folded(job["company"] or ""))


def before(member: Row, time: datetime, hires: Sequence[_Hire], title: Read) -> Row:
    """The record without what came at a time or later.

    Positions that began then, and those that are one of `hires`, which are the member's own, at that time or later. A
    headline that names what the last position left out was goes with it.
    """
    later = [hire for hire in hires if hire.time >= time]
    positions = member["positions"] or ()
    gone = [one for one in positions if _begun(one, time) or any(_is(one, hire, member, title) for hire in later)]
    if not gone:
        return member
    left = [one for one in positions if one not in gone]
    named = title(member["headline"] or "") in {title(one["title"]) for one in gone}
    return {**member, "positions": left, "headline": "" if named else member["headline"]}


def _begun(position: Row, time: datetime) -> bool:
    return position["start"] is not None and position["start"] >= time


def _is(position: Row, hire: _Hire, member: Row, title: Read) -> bool:
    """Whether a position is a hire: of the same employer, or of the same title where one of them names no employer."""
    company = folded(position["company"] or "")
    if company and hire.company:
        if company != hire.company:
            return False
    elif title(position["title"]) != hire.title:
        return False
    if position["start"] is None:
        return bool(member["updated_at"] >= hire.time)
    return bool(position["start"] >= hire.time - EARLY)
