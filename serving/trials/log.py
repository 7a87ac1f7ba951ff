"""The log of trials: JSON lines, a file a day and process, in `logs/trials/`. It holds ids and scores, and no words.

A thread writes; what cannot be written, or is over the day's bytes, is dropped and counted. Files go with the days that
they are kept for, whoever wrote them.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson

from serving.log_files import append, days_before, drop_files, origin
from serving.logger import log
from serving.metrics import Metrics

MAX_WAITING = 1_000
CLOSE_SECONDS = 5.0


class TrialLog:
    """Appends lines. `close` writes what waits. The folder is made with the first line."""

    def __init__(self, folder: Path, metrics: Metrics, most_bytes: int, keep_days: int) -> None:
        """Start the thread that writes.

        Args:
            folder: Of the files.
            metrics: Count the lines.
            most_bytes: Of this process a day.
            keep_days: Days after which a file is thrown away: at the start, and when a day begins.
        """
        self._folder, self._metrics, self._most, self._keep_days = folder, metrics, most_bytes, keep_days
        self._origin, self._dropped_on = origin(), date.min
        self._waiting: queue.Queue[Mapping[str, Any] | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._write_all, name="trial-log", daemon=True)
        self._thread.start()

    def put(self, row: Mapping[str, Any]) -> None:
        """Log a row soon. Never waits and never raises."""
        try:
            self._waiting.put_nowait(row)
        except queue.Full:
            self._metrics.trials.labels("log", "dropped").inc()

    def close(self) -> None:
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=CLOSE_SECONDS)
        self._thread.join(CLOSE_SECONDS)

    def _write_all(self) -> None:
        self._drop_old()
        while (row := self._waiting.get()) is not None:
            self._drop_old()
            path = self._folder / f"{datetime.now(UTC):%Y-%m-%d}-{self._origin}.jsonl"
            try:
                line = orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY)
                path.parent.mkdir(parents=True, exist_ok=True)
                if (path.stat().st_size if path.exists() else 0) + len(line) > self._most:
                    self._metrics.trials.labels("log", "dropped").inc()
                    continue
                append(path, line)
            except Exception as error:  # whatever a file system or a value may raise; the service goes on
                self._metrics.trials.labels("log", "failed").inc()
                log.error("trial_log_failed", error=type(error).__name__)
            else:
                self._metrics.trials.labels("log", "written").inc()

    def _drop_old(self) -> None:
        now = datetime.now(UTC)
        if self._dropped_on == now.date():
            return
        self._dropped_on = now.date()
        gone, kept = drop_files((self._folder,), days_before(now, self._keep_days), now)
        if gone or kept:
            log.info("trial_files_dropped", files=len(gone), kept=len(kept), error=kept[:1])
