"""Delimited files, as CSV: their header, and their lines, each under the header or with the reason why not.

A quote that is left open is a bad line, not a cell that holds the lines below it: those are read.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from contracts.errors import MissingColumn
from contracts.records import MAX_TEXT_CHARS
from sources import files
from sources.dialect import NAMES, Dialect
from sources.findings import Finding
from sources.rows import RawRow

MAX_FIELD_CHARS = 64_000_000
"""Characters of a cell at most: past it a quote was left open, and the row is rejected instead of holding the file."""
SWALLOWED = 50
"""Lines like rows inside one quoted cell after which its quote was left open, whatever follows."""


class Line(NamedTuple):
    """One line below the header.

    Attributes:
        row: 1-based, blank lines not counted; 0 for the whole file.
        cells: Its cells as read.
        reason: Why it is bad; empty for a good line.
        detail: The same for a person.
        number: 1-based line of the file where it begins; 0 for the whole file.
        findings: What was assumed of it.
    """

    row: int
    cells: list[str]
    reason: str = ""
    detail: str = ""
    number: int = 0
    findings: tuple[Finding, ...] = ()


class NamedCells(dict[str, str]):
    """The cells of one good line by column. `row` is its number in the file, `raw` its text."""

    row: int
    raw: str


def header(path: Path, delimiter: str | Dialect = ",") -> list[str] | None:
    """The names of the columns; None for a file that is empty or cannot be read."""
    dialect = _dialect(delimiter)
    try:
        with files.open_text(path, dialect.encoding) as file:
            return _names(dialect, _Lines(file, dialect)) or None
    except (*files.BROKEN, UnicodeError, csv.Error):
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


def lines(path: Path, delimiter: str | Dialect = ",") -> Iterator[Line]:
    """The lines of a file, streamed. A bad line or file comes as a Line with a reason, never as an exception."""
    dialect = _dialect(delimiter)
    row, number = 0, 0
    try:
        with files.open_text(path, dialect.encoding) as file:
            source = _Lines(file, dialect)
            names = _names(dialect, source)
            if not names:
                yield Line(0, [], "unreadable_file", "no header line can be read; write the file again")
                return
            for line in _read(dialect, source, names):
                number = line.number
                blank = not line.reason and not any(map(str.strip, line.cells))
                if blank or line.cells == names:
                    continue  # a line of empty cells; the header again, of a file put together from several
                row += 1
                yield line._replace(row=row)
    except (*files.BROKEN, UnicodeError) as error:
        place = f"after line {number:,}: " if number else ""
        detail = f"{place}{type(error).__name__}: {error}; write the file again"
        yield Line(row, [], "unreadable_file", detail)


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
            bad.append(RawRow(table, str(path), line.row, None, raw, reason, detail, line.number))
            continue
        named = NamedCells(zip(names, line.cells, strict=True))
        named.row, named.raw = line.row, raw
        good.append(named)
    return good, bad


def _reader(dialect: Dialect, source: Iterable[str]) -> Any:
    csv.field_size_limit(MAX_FIELD_CHARS)  # one for the whole process; csv's own is 131,072
    return dialect.reader(source)


def _dialect(delimiter: str | Dialect) -> Dialect:
    """A separator stands for the plain dialect with it: one of tabs knows no quotes."""
    return delimiter if isinstance(delimiter, Dialect) else Dialect(delimiter, quoted=delimiter != "\t")


class _Lines:
    """The lines of a file for csv's reader, which asks for more of them while a quote is open.

    Attributes:
        number: Lines given so far.
        taken: Those of the row that is being read.
        last: The cells of the last good row.
    """

    def __init__(self, file: TextIO, dialect: Dialect) -> None:
        self._file, self._dialect = file, dialect
        self._again: deque[str] = deque()
        self.number = 0
        self.taken: list[str] = []
        self.last: Sequence[str] = ()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self.taken) > SWALLOWED and len(self.taken) % SWALLOWED == 1 and self.holds_rows(-SWALLOWED):
            raise csv.Error("an open quote")
        line = self._again.popleft() if self._again else next(self._file)
        if line.strip() == files.END_MARK:
            line = "\n"
        self.number += 1
        self.taken.append(line)
        return line

    def holds_rows(self, start: int) -> bool:
        """Whether one of the lines taken, from a place in them, looks like a row of its own.

        It has as many cells, and numbers, ids and dates of the same shape in the same place. A text may hold a line
        with as many commas; it seldom has an id and a date where the rows have theirs.
        """
        delimiter = self._dialect.delimiter
        shapes = list(map(_shape, self.last or self.taken[0].split(delimiter)))
        telling = sum("9" in shape for shape in shapes)
        if len(shapes) < 3 or not telling:
            return False
        for line in self.taken[start:]:
            cells = (
                next(csv.reader([line], delimiter=delimiter), []) if line.count(delimiter) + 1 >= len(shapes) else []
            )
            if len(cells) == len(shapes):
                same = sum("9" in shape and shape == _shape(cell) for shape, cell in zip(shapes, cells, strict=True))
                if same >= min(2, telling):
                    return True
        return False

    def give_back(self) -> None:
        """The lines of the row but its first will be given again."""
        self._again.extendleft(reversed(self.taken[1:]))
        self.number -= len(self.taken) - 1
        del self.taken[1:]


def _shape(cell: str) -> str:
    """What kind of text a cell is: "j12" is "a9", "2026-05-01" is "9-9-9"."""
    return _DIGITS.sub("9", _LETTERS.sub("a", cell[:100].strip()))


_DIGITS, _LETTERS = re.compile(r"\d+"), re.compile(r"[^\W\d_]+")


def _names(dialect: Dialect, source: _Lines) -> list[str]:
    """The names of the columns; reads the lines up to them."""
    for _ in range(dialect.skipped):
        next(source, "")
    reader = _reader(dialect, source)
    cells: list[str] = []
    while not any(map(str.strip, cells)):
        source.taken.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return []
        except csv.Error:  # a quote left open: the names stand on this line, whatever it would take in besides
            source.give_back()
            cells = source.taken[0].split(dialect.delimiter)
    return [cell.strip(_AROUND_NAMES) for cell in cells]


_AROUND_NAMES = " \t\r\n\ufeff\xa0\"'"


def _read(dialect: Dialect, source: _Lines, names: list[str]) -> Iterator[Line]:
    """The lines below the header, with 0 for their row."""
    reader = _reader(dialect, source)
    while True:
        source.taken.clear()
        start = source.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _misquoted(dialect, source, names, start, str(error))
            continue
        if len(source.taken) > 1 and source.holds_rows(1):
            yield _misquoted(dialect, source, names, start, "")
        elif cells and len(cells) != len(names):
            yield _other_width(dialect, source.taken, cells, names, start)
        else:
            source.last = cells
            yield Line(0, cells, number=start)


def _misquoted(dialect: Dialect, source: _Lines, names: list[str], start: int, error: str) -> Line:
    """The line of a row whose quotes do not pair; the lines that it took in besides are given back."""
    end, text = source.number, source.taken[0].rstrip("\r\n")
    source.give_back()
    for cells in (_literal(text, dialect), _undoubled(text, dialect)):
        if len(cells) == len(names):
            return Line(0, cells, number=start, findings=(_QUOTES,))
    if end == start and error != _END:
        return Line(0, [text], "bad_csv", f"line {start}: {error}; close its quotes, and double those inside", start)
    column = _opened_in(text, names, dialect)
    lines = f"line {start + 1}" if end == start + 1 else f"lines {start + 1} to {end}"
    taken = f"; it would swallow {lines}, which can be read" if end > start else ""
    detail = f"line {start}: the quote that opens in {column} is not closed{taken}; close it, or double it"
    return Line(0, [text], "open_quote", detail, start)


_END = "unexpected end of data"
"""What csv says where a quote is open at the end of the file."""
_QUOTES = Finding("row", "quotes", "quotes inside a cell, not doubled", "read as they stand")


def _literal(text: str, dialect: Dialect) -> list[str]:
    """The cells of a line of a file that hardly quotes: a quote between tabs stands for itself."""
    return text.split("\t") if dialect.delimiter == "\t" else []


def _undoubled(text: str, dialect: Dialect) -> list[str]:
    """The cells of a line with quotes inside quoted cells: one closes only before a separator or at the end."""
    mark = re.escape(dialect.delimiter)
    cell = re.compile(rf'(?:"(?P<quoted>.*?)"|(?P<bare>[^"{mark}][^{mark}]*|))(?P<end>{mark}|\Z)')
    cells, at = [], 0
    while found := cell.match(text, at):
        cells.append(found["bare"] if found["quoted"] is None else found["quoted"].replace('""', '"'))
        if not found["end"]:
            return cells
        at = found.end()
    return []


def _opened_in(text: str, names: list[str], dialect: Dialect) -> str:
    """The column of the last cell that begins with a quote."""
    before = text[: max(text.rfind(dialect.delimiter + '"'), 0)]
    place = len(next(csv.reader([before], delimiter=dialect.delimiter), [])) if '"' in text[1:] or before else 0
    return names[place] if place < len(names) else "a cell"


def _other_width(dialect: Dialect, taken: list[str], cells: list[str], names: list[str], start: int) -> Line:
    """A line with more or fewer cells than names."""
    if len(cells) < len(names) and not taken[-1].endswith(("\n", "\r")):
        detail = f"line {start}: the file ends in the middle of this row; fetch or write it again"
        return Line(0, cells, "file_ends", detail, start)
    mark = NAMES.get(dialect.delimiter, dialect.delimiter)
    cure = f"quote the cells that hold a {mark}" if dialect.quoted else "fetch the file again"
    detail = f"line {start}: {len(cells)} cells under {len(names)} columns; {cure}"
    return Line(0, cells, "wrong_column_count", detail, start)
