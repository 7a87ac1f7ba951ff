"""Parquet: a large file is read in shards of row groups. Values are what Python has for them, or text.

NaN is how polars, Spark and pandas write a missing number, so it is missing like null.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from sources.findings import Finding
from sources.formats.base import How, unreadable
from sources.rows import RawRow, Shard, without_missing

BATCH_ROWS = 1_000
SHARD_ROWS = 200_000
"""Rows of a shard, about: enough to be worth a worker's start, few enough for its memory."""


class Parquet:
    suffixes: ClassVar[tuple[str, ...]] = (".parquet", ".pq")

    def columns(self, path: Path, how: How) -> list[str] | None:
        try:
            return list(pq.read_schema(path).names)
        except (pa.ArrowInvalid, OSError):
            return None

    def shards(self, table: str, path: Path) -> list[Shard]:
        try:
            metadata = pq.read_metadata(path)
        except (pa.ArrowInvalid, OSError):  # the reader says so in a row
            return [Shard(table, str(path))]
        shards: list[Shard] = []
        groups: list[int] = []
        first, rows = 1, 0
        for group in range(metadata.num_row_groups):
            groups.append(group)
            rows += metadata.row_group(group).num_rows
            if rows >= SHARD_ROWS or group + 1 == metadata.num_row_groups:
                shards.append(Shard(table, str(path), tuple(groups), first))
                groups, first, rows = [], first + rows, 0
        return shards or [Shard(table, str(path))]

    def table(self, path: Path) -> str:
        return ""

    def rows(self, shard: Shard, how: How) -> Iterator[RawRow]:
        row = shard.first_row
        try:
            with pq.ParquetFile(shard.path) as file:
                columns = [name for name in file.schema_arrow.names if how.known(name)]
                groups = shard.row_groups or range(file.num_row_groups)
                findings = tuple(_assumed(file, columns)) if shard.first_row == 1 else ()
                for batch in file.iter_batches(BATCH_ROWS, row_groups=list(groups), columns=columns):
                    for value in present_cells(batch):
                        yield RawRow(shard.table, shard.path, row, value, findings=findings)
                        row, findings = row + 1, ()
        except (pa.ArrowException, OSError) as error:
            yield unreadable(shard, error, row if row > shard.first_row else 0)


def _assumed(file: pq.ParquetFile, read: list[str]) -> Iterator[Finding]:
    for field in file.schema_arrow:
        if field.name in read and pa.types.is_timestamp(field.type) and field.type.tz is None:
            yield Finding(field.name, "time_zone", "without zone", "read in the zone of the source")


def present_cells(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """Each row as the cells that it has, nested ones without their nulls."""
    for value in _to_rows(batch):
        yield without_missing(value)


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
        if isinstance(scalar, pa.DictionaryScalar):
            return _cell(scalar.value)
        if isinstance(scalar, pa.StringScalar | pa.LargeStringScalar):  # cleaning removes the replacement characters
            return scalar.as_buffer().to_pybytes().decode("utf-8", "replace")
        return f"{getattr(scalar, 'value', '')} {scalar.type}".strip()
