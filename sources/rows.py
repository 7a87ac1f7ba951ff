"""What a raw-data source gives: shards, rows, and rejects of rows that are no records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import orjson

from sources.findings import Finding


class RawRow(NamedTuple):
    """One row as it was read. Either `value` holds its fields, or `reason` and `detail` say why there is none.

    Attributes:
        table: The table that the row belongs to.
        source: Path of the file.
        row: 1-based number of the row in the file; 0 for the whole file.
        value: Its fields.
        raw: Its text where it could not be parsed; else empty, and `raw_text` makes it from `value`.
        reason: Short and stable, for counting.
        detail: For the person who mends the row.
        line: 1-based line of the file where the row begins; 0 for a format without lines.
        findings: What was assumed, changed or left out of it; those of the whole file come with its first row.
    """

    table: str
    source: str
    row: int
    value: dict[str, Any] | None
    raw: str = ""
    reason: str = ""
    detail: str = ""
    line: int = 0
    findings: tuple[Finding, ...] = ()


class Reject(NamedTuple):
    """A row that is no record: what the quarantine holds. `detail` names field, value and cure; `raw` is complete."""

    table: str
    source: str
    row: int
    reason: str
    detail: str
    raw: str
    line: int = 0


class Shard(NamedTuple):
    """A part of one table that one worker reads: a file, or a range of a Parquet file's row groups."""

    table: str
    path: str
    row_groups: tuple[int, ...] = ()
    first_row: int = 1


class Source(Protocol):
    """A folder of raw data in a format that is understood: one class in one file, registered in `sources.open.SOURCES`.

    It is small and can be pickled: it holds paths, never rows.
    """

    name: ClassVar[str]
    looks_for: ClassVar[str]
    """Which files make a folder one of this format, for the error where a folder is of none."""

    def __init__(self, folder: Path) -> None: ...

    @property
    def folder(self) -> Path: ...

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        """Whether a folder is of this format, by the names of its files."""

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that the folder holds, in the order of `contracts.records.RECORDS`."""

    def shards(self, table: str) -> list[Shard]:
        """What to read for a table, in reading order; empty for a table that the folder lacks.

        Raises:
            MissingColumn: A file lacks a column that is needed, whichever table's rows it goes into.
        """

    def read(self, shard: Shard) -> Iterator[RawRow]:
        """The rows of a shard, streamed. A bad row or file comes as a RawRow with a reason, never as an exception.

        Raises:
            UnreadableFile: No other table of the folder could be read either.
        """

    def ignored_columns(self) -> Mapping[str, tuple[str, ...]]:
        """File -> columns in it that no record has; they are not read."""


DEEPEST = 100
"""Levels of a nested value that are read. No record has so many, and Python cannot follow any number."""
DUPLICATE_REASONS = frozenset({"repeated_view"})
"""Reasons of rows that repeat an earlier row. They count as duplicates, not as rejects, and are not kept."""


KEYS: Mapping[str, tuple[str, ...]] = {
    "members": ("id", "updated_at"),
    "jobs": ("id", "updated_at"),
    "events": ("id",),
}
"""Table -> the fields that identify a record. Of two records with one identity the first is kept; the other is a
duplicate where its content is the same, and is rejected (`duplicate_id`) where it differs. A grade is identified by the
whole text of its row."""


BY_LOAD: Mapping[str, tuple[str, ...]] = {"members": ("updated_at",), "jobs": ("updated_at",)}
"""Table -> the fields that a row may leave out though its record has them: they are then the time of its load."""


def raw_text(row: RawRow) -> str:
    """The whole row as text: as it stood in the file, or its fields as JSON."""
    if row.raw or row.value is None:
        return row.raw
    try:
        return orjson.dumps(row.value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # what orjson reads may be nested deeper than it writes
        return json.dumps(_cut(row.value, DEEPEST), default=str, skipkeys=True)


def without_missing(value: Any, levels: int = DEEPEST) -> Any:
    """A JSON value without what is null or NaN in it; what lies deeper than any record goes is left as it is."""
    if isinstance(value, dict) and levels:
        present = ((name, cell) for name, cell in value.items() if cell is not None and cell == cell)
        return {n: without_missing(cell, levels - 1) if isinstance(cell, dict | list) else cell for n, cell in present}
    if isinstance(value, list) and levels:
        return [without_missing(cell, levels - 1) for cell in value if cell is not None and cell == cell]
    return value


def _cut(value: Any, levels: int) -> Any:
    """A JSON value whose parts deeper than so many levels are left out."""
    if not isinstance(value, dict | list):
        return value
    if not levels:
        return "…"
    if isinstance(value, dict):
        return {name: _cut(cell, levels - 1) for name, cell in value.items()}
    return [_cut(cell, levels - 1) for cell in value]
