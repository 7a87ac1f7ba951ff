"""Rolecall's own layout: `members`, `jobs`, `events` and `grades`, each a file or a folder of files.

A table is `<table>.parquet`, `.csv` or `.jsonl`, or a folder `<table>/` of such files. In CSV a blank cell is a missing
value, a list is JSON or separated by ";", a nested field is JSON. Null means missing everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.arrow import arrow_schema
from contracts.errors import MissingColumn
from contracts.records import RECORDS
from contracts.validation import first_line
from sources import delimited
from sources.rows import DEEPEST, RawRow, Shard

SUFFIXES = (".parquet", ".csv", ".jsonl")
BATCH_ROWS = 1_000
SHARD_ROWS = 200_000
"""Rows of a shard, about: enough to be worth a worker's start, few enough for its memory."""


@dataclass(frozen=True)
class Layout:
    """A folder in Rolecall's layout."""

    name: ClassVar[str] = "rolecall"
    looks_for: ClassVar[str] = "jobs.parquet|.csv|.jsonl or jobs/ (Rolecall's layout, with members and events)"
    folder: Path

    @classmethod
    def recognises(cls, folder: Path) -> bool:
        return bool(cls(folder).tables)

    @property
    def tables(self) -> tuple[str, ...]:
        return tuple(table for table in RECORDS if table_files(self.folder, table))

    def shards(self, table: str) -> list[Shard]:
        return [shard for path in table_files(self.folder, table) for shard in _file_shards(table, path)]

    def read(self, shard: Shard) -> Iterator[RawRow]:
        return _READERS[Path(shard.path).suffix](shard)

    def ignored_columns(self) -> Mapping[str, tuple[str, ...]]:
        ignored = {}
        for table in self.tables:
            for path in table_files(self.folder, table):
                extra = [name for name in _columns(path) or () if name not in RECORDS[table].model_fields]
                if extra:
                    ignored[str(path)] = tuple(extra)
        return ignored


def table_files(folder: Path, table: str) -> list[Path]:
    """The files of a table, by name. A file being written (another suffix, or a leading dot) is not one of them."""
    single = [path for suffix in SUFFIXES if (path := folder / f"{table}{suffix}").is_file()]
    inside = [p for p in sorted((folder / table).glob("*")) if p.suffix in SUFFIXES and not p.name.startswith(".")]
    return single + inside


def _file_shards(table: str, path: Path) -> list[Shard]:
    whole = Shard(table, str(path))
    columns = _columns(path)
    if columns is None:  # unreadable: the reader says so in a row
        return [whole]
    _require_columns(table, path, columns)
    if path.suffix != ".parquet":
        return [whole]
    metadata = pq.read_metadata(path)
    shards, groups, first, rows = [], [], 1, 0
    for group in range(metadata.num_row_groups):
        groups.append(group)
        rows += metadata.row_group(group).num_rows
        if rows >= SHARD_ROWS or group + 1 == metadata.num_row_groups:
            shards.append(Shard(table, str(path), tuple(groups), first))
            groups, first, rows = [], first + rows, 0
    return shards


def _columns(path: Path) -> list[str] | None:
    """The columns of a file; None for JSON lines, which have none, and for a file that cannot be read."""
    try:
        if path.suffix == ".parquet":
            return list(pq.read_schema(path).names)
        if path.suffix == ".csv":
            return delimited.header(path)
    except (pa.ArrowInvalid, OSError):
        pass
    return None


def _require_columns(table: str, path: Path, columns: list[str]) -> None:
    fields = RECORDS[table].model_fields
    missing = [name for name, field in fields.items() if field.is_required() and name not in columns]
    if missing:
        raise MissingColumn(
            f"column {', '.join(missing)} is missing; the file has {', '.join(columns)}",
            where=str(path),
            cure=f"rename or add it: {table} need {', '.join(n for n, f in fields.items() if f.is_required())}",
        )


def _unreadable(shard: Shard, error: Exception, row: int = 0) -> RawRow:
    detail = f"{type(error).__name__}: {first_line(error)}; write the file again"
    return RawRow(shard.table, shard.path, row, None, "", "unreadable_file", detail)


def _read_parquet(shard: Shard) -> Iterator[RawRow]:
    row = shard.first_row
    try:
        with pq.ParquetFile(shard.path) as file:
            columns = [name for name in file.schema_arrow.names if name in RECORDS[shard.table].model_fields]
            groups = shard.row_groups or range(file.num_row_groups)
            for batch in file.iter_batches(BATCH_ROWS, row_groups=list(groups), columns=columns):
                for value in present_cells(batch):
                    yield RawRow(shard.table, shard.path, row, value)
                    row += 1
    except (pa.ArrowException, OSError) as error:
        yield _unreadable(shard, error, row if row > shard.first_row else 0)


def present_cells(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """Each row as the cells that it has, nested ones without their nulls."""
    nested = [field.name for field in batch.schema if pa.types.is_nested(field.type)]
    for value in _to_rows(batch):
        present = {name: cell for name, cell in value.items() if cell is not None}
        for name in nested:
            if name in present:
                present[name] = without_nulls(present[name])
        yield present


def _to_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    try:
        return list(batch.to_pylist())
    except _NO_PYTHON_VALUE:  # one cell spoils the batch: take them singly
        columns = [[_cell(scalar) for scalar in column] for column in batch.columns]
        return [dict(zip(batch.schema.names, cells, strict=True)) for cells in zip(*columns, strict=True)]


_NO_PYTHON_VALUE = (ValueError, OverflowError, LookupError)
"""Raised for stray bytes in a string, a time past the year 9999, an unknown time zone."""


def _cell(scalar: pa.Scalar) -> Any:
    """The cell as Python has it; where Python has no such value, as text that the record will not take for one."""
    try:
        return scalar.as_py()
    except _NO_PYTHON_VALUE:
        if isinstance(scalar, pa.StructScalar):
            return {name: _cell(value) for name, value in scalar.items()}
        if isinstance(scalar, pa.ListScalar) and not isinstance(scalar, pa.MapScalar):
            return [_cell(value) for value in scalar]
        if isinstance(scalar, pa.StringScalar):  # cleaning removes the replacement characters
            return scalar.as_buffer().to_pybytes().decode("utf-8", "replace")
        return f"{getattr(scalar, 'value', '')} {scalar.type}".strip()


def _read_csv(shard: Shard) -> Iterator[RawRow]:
    table, source = shard.table, shard.path
    header = delimited.header(Path(source)) or ()
    columns = [(i, name) for i, name in enumerate(header) if name in RECORDS[table].model_fields]
    kinds = _nested_kinds(table)
    for row, cells, reason, detail in delimited.lines(Path(source)):
        if reason:
            yield RawRow(table, source, row, None, ",".join(cells), reason, detail)
            continue
        value: dict[str, Any] = {name: cells[i] for i, name in columns if cells[i].strip()}
        yield _csv_row(table, source, row, value, kinds, cells)


def _csv_row(
    table: str, source: str, row: int, value: dict[str, Any], kinds: Mapping[str, str], cells: list[str]
) -> RawRow:
    for name, kind in kinds.items():
        cell = value.get(name, "").strip()
        if not cell:
            continue
        if cell[0] in "[{":
            try:
                value[name] = without_nulls(orjson.loads(cell))
            except orjson.JSONDecodeError as error:
                return RawRow(
                    table, source, row, None, ",".join(cells), "bad_json", f"{name}: {error}; write it as JSON"
                )
        elif kind == "words":
            value[name] = [word for part in cell.split(";") if (word := part.strip())]
    return RawRow(table, source, row, value)


@cache
def _nested_kinds(table: str) -> Mapping[str, str]:
    """Field -> "words" for a list of text, "nested" for a list of records or a record."""
    kinds = {}
    for field in arrow_schema(RECORDS[table]):
        if pa.types.is_list(field.type) and pa.types.is_string(field.type.value_type):
            kinds[field.name] = "words"
        elif pa.types.is_nested(field.type):
            kinds[field.name] = "nested"
    return kinds


def _read_jsonl(shard: Shard) -> Iterator[RawRow]:
    table, source = shard.table, shard.path
    nested = tuple(_nested_kinds(table))
    try:
        with Path(source).open("rb") as file:
            for row, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    value = orjson.loads(line)
                except orjson.JSONDecodeError as error:
                    text = line.decode("utf-8-sig", "replace").rstrip("\r\n")
                    try:  # stray bytes alone are no reason to lose the row: cleaning removes them
                        value = orjson.loads(text)
                    except orjson.JSONDecodeError:
                        yield RawRow(table, source, row, None, text, "bad_json", f"{error}; write one object a line")
                        continue
                if not isinstance(value, dict):
                    text = line.decode("utf-8", "replace").rstrip("\r\n")
                    detail = f"a {type(value).__name__} where an object is expected; write one object a line"
                    yield RawRow(table, source, row, None, text, "bad_json", detail)
                    continue
                value = {name: cell for name, cell in value.items() if cell is not None}
                for name in nested:
                    if name in value:
                        value[name] = without_nulls(value[name])
                yield RawRow(table, source, row, value)
    except OSError as error:
        yield _unreadable(shard, error)


def without_nulls(value: Any, levels: int = DEEPEST) -> Any:
    """A JSON value without what is null in it; what lies deeper than any record goes is left as it is."""
    if isinstance(value, dict) and levels:
        return {name: without_nulls(cell, levels - 1) for name, cell in value.items() if cell is not None}
    if isinstance(value, list) and levels:
        return [without_nulls(cell, levels - 1) for cell in value if cell is not None]
    return value


_READERS = {".parquet": _read_parquet, ".csv": _read_csv, ".jsonl": _read_jsonl}
