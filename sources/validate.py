"""A report of a folder of raw data before anything is loaded: how many rows fit, and why the others do not.

`beam_jobs.ingest` rejects the same rows for the same reasons in an empty workspace. It reads every row once, in shards,
and keeps the ids of members and jobs and 24 bytes a row: 250 MB for ten million events.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from contracts.reading.times import PLAIN, TimeReading
from contracts.records import Event, Grade, Record
from contracts.versions import row_hash
from sources.check import RowChecker, check_known, is_stranger, with_time
from sources.layout import unread_files
from sources.open import open_source
from sources.rows import DUPLICATE_REASONS, KEYS, RawRow, Reject, Source, raw_text

_ROW_BITS = 40
_SHOWN_CHARS = 200


@dataclass
class TableReport:
    """Counts of one table: rows = accepted + repeated + rejected.

    Attributes:
        repeated: Rows that repeat an earlier one.
        rejects: Reason -> rows.
        examples: Reason -> its first row.
        findings: What would be changed in rows that fit, a line each (`sources.findings`).
        without_time: Accepted rows that say no `updated_at`.
        strangers: Accepted events of nobody who is among the members.
        first: ISO time of the oldest row that is accepted or repeated.
        last: ISO time of the newest.
    """

    rows: int = 0
    accepted: int = 0
    repeated: int = 0
    rejects: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    without_time: int = 0
    strangers: int = 0
    first: str = ""
    last: str = ""

    @property
    def rejected(self) -> int:
        return sum(self.rejects.values())

    def reject(self, reason: str, source: str, row: int, detail: str, times: int = 1) -> None:
        self.rejects[reason] = self.rejects.get(reason, 0) + times
        self.examples.setdefault(reason, f"{Path(source).name} row {row:,}: {detail}"[:_SHOWN_CHARS])


@dataclass
class Report:
    """The report of a folder; `ok` where no row would be rejected."""

    folder: str
    layout: str
    tables: dict[str, TableReport]
    ignored_columns: Mapping[str, tuple[str, ...]]
    unread: Sequence[str] = ()

    @property
    def ok(self) -> bool:
        return not any(table.rejects for table in self.tables.values())

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
            if table.without_time:
                out.append(
                    f"  {table.without_time:,} rows say no updated_at: they count from the time of their load on"
                )
            if table.strangers:
                out.append(
                    f"  {table.strangers:,} rows are of nobody among the members: kept, without a text of their own"
                )
            for reason, count in sorted(table.rejects.items(), key=lambda item: -item[1]):
                out.append(f"  {reason}: {count:,} rows, first {table.examples[reason]}")
            out += [f"  {line}" for line in table.findings]
        for file, columns in self.ignored_columns.items():
            out.append(f"{file}: columns not read: {', '.join(columns)}")
        if self.unread:
            cure = "rename them, or name their tables in a mapping: `rolecall validate FOLDER --suggest` writes one"
            out.append(f"not read, of no table: {', '.join(self.unread)} ({cure})")
        out.append("ok" if self.ok else "not ok: what does not fit would be set aside with its reason, nothing is lost")
        return out


def validate(
    folder: Path,
    now: datetime,
    reading: TimeReading = PLAIN,
    taken: Callable[[Record], None] | None = None,
    mapping: Path | None = None,
) -> Report:
    """Read and check all rows of a folder.

    Args:
        folder: In a format of `sources.open.SOURCES`.
        now: Timezone-aware; later times are rejected.
        reading: Of times, as `ingest` would read them.
        taken: Called with each record that fits, repeated ones among them, members before jobs before events.
        mapping: A mapping file; none: that of the folder, where there is one.

    Raises:
        UnknownSource: The folder is in no known format.
        MissingColumn: A file lacks a required column.
    """
    source = open_source(folder, mapping=mapping)
    ids: dict[str, set[str]] = {"members": set(), "jobs": set()}
    checkers = {name: RowChecker(now, reading, source) for name in source.tables}
    tables = {name: _table(source, name, checkers[name], ids, taken or (lambda _: None)) for name in source.tables}
    return Report(str(folder), source.name, tables, dict(source.ignored_columns()), unread_files(source))


def _table(
    source: Source, name: str, checker: RowChecker, ids: dict[str, set[str]], taken: Callable[[Record], None]
) -> TableReport:
    """The report of one table; the ids of members and jobs are added to `ids`."""
    report = TableReport()
    moments: list[datetime] = []  # the first and the last
    seen = _Seen()
    for shard in source.shards(name):
        for row in source.read(shard):
            report.rows += 1
            row, is_without_time = with_time(row, checker.now)
            result = checker.check(row)
            if not isinstance(result, Reject):
                result = check_known(row, result, ids.__getitem__) or result
            if not isinstance(result, Reject):
                moment = result.time if isinstance(result, Event | Grade) else result.updated_at  # type: ignore[attr-defined]
                moments = [min([*moments, moment]), max([*moments, moment])]
                seen.add(row, result)
                taken(result)
                report.without_time += is_without_time
                report.strangers += is_stranger(result, ids.__getitem__)
                if name in ids:
                    ids[name].add(result.id)  # type: ignore[attr-defined]
            elif result.reason in DUPLICATE_REASONS:
                report.repeated += 1
            else:
                report.reject(result.reason, result.source, result.row, result.detail)
    repeated, contradicting, first = seen.compare()
    report.repeated += repeated
    if contradicting:
        detail = "an earlier row has its id, or id and updated_at, and different content; the first is kept"
        report.reject("duplicate_id", *first, detail, times=contradicting)
    report.accepted = report.rows - report.repeated - report.rejected
    report.findings = list(checker.findings.lines())
    if moments:
        report.first, report.last = (moment.isoformat() for moment in moments)
    return report


class _Seen:
    """The rows of a table that fit: 8 bytes each for the name, the content and the place."""

    def __init__(self) -> None:
        self._names, self._contents, self._places = bytearray(), bytearray(), array("Q")
        self._sources: dict[str, int] = {}

    def add(self, row: RawRow, record: Record) -> None:
        content = raw_text(row) if isinstance(record, Grade) else record.model_dump_json()
        name = "\x00".join(str(getattr(record, field)) for field in KEYS.get(row.table, ())) or content
        self._names += _hash(name)
        self._contents += _hash(content)
        self._places.append(self._sources.setdefault(row.source, len(self._sources)) << _ROW_BITS | row.row)

    def compare(self) -> tuple[int, int, tuple[str, int]]:
        """How many rows say the same as the first of their name, how many do not, and where the first of those is."""
        names, contents = (np.frombuffer(hashes, np.uint64) for hashes in (self._names, self._contents))
        _, first, group = np.unique(names, return_index=True, return_inverse=True)
        same = contents == contents[first][group]
        same_count, (others,) = int(same.sum()), np.nonzero(~same)
        if not len(others):
            return same_count - len(first), 0, ("", 0)
        place = self._places[others[0]]
        source = list(self._sources)[place >> _ROW_BITS]
        return same_count - len(first), len(others), (source, place & (1 << _ROW_BITS) - 1)


def _hash(text: str) -> bytes:
    """64 bits of a text: with ten million ids, a false duplicate has odds of 1 to 370,000."""
    return bytes.fromhex(row_hash(text, 8))
