"""Pushed rows on their way into the history of activities: a thread writes them together, and nobody waits for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from contracts.arrow import TIME
from contracts.errors import RolecallError
from contracts.features import CREATED_TIME, EVENT_TIME, MEMBER_KEY
from contracts.tables import in_use, write_part

log = logging.getLogger("rolecall")

HISTORY_ROWS = 1_000
HISTORY_SECONDS = 30.0
"""Pushed rows are written together: 1,000 of them, or fewer when the first is 30 seconds old."""
MAX_WAITING = 50_000
"""Rows that wait for a disk that does not take them, about 100 MB; then the oldest go: the log has their events."""
CLOSE_SECONDS = 5.0


class PushedRows:
    """Holds rows until they are written to a table's folder. Safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: list[Mapping[str, Any]] = []
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._any, self._full = threading.Event(), threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="pushed-rows", daemon=True)
        self._thread.start()

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take rows in; they are written soon, after `close` at once."""
        with self._lock:
            self._waiting.extend(rows)
            lost = len(self._waiting) - MAX_WAITING
            if lost > 0:
                del self._waiting[:lost]
                log.error("%d pushed rows were given up: %s takes none", lost, self._folder)
            if self._waiting:
                self._any.set()
            if len(self._waiting) >= HISTORY_ROWS:
                self._full.set()
        if self._closed:
            self._write_last()

    def forget(self, member_id: str) -> None:
        """Drop the rows of a member that wait."""
        with self._lock:
            self._waiting = [row for row in self._waiting if row[MEMBER_KEY] != member_id]

    def write(self) -> None:
        """Write the waiting rows; where the disk refuses them they wait for the next attempt."""
        with self._writing:
            with self._lock:
                waiting, self._waiting = self._waiting, []
                self._any.clear()
                self._full.clear()
            if not waiting:
                return
            columns = [
                pa.field(name, TIME if name in (EVENT_TIME, CREATED_TIME) else pa.string()) for name in waiting[0]
            ]
            try:
                write_part(in_use(self._folder), pa.Table.from_pylist(waiting, schema=pa.schema(columns)))
            except Exception as error:  # whatever a disk or a value may raise: the thread goes on
                # Of another error the type alone: its message may hold a member's text.
                cause = str(error) if isinstance(error, RolecallError) else type(error).__name__
                log.error("%d pushed rows wait: %s cannot be written: %s", len(waiting), self._folder, cause)
                with self._lock:
                    self._waiting = waiting + self._waiting
                    self._any.set()

    def close(self) -> None:
        """Write what waits, for at most `CLOSE_SECONDS`; what is left then is said: the event log has its events."""
        self._closed = True
        self._full.set()
        self._any.set()
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            log.error("pushed rows are not written: %s hangs; the event log has their events", self._folder)
        else:
            self._write_last()

    def _write_last(self) -> None:
        """Write what came while the thread ended, which nobody else does any more."""
        self.write()
        if self._waiting:
            log.error("%d pushed rows are lost: %s takes none", len(self._waiting), self._folder)

    def _run(self) -> None:
        while not self._closed:
            self._any.wait()
            if not self._closed:
                self._full.wait(HISTORY_SECONDS)
            self.write()
