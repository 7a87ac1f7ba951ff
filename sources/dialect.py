"""How a delimited file is written: its separator, its quotes, and the line that its names stand on."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from sources import files

DELIMITERS = (",", ";", "\t", "|")
NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
SAMPLE_CHARS = 64_000
MOST_ABOVE = 10
"""Lines that may stand above the names."""

_SEP = re.compile(r"\A\"?sep=(.)\"?\r?\n?\Z", re.IGNORECASE)
_BACKSLASHED = re.compile(r"\\\"(?![,;\t|\r\n]|\Z)")
_QUOTED_CELL = re.compile(r"(?:^|\t)\"[^\"\t]*(?:\"\"[^\"\t]*)*\"(?=\t|\r?$)", re.MULTILINE)


class Dialect(NamedTuple):
    """How a file is written.

    Attributes:
        delimiter: Between cells.
        quoted: Whether a cell may stand in quotes.
        escaped: Whether a backslash stands before a quote inside a cell; else it is doubled.
        skipped: Lines before the names: Excel's `sep=` line, a title, comments.
        above: Those of them that say something of their own.
        spaced: Whether spaces stand between a separator and a quote.
        encoding: Of the text; None to tell it from the first bytes.
    """

    delimiter: str = ","
    quoted: bool = True
    escaped: bool = False
    skipped: int = 0
    encoding: str | None = None
    above: int = 0
    spaced: bool = False

    def reader(self, lines: Iterable[str]) -> Any:
        """csv's reader of lines in this dialect, which raises where a quote is out of place."""
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
            doublequote=not self.escaped,
            escapechar="\\" if self.escaped else None,
            skipinitialspace=self.spaced,
            strict=True,
        )


def dialect_of(
    path: Path,
    known: Callable[[str], bool] = lambda _: False,
    delimiter: str | None = None,
    encoding: str | None = None,
) -> Dialect:
    """The dialect that the first lines of a file tell.

    Args:
        path: The file.
        known: Whether a heading is one that is looked for: the separator that gives most of them is taken.
        delimiter: Where it is stated.
        encoding: Where it is stated.

    Raises:
        One of `files.BROKEN` or a UnicodeError where it cannot be read.
    """
    with files.open_text(path, encoding) as file:
        text = file.read(SAMPLE_CHARS)
    if len(text) == SAMPLE_CHARS:
        text = text[: text.rfind("\n") + 1] or text
    first, _, rest = text.partition("\n")
    stated = _SEP.match(first)
    if stated:
        delimiter, text = delimiter or stated[1], rest
    lines = text.splitlines()
    delimiter = delimiter or max(DELIMITERS, key=lambda mark: _fit(lines, mark, known))
    quoted = delimiter != "\t" or bool(_QUOTED_CELL.search(text))
    escaped = '""' not in text and bool(_BACKSLASHED.search(text))
    spaced = quoted and f'{delimiter} "' in text
    above = _above_names(lines, delimiter, known)
    return Dialect(delimiter, quoted, escaped, bool(stated) + above, encoding, above, spaced)


def _above_names(lines: list[str], delimiter: str, known: Callable[[str], bool]) -> int:
    """How many lines, a title or comments, stand above the first that names two known columns; 0 where none does."""
    for number, line in enumerate(lines[:MOST_ABOVE]):
        cells = [cell.strip("\ufeff\"' ") for cell in line.split(delimiter)]
        if sum(map(known, cells)) >= 2:
            return number
        if sum(map(bool, cells)) > 1 and not line.lstrip("\ufeff ").startswith("#"):
            return 0  # names that are not known
    return 0


def _fit(lines: list[str], delimiter: str, known: Callable[[str], bool]) -> tuple[int, bool, int]:
    """How well a separator fits: names that are known, whether most lines have as many cells as names, and how many."""
    widths: list[int] = []
    names: list[str] = []
    reader = csv.reader(lines[:50], delimiter=delimiter)
    try:
        for cells in reader:
            if not names or (len(widths) < MOST_ABOVE and sum(map(known, names)) < 2 <= sum(map(known, cells))):
                names = cells  # those that stood above were a title
            widths.append(len(cells))
    except csv.Error:  # an open quote; what was read so far tells enough
        pass
    alike = 2 * widths.count(len(names)) > len(widths)
    return sum(map(known, names)), len(names) > 1 and alike, len(names)
