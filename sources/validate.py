"""What a folder of raw data holds and what is wrong with it, before anything is loaded.

Reads every row once, in shards, and keeps 8 bytes of an id: ten million events need about 100 MB.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from contracts.records import Event, Grade, Record
from sources.check import check
from sources.open import open_source
from sources.rows import DUPLICATE_REASONS, Reject, Source

CHUNK_ROWS = 50_000
_SHOWN_CHARS = 200


@dataclass
class TableReport:
    """Counts of one table. examples: reason -> the first row with it; first, last: ISO times of the records."""

    rows: int = 0
    accepted: int = 0
    repeated: int = 0
    rejects: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    duplicate_ids: int = 0
    first: str = ""
    last: str = ""

    @property
    def rejected(self) -> int:
        return sum(self.rejects.values())


@dataclass
class Report:
    """What `validate` found. ok: every row is a record and every event's member and job are known."""

    folder: str
    layout: str
    tables: dict[str, TableReport]
    unknown_members: int
    unknown_jobs: int
    ignored_columns: Mapping[str, tuple[str, ...]]

    @property
    def ok(self) -> bool:
        clean = all(not t.rejects and not t.duplicate_ids for t in self.tables.values())
        return clean and not self.unknown_members and not self.unknown_jobs

    def as_dict(self) -> dict[str, Any]:
        return {"ok": self.ok, **asdict(self)}

    def lines(self) -> list[str]:
        """The report for a terminal, a line a finding."""
        out = [f"{self.folder}: layout {self.layout}"]
        for name, table in self.tables.items():
            between = f", from {table.first} to {table.last}" if table.first else ""
            out.append(f"{name}: {table.rows:,} rows, {table.accepted:,} fit, {table.rejected:,} do not{between}")
            if table.repeated:
                out.append(f"  {table.repeated:,} rows repeat an earlier one and count once")
            if table.duplicate_ids:
                out.append(f"  {table.duplicate_ids:,} rows have an id (and time of update) that an earlier row has")
            for reason, count in sorted(table.rejects.items(), key=lambda item: -item[1]):
                out.append(f"  {reason}: {count:,} rows, first {table.examples[reason]}")
        for unknown, what in ((self.unknown_members, "member"), (self.unknown_jobs, "job")):
            if unknown:
                out.append(f"events: {unknown:,} name a {what} that {what}s do not have")
        for file, columns in self.ignored_columns.items():
            out.append(f"{file}: columns not read: {', '.join(columns)}")
        out.append("ok" if self.ok else "not ok: what does not fit would be set aside with its reason, nothing is lost")
        return out


def validate(folder: Path, now: datetime) -> Report:
    """Read and check all rows of a folder.

    Raises UnknownSource for a folder in no known layout and MissingColumn for a file without a required column.
    """
    source = open_source(folder)
    known: dict[str, np.ndarray] = {}
    tables, unknown = {}, {"members": 0, "jobs": 0}
    for name in source.tables:
        tables[name], ids, missing = _table(source, name, now, known)
        known[name] = np.unique(ids)
        for other, count in missing.items():
            unknown[other] += count
    return Report(str(folder), source.name, tables, unknown["members"], unknown["jobs"], dict(source.ignored_columns()))


def _table(
    source: Source, name: str, now: datetime, known: Mapping[str, np.ndarray]
) -> tuple[TableReport, np.ndarray, dict[str, int]]:
    """The report of one table, the hashes of its ids, and how many rows name an unknown member or job."""
    report = TableReport()
    first: datetime | None = None
    last: datetime | None = None
    ids: list[np.ndarray] = []
    versions: list[np.ndarray] = []
    unknown = {"members": 0, "jobs": 0}
    waiting: list[Record] = []

    def settle() -> None:
        ids.append(_hashes(record.id for record in waiting if not isinstance(record, Grade)))  # type: ignore[attr-defined]
        versions.append(_hashes(_version(record) for record in waiting))
        if name == "events":
            for other, column in (("members", "member_id"), ("jobs", "job_id")):
                found = _hashes(getattr(record, column) for record in waiting)
                unknown[other] += int((~np.isin(found, known.get(other, np.empty(0, np.uint64)))).sum())
        waiting.clear()

    for shard in source.shards(name):
        for row in source.read(shard):
            report.rows += 1
            result = check(row, now)
            if isinstance(result, Reject):
                if result.reason in DUPLICATE_REASONS:
                    report.repeated += 1
                    continue
                report.rejects[result.reason] = report.rejects.get(result.reason, 0) + 1
                place = f"{Path(result.source).name} row {result.row:,}: {result.detail}"
                report.examples.setdefault(result.reason, place[:_SHOWN_CHARS])
                continue
            report.accepted += 1
            moment = result.time if isinstance(result, Event | Grade) else result.updated_at  # type: ignore[attr-defined]
            first = moment if first is None or moment < first else first
            last = moment if last is None or moment > last else last
            waiting.append(result)
            if len(waiting) >= CHUNK_ROWS:
                settle()
    settle()
    all_versions = np.concatenate(versions)
    report.duplicate_ids = len(all_versions) - len(np.unique(all_versions))
    report.first = first.isoformat() if first else ""
    report.last = last.isoformat() if last else ""
    return report, np.concatenate(ids), unknown


def _version(record: Record) -> str:
    """What must not occur twice: an event's id, a member or job at one time of update, a grade by one grader."""
    if isinstance(record, Event):
        return record.id
    if isinstance(record, Grade):
        return f"{record.member_id}\x00{record.query}\x00{record.job_id}\x00{record.grader}\x00{record.policy_version}"
    return f"{record.id}\x00{record.updated_at.isoformat()}"  # type: ignore[attr-defined]


def _hashes(texts: Iterable[str]) -> np.ndarray:
    """64 bits of each text: with ten million ids, a false duplicate has odds of 1 to 370,000."""
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, np.uint64)
