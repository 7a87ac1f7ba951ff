"""Feature tables that keep their history: which rows are still to be made, and in which parts they stand.

Such a table is append-only. Its parts are named after the version of what made them (verbaliser, encoder), so that
the name of a part says whether its rows are of another version; they go once the new version is complete.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from contracts.tables import parts, reading

PART, ROW = "__part", "__row"
"""Of a row that `places` read: the index of its part, and its place in that part."""


def part_name(version: str, run: str, number: int) -> str:
    """The name of a run's part: given again, as when a worker repeats its work, it replaces the part."""
    return f"{version}.{run}-{number:05d}"


def made_by(folder: Path, version: str) -> list[Path]:
    """The parts that a version made."""
    return [path for path in parts(folder) if path.name.startswith(f"part-{version}.")]


def made_by_others(folder: Path, version: str) -> list[Path]:
    """The parts that other versions made."""
    return sorted(set(parts(folder)) - set(made_by(folder, version)))


def places(paths: Sequence[Path], columns: Sequence[str]) -> pl.DataFrame:
    """Some columns of some parts, with PART and ROW. Empty without columns where there are no parts.

    Raises UnreadableFile for a broken part.
    """
    frames = []
    for number, path in enumerate(paths):
        with reading(path):
            rows = pl.DataFrame(pq.read_table(path, columns=list(columns)))
        frames.append(rows.with_row_index(ROW).with_columns(pl.lit(number, pl.UInt32).alias(PART)))
    return pl.concat(frames) if frames else pl.DataFrame()


def without(rows: pl.DataFrame, done: pl.DataFrame, left: Sequence[str], right: Sequence[str]) -> pl.DataFrame:
    """The rows whose `left` columns equal the `right` columns of no row in `done`."""
    if done.is_empty():
        return rows
    return rows.join(done, left_on=list(left), right_on=list(right), how="anti")


def by_part(rows: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    """(part, its rows in their order) of rows with PART and ROW."""
    if rows.is_empty():
        return
    for group in rows.sort(PART, ROW).partition_by(PART, maintain_order=True):
        yield group[PART][0], group
