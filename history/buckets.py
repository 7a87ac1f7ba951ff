"""Rows dealt to buckets on disk, so that a log of any length is worked on a bucket at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from contracts.errors import NotWritten
from contracts.validation import first_line

HELD_ROWS = 250_000
"""Rows that wait in memory before they are written, of all buckets together."""


class Buckets:
    """Rows by the number of their bucket; within a bucket in the order in which they were added.

    What is written is Parquet, in which an erasure finds the members of a run that was killed.

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
        """Bucket by bucket, by their numbers."""
        self._write()
        for bucket in sorted({int(path.name.split("-")[0]) for path in self._folder.glob("*.parquet")}):
            rows = self.read(bucket)
            assert rows is not None
            yield bucket, rows

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
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for (bucket,), of in rows.partition_by(_BUCKET, maintain_order=True, as_dict=True).items():
                path = self._folder / f"{bucket:08d}-{self._written:06d}.parquet"
                of.drop(_BUCKET).write_parquet(path, compression="zstd", compression_level=1, statistics=False)
        except OSError as error:
            what = f"the log was not dealt: {error.strerror or first_line(error)}"
            raise NotWritten(what, where=str(self._folder), cure="make room, then run again") from error
        self._written += 1


_BUCKET = "__bucket"
