"""A folder of tables: `members`, `jobs`, `events` and `grades`, each a file or a folder of files in any known format.

A file is of the table that its name says (`jobs.csv`, `jobs/2026-05.jsonl.gz`), that a mapping file says, or that it
says itself, as a feed of adverts does. The names and words in it are read by `sources.mapping`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import ClassVar

from contracts.errors import BadInput
from contracts.records import RECORDS
from contracts.shown import unfolded
from sources import files
from sources.formats.base import Format, How, format_of, unreadable
from sources.formats.delimited import Delimited
from sources.mapping.fields import Fields, require_columns
from sources.mapping.lists import Lists, each_of, renamed
from sources.mapping.model import DataMapping, ListMapping, require_used
from sources.rows import RawRow, Shard, Source

ANONYMOUS = "anonymous"
"""A folder of events beside `events/`, as the service logs those of nobody in particular."""
_NUMBERED = re.compile(r"[\s_.\-]*\(?\d[\d\s_.\-:t]*z?\)?$")
_WORKBOOKS = (".xlsx", ".xls", ".ods")
_OWN_FOLDERS = frozenset({*RECORDS, ANONYMOUS, "golden", "truth"})
"""Tables, and what a simulated market has beside them."""
SAMPLE_ROWS = 200
"""The first rows of a file, which tell how its lists are written."""


@dataclass(frozen=True)
class Layout:
    """A folder of tables, and the mapping that it is read with."""

    name: ClassVar[str] = "rolecall"
    looks_for: ClassVar[str] = "jobs.parquet|.csv|.json|.xml or jobs/ (Rolecall's layout, with members and events)"
    folder: Path
    mapping: DataMapping = field(default_factory=DataMapping)
    mapping_file: str = ""

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        return bool(cls(folder).tables)

    @property
    def tables(self) -> tuple[str, ...]:
        return tuple(table for table in RECORDS if self.files(table))

    @property
    def reading(self) -> str:
        """The version of the mapping; empty where there is none."""
        return self.mapping.version if self.mapping_file else ""

    def files(self, table: str) -> list[Path]:
        """The files of a table."""
        named = self.mapping.of(table).files
        if named:
            return self._named(named)
        return table_files(self.folder, table)

    def shards(self, table: str) -> list[Shard]:
        paths, section = self.files(table), self.mapping.of(table)
        columns = {path: found for path in paths if (found := self._columns(table, path)) is not None}
        if columns:
            require_used(table, section, [name for found in columns.values() for name in found], self.mapping_file)
        for path, found in columns.items():
            require_columns(table, section, found, str(path))
        return [shard for path in paths for shard in _format(path).shards(table, path)]

    def require_files(self) -> None:
        """Check that the files that the mapping names are there.

        Raises:
            BadInput: No file has one of the names, or those of a list lack its columns.
        """
        there = [path.name for path in _data_files(self.folder)]
        for table in RECORDS:
            section = self.mapping.of(table)
            named = [(f"{table}.files", file) for file in section.files]
            for name, listed in section.lists.items():
                named += [(f"{table}.lists.{name}.files", file) for file in listed.files]
            for what, file in named:
                if not any(fnmatch(other, file) for other in there):
                    problem = f"{what}: no file {file!r} in {self.folder}; there are {', '.join(there) or 'none'}"
                    cure = "name the file as it is called, * for any part"
                    raise BadInput(problem, where=self.mapping_file, cure=cure)
            for name, listed in section.lists.items():
                self._require_columns(f"{table}.lists.{name}", listed)

    def _require_columns(self, what: str, listed: ListMapping) -> None:
        for path in self._named(listed.files):
            columns = _format(path).columns(path, How(encoding=listed.encoding, delimiter=listed.delimiter))
            if columns is None:
                continue  # rows have names of their own
            for name in listed.used:
                if name not in columns:
                    problem = f"{what}: no column {name!r} in {path.name}; there are {', '.join(columns)}"
                    raise BadInput(problem, where=self.mapping_file, cure="name the column as its file does")

    def _named(self, names: Sequence[str]) -> list[Path]:
        return [path for path in _data_files(self.folder) if any(fnmatch(path.name, name) for name in names)]

    def read(self, shard: Shard) -> Iterator[RawRow]:
        try:
            section = self.mapping.of(shard.table)
            listed = {name: self._named(one.files) for name, one in section.lists.items()}
            tells = shard.first_row == 1 and Path(shard.path) == self.files(shard.table)[0]
            lists = Lists(section, listed, partial(self._ids, shard.table) if tells else None)
            yield from map(lists.add, self._without_lists(shard))
        except (*files.BROKEN, UnicodeError, LookupError) as error:  # an encoding that nobody knows
            yield unreadable(shard, error)

    def _without_lists(self, shard: Shard) -> Iterator[RawRow]:
        """The rows of a shard under the fields of its record, without the lists that stand in tables of their own."""
        path = Path(shard.path)
        form, how, section = _format(path), self._how(shard.table), self.mapping.of(shard.table)
        fields = self._fields(shard.table, self._columns(shard.table, path) or ())
        rows = renamed(form.rows(shard, how), section.spelled(form.columns(path, how) or ()))
        rows = each_of(rows, section.rows) if section.rows else rows
        rows = _each_shown(rows) if shard.table == "events" else rows
        first = list(islice(rows, SAMPLE_ROWS))
        fields.sample([row.value for row in first if row.value is not None])
        yield from map(fields.read, chain(first, rows))

    def _ids(self, table: str) -> Iterator[str]:
        """The ids of all records of a table, as they are written."""
        for shard in self.shards(table):
            with suppress(*files.BROKEN, UnicodeError, LookupError):  # its own reading says so
                for row in self._without_lists(shard):
                    if row.value is not None:
                        yield str(row.value.get("id", ""))

    def unread(self) -> list[str]:
        """The data files of the folder, and of folders in it, that are of no table."""
        read = {path for table in self.tables for path in self.files(table)}
        read |= {
            path
            for table in RECORDS
            for listed in self.mapping.of(table).lists.values()
            for path in self._named(listed.files)
        }
        there = [path for path in sorted(self.folder.iterdir()) if path.is_file() and _may_hold_rows(path)]
        for inner in sorted(path for path in self.folder.iterdir() if path.is_dir() and path.name not in _OWN_FOLDERS):
            there += [path for path in _data_files(inner) if _table_named(path)]
        return [path.relative_to(self.folder).as_posix() for path in there if path not in read]

    def ignored_columns(self) -> Mapping[str, tuple[str, ...]]:
        ignored = {}
        for table in self.tables:
            fields = self._fields(table)
            for path in self.files(table):
                columns = self._columns(table, path) or ()
                extra = [name for name in columns if not fields.known(name) and not self._is_ignored(table, name)]
                if extra:
                    ignored[str(path)] = tuple(extra)
        return ignored

    def _is_ignored(self, table: str, column: str) -> bool:
        return column in self.mapping.of(table).ignore

    def _columns(self, table: str, path: Path) -> list[str] | None:
        """The names of a file's columns, as the mapping writes them."""
        columns = _format(path).columns(path, self._how(table))
        spelled = self.mapping.of(table).spelled(columns or ())
        return None if columns is None else [spelled.get(name, name) for name in columns]

    def _fields(self, table: str, columns: Sequence[str] = ()) -> Fields:
        return Fields(table, self.mapping.of(table), columns)

    def _how(self, table: str) -> How:
        section = self.mapping.of(table)
        return How(self._fields(table).known, section.encoding, section.delimiter)


def table_files(folder: Path, table: str) -> list[Path]:
    """The files of a table, by name or content. A file being written (another suffix, or a leading dot) is none."""
    named = [path for path in _data_files(folder) if _table_named(path) == table]
    inside = [path for place in _folders(folder, table) for path in _data_files(place)]
    speaking = [path for path in _data_files(folder) if not _table_named(path) and _table_told(path) == table]
    return named + inside + speaking


def _folders(folder: Path, table: str) -> list[Path]:
    names = (table, ANONYMOUS) if table == "events" else (table,)
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name.lower() in names]


def _data_files(folder: Path) -> list[Path]:
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in paths if path.is_file() and format_of(path) is not None]


def _each_shown(rows: Iterator[RawRow]) -> Iterator[RawRow]:
    """The events of each line of a service's log."""
    for row in rows:
        for value in [None] if row.value is None else unfolded(row.value):
            yield row._replace(value=value)


def unread_files(source: Source) -> list[str]:
    """The data files of a source's folder that are of no table; a plugin's source says none."""
    return source.unread() if isinstance(source, Layout) else []


def _may_hold_rows(path: Path) -> bool:
    """Whether a file may hold rows, also where they cannot be read as it is; one that is being written does not."""
    if path.name.startswith((".", "~$")) or path.name.lower().startswith("readme"):
        return False
    return format_of(path) is not None or path.suffix.lower() in (*files.COMPRESSED, *_WORKBOOKS)


def _table_named(path: Path) -> str:
    """The table that a file's name says, alone or before a number or date: "jobs_2", "jobs-2026-05", "Jobs (1)"."""
    stem = _NUMBERED.sub("", files.stem(path))
    return stem if stem in RECORDS else ""


def _table_told(path: Path) -> str:
    """The table that a file says itself that it holds."""
    try:
        return _format(path).table(path)
    except (*files.BROKEN, UnicodeError):
        return ""


def _format(path: Path) -> Format:
    """The format of a file; one that a mapping names, whatever it is called, is delimited text."""
    return format_of(path) or Delimited()
