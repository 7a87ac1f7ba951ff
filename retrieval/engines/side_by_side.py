"""Work over many rows on all cores at once. NumPy lets go of the interpreter's lock while it copies and multiplies."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from contracts.machine import cores


def side_by_side(work: Callable[[slice], None], m: int, least: int) -> None:
    """Calls `work` with slices that together are 0 to m, one a core; not more than give each `least` rows.

    The caller's thread takes the first. Work that is itself done side by side calls `work` once: it would wait for
    threads that wait for it. Raises what a call raises.
    """
    parts = 1 if getattr(_here, "is_one_of_them", False) else max(1, min(cores(), m // least))
    edges = [part * m // parts for part in range(parts + 1)]
    others = [_threads().submit(work, slice(*edges[i : i + 2])) for i in range(1, parts)]
    work(slice(0, edges[1]))
    for other in others:
        other.result()


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, cores() - 1), "side-by-side", initializer=_mark)


def _mark() -> None:
    _here.is_one_of_them = True


_here = threading.local()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)  # threads do not come along
