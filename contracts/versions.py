"""Content hashes, staged writes and current versions: how anything on disk is named and replaced.

A reader sees a file or a folder as it was or as it is, never half of it. A versioned folder is `<parent>/<version>/`,
and `<parent>/CURRENT` names the one that is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from contracts.errors import NotReady, NotWritten

CURRENT = "CURRENT"
STAGED = ".staged"


def content_hash(parts: str | bytes | Iterable[str | bytes | Path], digits: int = 12) -> str:
    """The version of content: hex digits of its SHA-256.

    Args:
        parts: Text, bytes, or several of both one after another; a path stands for the hash of the file's content.
        digits: Length of the result, at most 64.

    Returns:
        The same digits for the same content, on every machine.
    """
    digest = hashlib.sha256()
    for part in (parts,) if isinstance(parts, str | bytes) else parts:
        if isinstance(part, Path):
            with part.open("rb") as file:
                part = hashlib.file_digest(file, "sha256").digest()
        digest.update(part.encode() if isinstance(part, str) else part)
    return digest.hexdigest()[:digits]


def json_hash(value: Any, digits: int = 12) -> str:
    """`content_hash` of a value that JSON can hold; the order of its keys does not matter."""
    return content_hash(json.dumps(value, sort_keys=True), digits)


def file_hash(path: Path) -> str:
    """The SHA-256 of a file's content, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def row_hash(text: str, size: int = 16) -> str:
    """BLAKE2b of a row's text, `2 * size` hex digits: for rows by the million, where SHA-256 costs noticeable time."""
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()


def is_inside(name: str) -> bool:
    """Whether a manifest's name of a file leads nowhere out of its folder."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\\" not in name


@contextmanager
def staged_file(path: Path) -> Iterator[Path]:
    """A path beside `path` to write; it takes the name `path` when the block ends, and goes when it fails.

    Makes the folder of `path`. Whatever stood at `path` stays until then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(path.name + STAGED)
    try:
        yield staged
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


@contextmanager
def writing(where: Path, what: str) -> Iterator[None]:
    """Raise NotWritten where the block cannot write, as on a full disk or without leave to. what: that is written."""
    try:
        yield
    except OSError as error:
        said = f"{what} could not be written: {error.strerror or error}"
        raise NotWritten(said, where=str(where), cure="make room, or give leave to write, then try again") from error


def write_text(path: Path, text: str, encoding: str = "utf-8", newline: str | None = None) -> None:
    """Write a text file whole or not at all. Raises NotWritten as on a full disk; what stood there still stands."""
    with writing(path, path.name), staged_file(path) as staged:
        staged.write_text(text, encoding, newline=newline)


@contextmanager
def staged_folder(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder` to fill; it takes the name `folder` when the block ends, and goes when it fails.

    Whatever stood at `folder` stays until then and is replaced as a whole.
    """
    staged = folder.with_name(folder.name + STAGED)
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    try:
        yield staged
        shutil.rmtree(folder, ignore_errors=True)
        staged.replace(folder)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def current(folder: Path) -> Path | None:
    """The path that `folder/CURRENT` names: a version's folder or file; None where there is no current version."""
    try:
        return folder / (folder / CURRENT).read_text("utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None


def require_current(folder: Path, what: str, cure: str) -> Path:
    """The path that `folder/CURRENT` names.

    Args:
        folder: Holds the versions.
        what: What they are versions of, for the message: "student", "policy teacher".
        cure: How to make one.

    Raises:
        NotReady: There is no current version.
    """
    path = current(folder)
    if path is None:
        raise NotReady(f"no {what} in {folder}", cure=cure)
    return path


def set_current(folder: Path, version: str) -> None:
    """Point `folder/CURRENT` at `folder/version`: a reader sees the old version or the new one.

    It is on the disk when the call returns, so that the old version may then be deleted.

    Raises:
        NotWritten: As on a full disk; the old version is still the current one.
    """
    try:
        with staged_file(folder / CURRENT) as staged:
            staged.write_text(version + "\n", "utf-8")
            sync(staged)
        sync(folder)
    except OSError as error:
        what = f"version {version} was not made the current one: {error}"
        raise NotWritten(what, where=str(folder), cure="make room, try again") from error


def unset_current(folder: Path) -> None:
    """Leave `folder` without a current version; the versions stay."""
    (folder / CURRENT).unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Write a file, or the names in a folder, through to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
