"""CSV and tab-separated files: their header, and their lines, each under the header or with the reason why not.

Stray bytes become replacement characters, which cleaning removes. A tab-separated file knows no quotes.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from contracts.errors import MissingColumn
from contracts.records import MAX_TEXT_CHARS
from sources.rows import RawRow

MAX_FIELD_CHARS = 64_000_000
"""Characters of a cell at most: past it a quote was left open, and the row is rejected instead of holding the file."""


class Line(NamedTuple):
    """One line below the header.

    Attributes:
        row: 1-based, blank lines not counted; 0 for the whole file.
        cells: Its cells as read.
        reason: Why it is bad; empty for a good line.
        detail: The same for a person.
    """

    row: int
    cells: list[str]
    reason: str = ""
    detail: str = ""


class NamedCells(dict[str, str]):
    """The cells of one good line by column. `row` is its number in the file, `raw` its text."""

    row: int
    raw: str


def header(path: Path, delimiter: str = ",") -> list[str] | None:
    """The names of the columns; None for a file that is empty or cannot be read."""
    try:
        with _open(path) as file:
            return [name.strip() for name in next(_reader(file, delimiter), [])] or None
    except (OSError, csv.Error):
        return None


def require(path: Path, columns: Sequence[str], cure: str, delimiter: str = ",") -> None:
    """Check that a file has all columns. A file that cannot be read passes, since `lines` reports it as a row.

    Raises:
        MissingColumn: A column is missing.
    """
    names = header(path, delimiter)
    missing = [name for name in columns if names is not None and name not in names]
    if missing:
        raise MissingColumn(
            f"column {', '.join(missing)} is missing; the file has {', '.join(names or ())}", where=str(path), cure=cure
        )


def lines(path: Path, delimiter: str = ",") -> Iterator[Line]:
    """The lines of a file, streamed. A bad line or file comes as a Line with a reason, never as an exception."""
    names = header(path, delimiter)
    if names is None:
        yield Line(0, [], "unreadable_file", "no header line can be read; write the file again")
        return
    cure = "quote the cells that hold a comma" if delimiter == "," else "fetch the file again"
    row = 0
    try:
        with _open(path) as file:
            reader = _reader(file, delimiter)
            next(reader)
            while True:
                row += 1
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield Line(row, [], "bad_csv", f"line {reader.line_num}: {error}; close its quotes")
                    continue
                if not cells:
                    row -= 1
                elif len(cells) != len(names):
                    yield Line(
                        row, cells, "wrong_column_count", f"{len(cells)} cells under {len(names)} columns; {cure}"
                    )
                else:
                    yield Line(row, cells)
    except OSError as error:
        yield Line(row, [], "unreadable_file", f"{type(error).__name__}: {error}; write the file again")


def read_whole(path: Path, table: str, delimiter: str = ",") -> tuple[list[NamedCells], list[RawRow]]:
    """A small file at once: its good lines, and the others as rows of `table`.

    For sources that make one record of many lines. A line whose text is too long for any record is set aside here;
    later it would spoil the record that the other lines make.
    """
    names = header(path, delimiter) or []
    good, bad = [], []
    for line in lines(path, delimiter):
        raw, reason, detail = delimiter.join(line.cells), line.reason, line.detail
        longest = max(map(len, line.cells), default=0)
        if not reason and longest > MAX_TEXT_CHARS:
            name = names[max(range(len(names)), key=lambda i: len(line.cells[i]))]
            reason = "text_too_long"
            detail = f"{name} of {longest:,} characters is over the limit of {MAX_TEXT_CHARS:,}; cut the text"
        if reason:
            bad.append(RawRow(table, str(path), line.row, None, raw, reason, detail))
            continue
        named = NamedCells(zip(names, line.cells, strict=True))
        named.row, named.raw = line.row, raw
        good.append(named)
    return good, bad


def _open(path: Path) -> TextIO:
    return path.open(encoding="utf-8-sig", errors="replace", newline="")


def _reader(file: TextIO, delimiter: str) -> Any:
    csv.field_size_limit(MAX_FIELD_CHARS)  # one for the whole process; csv's own is 131,072
    return csv.reader(file, delimiter=delimiter, quoting=csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL)
