"""Rows that did not become records: one part a table and source file, holding what is wrong with that file now.

The part is written again whenever its file is read again, so that a corrected row leaves the quarantine.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from contracts.arrow import TIME
from contracts.cells import guard
from contracts.errors import NotWritten
from contracts.tables import parts, read_table, write_part
from contracts.versions import row_hash, staged_file
from sources.rows import Reject

SCHEMA = pa.schema(
    [
        pa.field("table", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),  # 1-based in the source; 0: the whole file
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("raw", pa.large_string(), nullable=False),
        pa.field("line", pa.int64()),  # 1-based; 0 or null: the format has no lines
        pa.field("time", TIME, nullable=False),
    ]
)


def write(folder: Path, rejects: Iterable[Reject], now: datetime) -> None:
    """Write the part of one table and source, which all `rejects` share, ordered by row."""
    rows = sorted(rejects, key=lambda reject: (reject.row, reject.reason))
    columns = dict(zip(Reject._fields, map(list, zip(*rows, strict=True)), strict=True))
    table = pa.table({**columns, "time": [now] * len(rows)}, schema=SCHEMA)
    write_part(folder, table, _name(rows[0].table, rows[0].source))


def add(folder: Path, rejects: Sequence[Reject], now: datetime) -> None:
    """Add to the part of one table and source, which all `rejects` share; a row that is there is replaced."""
    path = folder / f"part-{_name(rejects[0].table, rejects[0].source)}.parquet"
    rows = {reject.row: reject for reject in rejects}
    if path.is_file():
        rows = {row["row"]: Reject(**row) for row in _stored(path)} | rows
    write(folder, rows.values(), now)


def forget(folder: Path, table: str, source: Path) -> None:
    """Remove what is said of a file that is about to be read again."""
    (folder / f"part-{_name(table, str(source))}.parquet").unlink(missing_ok=True)


def sources(folder: Path, table: str) -> set[str]:
    """The source files of a table that have rows here."""
    found = set()
    for path in parts(folder):
        first = pq.read_table(path, columns=["table", "source"]).slice(0, 1).to_pylist()
        found |= {row["source"] for row in first if row["table"] == table}
    return found


def reasons(folder: Path, table: str) -> Counter[str]:
    """How many rows of a table are here, by reason."""
    if not parts(folder):
        return Counter()
    rows = read_table(folder, ["table", "reason"]).to_pylist()
    return Counter(row["reason"] for row in rows if row["table"] == table)


def set_aside(folder: Path, table: str = "", reason: str = "") -> Iterator[dict[str, Any]]:
    """The rows that are here, as columns of `SCHEMA`, part by part; of one table and reason where these are given."""
    for path in parts(folder):
        for row in pq.read_table(path).to_pylist():
            if row["table"] == (table or row["table"]) and row["reason"] == (reason or row["reason"]):
                yield {"line": 0} | row


def write_csv(rows: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Write rows that were set aside as CSV that is safe to open in a spreadsheet; gives how many.

    Raises:
        NotWritten: As on a full disk.
    """
    number = 0
    try:
        with staged_file(path) as staged, staged.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, SCHEMA.names)
            writer.writeheader()
            for row in rows:
                writer.writerow({name: guard(row[name]) for name in SCHEMA.names})
                number += 1
    except OSError as error:
        raise NotWritten(f"it cannot be written: {error.strerror}", where=str(path), cure="make room") from error
    return number


def _stored(path: Path) -> list[dict[str, Any]]:
    """The rejects of a part; one of an earlier version lacks the lines."""
    table = pq.read_table(path)
    return list(table.select([name for name in Reject._fields if name in table.schema.names]).to_pylist())


def _name(table: str, source: str) -> str:
    return row_hash(f"{table}\x00{source}", 8)
