"""Tables as folders of Parquet files: write a part, read a table, and take rows that are the newest or were then.

A table may have versions beside the parts that the jobs write to its folder: a backfill makes one, and a pointer names
that in use (`in_use`). Whoever reads or writes a table more than once takes its folder first and stays there.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from contracts.arrow import arrow_schema
from contracts.errors import NotReady, NotWritten, UnreadableFile
from contracts.features import PRODUCTS
from contracts.lock import SWITCH_WAIT, SWITCHING, locked
from contracts.records import RECORDS
from contracts.time.as_of import newest_rows, rows_as_of
from contracts.validation import first_line
from contracts.versions import current, staged_file


def write_part(folder: Path, table: pa.Table, name: str | None = None) -> Path:
    """Write one part of a table; a reader never sees half a file.

    Args:
        folder: Of the table, as `in_use` gives it where the table may have versions.
        table: The part's rows.
        name: The part's name without suffix: the part of that name is replaced. None makes a new part.

    Returns:
        The path of the part.

    Raises:
        NotWritten: As on a full disk; the part of that name, if any, stays as it was.
    """
    path = folder / f"part-{name or uuid.uuid4().hex}.parquet"
    try:
        with staged_file(path) as staged:
            pq.write_table(table, staged, compression="zstd")
    except OSError as error:
        what = f"part {path.name} was not written: {error.strerror or first_line(error)}"
        raise NotWritten(what, where=str(folder), cure="make room, then run again") from error
    return path


def in_use(folder: Path) -> Path:
    """Where the parts of a table stand now: in its folder, or in the version of it that was switched to.

    Feature tables of one product are switched by one pointer: `features/text/CURRENT` is that of members' and jobs'
    texts, which lie in `features/text/<version>/job_text`. Any other table has its own: `<folder>/CURRENT`. A folder
    that this gave gives itself.
    """
    product = PRODUCTS.get(folder.name)
    if product is None:
        return current(folder) or folder
    version = current(folder.parent / product)
    return version / folder.name if version is not None else folder


@contextmanager
def adding(folder: Path, doing: str) -> Iterator[None]:
    """Write to a table, and to those that are switched with it, as long as the block lasts: no switch comes between.

    Whatever it is that the block adds stands in the version that is in use when it ends. Others may add meanwhile.

    Args:
        folder: The table, as `in_use` takes it.
        doing: What is done, for a switch that is refused meanwhile.

    Raises:
        OtherWriter: Somebody switches at this moment, and takes longer than a few seconds.
        NotWritten: As on a full disk.
    """
    pointer = folder.parent / PRODUCTS.get(folder.name, folder.name)
    with locked(pointer / SWITCHING, doing, shared=True, wait=SWITCH_WAIT):
        yield


def parts(folder: Path) -> list[Path]:
    """The finished parts of a table, of the version in use, by name; empty where the table does not exist."""
    return sorted(in_use(folder).glob("part-*.parquet"))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise UnreadableFile where the block finds that a part, or a part of a table, is broken."""
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        raise UnreadableFile(first_line(error), where=str(path), cure="write that part again") from error


def read_table(
    folder: Path,
    columns: Sequence[str] | None = None,
    filter: pc.Expression | None = None,
    schema: pa.Schema | None = None,
) -> pa.Table:
    """All parts of a table as one.

    Args:
        folder: The table.
        columns: Columns to read; all where None.
        filter: Rows to read; all where None.
        schema: Columns of the newest parts, where older ones may lack some, which are null there; None: all are alike.

    Raises:
        NotReady: The table has no parts.
        UnreadableFile: A part is broken.
    """
    paths = parts(folder)
    if not paths:
        raise NotReady(f"no table in {folder}", cure="run the step that writes it first")
    return read_parts(paths, columns, filter, schema)


def read_parts(
    paths: Sequence[Path],
    columns: Sequence[str] | None = None,
    filter: pc.Expression | None = None,
    schema: pa.Schema | None = None,
) -> pa.Table:
    """Some parts of one folder, one at least, as one table; else as `read_table`."""
    with reading(paths[0].parent):
        return ds.dataset([str(p) for p in paths], schema=schema, format="parquet").to_table(
            columns=list(columns) if columns is not None else None, filter=filter
        )


def read_records(
    records: Path, table: str, columns: Sequence[str] | None = None, filter: pc.Expression | None = None
) -> pa.Table:
    """Records of a table as `read_table`; a list that parts of before there was its field lack is empty there.

    Args:
        records: The folder of the tables of records.
        table: Its name.
        columns: Fields of the record, and `row_hash`; all where None.
        filter: Rows to read; all where None.
    """
    schema = arrow_schema(RECORDS[table]).append(pa.field("row_hash", pa.string()))
    rows = read_table(records / table, columns or schema.names, filter, schema)
    for at, field in enumerate(rows.schema):
        if pa.types.is_list(field.type) and rows[field.name].null_count:
            cells = [cell or [] for cell in rows[field.name].to_pylist()]
            rows = rows.set_column(at, field, pa.array(cells, field.type))
    return rows


def latest(table: pa.Table, key: str, *order: str) -> pa.Table:
    """The newest row of each key, in ascending `order`.

    Args:
        table: n rows.
        key: the column whose values name what a row is a version of.
        *order: the columns that say which row is newer, the most important first; among equals the later row wins.
    """
    import polars as pl

    return table.take(newest_rows(pl.DataFrame(table.select([key, *order])), [key], order).to_arrow())


def read_as_of(
    folder: Path,
    key: str,
    moments: Sequence[tuple[str, datetime]],
    columns: Sequence[str],
    order: Sequence[str],
    else_first: bool = False,
) -> list[dict[str, Any] | None]:
    """For each (key, time) the newest row of a table that was known at that time (`contracts.time.as_of.rows_as_of`).

    Args:
        folder: the table; one without parts knows nothing.
        key: the column whose values name what a row is a version of.
        moments: m pairs of a key and a time in UTC.
        columns: what is read of the rows.
        order: columns of times that must all be at or before the moment; the first one says which row is newer. With
            the event time and the created time it is Feast's join with `filter_by_created_timestamp`.
        else_first: before a key was known its first version stands in.

    Returns:
        m rows as dicts; None where no version was known.
    """
    if not parts(folder):
        return [None] * len(moments)
    keys = pa.array(sorted({name for name, _ in moments}), pa.string())
    table = read_table(folder, list(dict.fromkeys((key, *columns, *order))), pc.field(key).isin(keys))
    import polars as pl

    asked = pl.DataFrame(moments, {key: pl.String, "__at": pl.Datetime("us", "UTC")}, orient="row")
    history = pl.DataFrame(table.select(list(dict.fromkeys((key, *order)))))
    rows = rows_as_of(history, asked, [key], "__at", order, else_first=else_first)
    picked = iter(table.select(list(columns)).take(rows.drop_nulls().to_arrow()).to_pylist())
    return [None if row is None else next(picked) for row in rows]
