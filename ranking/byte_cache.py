"""Values that are dear to compute and small to keep: the last ones used, within a number of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Generic, TypeVar

V = TypeVar("V")
ENTRY_BYTES = 200
"""What a key and its place cost beside the value."""


class ByteCache(Generic[V]):
    """Key to value, the least recently used dropped first; safe to share between threads.

    A value is that of its key for good and is not changed by who takes it. Two threads that miss one key at once both
    compute it.

    Attributes:
        most: Bytes that it holds at most; 0: it keeps nothing.
        hits, misses: Look-ups so far.
        bytes: What it holds now.
    """

    def __init__(self, most: int, size: Callable[[V], int]) -> None:
        """size: bytes of a value."""
        self.most, self.hits, self.misses, self.bytes = most, 0, 0, 0
        self._size = size
        self._values: OrderedDict[bytes, V] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, key: bytes) -> bool:
        """Whether a key is kept; it does not count as a look-up."""
        with self._lock:
            return key in self._values

    def get(self, key: bytes) -> V | None:
        """The value of a key; None where it is not kept."""
        with self._lock:
            value = self._values.get(key)
            if value is None:
                self.misses += 1
                return None
            self._values.move_to_end(key)
            self.hits += 1
            return value

    def put(self, key: bytes, value: V) -> None:
        """Keep a value, in place of another of its key. One that is larger than the whole cache is not kept."""
        with self._lock:
            if key in self._values:
                self._drop(key)
            if self._cost(value) > self.most:
                return
            self._values[key] = value
            self.bytes += self._cost(value)
            while self.bytes > self.most:
                self._drop(next(iter(self._values)))

    def get_or_make(self, key: bytes, make: Callable[[], V]) -> V:
        """The value of a key, made where it is not kept. Raises what `make` raises, and keeps nothing then."""
        value = self.get(key)
        if value is None:
            value = make()
            self.put(key, value)
        return value

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._values.clear()
            self.bytes = 0

    def _drop(self, key: bytes) -> None:
        self.bytes -= self._cost(self._values.pop(key))

    def _cost(self, value: V) -> int:
        return self._size(value) + ENTRY_BYTES


def text_key(*texts: str) -> bytes:
    """A key of 16 bytes for some texts; the texts themselves are not kept."""
    return blake2b("\x00".join(texts).encode("utf-8", "surrogatepass"), digest_size=16).digest()
