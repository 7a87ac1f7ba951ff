"""Ctrl-C: one line and the exit code that shells have for it, whatever runs."""

from __future__ import annotations

import os
import signal
import sys

EXIT_CODE = 130
OF_RUN = "_ROLECALL_OF_RUN"
"""In the environment of the stages of `rolecall run`, which is interrupted too and says so for them."""


class Interrupted(BaseException):
    """Ctrl-C. No `except Exception` on the way takes it for its own."""


def watch() -> None:
    """Raise Interrupted in the main thread at Ctrl-C; the blocks on the way then clean up undisturbed."""

    def interrupt(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise Interrupted

    signal.signal(signal.SIGINT, interrupt)


def leave() -> None:
    """End the process without waiting for threads of Beam and of models."""
    if OF_RUN not in os.environ:
        print("rolecall: stopped; the same command goes on with what is done", file=sys.stderr, flush=True)
    os._exit(EXIT_CODE)
