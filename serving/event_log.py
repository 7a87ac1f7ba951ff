"""The log of what was shown and done, as JSON lines in files by day of arrival: `logs/events/`, of which each line is a
`contracts.records.Event` or what one answer showed (`contracts.shown`).

It is a table of Rolecall's own layout: `rolecall ingest` reads the files beside those of members and jobs. What was
shown to nobody known by an id lies in `logs/anonymous/`, which it reads too.

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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from contracts.errors import RolecallError
from contracts.records import Event
from contracts.shown import folded
from contracts.workspace import Workspace
from serving.event_log_config import LogConfig
from serving.log_files import OwnFile, Position, days_before, drop_files, origin
from serving.logger import log
from serving.metrics import Metrics

SHARE = 0.4
"""Of a request's deadline that a post waits for the disk."""
FLUSH_SECONDS = 0.5
MAX_WAITING_BYTES = 32_000_000
"""Lines that may wait for the disk; the impressions of further answers are dropped, counted and logged."""
CLOSE_SECONDS = 10.0
CHECK_SECONDS = 1.0
"""Between two looks at a folder that nothing is written to."""
DROP_SECONDS = 3_600.0
"""Between two looks for files to throw away."""
LEAST_FREE_BYTES = 1_000_000
WRITABLE = "writable"


class LogFailed(RolecallError):
    """The disk did not take the events, or not in time: nothing was done with them."""

    reason, http_status = "log_failed", 503


@dataclass
class _Write:
    """Lines that wait for the disk; written: where a caller waits for the outcome, until it has given up."""

    file: OwnFile
    lines: bytes
    count: int
    written: queue.SimpleQueue[Position | None] | None = None
    given_up: bool = False


class EventLog:
    """Appends events to files of its own. `close` writes what waits."""

    def __init__(
        self,
        workspace: Workspace,
        metrics: Metrics,
        config: LogConfig | None = None,
        taken_until: Callable[[], datetime | None] = lambda: None,
        deadline: float = 1.0,
    ) -> None:
        """Start the thread that writes.

        Args:
            workspace: Whose `logs` it writes to.
            metrics: Count the lines.
            config: Its bounds; None: the defaults.
            taken_until: Returns the time up to which `ingest` has taken the log in.
            deadline: Seconds of a request.
        """
        self.origin = origin()
        self._config, self._metrics, self._taken_until = config or LogConfig(), metrics, taken_until
        self._seconds = self._config.seconds or SHARE * deadline
        self._root = workspace.root
        self._identified, self._anonymous = (
            OwnFile(workspace.logs / name, self.origin, self._config.max_file_bytes, self._config.fsync)
            for name in ("events", "anonymous")
        )
        self._waiting: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._waiting_bytes, self._lock = 0, threading.Lock()
        self._problem, self._busy_since = "", 0.0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._write_all, name="event-log", daemon=True)
        self._thread.start()
        # Apart from the one that writes, for which callers wait.
        threading.Thread(target=self._drop_from_time_to_time, name="event-log-drop", daemon=True).start()

    @property
    def state(self) -> str:
        """`WRITABLE`, or what is in the way."""
        return "the disk hangs" if self._hangs() else self._problem or WRITABLE

    def log_impressions(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Log impressions (`Event` as dicts of one request) soon. Never waits and never raises."""
        if not rows:
            return
        file = self._identified if rows[0]["member_id"] else self._anonymous
        try:
            line, left_out = self._line(rows)
        except Exception as error:  # whatever a value may be that was let in
            self._failed(file.folder, type(error).__name__, len(rows))
            return
        if left_out:
            self._metrics.log_lines.labels("left_out").inc(left_out)
        if not self._put(_Write(file, line, len(rows) - left_out)):
            self._metrics.log_lines.labels("dropped").inc(len(rows))
            log.error("log_full", dropped=len(rows))

    def log_events(self, events: Sequence[Event]) -> Position:
        """Log posted events, and return when the file has them: where they begin.

        Raises:
            LogFailed: The disk does not take them, or not within `LogConfig.seconds`.
        """
        cure = "post them again, with the same ids"
        try:
            lines = b"".join(orjson.dumps(event.model_dump(), option=orjson.OPT_APPEND_NEWLINE) for event in events)
        except Exception as error:  # whatever a value may be that was let in
            self._failed(self._identified.folder, type(error).__name__, len(events))
            raise LogFailed(f"{len(events)} events could not be written", cure=cure) from error
        write = _Write(self._identified, lines, len(events), queue.SimpleQueue())
        position = None
        assert write.written is not None
        if not self._hangs():
            with contextlib.suppress(queue.Empty):
                position = write.written.get(timeout=self._seconds) if self._put(write) else None
        if position is None:
            write.given_up = True
            raise LogFailed(f"{len(events)} events could not be written to the log", cure=cure)
        return position

    def close(self) -> None:
        """Write what waits, for at most `CLOSE_SECONDS`: a disk that hangs must not keep the process."""
        self._closed.set()
        self._waiting.put(None)
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            log.error("log_not_written", waiting_bytes=self._waiting_bytes)

    def _hangs(self) -> bool:
        busy = self._busy_since
        return busy > 0 and time.monotonic() - busy > self._seconds

    def _put(self, write: _Write) -> bool:
        with self._lock:
            if self._waiting_bytes + len(write.lines) > MAX_WAITING_BYTES:
                return False
            self._waiting_bytes += len(write.lines)
        self._waiting.put(write)
        return True

    def _line(self, rows: Sequence[Mapping[str, Any]]) -> tuple[bytes, int]:
        """The line of an answer, and how many of its last jobs are left out since it would be too long."""
        line, kept = orjson.dumps(folded(rows), option=orjson.OPT_APPEND_NEWLINE), len(rows)
        while len(line) > self._config.max_answer_bytes and kept > 1:
            kept = max(1, kept * self._config.max_answer_bytes // (2 * len(line)))
            line = orjson.dumps(folded(rows[:kept]), option=orjson.OPT_APPEND_NEWLINE)
        return line, len(rows) - kept

    def _write_all(self) -> None:
        while True:
            try:
                write = self._waiting.get(timeout=CHECK_SECONDS)
            except queue.Empty:
                self._look()
                continue
            writes, until = [], time.monotonic() + FLUSH_SECONDS
            while write is not None:
                writes.append(write)
                if write.written is not None:
                    break  # a caller waits for it
                try:
                    write = self._waiting.get(timeout=max(0.0, until - time.monotonic()))
                except queue.Empty:
                    break
            self._write([one for one in writes if not one.given_up])
            with self._lock:
                self._waiting_bytes -= sum(len(one.lines) for one in writes)
            if write is None:
                return

    def _write(self, writes: Sequence[_Write]) -> None:
        """Append the lines and answer the callers that wait; a failure of one stops neither thread nor others."""
        self._busy_since = time.monotonic()
        for file in dict.fromkeys(write.file for write in writes):
            of_file = [write for write in writes if write.file is file]
            position = self._append(file, b"".join(write.lines for write in of_file), sum(w.count for w in of_file))
            for write in of_file:
                if write.written is not None:
                    write.written.put(position)
        self._busy_since = 0.0

    def _append(self, file: OwnFile, lines: bytes, count: int) -> Position | None:
        try:
            position = file.append(lines)
        except Exception as error:  # whatever a file system raises
            self._problem = _reason(error)
            self._failed(file.folder, self._problem, count)
            return None
        self._problem = ""
        self._metrics.log_lines.labels("written").inc(count)
        return position

    def _failed(self, folder: Path, error: str, lines: int) -> None:
        self._metrics.log_lines.labels("failed").inc(lines)
        log.error("log_failed", path=str(folder), error=error, lines=lines)

    def _look(self) -> None:
        """See whether the folder would take lines."""
        self._busy_since = time.monotonic()
        try:
            if not self._root.is_dir():
                raise FileNotFoundError("the workspace is gone")
            self._identified.make_folder()
            if not os.access(self._identified.folder, os.W_OK | os.X_OK):
                raise PermissionError("the folder cannot be written")
            space = os.statvfs(self._identified.folder)
            if space.f_bavail * space.f_frsize < LEAST_FREE_BYTES:
                raise OSError("the disk is full")
            self._problem = ""
        except Exception as error:  # whatever a file system raises
            self._problem = _reason(error)
        self._busy_since = 0.0

    def _drop_from_time_to_time(self) -> None:
        while True:
            try:
                self._drop_old()
            except Exception as error:  # whatever a record of loads or a file system raises; lines are written on
                self._metrics.log_lines.labels("files_not_dropped").inc()
                log.error("log_files_not_dropped", error=_reason(error))
            if self._closed.wait(DROP_SECONDS):
                return

    def _drop_old(self) -> None:
        """Throw away files that are old and taken in. One that cannot be deleted stops neither others nor the log."""
        taken = datetime.max.replace(tzinfo=UTC) if self._config.drop_untaken else self._taken_until()
        if taken is None:
            return
        before = days_before(datetime.now(UTC), self._config.keep_days)
        gone, kept = drop_files((self._identified.folder, self._anonymous.folder), before, taken)
        if kept:
            self._metrics.log_lines.labels("files_not_dropped").inc(len(kept))
            log.error("log_files_not_dropped", files=len(kept), error=kept[0])
        if gone:
            self._metrics.log_lines.labels("files_dropped").inc(len(gone))
            log.info("log_files_dropped", files=len(gone), before=str(before))


def _reason(error: Exception) -> str:
    """What a file system says, without the path."""
    return str(getattr(error, "strerror", None) or error)
