"""What earlier runs of `ingest` took in: whole files that need no second look, and the hashes of single rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from contracts.tables import parts, read_table
from contracts.versions import file_hash, row_hash, write_text
from sources.layout import Layout
from sources.rows import Shard, Source

_FILE = "_sources.json"


class Unit(NamedTuple):
    """What is read or skipped as one: the shards of one file, or a table that is joined from several files."""

    name: str
    inputs: tuple[Path, ...]
    shards: tuple[Shard, ...]
    digest: str


def units(source: Source, table: str) -> list[Unit]:
    """The units of a table in reading order. In Rolecall's layout a file stands for itself; others join their files."""
    shards = source.shards(table)
    if not isinstance(source, Layout):
        inputs = tuple(sorted(path for path in source.folder.rglob("*") if path.is_file()))
        return [Unit(str(source.folder), inputs, tuple(shards), _digest(inputs))] if shards else []
    files = dict.fromkeys(shard.path for shard in shards)
    return [
        Unit(path, (Path(path),), tuple(s for s in shards if s.path == path), _digest([Path(path)])) for path in files
    ]


def settled(folder: Path) -> dict[str, tuple[str, int]]:
    """Unit -> (digest, rows) of those whose every row is in the records folder: read once, without a reject."""
    path = folder / _FILE
    if not path.is_file() or not parts(folder):
        return {}
    return {name: (digest, rows) for name, (digest, rows) in json.loads(path.read_text()).items()}


def settle(folder: Path, units: dict[str, tuple[str, int]]) -> None:
    """Note the settled units of a records folder, atomically."""
    write_text(folder / _FILE, json.dumps(units, indent=1))


class RowHashes:
    """The row hashes of a records folder in 16 bytes each: a column of sorted upper halves, a column of lower ones.

    All 128 bits are compared, so a row is never taken for another. Where two stored hashes share an upper half one of
    them may not be found; its row is then read again and recognised as the record that it is.
    """

    def __init__(self, folder: Path) -> None:
        halves = np.empty((0, 2), np.uint64)
        if parts(folder):
            halves = _halves(read_table(folder, ["row_hash"])["row_hash"].to_pylist())
        order = np.argsort(halves[:, 0], kind="stable")
        self._upper, self._lower = halves[order, 0], halves[order, 1]

    def contains(self, hashes: Sequence[str]) -> np.ndarray:
        """(n,) bool for n hashes of 32 hex digits."""
        if not len(self._upper) or not len(hashes):
            return np.zeros(len(hashes), bool)
        halves = _halves(hashes)
        at = np.searchsorted(self._upper, halves[:, 0]).clip(max=len(self._upper) - 1)
        return (self._upper[at] == halves[:, 0]) & (self._lower[at] == halves[:, 1])


def _halves(hashes: Sequence[str]) -> np.ndarray:
    return np.frombuffer(bytes.fromhex("".join(hashes)), dtype=">u8").astype(np.uint64).reshape(-1, 2)


def _digest(paths: Sequence[Path]) -> str:
    return row_hash("\n".join(f"{path}\x00{file_hash(path)}" for path in paths))
