"""A version for other programs: as Parquet files, or as one commit of a Delta table for each of its tables.

What a version holds is written as it was made, without what jobs added since, so that the same version is the same
rows. What is there is not written again: a folder of Parquet is named after it, and a commit of Delta says it as its
application transaction; a Delta table that holds another version by now, as after a rollback, is written. Rows of
erased members are in none; in the older commits of a Delta table they stay until that is vacuumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from backfill.product import Product
from backfill.versions import Manifest, finished_parts, read_manifest, require_version
from contracts.erased import ErasedMembers
from contracts.errors import BadInput, NotReady, NotWritten
from contracts.features import MEMBER_KEY
from contracts.tables import reading
from contracts.validation import first_line
from contracts.versions import current, staged_folder
from contracts.workspace import Workspace

BATCH_ROWS = 20_000
_WIDER = {pa.float16(): pa.float32(), pa.uint8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64()}
"""Types that Delta lacks -> the next one that holds all their values."""


def export(workspace: Workspace, product: Product, kind: str, out: Path, version: str = "") -> tuple[str, int]:
    """Write a version of a product for other programs, unless it is there already.

    Args:
        workspace: Whose product.
        product: Of which a version.
        kind: One of `KINDS`.
        out: A folder. Of Parquet it gets one named after the version, with one for each table where it has several; of
            Delta it is the table, or the folder of the tables.
        version: Its name; empty: the one in use.

    Returns:
        The version, and how many rows were written: 0 where they are there already.

    Raises:
        BadInput: There is no such kind or version, or the Delta table there holds something else.
        NotReady: No version is in use, it is unfinished or lacks a part, or a package is absent.
        UnreadableFile: A part is broken.
        NotWritten: As on a full disk, or where somebody else writes to the table.
    """
    if kind not in KINDS:
        raise BadInput(f"no format {kind!r}", where="--format", cure=f"one of {', '.join(KINDS)}")
    folder = product.folder(workspace)
    if version:
        require_version(folder, version)
    chosen = folder / version if version else current(folder)
    if chosen is None or not (chosen / "plan.json").is_file():
        raise NotReady(f"no version of {product.name} is in use", where=str(folder), cure="name a --version, or switch")
    manifest, erased = read_manifest(chosen), ErasedMembers(workspace)
    paths = finished_parts(chosen)
    tables = {table: [path for path in paths if path.parent == chosen / table] for table in manifest.plan.tables}
    try:
        return chosen.name, KINDS[kind](manifest, tables, erased, out)
    except OSError as error:
        what = f"it was not written: {error.strerror or first_line(error)}"
        raise NotWritten(what, where=str(out), cure="make room, or give leave to write, then run again") from error


def _to_parquet(manifest: Manifest, tables: Mapping[str, list[Path]], erased: ErasedMembers, out: Path) -> int:
    there, rows = out / manifest.plan.version, 0
    if there.exists():
        return 0
    with staged_folder(there) as staged:
        for table, paths in tables.items():
            (staged / table).mkdir(exist_ok=True)
            for path in paths:
                with pq.ParquetWriter(staged / table / path.name, pq.read_schema(path), compression="zstd") as writer:
                    for batch in _batches([path], erased):
                        writer.write_batch(batch)
                        rows += batch.num_rows
    return rows


def _to_delta(manifest: Manifest, tables: Mapping[str, list[Path]], erased: ErasedMembers, out: Path) -> int:
    from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
    from deltalake.exceptions import DeltaError

    plan, rows = manifest.plan, 0
    product = "/".join(filter(None, ("rolecall", plan.what, plan.inputs.get("teacher"))))
    name = f"{product}/{plan.version}"
    for table, paths in tables.items():
        place = str(out / table)
        schema = _for_delta(pq.read_schema(paths[0]))
        counted = _Counted(batch.cast(schema) for batch in _batches(paths, erased))
        try:
            there = DeltaTable(place) if DeltaTable.is_deltatable(place) else None
            last = there.transaction_version(product) if there else None
            if there and last is None:
                raise BadInput(f"the table there is not one of {product}", where=place, cure="name another folder")
            if there and there.transaction_version(name) == last:
                continue
            number = last + 1 if last is not None else 1
            write_deltalake(
                place,
                pa.RecordBatchReader.from_batches(schema, counted),
                mode="overwrite",
                schema_mode="overwrite",
                commit_properties=CommitProperties(
                    {"rolecall": name}, app_transactions=[Transaction(name, number), Transaction(product, number)]
                ),
            )
        except DeltaError as error:
            cure = "see that nobody else writes to it, then run again: what was written is not written twice"
            raise NotWritten(f"no commit: {first_line(error)}", where=place, cure=cure) from error
        rows += counted.rows
    return rows


KINDS: Mapping[str, Callable[[Manifest, Mapping[str, list[Path]], ErasedMembers, Path], int]] = {
    "parquet": _to_parquet,
    "delta": _to_delta,
}


class _Counted:
    """Batches, counted as they are taken."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches, self.rows = batches, 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._batches:
            self.rows += batch.num_rows
            yield batch


def _batches(paths: list[Path], erased: ErasedMembers) -> Iterator[pa.RecordBatch]:
    """The rows of some parts, without those of erased members."""
    for path in paths:
        with reading(path), pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH_ROWS):
                if MEMBER_KEY in batch.schema.names:
                    kept = [member not in erased for member in batch[MEMBER_KEY].to_pylist()]
                    batch = batch.filter(pa.array(kept, pa.bool_()))
                yield batch


def _for_delta(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_type(_known(field.type)) for field in schema])


def _known(kind: pa.DataType) -> pa.DataType:
    """A type that Delta has, which holds all values of another one."""
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind):
        return pa.list_(_known(kind.value_type))
    return _WIDER.get(kind, kind)
