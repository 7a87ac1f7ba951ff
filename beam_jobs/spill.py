"""Checked rows on their way to the worker that writes them: in files, since the local runner groups in memory.

A file holds many keys, a record batch each, so that a million rows are a few dozen files.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from contracts.errors import NotWritten
from contracts.validation import first_line


class Spilled(NamedTuple):
    """One record batch of a file."""

    path: str
    batch: int


def spill(folder: Path, parts: Iterable[tuple[str, pa.Table]], schema: pa.Schema) -> list[tuple[str, Spilled]]:
    """Write the rows of each key; every worker must see the folder under the same path.

    Args:
        folder: Made where it is not there.
        parts: Key -> its rows, not empty.
        schema: Of all rows.

    Returns:
        Key -> where its rows lie, in the order of `parts`.

    Raises:
        NotWritten: As on a full disk.
    """
    path = str(folder / f"{uuid.uuid4().hex}.arrow")
    places: list[tuple[str, Spilled]] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, schema, options=_OPTIONS) as writer:
            for key, rows in parts:
                for batch in rows.combine_chunks().to_batches():
                    places.append((key, Spilled(path, len(places))))
                    writer.write_batch(batch)
    except OSError as error:
        what = f"checked rows were not written: {error.strerror or first_line(error)}"
        raise NotWritten(what, where=path, cure="make room, then run again") from error
    return places


def read_spilled(piece: Spilled) -> pa.Table:
    """The rows that lie at a place."""
    with pa.OSFile(piece.path) as source, pa.ipc.open_file(source) as reader:
        return pa.Table.from_batches([reader.get_batch(piece.batch)])


_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")
