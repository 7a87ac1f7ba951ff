"""Token buckets: how often each key may ask, whichever process of a service it asks.

The processes of one service share a small file of levels, mapped into memory. A key that has not asked for long has a
full bucket, as one that never asked: its place goes to another key once all near it are taken.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import mmap
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.errors import BadInput
from contracts.validation import first_line
from serving.access.keys import Key
from serving.logger import log

BURST_SECONDS = 10
"""Seconds' worth of requests that a key may send at once."""
PLACES = 16_384
"""Levels in the file; where more keys ask at a time, one may get a full bucket too early."""
NEAR = 64
"""Places that are looked at for a key, from that of its hash on."""
LOCK_SECONDS = 0.02
_ROW = struct.Struct("=16sdd")  # hash of the key's id, level, when it was that by `time.monotonic`
_NOBODY = bytes(16)


class Buckets:
    """A bucket a key: requests a second, some seconds' worth at once. Safe to share between threads and processes."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the levels.

        Args:
            path: The file that the processes of one service share, made where it is not there; None: this process's.

        Raises:
            BadInput: It cannot be written.
        """
        self._lock = threading.Lock()
        try:
            self._file = tempfile.TemporaryFile() if path is None else path.open("a+b")  # noqa: SIM115  # as long as this
            self._file.truncate(PLACES * _ROW.size)  # what another process has written there stays
            self._rows = mmap.mmap(self._file.fileno(), PLACES * _ROW.size)
        except OSError as error:
            cure = "set TMPDIR to a folder that can be written"
            raise BadInput(f"no file for rates: {first_line(error)}", where=str(path or ""), cure=cure) from error

    def wait(self, key: Key, now: float | None = None) -> int:
        """Whole seconds until the key may ask again; 0: now, and this request is counted.

        now: by `time.monotonic`, which all processes of a machine share.
        """
        if not key.per_second:
            return 0
        moment, most = time.monotonic() if now is None else now, max(1.0, key.per_second * BURST_SECONDS)
        digest = hashlib.blake2b(key.id.encode(), digest_size=16).digest()
        with self._held():
            place, level, at = self._find(digest, moment, most)
            level = min(most, level + max(0.0, moment - at) * key.per_second)
            allowed = level >= 1.0
            _ROW.pack_into(self._rows, place, digest, level - 1.0 if allowed else level, moment)
        return 0 if allowed else max(1, math.ceil((1.0 - level) / key.per_second))

    def _find(self, digest: bytes, moment: float, most: float) -> tuple[int, float, float]:
        """Place (bytes), level and its time of a key; one that has none gets a full bucket in place of the idlest."""
        first, idlest = int.from_bytes(digest[:8], "big") % PLACES, (math.inf, 0)
        for i in range(NEAR):
            place = (first + i) % PLACES * _ROW.size
            other, level, at = _ROW.unpack_from(self._rows, place)
            if other == digest:
                return place, level, at
            idlest = min(idlest, (-math.inf if other == _NOBODY else at, place))
        return idlest[1], most, moment

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Nobody else looks at the levels meanwhile; one that was stopped in the middle of it is not waited for."""
        until = time.monotonic() + LOCK_SECONDS
        with self._lock:
            while not (held := _try_lock(self._file.fileno())) and time.monotonic() < until:
                time.sleep(0)
            if not held:
                log.warning("rates_not_locked")
            try:
                yield
            finally:
                if held:
                    fcntl.flock(self._file, fcntl.LOCK_UN)


def _try_lock(number: int) -> bool:
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
