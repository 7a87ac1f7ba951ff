"""The very last step: what must never be shown is removed once more, whatever retrieval and ranking did.

It reads the job's own record beside the index's columns, so that a mistake in one of them is caught by the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from retrieval.job_index import JobIndex
from retrieval.request import Request


class Kept(NamedTuple):
    """place: in the order that was handed in; job: `JobIndex.display` of it."""

    place: int
    job: dict[str, Any]


def last_check(index: JobIndex, request: Request, rows: np.ndarray, k: int) -> tuple[list[Kept], Counter[str]]:
    """The first k of `rows` ((n,) int32, best first) that may be shown, and how many each rule removed before them."""
    kept: list[Kept] = []
    removed: Counter[str] = Counter()
    for place, (alive, job) in enumerate(_jobs(index, request, rows)):
        rule = _broken_rule(job, bool(alive), request)
        if rule:
            removed[rule] += 1
            continue
        kept.append(Kept(place, job))
        if len(kept) == k:
            break
    return kept, removed


def _jobs(index: JobIndex, request: Request, rows: np.ndarray) -> Iterator[tuple[bool, dict[str, Any]]]:
    for row, alive in zip(rows, index.alive(rows, request.time), strict=True):
        yield alive, index.display(int(row))


def _broken_rule(job: dict[str, Any], alive: bool, request: Request) -> str:
    if job["hidden"]:
        return "hidden"
    if job["expires_at"] is not None and job["expires_at"] <= request.time:
        return "expired"
    if job["posted_at"] is not None and job["posted_at"] > request.time:
        return "not_posted"
    if job["id"] in request.exclude:
        return "excluded"  # asked for, applied to or dismissed
    return "" if alive else "hidden"  # hidden since the index was built
