"""A collection as a folder: written whole or not at all, named by its content, and checked when it is read."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.errors import IndexMismatch, NotWritten
from contracts.versions import sync
from retrieval.collection.batch import Schema
from retrieval.collection.live import Contents
from retrieval.engines.vectors import Stored
from retrieval.filters.attributes import Column

FORMAT = 1
MANIFEST = "snapshot.json"


class File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    bytes: int
    blake2b: str


class SnapshotManifest(BaseModel):
    """snapshot.json. sequence: number of the last change that the snapshot holds; files: all others of the folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: int = FORMAT
    collection: Schema
    sequence: int
    rows: int
    files: dict[str, File]

    @property
    def version(self) -> str:
        """Twelve hex digits over all that the snapshot holds."""
        return hashlib.blake2b(self.model_dump_json().encode(), digest_size=6).hexdigest()


class Snapshot(NamedTuple):
    contents: Contents
    sequence: int


def write_snapshot(root: Path, snapshot: Snapshot) -> str:
    """Write `root/<version>/` and return the version. The same content has the same version, and is written once.

    One call at a time. Raises NotWritten where it cannot be written whole; nothing of it is left then.
    """
    staged = root / ".staged"
    try:
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(parents=True)
        manifest = _write(staged, snapshot)
        sync(staged)
        target = root / manifest.version
        if not (target / MANIFEST).is_file():
            staged.replace(target)
            sync(root)
        return manifest.version
    except OSError as error:
        raise NotWritten(
            f"no snapshot: {error}", where=str(root), cure="make room; the former snapshot and the changes still stand"
        ) from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def read_manifest(folder: Path) -> SnapshotManifest:
    """Raises IndexMismatch where it is missing, or not that of this folder."""
    try:
        manifest = SnapshotManifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError) as error:
        raise _broken(folder / MANIFEST, "missing or not of this format") from error
    if manifest.format != FORMAT or manifest.version != folder.name:
        raise _broken(folder / MANIFEST, f"format {manifest.format}, version {manifest.version}")
    return manifest


def read_snapshot(folder: Path) -> Snapshot:
    """Raises IndexMismatch, naming the file, where one is missing, cut off or changed."""
    manifest = read_manifest(folder)
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise _broken(path, "missing")
        size = path.stat().st_size
        if size != expected.bytes:
            raise _broken(path, f"{size:,} bytes, not {expected.bytes:,}")
        if _digest(path) != expected.blake2b:
            raise _broken(path, "its content was changed")
    return Snapshot(_read(folder, manifest.collection), manifest.sequence)


def _write(folder: Path, snapshot: Snapshot) -> SnapshotManifest:
    contents = snapshot.contents
    _save_text(folder / "ids.json", contents.ids)
    _save(folder / "values.npy", contents.stored.values)
    if contents.stored.scales is not None:
        _save(folder / "scales.npy", contents.stored.scales)
    # Numbered, since the name of an attribute need not be one of a file.
    for place, name in enumerate(contents.schema.texts):
        column = contents.columns[name]
        _save_text(folder / f"text{place}.json", column.values)
        _save(folder / f"text{place}.offsets.npy", column.offsets)
        _save(folder / f"text{place}.rows.npy", column.rows)
    for place, name in enumerate(contents.schema.numbers):
        _save(folder / f"number{place}.npy", contents.numbers[name])
    files = {path.name: File(bytes=path.stat().st_size, blake2b=_digest(path)) for path in sorted(folder.iterdir())}
    manifest = SnapshotManifest(
        collection=contents.schema, sequence=snapshot.sequence, rows=len(contents.ids), files=files
    )
    _through(folder / MANIFEST, lambda path: path.write_text(manifest.model_dump_json(indent=1)))
    return manifest


def _read(folder: Path, schema: Schema) -> Contents:
    scales = _load(folder / "scales.npy") if schema.dtype == "int8" else None
    columns = {
        name: Column(
            json.loads((folder / f"text{place}.json").read_text()),
            _load(folder / f"text{place}.offsets.npy"),
            _load(folder / f"text{place}.rows.npy"),
        )
        for place, name in enumerate(schema.texts)
    }
    numbers = {name: _load(folder / f"number{place}.npy") for place, name in enumerate(schema.numbers)}
    ids = json.loads((folder / "ids.json").read_text())
    return Contents(schema, ids, Stored(_load(folder / "values.npy"), scales), columns, numbers)


def _save(path: Path, array: np.ndarray) -> None:
    _through(path, lambda place: np.save(place, array, allow_pickle=False))


def _save_text(path: Path, texts: list[str]) -> None:
    _through(path, lambda place: place.write_text(json.dumps(texts)))


def _through(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file through to the disk."""
    write(path)
    sync(path)


def _load(path: Path) -> np.ndarray:
    return np.load(path, allow_pickle=False)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _broken(path: Path, what: str) -> IndexMismatch:
    return IndexMismatch(what, where=str(path), cure="point CURRENT at the former snapshot, or build the folder again")
