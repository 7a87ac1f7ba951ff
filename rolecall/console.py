"""What a person sees while work goes on: progress in place on a terminal, plain lines elsewhere.

Every folder reports through `logging.getLogger("rolecall")`. A message that ends in "left" is progress: on a terminal
the next one takes its place.
"""

from __future__ import annotations

import logging
import sys
from typing import TextIO


class ConsoleHandler(logging.Handler):
    """Writes log records to `stream`; holds whether its last line was progress that may be overwritten."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._in_place = stream.isatty()
        self._open = False

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.levelno >= logging.WARNING:
            message = f"{record.levelname.lower()}: {message}"
        progress = self._in_place and message.endswith("left")
        start = "\r\x1b[2K" if self._open else ""
        self._stream.write(f"{start}{message}{'' if progress else chr(10)}")
        self._stream.flush()
        self._open = progress

    def close(self) -> None:
        if self._open:
            self._stream.write("\n")
            self._open = False
        super().close()


def show_progress(quiet: bool) -> None:
    """Send Rolecall's log to standard error: everything, or warnings alone when `quiet`."""
    log = logging.getLogger("rolecall")
    log.handlers = [ConsoleHandler(sys.stderr)]
    log.setLevel(logging.WARNING if quiet else logging.INFO)
    log.propagate = False
