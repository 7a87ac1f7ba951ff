"""A feed as a folder of Parquet files, taken in order of name: a table of jobs with a few more columns.

sequence: the number of a change, one more than that of the change before it, over all files; op, id, time: as in
`sources.feeds.changes`; all others: fields of the job, null in a delete. A file appears whole: write it under another
suffix, then rename it. A file that comes late is waited for, since its numbers are missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.arrow import TIME, arrow_schema
from contracts.errors import BadInput, MissingChanges, MissingColumn, UnreadableFile
from contracts.records import Job
from contracts.validation import first_line
from sources.feeds.changes import BATCH, TABLE, RawChange
from sources.formats.parquet import present_cells
from sources.rows import RawRow

COLUMNS = ("sequence", "op", "id", "time")
SCHEMA = pa.schema(
    [pa.field("sequence", pa.int64()), pa.field("op", pa.string()), pa.field("time", TIME)]
    + [field.with_nullable(True) for field in arrow_schema(Job)]
)
"""The columns of a file; those of the job may be left out."""


class ChangeFiles:
    """Reads a folder. Holds the open file, and the first and last number of each file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers: dict[Path, tuple[int, int]] = {}
        self._reading: Iterator[list[RawChange]] = iter(())
        self._at: str | None = None

    @property
    def name(self) -> str:
        return str(self._folder)

    def read(self, after: str) -> list[RawChange]:
        """As `Feed.read`.

        Raises:
            MissingChanges: A file between is absent, or a file has a gap.
            MissingColumn: A file lacks a column.
            UnreadableFile: A file is broken or out of order.
            BadInput: The position is no number.
        """
        if after and not after.isdecimal():
            raise BadInput(f"{after!r} is no position in a folder of changes", cure="it is a sequence number")
        if after != self._at:
            self._reading = iter(())
        try:
            changes = next(self._reading, None)
            if changes is None:
                self._reading = self._batches(int(after) if after else None)
                changes = next(self._reading, [])
        except BaseException:
            self._at = None
            raise
        self._at = changes[-1].position if changes else after
        return changes

    def close(self) -> None:
        self._reading = iter(())

    def _batches(self, after: int | None) -> Iterator[list[RawChange]]:
        """The changes of the first file that has some behind `after`."""
        for path in sorted(self._folder.glob("*.parquet")):
            first, last = self._first_and_last(path)
            if first > last or (after is not None and last <= after):
                continue
            if after is not None and first > after + 1:
                raise _missing(after + 1, first - 1, path)
            yield from _read(path, after)
            return

    def _first_and_last(self, path: Path) -> tuple[int, int]:
        """The numbers of a file's first and last change; the first is the higher one where it holds none."""
        if path not in self._numbers:
            numbers = _numbers(path)
            gaps = np.flatnonzero(np.diff(numbers) != 1)
            if len(gaps):
                before, behind = int(numbers[gaps[0]]), int(numbers[gaps[0] + 1])
                if behind > before:
                    raise _missing(before + 1, behind - 1, path)
                raise UnreadableFile(f"change {behind:,} comes after {before:,}", where=str(path), cure="sort the file")
            self._numbers[path] = (int(numbers[0]), int(numbers[-1])) if len(numbers) else (1, 0)
        return self._numbers[path]


def _read(path: Path, after: int | None) -> Iterator[list[RawChange]]:
    row = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH):
                changes = []
                for value in present_cells(batch):
                    row += 1
                    if after is None or int(value["sequence"]) > after:
                        changes.append(_change(path, row, value))
                if changes:
                    yield changes
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error


def _change(path: Path, row: int, value: dict[str, Any]) -> RawChange:
    head = {name: value[name] for name in ("op", "id", "time") if name in value}
    job = {name: cell for name, cell in value.items() if name not in COLUMNS}
    return RawChange(str(int(value["sequence"])), RawRow(TABLE, str(path), row, head | {"job": job}))


def _numbers(path: Path) -> np.ndarray:
    """(n,) int64: the sequence numbers of a file."""
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            lacking = [name for name in COLUMNS if name not in names]
            if lacking:
                raise MissingColumn(
                    f"column {', '.join(lacking)} is missing; the file has {', '.join(names)}",
                    where=str(path),
                    cure="write the file again with it",
                )
            column = file.read(columns=["sequence"])["sequence"]
            if column.null_count:
                what = f"{column.null_count:,} changes without a sequence number"
                raise UnreadableFile(what, where=str(path), cure="number them, and write the file again")
            return np.asarray(column.cast(pa.int64()))
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> UnreadableFile:
    return UnreadableFile(first_line(error), where=str(path), cure="write the file again")


def _missing(first: int, last: int, path: Path) -> MissingChanges:
    numbers = f"change {first:,} is" if first == last else f"changes {first:,} to {last:,} are"
    cure = "put the file that holds them before it, by a name that sorts so, or build the index anew"
    return MissingChanges(f"{numbers} missing", where=str(path), cure=cure)
