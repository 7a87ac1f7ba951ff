"""Work on several cores at once, as far as nothing else needs them. NumPy, FAISS and ONNX Runtime let go of the
interpreter's lock while they compute.

Where as many requests are answered as there are cores, each does its work on its own: shared out, it would be the same
work and waiting for each other besides.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from typing import TypeVar

from contracts.machine import cores

T = TypeVar("T")


@contextmanager
def one_core() -> Iterator[None]:
    """While it lasts the caller's thread answers a request, and takes a core that others do not count on."""
    with _lock:
        _taken.append(None)
    try:
        yield
    finally:
        with _lock:
            _taken.pop()


def keep_to(most: int) -> None:
    """From now on this process works on so many cores at once: other processes need the others."""
    _kept_to[:] = [most]


def side_by_side(work: Callable[[slice], None], m: int, least: int) -> None:
    """Calls `work` with slices that together are 0 to m, one a core; not more than give each `least` rows.

    The caller's thread takes the first. Work that is itself done side by side calls `work` once: it would wait for
    threads that wait for it. So does work where requests take all cores. Raises what a call raises.
    """
    free = 1 + spare() if _taken else _most()
    parts = max(1, min(free, m // least)) if not _is_helper() else 1
    edges = [part * m // parts for part in range(parts + 1)]
    others = [_begun(partial(work, slice(*edges[i : i + 2]))) for i in range(1, parts)]
    work(slice(0, edges[1]))
    for other in others:
        other()


def at_once(works: Sequence[Callable[[], T]]) -> list[T]:
    """The values of some calls of a request, made at once as far as cores are spare. Raises what a call raises."""
    others = [ahead(work) for work in works[1:]]
    return [work() for work in (*works[:1], *others)]


def ahead(work: Callable[[], T]) -> Callable[[], T]:
    """Begins a call of a request on a spare core. The function that is returned gives its value, once.

    It makes the call itself where none has begun it by then, and raises what it raises.
    """
    return _begun(work) if spare() else work


def spare() -> int:
    """Cores that no request takes; none outside of requests, where other processes may do as this one does."""
    return max(0, _most() - len(_taken)) if _taken and not _is_helper() else 0


def _begun(work: Callable[[], T]) -> Callable[[], T]:
    begun: Future[T] = _threads().submit(work)
    return lambda: work() if begun.cancel() else begun.result()


def _is_helper() -> bool:
    return getattr(_here, "is_one_of_them", False)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, _most() - 1), "side-by-side", initializer=_mark)


def _most() -> int:
    return min(cores(), _kept_to[-1]) if _kept_to else cores()


def _mark() -> None:
    _here.is_one_of_them = True


_here = threading.local()
_lock = threading.Lock()
_taken: list[None] = []
"""One for each thread within `one_core`."""
_kept_to: list[int] = []


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)  # threads do not come along
