"""What a feed of changed jobs is, and the check of one change.

A change has an `op` (upsert or delete), an `id`, a `time`, and of an upsert the whole job (`contracts.records.Job`,
whose `updated_at` may be left out where it is the time of the change). Every change has a position in its feed, from
where reading can go on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

from pydantic import ValidationError

from contracts.reading.times import PLAIN, TimeReading
from contracts.records import Identifier, Job, Record, Time
from sources.check import RowChecker, in_future, reject
from sources.reasons import explain
from sources.rows import RawRow, Reject

log = logging.getLogger("rolecall")

BATCH = 256
"""Changes that are read, encoded and indexed together."""
TABLE = "changes"


class RawChange(NamedTuple):
    """One change as it was read; row.value holds op, id, time and, as a mapping, job."""

    position: str
    row: RawRow


class Change(NamedTuple):
    """An upsert of a job, or its deletion (`job` is None)."""

    position: str
    job_id: str
    time: datetime
    job: Job | None

    @property
    def version(self) -> tuple[datetime, bool]:
        """As `retrieval.index.job_rows.JobRows.version`."""
        return (self.time, True) if self.job is None else (self.job.updated_at, False)


class Feed(Protocol):
    """Changes in their order. Used by one thread."""

    @property
    def name(self) -> str:
        """Its address without secrets, for messages."""

    def read(self, after: str) -> list[RawChange]:
        """The next changes, at most `BATCH`, none where there is none now; it may wait a second for them.

        Args:
            after: Position of the last change that was read; empty: from the first that there is.

        Raises:
            MissingChanges: Changes between were lost.
            RolecallError: The feed cannot be read now; the next call tries again.
        """

    def close(self) -> None: ...


class _Head(Record):
    op: Literal["upsert", "delete"]
    id: Identifier
    time: Time


def checked(raw: RawChange, now: datetime, reading: TimeReading = PLAIN) -> Change | Reject:
    """The change in a row, or a Reject with the reason why there is none. Jobs are checked as `ingest` checks them.

    reading: of times that do not say their zone or order.
    """
    row = raw.row
    if row.value is None:
        return reject(row, row.reason, row.detail)
    try:
        head = _Head.model_validate(
            {name: row.value[name] for name in _Head.model_fields if name in row.value}, context=reading
        )
    except ValidationError as error:
        return reject(row, *explain(error))
    late = in_future(row, "time", head.time, now)
    if late is not None:
        return late
    if head.op == "delete":
        return Change(raw.position, head.id, head.time, None)
    job = _job(row, head, now, reading)
    return job if isinstance(job, Reject) else Change(raw.position, head.id, head.time, job)


def _job(row: RawRow, head: _Head, now: datetime, reading: TimeReading) -> Job | Reject:
    value: Any = (row.value or {}).get("job")
    if not isinstance(value, Mapping):
        return reject(row, "missing_field", "job: an upsert without the job's record; give the row this field")
    checker = RowChecker(now, reading)
    job = checker.check(RawRow("jobs", row.source, row.row, {"id": head.id, "updated_at": head.time} | dict(value)))
    if isinstance(job, Reject):
        return reject(row, job.reason, f"job.{job.detail}")
    assert isinstance(job, Job)
    if job.id != head.id:
        return reject(row, "other_id", f"job.id {job.id!r} is not the change's id {head.id!r}; leave it out")
    for line in checker.findings.lines():
        log.warning("job %s: %s", job.id, line)
    return job
