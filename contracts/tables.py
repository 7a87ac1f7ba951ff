"""Tables as folders of Parquet files: how to write a part, read a table, and take the newest row of each key."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from contracts.errors import NotReady, UnreadableFile

_ROW = "__row"


def write_part(folder: Path, table: pa.Table, name: str | None = None) -> Path:
    """Write one part of a table and return its path. Atomic: a reader never sees half a file.

    name: the part's name without suffix; given the same name again the part is replaced. None makes a new one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"part-{name or uuid.uuid4().hex}.parquet"
    staged = path.with_suffix(".staged")
    pq.write_table(table, staged, compression="zstd")
    staged.replace(path)
    return path


def parts(folder: Path) -> list[Path]:
    """The finished parts of a table, by name; empty where the table does not exist."""
    return sorted(folder.glob("part-*.parquet"))


def read_table(
    folder: Path,
    columns: Sequence[str] | None = None,
    filter: pc.Expression | None = None,
    schema: pa.Schema | None = None,
) -> pa.Table:
    """All parts of a table as one. Raises NotReady where there is none, UnreadableFile for a broken part.

    schema: of the newest parts, where older ones may lack a column, which is null there; None: all parts are alike.
    """
    found = parts(folder)
    if not found:
        raise NotReady(f"no table in {folder}", cure="run the step that writes it first")
    try:
        return ds.dataset([str(p) for p in found], schema=schema, format="parquet").to_table(
            columns=list(columns) if columns is not None else None, filter=filter
        )
    except (pa.ArrowInvalid, OSError) as error:
        raise UnreadableFile(str(error).splitlines()[0], where=str(folder), cure="write that part again") from error


def latest(table: pa.Table, key: str, *order: str) -> pa.Table:
    """The newest row of each key: highest in `order`, compared left to right; among equals the later row wins."""
    if not table.num_rows:
        return table
    order_keys = [(name, "ascending") for name in order]
    ranked = table.append_column(_ROW, pa.array(np.arange(table.num_rows)))
    ranked = ranked.sort_by([*order_keys, (_ROW, "ascending")]).drop([_ROW])
    ranked = ranked.append_column(_ROW, pa.array(np.arange(table.num_rows)))
    last = ranked.group_by(key).aggregate([(_ROW, "max")])[f"{_ROW}_max"]
    return ranked.drop([_ROW]).take(np.sort(last.to_numpy()))
