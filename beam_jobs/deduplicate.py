"""Which raw rows are records already: of an earlier run by their hash, and of this one by their key and content.

A member or job has versions. What a row says is compared with the newest version that is stored: the same is a
duplicate, and something else is an edit. An edit that gives no `updated_at` of its own, or an old one, gets the time of
its load (`STAMPED`): nobody knew of it earlier.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.arrow import arrow_schema
from contracts.records import RECORDS
from contracts.tables import latest, parts, read_parts
from contracts.text.adverts.reader import as_said
from sources.rows import KEYS, Reject

WHOLE_ROW = ("row_hash",)
"""The key of a table that is not in `sources.rows.KEYS`."""
VERSIONED = ("members", "jobs")
STAMPED = "stamped"
"""Column beside the record's own: its `updated_at` is the time of its load. Null in parts of before there were such."""
ORDER, SOURCE, ROW, RAW = CARRIED = ("__order", "__source", "__row", "__raw")
"""Columns that checked rows carry beside those of their record: place in reading order, and where each was read."""


class RowHashes:
    """The row hashes of a records folder, of a member or job that of its newest version, in 16 bytes each: a column of
    sorted upper halves, a column of lower ones.

    All 128 bits are compared, so a row is never taken for another. Where two stored hashes share an upper half one of
    them may not be found; its row is then read again and recognised as the record that it is.
    """

    def __init__(self, folder: Path, load: str = "") -> None:
        """load: the id of the load that asks; what it wrote itself does not count, so that it may be done again."""
        halves = np.empty((0, 2), np.uint64)
        if before := parts_before(folder, load):
            versioned = folder.name in VERSIONED
            columns = ["row_hash", *(("id", "updated_at") if versioned else ())]
            table = read_parts(before, columns)
            if versioned:
                table = latest(table, "id", "updated_at")
            halves = _halves(table["row_hash"].to_pylist())
        order = np.argsort(halves[:, 0], kind="stable")
        self._upper, self._lower = halves[order, 0], halves[order, 1]

    def contains(self, hashes: Sequence[str]) -> np.ndarray:
        """(n,) bool for n hashes of 32 hex digits."""
        if not len(self._upper) or not len(hashes):
            return np.zeros(len(hashes), bool)
        halves = _halves(hashes)
        at = np.searchsorted(self._upper, halves[:, 0]).clip(max=len(self._upper) - 1)
        return (self._upper[at] == halves[:, 0]) & (self._lower[at] == halves[:, 1])


def _halves(hashes: Sequence[str]) -> np.ndarray:
    return np.frombuffer(bytes.fromhex("".join(hashes)), dtype=">u8").astype(np.uint64).reshape(-1, 2)


class Unique(NamedTuple):
    """Which of the checked rows are records.

    Attributes:
        kept: Row numbers, ascending; every other row is a duplicate or among the rejects.
        edited: Row number -> the `updated_at` that it gets, of edits of what is stored.
        rejects: Rows that contradict a kept or stored one.
    """

    kept: list[int]
    edited: dict[int, datetime]
    rejects: list[Reject]


def deduplicate(
    table: str, rows: pa.Table, stored: pa.Table, now: datetime, said_again: Container[str] = frozenset()
) -> Unique:
    """Tell new rows from duplicates, edits and contradictions.

    Args:
        table: The table's name.
        rows: Checked rows in reading order, with the columns CARRIED, and STAMPED where the table has versions.
        stored: Records of earlier runs with the same keys, from `stored_records`.
        now: The time of the load.
        said_again: Ids whose newest stored version the same load says as well: what contradicts it is no edit.
    """
    names = list(KEYS.get(table, WHOLE_ROW))
    compared = _Compared(table, rows, stored)
    newest, versions = _stored_versions(stored, names) if table in VERSIONED else ({}, {})
    same_key = {} if table in VERSIONED else {key: j for j, key in enumerate(_keys(stored, names))}
    first: dict[tuple, int] = {}
    kept: list[int] = []
    edited: dict[int, datetime] = {}
    contradicting: list[int] = []
    stamped = rows[STAMPED].to_pylist() if table in VERSIONED else []
    for i, key in enumerate(_keys(rows, names)):
        if key in first:
            if compared.differ(i, first[key]):
                contradicting.append(i)
            continue
        first[key] = i
        if table not in VERSIONED:
            if key not in same_key:
                kept.append(i)
            elif compared.differ_from_stored(i, same_key[key]):
                contradicting.append(i)
            continue
        id_, time = key
        last = newest.get(id_)
        if last is None or (time > last.time and not stamped[i]):
            kept.append(i)
        elif stamped[i] or last.stamped or time == last.time:
            if not compared.differ_from_stored(i, last.row):
                continue
            if id_ in said_again:
                contradicting.append(i)
            else:
                kept.append(i)
                edited[i] = max(now, last.time + timedelta(microseconds=1))
        elif key not in versions:
            kept.append(i)  # an older version that came late
        elif compared.differ_from_stored(i, versions[key]):
            contradicting.append(i)
    rejects = [_contradiction(table, row) for row in rows.take(pa.array(contradicting, pa.int64())).to_pylist()]
    return Unique(kept, edited, rejects)


class _Version(NamedTuple):
    """The newest stored version of a member or job: its row number, its time, and whether that is its load's."""

    row: int
    time: datetime
    stamped: bool


def _stored_versions(stored: pa.Table, names: list[str]) -> tuple[dict[str, _Version], dict[tuple, int]]:
    """Id -> the newest version, and (id, time) -> row number."""
    keys = _keys(stored, names)
    stamped = stored[STAMPED].to_pylist()
    newest: dict[str, _Version] = {}
    for j, (id_, time) in enumerate(keys):
        if id_ not in newest or time >= newest[id_].time:  # among equals the later row wins
            newest[id_] = _Version(j, time, bool(stamped[j]))
    return newest, {key: j for j, key in enumerate(keys)}


class _Compared:
    """Contents of rows, each read once and only where it is compared. When a version is from is no content."""

    def __init__(self, table: str, rows: pa.Table, stored: pa.Table) -> None:
        self._keyed = table in KEYS  # else the key is the whole row
        names = [name for name in RECORDS[table].model_fields if name != "updated_at"]
        self._rows, self._stored = (of.select([n for n in names if n in of.column_names]) for of in (rows, stored))
        self._read: dict[tuple[bool, int], dict[str, Any]] = {}

    def differ(self, i: int, j: int) -> bool:
        """Whether two new rows say different things."""
        return self._keyed and self._content(False, i) != self._content(False, j)

    def differ_from_stored(self, i: int, j: int) -> bool:
        """Whether a new row says something else than a stored one."""
        return self._keyed and self._content(False, i) != self._content(True, j)

    def _content(self, is_stored: bool, row: int) -> dict[str, Any]:
        if (is_stored, row) not in self._read:
            of = self._stored if is_stored else self._rows
            self._read[is_stored, row] = _said(of.slice(row, 1).to_pylist()[0])
        return self._read[is_stored, row]


def _said(row: dict[str, Any]) -> dict[str, Any]:
    """A row's content without what was read out of an advert. A currency and a period without pay say nothing."""
    if "read_out" not in row:
        return row
    said = as_said(row) | {"skills": list(as_said(row)["skills"])}
    if said["salary_min"] is None and said["salary_max"] is None:
        del said["currency"], said["salary_period"]
    return said


def _contradiction(table: str, row: dict[str, Any]) -> Reject:
    at, cure = "", "give each event an id of its own"
    if "updated_at" in row:
        at, cure = f" for {row['updated_at'].isoformat()}", "give the newer row a later updated_at"
    detail = f"id {row['id']!r} is given twice{at} with different content; the first is kept; {cure}"
    return Reject(table, row[SOURCE], row[ROW], "duplicate_id", detail, row[RAW])


def _keys(table: pa.Table, names: list[str]) -> list[tuple]:
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))


def parts_before(folder: Path, load: str) -> list[Path]:
    """The parts of a records folder but those of a load, whose every part is named after it.

    A runner does a bundle again whose worker died. Where it then met the first attempt's rows as ones of an earlier
    load, it would leave them out and write what remains in the place of that attempt's part.
    """
    return [path for path in parts(folder) if not (load and path.name.startswith(f"part-{load}-"))]


def stored_records(folder: Path, table: str, rows: pa.Table, load: str = "") -> pa.Table:
    """The records of earlier loads, so none of `load`, that share a first key with `rows`."""
    before = parts_before(folder, load)
    if not before:
        return rows.slice(0, 0)
    schema = arrow_schema(RECORDS[table])
    if table in VERSIONED:
        schema = schema.append(pa.field(STAMPED, pa.bool_()))
    key = KEYS.get(table, WHOLE_ROW)[0]
    shared = pc.field(key).isin(pc.unique(rows[key]))
    keys = read_parts(before, [key], filter=shared)  # most runs share none, and the other columns are wide
    if not keys.num_rows:
        return rows.slice(0, 0)
    if table not in KEYS:
        return keys
    return read_parts(before, schema.names, shared, schema)
