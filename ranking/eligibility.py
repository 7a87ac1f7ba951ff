"""The very last step: what must never be shown is removed once more, whatever retrieval and ranking did; and of what is
left, near-duplicates are folded and companies are kept apart.

It reads the job's own record beside the index's columns, so that a mistake in one of them is caught by the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterator
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np

from contracts.time.open import why_closed
from retrieval.index.job_index import JobIndex
from retrieval.request import Request


class Kept(NamedTuple):
    """place: in the order that was handed in; job: `JobIndex.display` of it; also: ids of its duplicates."""

    place: int
    job: dict[str, Any]
    also: tuple[str, ...] = ()


def last_check(
    index: JobIndex, request: Request, rows: np.ndarray, k: int, demoted: Container[int] = ()
) -> tuple[list[Kept], Counter[str]]:
    """The first k of `rows` ((n,) int32, best first) that may be shown, and how many each rule removed before them.

    In the order of `settled`: near-duplicates folded, and companies kept apart where the index says so. demoted: as
    there.
    """
    alive = index.alive(rows, request.time)
    jobs: dict[int, dict[str, Any]] = {}
    removed: Counter[str] = Counter()

    def broken(place: int) -> str:
        jobs[place] = index.display(int(rows[place]))
        return _broken_rule(jobs[place], bool(alive[place]), request)

    def passes(place: int) -> bool:
        rule = broken(place)
        removed.update([rule] if rule else [])
        return not rule

    shown = list(islice(settled(index, rows, passes, demoted), k))
    groups = index.groups[rows]
    kept = []
    for place in shown:
        others = np.flatnonzero(groups == groups[place]).tolist()
        also = tuple(jobs[other]["id"] for other in others if other != place and not broken(other))
        kept.append(Kept(place, jobs[place], also))
    return kept, removed


def settled(
    index: JobIndex,
    rows: np.ndarray,
    passes: Callable[[int], bool] = lambda place: True,
    demoted: Container[int] = (),
) -> Iterator[int]:
    """Places of `rows` ((n,) int32, best first) in the order in which they are shown; replay takes them here too.

    Of near-duplicates the first that passes stands for all. Where the index limits a company's share of the first
    places, its further jobs wait until these are filled or nothing else is left: no job is lost by it, and all else
    keeps its order. passes: asked of a place before it is shown, at most once; demoted: the rows that a rule demotes,
    which stand last in `rows`: no job waits until behind them.
    """
    groups, companies = index.groups[rows], index.attributes.codes("company")[rows]
    folded: set[int] = set()
    waiting: list[int] = []
    places = iter(range(len(rows)))

    def shows(place: int) -> bool:
        if int(groups[place]) in folded or not passes(place):
            return False
        folded.add(int(groups[place]))
        return True

    diversity = index.manifest.retrieval.diversity
    if diversity is not None:
        of_company: Counter[int] = Counter()
        behind = False  # all that no rule demotes
        while of_company.total() < diversity.first and (place := next(places, None)) is not None:
            if not behind and int(rows[place]) in demoted:
                behind = True
                for waited in filter(shows, waiting):
                    of_company[int(companies[waited])] += 1
                    yield waited
                waiting.clear()
            company = int(companies[place]) if companies[place] >= 0 else -1 - place  # not known: its own
            if of_company[company] >= diversity.most:
                waiting.append(place)
            elif shows(place):
                of_company[company] += 1
                yield place
    yield from filter(shows, chain(waiting, places))


def _broken_rule(job: dict[str, Any], alive: bool, request: Request) -> str:
    if closed := why_closed(job["posted_at"], job["expires_at"], job["hidden"], request.time):
        return closed
    if job["id"] in request.exclude:
        return "excluded"  # asked for, applied to or dismissed
    return "" if alive else "hidden"  # hidden since the index was built
