"""The rows that a version is made from, dealt into its parts: read once, so that a run that goes on reads them no more.

    <version>/dealt/<piece>.arrow    the rows of one piece, a record batch a part; there whole or not at all

Rows are dealt by their range, such as the month of their time, and a hash of their key that is the same in every
process. What is dealt goes when the version is finished.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
import polars as pl
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions

from backfill.product import Piece, Product
from backfill.versions import Cell, Group, Plan
from beam_jobs.pipeline import by_bucket, run_pipeline
from beam_jobs.workers import Mark
from contracts.versions import staged_file, writing
from contracts.workspace import Workspace

_CELLS = b"cells"
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


class DealtRows(NamedTuple):
    """Where the rows of one part lie: their columns, and (file, record batch) each."""

    schema: pa.Schema
    batches: Sequence[tuple[str, int]]

    def read(self) -> list[pa.Table]:
        """All of them; one table without rows where there are none."""
        tables = [self.schema.empty_table()]
        for path, batch in self.batches:
            with pa.OSFile(path) as source, pa.ipc.open_file(source) as reader:
                tables.append(pa.Table.from_batches([reader.get_batch(batch)]).replace_schema_metadata(None))
        return tables


class Dealt:
    """Where the rows of all parts lie."""

    def __init__(self) -> None:
        self._schemas: dict[str, pa.Schema] = {}
        self._batches: dict[Cell, list[tuple[str, int]]] = defaultdict(list)

    def add(self, path: Path, table: str) -> None:
        """Take a file of dealt rows in."""
        with pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as reader:
            schema = reader.schema
        cells = json.loads((schema.metadata or {})[_CELLS])
        self._schemas.setdefault(table, schema.remove_metadata())
        for number, cell in enumerate(cells):
            self._batches[Cell(*cell)].append((str(path), number))

    def of(self, cell: Cell) -> DealtRows:
        """Those of one part."""
        return DealtRows(self._schemas[cell.table], self._batches.get(cell, []))


def ranges_of(column: pl.Series) -> pl.Series:
    """The range of each row: "202609" of a time, a text as it is."""
    return column if column.dtype == pl.String else column.dt.strftime("%Y%m")


def groups_of(product: Product, pieces: Sequence[Piece], inputs: Mapping[str, Any]) -> tuple[Group, ...]:
    """The ranges of all pieces with the numbers of their rows and parts, in order of their names."""
    rows: Counter[tuple[str, str]] = Counter()
    for piece in pieces:
        for of_range, number in piece.counts.items():
            rows[piece.table, of_range] += number
    return tuple(
        Group(
            table=table,
            range=of_range,
            rows=number,
            buckets=-(-number // product.part_rows),
            prefix=product.prefix(inputs, table),
            beside=tuple(product.beside),
        )
        for (table, of_range), number in sorted(rows.items())
        if number
    )


def deal(rows: pa.Table, product: Product, plan: Plan, table: str) -> Iterator[tuple[Cell, pa.Table]]:
    """The rows of each part; those of a range that was not planned, as of a key that came since, are left out."""
    buckets = {group.range: group.buckets for group in plan.groups if group.table == table}
    if not rows.num_rows:
        return
    ranges = ranges_of(pl.Series(rows[product.range])) if product.range else pl.Series([""] * rows.num_rows)
    for of_range in ranges.unique().sort():
        if of_range not in buckets:
            continue
        there = rows.filter((ranges == of_range).to_arrow()) if len(buckets) > 1 else rows
        for bucket, of_bucket in by_bucket(there, product.key[table], buckets[of_range]):
            yield Cell(table, of_range, bucket), of_bucket


def deal_pieces(workspace: Workspace, product: Product, plan: Plan, version: Path, options: PipelineOptions) -> Dealt:
    """Deal the rows of all pieces that were not dealt yet, or whose file is broken. Gives where those of each part lie.

    Raises:
        NotWritten: As on a full disk; pieces that were dealt stay.
        WorkspaceNotSeen: A worker does not see the workspace.
    """
    folder = version / "dealt"
    pieces = product.pieces(workspace, plan.time)
    todo = [piece for piece in pieces if not _is_whole(_path(folder, piece))]
    if todo:

        def build(pipeline: beam.Pipeline, mark: Mark) -> None:
            (
                pipeline
                | "pieces" >> beam.Create(todo)
                | "spread pieces" >> beam.Reshuffle()
                | "pieces on the workspace" >> beam.Map(mark.checked)
                | "deal" >> beam.Map(_deal_piece, workspace, product, plan, folder)
            )

        run_pipeline(options, workspace, build)
    found = Dealt()
    for piece in pieces:
        found.add(_path(folder, piece), piece.table)
    return found


def clear(version: Path) -> None:
    """Remove what was dealt."""
    shutil.rmtree(version / "dealt", ignore_errors=True)


def in_order(tables: Sequence[pa.Table], product: Product) -> pa.Table:
    """Rows of one part as one table, in the product's order; equal ones as they were dealt."""
    rows, by = pa.concat_tables(tables).combine_chunks(), list(product.order)
    places = pl.DataFrame(rows.select(by)).select(pl.arg_sort_by(by, maintain_order=True)).to_series()
    return rows.take(places.to_arrow()).combine_chunks()


def _path(folder: Path, piece: Piece) -> Path:
    return folder / f"{piece.name}.arrow"


def _is_whole(path: Path) -> bool:
    """Whether a file is there and no machine that went down broke it."""
    try:
        with pa.OSFile(str(path)) as source, pa.ipc.open_file(source):
            return True
    except (pa.ArrowInvalid, OSError):
        return False


def _deal_piece(piece: Piece, workspace: Workspace, product: Product, plan: Plan, folder: Path) -> None:
    dealt: dict[Cell, list[pa.Table]] = defaultdict(list)
    schema = pa.schema([])
    for rows in product.read(workspace, piece):
        schema = rows.schema
        for cell, of_cell in deal(rows, product, plan, piece.table):
            dealt[cell].append(of_cell)
    tables = {cell: pa.concat_tables(dealt[cell]).combine_chunks() for cell in sorted(dealt)}
    schema = schema.with_metadata({_CELLS: json.dumps(list(tables)).encode()})
    path = _path(folder, piece)
    with (
        writing(path, "dealt rows"),
        staged_file(path) as staged,
        pa.OSFile(str(staged), "wb") as sink,
        pa.ipc.new_file(sink, schema, options=_OPTIONS) as writer,
    ):
        for table in tables.values():
            (batch,) = table.to_batches()  # it has rows, in one chunk
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
