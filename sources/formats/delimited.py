"""CSV and its like in any dialect: commas, semicolons, tabs or bars, in any encoding that `sources.files` tells."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from sources import delimited, files
from sources.dialect import NAMES, Dialect, dialect_of
from sources.findings import Finding
from sources.formats.base import How
from sources.rows import RawRow, Shard


class Delimited:
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".tab", ".txt")

    def columns(self, path: Path, how: How) -> list[str] | None:
        dialect = _dialect(path, how)
        return None if dialect is None else delimited.header(path, dialect)

    def shards(self, table: str, path: Path) -> list[Shard]:
        return [Shard(table, str(path))]

    def table(self, path: Path) -> str:
        return ""

    def rows(self, shard: Shard, how: How) -> Iterator[RawRow]:
        table, source = shard.table, shard.path
        path = Path(source)
        dialect = _dialect(path, how) or Dialect()
        names = delimited.header(path, dialect) or []
        width = len(names)
        assumed = _assumed(path, dialect, how)
        for row, cells, reason, detail, line, findings in delimited.lines(path, dialect):
            if reason == "wrong_column_count" and (fitted := _fitted(cells, width)):
                cells, reason = fitted, ""
                findings = (*findings, _RAGGED)
            if not reason and _is_of_totals(cells):
                reason, detail = "row_of_totals", "a word for a sum, and most cells empty; cut it off the file"
            if assumed and row == 1:
                findings += assumed
            if reason:
                raw = dialect.delimiter.join(cells)
                yield RawRow(table, source, row, None, raw, reason, detail, line, findings)
            else:
                named = zip(names, cells, strict=True)
                value = {name: cell for name, cell in named if cell.strip() not in EMPTY}
                yield RawRow(table, source, row, value, line=line, findings=findings)


EMPTY = ("", "\\N")
"""Cells that say nothing; `\\N` is how databases write null."""
_TOTALS = frozenset(
    [
        "total",
        "totals",
        "grand total",
        "sum",
        "gesamt",
        "summe",
        "gesamtsumme",
        "somme",
        "total général",
        "total general",
        "suma",
        "soma",
        "totale",
        "totaal",
    ]
)
_RAGGED = Finding("row", "wrong_column_count", "", "filled with empty cells, or empty ones cut")


def _dialect(path: Path, how: How) -> Dialect | None:
    try:
        return dialect_of(path, how.known, how.delimiter, how.encoding)
    except (*files.BROKEN, UnicodeError, LookupError, csv.Error):
        return None


def _assumed(path: Path, dialect: Dialect, how: How) -> tuple[Finding, ...]:
    """What was assumed of a file that is not as RFC 4180 and UTF-8 have it."""
    found = list(files.assumed(path, how.encoding))
    usual = "\t" if files.suffix(path) in (".tsv", ".tab") else ","
    if how.delimiter is None and dialect.delimiter != usual:
        name = NAMES.get(dialect.delimiter, repr(dialect.delimiter))
        found.append(Finding(path.name, "separator", name, "read so"))
    if dialect.above:
        lines = "1 line" if dialect.above == 1 else f"{dialect.above} lines"
        found.append(Finding(path.name, "above_names", f"{lines} above the names of the columns", "not read"))
    if dialect.escaped:
        found.append(Finding(path.name, "quotes", "backslashes before quotes", "read so"))
    return tuple(found)


def _is_of_totals(cells: list[str]) -> bool:
    """Whether a row is the last of a spreadsheet, which adds up the others: a word for it, and most cells empty."""
    filled = [cell for cell in map(str.strip, cells) if cell]
    return bool(filled) and filled[0].rstrip(":").casefold() in _TOTALS and 2 * len(filled) <= len(cells)


def _fitted(cells: list[str], width: int) -> list[str]:
    """Cells under all names where the row leaves out the last ones or has empty ones after them; else none."""
    if len(cells) < width:
        return [*cells, *[""] * (width - len(cells))]
    return [] if any(map(str.strip, cells[width:])) else cells[:width]
