"""Ctrl-C, and SIGTERM where a command asks for it: one line and the exit code that shells have, whatever runs."""

from __future__ import annotations

import os
import signal
import sys

EXIT_CODE = 130
OF_RUN = "_ROLECALL_OF_RUN"
"""In the environment of the stages of `rolecall run`, which is interrupted too and says so for them."""


class Interrupted(BaseException):
    """Ctrl-C. No `except Exception` on the way takes it for its own."""


def leave_at_once() -> None:
    """End the process at Ctrl-C, where there is nothing to clean up; native code may take an exception for its own."""
    signal.signal(signal.SIGINT, _leave)


def watch() -> None:
    """Raise Interrupted in the main thread at Ctrl-C; the blocks on the way then clean up. At another one, leave."""

    def interrupt(*_: object) -> None:
        leave_at_once()
        raise Interrupted

    signal.signal(signal.SIGINT, interrupt)


def watch_for_end() -> None:
    """Let SIGTERM, by which a scheduler or a machine ends a process, do what Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))


def was_asked() -> bool:
    """Whether Ctrl-C was pressed since `watch`: an error that comes of it is no bug."""
    return signal.getsignal(signal.SIGINT) is _leave


def leave() -> None:
    """End the process without waiting for threads of Beam and of models."""
    if OF_RUN not in os.environ:
        print("rolecall: stopped; the same command goes on with what is done", file=sys.stderr, flush=True)
    os._exit(EXIT_CODE)


def _leave(*_: object) -> None:
    leave()
