"""What a file format gives, and which format a file is of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

from contracts.plugins import Registry
from contracts.validation import first_line
from sources import files
from sources.rows import RawRow, Shard


class How(NamedTuple):
    """How a file is read.

    Attributes:
        known: Whether a column has a use; another one need not be read.
        encoding: Of text, where it is stated.
        delimiter: Of cells, where it is stated.
    """

    known: Callable[[str], bool] = lambda _: True
    encoding: str | None = None
    delimiter: str | None = None


class Format(Protocol):
    """A file format, registered in `FORMATS`."""

    suffixes: ClassVar[tuple[str, ...]]
    """In lower case, without those of compression."""

    def columns(self, path: Path, how: How) -> list[str] | None:
        """The names that a file's rows have; None where rows have names of their own, or nothing can be read."""

    def shards(self, table: str, path: Path) -> list[Shard]:
        """The parts that workers may read by themselves."""

    def rows(self, shard: Shard, how: How) -> Iterator[RawRow]:
        """The rows as they stand, streamed. A bad row or file comes as a RawRow with a reason, never as an exception.

        What was assumed of the whole file is a note of its first row.
        """

    def table(self, path: Path) -> str:
        """The table that the rows of a file are of, by what it holds; empty where only its name can tell."""


FORMATS: Registry[Format] = Registry(
    "rolecall.formats",
    {
        "parquet": "sources.formats.parquet:Parquet",
        "delimited": "sources.formats.delimited:Delimited",
        "json": "sources.formats.json:Json",
        "html": "sources.formats.html:Html",
        "xml": "sources.formats.xml:Xml",
    },
)


def format_of(path: Path) -> Format | None:
    """The format of a file by its name; None for a file that is no data, as one that is being written."""
    if path.name.startswith((".", "~$")):
        return None
    suffix = files.suffix(path)
    return next((kind() for name in FORMATS.names() if suffix in (kind := FORMATS.get(name)).suffixes), None)


def unreadable(shard: Shard, error: BaseException, row: int = 0, line: int = 0) -> RawRow:
    """The row that says that a file cannot be read, or no further."""
    place = f"after line {line:,}: " if line else ""
    detail = f"{place}{type(error).__name__}: {first_line(error)}; write the file again"
    return RawRow(shard.table, shard.path, row, None, "", "unreadable_file", detail, line)
