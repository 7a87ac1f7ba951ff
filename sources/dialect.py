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

_SEP = re.compile(r"\A\"?sep=(.)\"?\r?\n?\Z", re.IGNORECASE)
_BACKSLASHED = re.compile(r"\\\"(?![,;\t|\r\n]|\Z)")
_QUOTED_CELL = re.compile(r"(?:^|\t)\"[^\"\t]*(?:\"\"[^\"\t]*)*\"(?=\t|\r?$)", re.MULTILINE)


class Dialect(NamedTuple):
    """How a file is written.

    Attributes:
        delimiter: Between cells.
        quoted: Whether a cell may stand in quotes.
        escaped: Whether a backslash stands before a quote inside a cell; else it is doubled.
        skipped: Lines before the names: Excel's `sep=` line.
        encoding: Of the text; None to tell it from the first bytes.
    """

    delimiter: str = ","
    quoted: bool = True
    escaped: bool = False
    skipped: int = 0
    encoding: str | None = None

    def reader(self, lines: Iterable[str]) -> Any:
        """csv's reader of lines in this dialect, which raises where a quote is out of place."""
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
            doublequote=not self.escaped,
            escapechar="\\" if self.escaped else None,
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
    return Dialect(delimiter, quoted, escaped, 1 if stated else 0, encoding)


def _fit(lines: list[str], delimiter: str, known: Callable[[str], bool]) -> tuple[int, bool, int]:
    """How well a separator fits: names that are known, whether most lines have as many cells as names, and how many."""
    widths = []
    names: list[str] = []
    reader = csv.reader(lines[:50], delimiter=delimiter)
    try:
        for cells in reader:
            names = names or cells
            widths.append(len(cells))
    except csv.Error:  # an open quote; what was read so far tells enough
        pass
    alike = 2 * widths.count(len(names)) > len(widths)
    return sum(map(known, names)), len(names) > 1 and alike, len(names)
