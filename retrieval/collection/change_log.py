"""The changes of a collection as JSON lines with consecutive numbers, in files named by the first number they hold.

    {"blake2b": "<digest>", "sequence": 7, "upsert": {"ids": ["j1"], "values": "<base64>", "scales": null,
                                                      "attributes": [{"pay": 9.5}]}}
    {"blake2b": "<digest>", "sequence": 8, "delete": ["j4"]}

The digest is of what follows it in the line, so that a line that was changed is not applied. A last line without its
end was never acknowledged: a reader passes over it, the next writer cuts it off.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from contracts.errors import MissingChanges, NotWritten, UnreadableFile
from contracts.versions import sync
from retrieval.collection.batch import Batch, Schema
from retrieval.engines.vectors import Stored
from retrieval.filters.attributes import Values

_CURE = "restore the file, or start from a snapshot that holds the change"


class Change(NamedTuple):
    """What happened: a batch that was upserted, or ids that were deleted."""

    sequence: int
    upserted: Batch | None
    deleted: list[str]


class _End(NamedTuple):
    """Where a log ends. sequence: number of the last change; size: bytes of the file that it is in."""

    sequence: int
    size: int


class ChangeLog:
    """Logs to a folder. One writer (`Store` holds the lock)."""

    def __init__(self, folder: Path, sequence: int) -> None:
        """sequence: number of the last change that is there."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        _cut_torn_line(folder)
        self._file, self._end = self._opened(sequence)

    @property
    def sequence(self) -> int:
        """Number of the last change."""
        return self._end.sequence

    @contextmanager
    def logged(self, change: Batch | list[str]) -> Iterator[None]:
        """A change, an upsert or ids to delete, is on the disk while it is made; where that fails, it is taken back.

        Raises NotWritten; the log is then as before.
        """
        before = self._end
        try:
            self._append(_line(before.sequence + 1, change))
            yield
        except BaseException:
            self._end = before
            with suppress(OSError):
                self._cut()
            raise

    def rotate(self) -> None:
        """Let the next change begin a new file. Where that fails with OSError, it goes into the old one."""
        self._cut()
        former = self._file
        self._file, self._end = self._opened(self.sequence)
        former.close()

    def close(self) -> None:
        with suppress(OSError):
            self._cut()
        self._file.close()

    def _append(self, line: bytes) -> None:
        try:
            self._cut()
            left = memoryview(line)
            while left:  # a call writes 2 GB at most
                left = left[os.write(self._file.fileno(), left) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            raise NotWritten(
                f"change {self.sequence + 1} was not logged: {error}",
                where=str(self._folder),
                cure="make room, try again",
            ) from error
        self._end = _End(self.sequence + 1, self._end.size + len(line))

    def _cut(self) -> None:
        """Cut off what a failure or an interruption may have left behind the end."""
        os.ftruncate(self._file.fileno(), self._end.size)

    def _opened(self, sequence: int) -> tuple[FileIO, _End]:
        # Unbuffered: after a failure nothing waits to be written behind our back.
        file = (self._folder / f"{sequence + 1:012d}.jsonl").open("ab", buffering=0)
        sync(self._folder)
        return file, _End(sequence, os.fstat(file.fileno()).st_size)


def read_changes(folder: Path, schema: Schema, after: int) -> Iterator[Change]:
    """The changes numbered above `after`, in order.

    Raises MissingChanges, naming them, where numbers are left out; UnreadableFile for a line that is broken, of another
    schema, or out of order.
    """
    expected = after + 1
    files = _files(folder)
    for path in files:
        if _first(path) > expected:  # also where the missing ones were the last of their file, and this one is empty
            raise _missing(expected, _first(path) - 1, str(path))
        for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
            where = f"{path} line {number}"
            if not line.endswith(b"\n") and path == files[-1]:
                return
            change = _parsed(line, schema, where)
            if change.sequence <= after:
                continue
            if change.sequence > expected:
                raise _missing(expected, change.sequence - 1, where)
            if change.sequence < expected:
                raise UnreadableFile(
                    f"change {change.sequence:,} where {expected:,} was expected", where=where, cure=_CURE
                )
            yield change
            expected += 1


def drop_before(folder: Path, sequence: int) -> None:
    """Delete the files that hold no change above `sequence`."""
    files = _files(folder)
    for path, following in pairwise(files):
        if _first(following) <= sequence + 1:
            path.unlink()


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jsonl"))


def _first(path: Path) -> int:
    try:
        return int(path.stem)
    except ValueError as error:
        raise UnreadableFile("not a file of changes", where=str(path), cure="put it elsewhere") from error


def _missing(first: int, last: int, where: str) -> MissingChanges:
    cure = "restore their file, or start from a snapshot that holds them"
    return MissingChanges(f"changes {first:,} to {last:,} are missing", where=where, cure=cure)


def _cut_torn_line(folder: Path) -> None:
    for path in _files(folder)[-1:]:
        whole = path.read_bytes().rfind(b"\n") + 1
        if whole < path.stat().st_size:
            os.truncate(path, whole)


def _line(sequence: int, change: Batch | list[str]) -> bytes:
    rest = json.dumps(_record(sequence, change)).encode()[1:]
    return _head(rest) + rest + b"\n"


def _head(rest: bytes | memoryview) -> bytes:
    """What a line begins with that goes on with `rest`."""
    return b'{"blake2b": "%s", ' % hashlib.blake2b(rest, digest_size=16).hexdigest().encode()


_HEAD = len(_head(b""))


def _record(sequence: int, change: Batch | list[str]) -> dict[str, Any]:
    if isinstance(change, list):
        return {"sequence": sequence, "delete": change}
    values, scales = change.stored
    upsert = {
        "ids": change.ids,
        "values": _text(values),
        "scales": None if scales is None else _text(scales),
        "attributes": change.attributes,
    }
    return {"sequence": sequence, "upsert": upsert}


def _parsed(line: bytes, schema: Schema, where: str) -> Change:
    if line[:_HEAD] != _head(memoryview(line)[_HEAD:-1]):
        raise UnreadableFile("not a change of this collection, or it was changed", where=where, cure=_CURE)
    try:
        record = json.loads(line)
        if "delete" in record:
            return Change(int(record["sequence"]), None, list(record["delete"]))
        upsert = record["upsert"]
        ids = list(upsert["ids"])
        values = _array(upsert["values"], schema.dtype).reshape(len(ids), schema.dim)
        scales = _array(upsert["scales"], "float32").reshape(len(ids)) if schema.dtype == "int8" else None
        held: list[Values] = [
            {name: tuple(value) if isinstance(value, list) else float(value) for name, value in found.items()}
            for found in upsert["attributes"]
        ]
        if len(held) != len(ids) or set().union(*held) - {*schema.texts, *schema.numbers}:
            raise ValueError("attributes of another schema")
        return Change(int(record["sequence"]), Batch(ids, Stored(values, scales), held), [])
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableFile(f"not a change of this collection: {error}", where=where, cure=_CURE) from error


def _text(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()


def _array(text: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text, validate=True), dtype)
