"""Who may write: a lock that the system gives back when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from contracts.errors import NotWritten, OtherWriter

SWITCHING = ".switching"
"""The lock of a product, beside its pointer: a switch holds it alone, jobs that write to what is in use share it."""
RECIPE = ".recipe"
"""The lock of a workspace, in its folder: a run of the recipe or a night holds it alone."""
SWITCH_WAIT = 5.0
"""Seconds that a switch and a job wait for each other: a switch is short, a job may just be about to end."""
_LOOK = 0.1


@contextmanager
def locked(path: Path, doing: str, *, shared: bool = False, wait: float = 0.0) -> Iterator[None]:
    """Hold a lock while the block lasts. The file stays; what it says of a holder that is gone is written over.

    Args:
        path: The lock's file; its folder is made.
        doing: What is done, for those who are refused meanwhile.
        shared: Others may hold it too, who share it.
        wait: Seconds to wait for it.

    Raises:
        OtherWriter: Somebody else holds it; the error names who, where and since when.
        NotWritten: Its folder takes no file, as on a full disk or without leave to write.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        what = f"no lock for {doing}: {error.strerror}"
        raise NotWritten(what, where=str(path), cure="make room, or give leave to write, then run again") from error
    try:
        if not _taken(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, wait):
            raise OtherWriter(
                f"{_holder(path)} is at work here", where=str(path), cure="wait for its end, or end it, then run again"
            )
        note = {
            "doing": doing,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        os.truncate(handle, 0)
        os.pwrite(handle, json.dumps(note).encode(), 0)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)  # a process that was forked meanwhile has the handle too
    finally:
        os.close(handle)


def _taken(handle: int, kind: int, wait: float) -> bool:
    until = time.monotonic() + wait
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
            return True
        if time.monotonic() >= until:
            return False
        time.sleep(_LOOK)


def _holder(path: Path) -> str:
    try:
        note = json.loads(path.read_text("utf-8"))
        if note["host"] == socket.gethostname():
            os.kill(note["pid"], 0)  # of those who share a lock the last one wrote, which may be through
        return f"{note['doing']} (process {note['pid']} on {note['host']}, since {note['since']})"
    except (OSError, ValueError, KeyError, TypeError):  # it has only just begun, or is one of several
        return "another process"
