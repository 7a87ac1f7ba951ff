"""One writer at a time: a lock that the system gives back when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from contracts.errors import NotWritten, OtherWriter


@contextmanager
def locked(path: Path, doing: str) -> Iterator[None]:
    """Hold a lock while the block lasts. The file stays; what it says of a holder that is gone is written over.

    Args:
        path: The lock's file; its folder is made.
        doing: What is done, for those who are refused meanwhile.

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
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OtherWriter(
                f"{_holder(path)} is at work here", where=str(path), cure="wait for its end, or end it, then run again"
            ) from None
        note = {
            "doing": doing,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        os.truncate(handle, 0)
        os.pwrite(handle, json.dumps(note).encode(), 0)
        yield
    finally:
        os.close(handle)


def _holder(path: Path) -> str:
    try:
        note = json.loads(path.read_text("utf-8"))
        return f"{note['doing']} (process {note['pid']} on {note['host']}, since {note['since']})"
    except (OSError, ValueError, KeyError, TypeError):  # it has only just begun
        return "another process"
