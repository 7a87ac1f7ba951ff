"""The log of what was shown and done: `Event` rows as JSON lines, a file a day, in `logs/events/`.

It is a table of Rolecall's own layout: `rolecall ingest` takes the files in beside the members' and jobs' own. What was
shown to someone without an id lies in `logs/anonymous/`, because an `Event` needs a member.

A thread writes, so that a slow disk does not slow an answer. Lines wait in memory for at most `FLUSH_SECONDS`.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from contracts.errors import RolecallError
from contracts.records import Event
from contracts.workspace import Workspace
from serving.lines import log
from serving.metrics import Metrics

FLUSH_SECONDS = 0.5
WAITING = 10_000
"""Batches of lines that may wait for the disk; what comes on top is dropped, counted and said."""
ANSWER_SECONDS = 5.0
CLOSE_SECONDS = 10.0


class LogFailed(RolecallError):
    """The disk did not take the event: nothing was done with it, and it may be posted again."""

    reason, http_status = "log_failed", 503


class _Batch(NamedTuple):
    folder: Path
    rows: Sequence[dict[str, Any]]
    written: queue.SimpleQueue[bool] | None


class EventLog:
    """Appends events to the day's file. `close` writes what waits."""

    def __init__(self, workspace: Workspace, metrics: Metrics) -> None:
        self._known, self._anonymous = workspace.logs / "events", workspace.logs / "anonymous"
        self._metrics = metrics
        self._waiting: queue.Queue[_Batch | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._write_all, name="event-log", daemon=True)
        self._thread.start()

    def shown(self, rows: Sequence[dict[str, Any]]) -> None:
        """Log impressions (`Event` as dicts of one request) soon. Never waits and never raises."""
        folder = self._known if rows and rows[0]["member_id"] else self._anonymous
        try:
            self._waiting.put_nowait(_Batch(folder, rows, None))
        except queue.Full:
            self._metrics.log_lines.labels("dropped").inc(len(rows))
            log.error("log_full", dropped=len(rows))

    def done(self, events: Sequence[Event]) -> None:
        """Log what members did, and return when the file has it. Raises LogFailed where the disk does not take it."""
        written: queue.SimpleQueue[bool] = queue.SimpleQueue()
        rows = [event.model_dump() for event in events]
        try:
            self._waiting.put(_Batch(self._known, rows, written), timeout=ANSWER_SECONDS)
            ok = written.get(timeout=ANSWER_SECONDS)
        except (queue.Full, queue.Empty):
            ok = False
        if not ok:
            raise LogFailed(f"{len(rows)} events could not be written to {self._known}", cure="post them again")

    def close(self) -> None:
        """Write what waits, for at most `CLOSE_SECONDS`: a disk that hangs must not keep the process."""
        until = time.monotonic() + CLOSE_SECONDS
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=CLOSE_SECONDS)
        self._thread.join(max(0.0, until - time.monotonic()))
        if self._thread.is_alive():
            log.error("log_not_written", waiting=self._waiting.qsize())

    def _write_all(self) -> None:
        batch = self._waiting.get()
        while batch is not None:
            batches, until = [], time.monotonic() + FLUSH_SECONDS
            while batch is not None:
                batches.append(batch)
                if batch.written is not None:
                    break  # somebody waits for it
                try:
                    batch = self._waiting.get(timeout=max(0.0, until - time.monotonic()))
                except queue.Empty:
                    break
            self._write(batches)
            if batch is not None:
                batch = self._waiting.get()

    def _write(self, batches: Sequence[_Batch]) -> None:
        """Append the batches and answer who waits; whatever goes wrong with one, the thread and the others live on."""
        lines: dict[Path, list[bytes]] = {}
        places: list[set[Path] | None] = [self._sort_into(lines, batch) for batch in batches]
        failed = {path for path, found in lines.items() if not self._append(path, found)}
        for batch, paths in zip(batches, places, strict=True):
            if batch.written is not None:
                batch.written.put(paths is not None and not paths & failed)

    def _sort_into(self, lines: dict[Path, list[bytes]], batch: _Batch) -> set[Path] | None:
        """Add the batch's lines to those of their files, all or none; the files, None where a row is no JSON."""
        try:
            made = [
                (batch.folder / f"{row['time']:%Y-%m-%d}.jsonl", orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
                for row in batch.rows
            ]
        except Exception as error:  # whatever a value may be that was let in
            self._failed(batch.folder, type(error).__name__, len(batch.rows))
            return None
        for path, line in made:
            lines.setdefault(path, []).append(line)
        return {path for path, _ in made}

    def _append(self, path: Path, found: Sequence[bytes]) -> bool:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(b"".join(found))
        except Exception as error:  # whatever a file system raises
            self._failed(path, str(error), len(found))
            return False
        self._metrics.log_lines.labels("written").inc(len(found))
        return True

    def _failed(self, path: Path, error: str, lines: int) -> None:
        self._metrics.log_lines.labels("failed").inc(lines)
        log.error("log_failed", path=str(path), error=error, lines=lines)


def day_file(workspace: Workspace, day: datetime) -> Path:
    return workspace.logs / "events" / f"{day:%Y-%m-%d}.jsonl"


def logged(workspace: Workspace, day: datetime) -> Iterator[dict[str, Any]]:
    """The events of one day's file, in the order in which they came; a line that a crash cut off is passed over."""
    path = day_file(workspace, day)
    if path.is_file():
        with path.open("rb") as file:
            for line in file:
                with contextlib.suppress(orjson.JSONDecodeError):
                    yield orjson.loads(line)
