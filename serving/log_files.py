"""The files of the log of events: whose they are, how lines are added, read and thrown away.

Each process writes files of its own, `2026-05-01-HOST-PID-xxxx.jsonl` for a day of arrival and `...-2.jsonl` once that
is full, so that no process can cut off what another is writing. Nobody but their owner and group may read them.
"""

from __future__ import annotations

import io
import os
import re
import secrets
import socket
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from heapq import merge
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from contracts.shown import unfolded
from contracts.workspace import Workspace

MODE = 0o640
_NEEDED = ("id", "time", "member_id", "job_id", "action")


class Position(NamedTuple):
    """A place in the log: a file and the bytes before it."""

    path: Path
    offset: int


def origin() -> str:
    """A name for this process among all that write to a log or to a store."""
    host = re.sub(r"[^A-Za-z0-9]+", "_", socket.gethostname())[:40]
    return f"{host}-{os.getpid()}-{secrets.token_hex(4)}"


class OwnFile:
    """The file of one folder that this process appends to: another each day, and when it is full."""

    def __init__(self, folder: Path, origin: str, max_bytes: int, fsync: bool) -> None:
        self.folder = folder
        self._origin, self._max_bytes, self._fsync = origin, max_bytes, fsync
        self._number, self._day = 1, ""

    def append(self, lines: bytes) -> Position:
        """Add whole lines; returns where they begin. Raises OSError where the file does not take them, or not all."""
        self.make_folder()
        path = self.path()
        return Position(path, append(path, lines, self._fsync))

    def make_folder(self) -> None:
        """Make the folder in a workspace that is there. Raises OSError in one that was deleted."""
        self.folder.parent.mkdir(exist_ok=True)
        self.folder.mkdir(exist_ok=True)

    def path(self) -> Path:
        """The file that takes the next lines."""
        day = f"{datetime.now(UTC):%Y-%m-%d}"
        if day != self._day:
            self._day, self._number = day, 1
        path = self._numbered()
        while path.is_file() and path.stat().st_size >= self._max_bytes:
            self._number += 1
            path = self._numbered()
        return path

    def _numbered(self) -> Path:
        number = f"-{self._number}" if self._number > 1 else ""
        return self.folder / f"{self._day}-{self._origin}{number}.jsonl"


def append(path: Path, lines: bytes, fsync: bool = False) -> int:
    """Add whole lines to a file, or leave it as it was; a line that was cut off before is ended first.

    Args:
        path: Of a file that nobody else writes.
        lines: Each with its newline.
        fsync: Return once the disk has them, not the system's memory alone.

    Returns:
        Where they begin.

    Raises:
        OSError: The file does not take them.
    """
    with _opened(path) as file:
        before = file.seek(0, os.SEEK_END)
        data = lines if before == 0 or _ends_a_line(path, before) else b"\n" + lines
        try:
            while data:
                data = data[file.write(data) :]
            if fsync:
                os.fsync(file.fileno())
        except BaseException:
            file.truncate(before)
            raise
    return before


def day_files(workspace: Workspace, day: date) -> list[Path]:
    """The files of the events that came on a day (UTC) and carry a member's id, whoever wrote them."""
    return sorted((workspace.logs / "events").glob(f"{day:%Y-%m-%d}*.jsonl"))


def read_day(workspace: Workspace, day: date) -> Iterator[dict[str, Any]]:
    """The events of one day's files, as `read_files`."""
    return read_files(day_files(workspace, day))


def read_files(paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """The events of one day's files, about in the order of time: each file's are in that of writing.

    What is no event of this log, such as a line that a crash cut off, is passed over; `ingest` sets it aside.
    """
    return merge(*(read_file(path) for path in paths), key=lambda row: row["time"])


def read_file(path: Path, offset: int = 0) -> Iterator[dict[str, Any]]:
    """The events of one file from an offset on."""
    for _, row in read_lines(path, offset):
        yield from row


def read_lines(path: Path, offset: int = 0) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """(offset behind it, its events) of each line of a file; a file that is gone has none."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        file.seek(offset)
        for line in file:
            offset += len(line)
            yield offset, _events(line)


class Dropped(NamedTuple):
    """Files that are gone, and what kept others: their names with what the file system says."""

    gone: list[Path]
    kept: list[str]


def drop_files(folders: Iterable[Path], before: date, taken_until: datetime) -> Dropped:
    """Delete the files of days before a date; one that another process deleted meanwhile is nobody's concern.

    Args:
        folders: Of the log.
        before: Files of this day and later ones stay.
        taken_until: What was written later than this stays too.
    """
    gone, kept = list[Path](), list[str]()
    for path in sorted(path for folder in folders for path in folder.glob("????-??-??*.jsonl")):
        if path.name >= f"{before:%Y-%m-%d}":
            continue
        try:
            if datetime.fromtimestamp(path.stat().st_mtime, UTC) < taken_until:
                path.unlink()
                gone.append(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            kept.append(f"{path.name}: {error.strerror}")
    return Dropped(gone, kept)


def days_before(now: datetime, days: int) -> date:
    return (now - timedelta(days=days)).date()


def _events(line: bytes) -> list[dict[str, Any]]:
    try:
        said = orjson.loads(line)
    except orjson.JSONDecodeError:
        return []
    rows = unfolded(said) if isinstance(said, dict) else []
    return [row for row in rows if all(isinstance(row.get(name), str) for name in _NEEDED)]


def _opened(path: Path) -> io.FileIO:
    return open(path, "ab", buffering=0, opener=lambda name, flags: os.open(name, flags, MODE))


def _ends_a_line(path: Path, size: int) -> bool:
    with path.open("rb") as file:
        file.seek(size - 1)
        return file.read(1) == b"\n"
