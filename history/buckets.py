"""Rows dealt to buckets on disk, so that a log of any length is worked on a bucket at a time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from contracts.errors import UnreadableFile
from contracts.lock import locked
from contracts.versions import staged_file, writing

HELD_ROWS = 250_000
"""Rows that wait in memory before they are written, of all buckets together."""


class Buckets:
    """Rows by the number of their bucket; within a bucket in the order in which they were added.

    Attributes:
        rows: Added so far.
    """

    def __init__(self, folder: Path, held_rows: int = HELD_ROWS) -> None:
        """Begin with none. folder: made with the first rows; held_rows: kept in memory at most."""
        self.rows = 0
        self._folder, self._most = folder, held_rows
        self._held: list[pl.DataFrame] = []
        self._waiting = self._written = 0

    def add(self, rows: pl.DataFrame, bucket: pl.Expr) -> None:
        """Add rows of the columns of those before. bucket: an expression over them, whole numbers from 0.

        Raises:
            NotWritten: As on a full disk.
        """
        if not len(rows):
            return
        self._held.append(rows.with_columns(bucket.cast(pl.Int64).alias(_BUCKET)))
        self.rows, self._waiting = self.rows + len(rows), self._waiting + len(rows)
        if self._waiting >= self._most:
            self._write()

    def read(self, bucket: int) -> pl.DataFrame | None:
        """The rows of a bucket; None where there are none."""
        self._write()
        paths = sorted(self._folder.glob(f"{bucket:08d}-*.parquet"))
        return pl.concat([pl.read_parquet(path, glob=False) for path in paths]) if paths else None

    def __iter__(self) -> Iterator[tuple[int, pl.DataFrame]]:
        """Bucket by bucket, by their numbers.

        Raises:
            UnreadableFile: Rows that were added are gone from the disk.
        """
        self._write()
        read = 0
        for bucket in sorted({int(path.name.split("-")[0]) for path in self._folder.glob("*.parquet")}):
            rows = self.read(bucket)
            read += 0 if rows is None else len(rows)
            if rows is not None:
                yield bucket, rows
        if read != self.rows:
            what = f"{self.rows - read:,} of {self.rows:,} rows are gone from {self._folder.name}"
            raise UnreadableFile(what, where=str(self._folder), cure="let nothing else write there, then run again")

    def drained(self) -> Iterator[tuple[int, pl.DataFrame]]:
        """As iteration, each bucket gone from the disk once it was read."""
        for bucket, rows in self:
            for path in self._folder.glob(f"{bucket:08d}-*.parquet"):
                path.unlink()
            yield bucket, rows

    def _write(self) -> None:
        if not self._held:
            return
        rows = pl.concat(self._held)
        self._held, self._waiting = [], 0
        for (bucket,), of in rows.partition_by(_BUCKET, maintain_order=True, as_dict=True).items():
            write_rows(of.drop(_BUCKET), self._folder / f"{bucket:08d}-{self._written:06d}.parquet")
        self._written += 1


_BUCKET = "__bucket"


def write_rows(rows: pl.DataFrame, path: Path) -> None:
    """Write rows of a log whole or not at all.

    Raises:
        NotWritten: As on a full disk.
    """
    # By pyarrow: polars says of a full disk that the format was violated.
    with writing(path, "a part of the log"), staged_file(path) as staged:
        pq.write_table(rows.to_arrow(), staged, compression="zstd", compression_level=1, write_statistics=False)


@contextmanager
def scratch(folder: Path, doing: str) -> Iterator[Path]:
    """An empty folder for rows, as long as the block lasts: of one process alone. folder: holds it, and its lock.

    What a process left there that was killed goes.

    Raises:
        OtherWriter: Another process is at work there.
        NotWritten: It takes no file.
    """
    with locked(folder / "lock", doing):
        try:
            shutil.rmtree(folder / "rows", ignore_errors=True)
            yield folder / "rows"
        finally:
            shutil.rmtree(folder, ignore_errors=True)
