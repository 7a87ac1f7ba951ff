"""The log of what was shown and done: `Event` rows as JSON lines, a file for each day of arrival, in `logs/events/`.

It is a table of Rolecall's own layout: `rolecall ingest` reads the files beside those of members and jobs. Impressions
without a member's id lie in `logs/anonymous/`, which it reads too.

A thread writes, so that a slow disk does not slow an answer. Lines wait in memory for at most `FLUSH_SECONDS`. What
was acknowledged stands in a line of its own: a write that fails is taken back, and a line that a crash cut off is ended
before the next one begins.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from contracts.errors import RolecallError
from contracts.records import Event
from contracts.workspace import Workspace
from serving.logger import log
from serving.metrics import Metrics

FLUSH_SECONDS = 0.5
MAX_WAITING = 10_000
"""Answers that may wait for the disk; the impressions of further ones are dropped, counted and logged."""
REPLY_SECONDS = 5.0
"""Longest wait of a poster for the disk."""
CLOSE_SECONDS = 10.0


class LogFailed(RolecallError):
    """The disk did not take the event: nothing was done with it, and it may be posted again."""

    reason, http_status = "log_failed", 503


class _Write(NamedTuple):
    """Rows that wait for the disk; written: where a caller waits for the outcome."""

    folder: Path
    rows: Sequence[dict[str, Any]]
    written: queue.SimpleQueue[bool] | None


class EventLog:
    """Appends events to the day's file. `close` writes what waits."""

    def __init__(self, workspace: Workspace, metrics: Metrics) -> None:
        self._identified, self._anonymous = workspace.logs / "events", workspace.logs / "anonymous"
        self._metrics = metrics
        self._waiting: queue.Queue[_Write | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._write_all, name="event-log", daemon=True)
        self._thread.start()

    def log_impressions(self, rows: Sequence[dict[str, Any]]) -> None:
        """Log impressions (`Event` as dicts of one request) soon. Never waits and never raises."""
        folder = self._identified if rows and rows[0]["member_id"] else self._anonymous
        try:
            self._waiting.put_nowait(_Write(folder, rows, None))
        except queue.Full:
            self._metrics.log_lines.labels("dropped").inc(len(rows))
            log.error("log_full", dropped=len(rows))

    def log_events(self, events: Sequence[Event]) -> None:
        """Log posted events, and return when the file has them. Raises LogFailed where the disk does not take them."""
        written: queue.SimpleQueue[bool] = queue.SimpleQueue()
        rows = [event.model_dump() for event in events]
        try:
            self._waiting.put(_Write(self._identified, rows, written), timeout=REPLY_SECONDS)
            ok = written.get(timeout=REPLY_SECONDS)
        except (queue.Full, queue.Empty):
            ok = False
        if not ok:
            raise LogFailed(f"{len(rows)} events could not be written to {self._identified}", cure="post them again")

    def close(self) -> None:
        """Write what waits, for at most `CLOSE_SECONDS`: a disk that hangs must not keep the process."""
        until = time.monotonic() + CLOSE_SECONDS
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=CLOSE_SECONDS)
        self._thread.join(max(0.0, until - time.monotonic()))
        if self._thread.is_alive():
            log.error("log_not_written", waiting=self._waiting.qsize())

    def _write_all(self) -> None:
        write = self._waiting.get()
        while write is not None:
            writes, until = [], time.monotonic() + FLUSH_SECONDS
            while write is not None:
                writes.append(write)
                if write.written is not None:
                    break  # a caller waits for it
                try:
                    write = self._waiting.get(timeout=max(0.0, until - time.monotonic()))
                except queue.Empty:
                    break
            self._write(writes)
            if write is not None:
                write = self._waiting.get()

    def _write(self, writes: Sequence[_Write]) -> None:
        """Append the rows and answer the callers that wait; a failure of one stops neither thread nor others."""
        lines: dict[Path, list[bytes]] = {}
        name = f"{datetime.now(UTC):%Y-%m-%d}.jsonl"
        files = [self._add(lines, write, write.folder / name) for write in writes]
        failed = {path for path, of_file in lines.items() if not self._append(path, of_file)}
        for write, path in zip(writes, files, strict=True):
            if write.written is not None:
                write.written.put(path is not None and path not in failed)

    def _add(self, lines: dict[Path, list[bytes]], write: _Write, path: Path) -> Path | None:
        """Add all rows to the lines of their file, or none; returns the file, None where a row is no JSON."""
        try:
            encoded = [orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in write.rows]
        except Exception as error:  # whatever a value may be that was let in
            self._failed(write.folder, type(error).__name__, len(write.rows))
            return None
        lines.setdefault(path, []).extend(encoded)
        return path

    def _append(self, path: Path, lines: Sequence[bytes]) -> bool:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            append(path, b"".join(lines))
        except Exception as error:  # whatever a file system raises
            self._failed(path, str(error), len(lines))
            return False
        self._metrics.log_lines.labels("written").inc(len(lines))
        return True

    def _failed(self, path: Path, error: str, lines: int) -> None:
        self._metrics.log_lines.labels("failed").inc(lines)
        log.error("log_failed", path=str(path), error=error, lines=lines)


def append(path: Path, lines: bytes) -> None:
    """Add whole lines to a file, or leave it as it was; a line that was cut off before is ended first.

    Raises:
        OSError: The file does not take them.
    """
    with path.open("ab", buffering=0) as file:
        before = file.seek(0, os.SEEK_END)
        data = lines if before == 0 or _ends_a_line(path, before) else b"\n" + lines
        try:
            while data:
                data = data[file.write(data) :]
        except BaseException:
            file.truncate(before)
            raise


def _ends_a_line(path: Path, size: int) -> bool:
    with path.open("rb") as file:
        file.seek(size - 1)
        return file.read(1) == b"\n"


def day_file(workspace: Workspace, day: datetime) -> Path:
    """The file of the events that came on a day (UTC) and carry a member's id."""
    return workspace.logs / "events" / f"{day:%Y-%m-%d}.jsonl"


def read_day(workspace: Workspace, day: datetime) -> Iterator[dict[str, Any]]:
    """The events of one day's file in the order of writing.

    What is no event of this log, such as a line that a crash cut off, is passed over; `ingest` sets it aside.
    """
    path = day_file(workspace, day)
    if not path.is_file():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(row, dict) and all(isinstance(row.get(name), str) for name in _NEEDED):
                yield row


_NEEDED = ("id", "time", "member_id", "job_id", "action")
