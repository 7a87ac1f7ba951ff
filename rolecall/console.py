"""What a person sees while work goes on: a progress bar in place on a terminal, plain lines elsewhere.

Every folder reports through `logging.getLogger("rolecall")`; a record of `contracts.progress` carries its step.
"""

from __future__ import annotations

import logging
import sys
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from contracts.progress import Step


class ConsoleHandler(logging.Handler):
    """Writes log records to a stream; on a terminal it holds the bar that the next record replaces."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._console = Console(file=stream)
        self._bar: Progress | None = None

    def emit(self, record: logging.LogRecord) -> None:
        step: Step | None = getattr(record, "progress", None)
        if step is not None and self._console.is_terminal:
            self._show(step)
            return
        self._hide()
        message = record.getMessage()
        if record.levelno >= logging.WARNING:
            message = f"{record.levelname.lower()}: {message}"
        self._stream.write(message + "\n")
        self._stream.flush()

    def close(self) -> None:
        self._hide()
        super().close()

    def _show(self, step: Step) -> None:
        if self._bar is None:
            columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[step]}")
            # No refreshing thread, so that the process can fork; the bar goes when a line follows it.
            self._bar = Progress(*columns, console=self._console, auto_refresh=False, transient=True)
            self._bar.add_task(step.task, step=step)
            self._bar.start()
        bar = self._bar.task_ids[0]
        self._bar.update(bar, description=step.task, completed=step.done, total=step.total, step=step, refresh=True)

    def _hide(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def show_progress(quiet: bool) -> None:
    """Send Rolecall's log to standard error: everything, or warnings alone when `quiet`."""
    log = logging.getLogger("rolecall")
    log.handlers = [ConsoleHandler(sys.stderr)]
    log.setLevel(logging.WARNING if quiet else logging.INFO)
    log.propagate = False
