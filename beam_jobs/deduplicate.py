"""Which raw rows are records already: of an earlier run by their hash, and of this one by their key and content."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.records import RECORDS
from contracts.tables import parts, read_table
from sources.rows import KEYS, Reject

WHOLE_ROW = ("row_hash",)
"""The key of a table that is not in `sources.rows.KEYS`."""
ORDER, SOURCE, ROW, RAW = CARRIED = ("__order", "__source", "__row", "__raw")
"""Columns that checked rows carry beside those of their record: place in reading order, and where each was read."""


class RowHashes:
    """The row hashes of a records folder in 16 bytes each: a column of sorted upper halves, a column of lower ones.

    All 128 bits are compared, so a row is never taken for another. Where two stored hashes share an upper half one of
    them may not be found; its row is then read again and recognised as the record that it is.
    """

    def __init__(self, folder: Path) -> None:
        halves = np.empty((0, 2), np.uint64)
        if parts(folder):
            halves = _halves(read_table(folder, ["row_hash"])["row_hash"].to_pylist())
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


def deduplicate(table: str, rows: pa.Table, stored: pa.Table) -> tuple[list[int], list[Reject]]:
    """Tell new rows from duplicates and contradictions.

    Args:
        table: The table's name.
        rows: Checked rows in reading order, with the columns CARRIED.
        stored: Records of earlier runs with the same keys, from `stored_records`.

    Returns:
        Indices of the rows to keep, and rejects; every other row is a duplicate of a kept or stored one.
    """
    names = list(KEYS.get(table, WHOLE_ROW))
    first = {key: (stored, i) for i, key in enumerate(_keys(stored, names))}
    kept: list[int] = []
    repeated: list[tuple[int, pa.Table, int]] = []
    for i, key in enumerate(_keys(rows, names)):
        if key in first:
            repeated.append((i, *first[key]))
        else:
            first[key] = rows, i
            kept.append(i)
    if table not in KEYS:
        return kept, []
    contradicting: list[int] = []
    for earlier in (stored, rows):
        pairs = [(i, j) for i, of, j in repeated if of is earlier]
        ours, theirs = _contents(table, rows, [i for i, _ in pairs]), _contents(table, earlier, [j for _, j in pairs])
        contradicting += [i for (i, _), our, their in zip(pairs, ours, theirs, strict=True) if our != their]
    return kept, [_contradiction(table, row) for row in rows.take(pa.array(contradicting, pa.int64())).to_pylist()]


def _contradiction(table: str, row: dict[str, Any]) -> Reject:
    at, cure = "", "give each event an id of its own"
    if "updated_at" in row:
        at, cure = f" for {row['updated_at'].isoformat()}", "give the newer row a later updated_at"
    detail = f"id {row['id']!r} is given twice{at} with different content; the first is kept; {cure}"
    return Reject(table, row[SOURCE], row[ROW], "duplicate_id", detail, row[RAW])


def _keys(table: pa.Table, names: list[str]) -> list[tuple]:
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))


def _contents(table: str, rows: pa.Table, at: list[int]) -> list[dict[str, Any]]:
    return rows.select(list(RECORDS[table].model_fields)).take(pa.array(at, pa.int64())).to_pylist() if at else []


def stored_records(folder: Path, table: str, rows: pa.Table) -> pa.Table:
    """The records of earlier runs that share a first key with `rows`."""
    if not parts(folder):
        return rows.slice(0, 0)
    key = KEYS.get(table, WHOLE_ROW)[0]
    shared = pc.field(key).isin(pc.unique(rows[key]))
    keys = read_table(folder, [key], filter=shared)  # most runs share none, and the other columns are wide
    if not keys.num_rows:
        return rows.slice(0, 0)
    if table not in KEYS:
        return keys
    return read_table(folder, list(RECORDS[table].model_fields), filter=shared)
