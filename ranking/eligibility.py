"""The final eligibility check: what must never be shown is removed once more, whatever retrieval and ranking did.

Of what is left, near-duplicates are folded and companies are kept apart. The check reads the job's own record beside
the index's columns, so that a mistake in one of them is caught by the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np

from contracts.time.open import why_closed
from retrieval.index.job_index import JobIndex
from retrieval.request import Request


class EligibleJob(NamedTuple):
    """A job that may be shown.

    place: in the ranking that was checked, from 0; record: `JobIndex.display` of it; duplicates: ids of its
    near-duplicates that may be shown too and are folded into it, best first.
    """

    place: int
    record: dict[str, Any]
    duplicates: tuple[str, ...] = ()


def eligible_jobs(
    index: JobIndex,
    request: Request,
    rows: np.ndarray,
    k: int,
    demoted: Container[int] = (),
    per_company: int | None = None,
    spread: bool = True,
) -> tuple[list[EligibleJob], Counter[str]]:
    """The first k jobs that may be shown, in `display_order`.

    Args:
        index: Holds the jobs.
        request: Its time and exclusions decide.
        rows: (n,) int32 of the index, best first.
        k: Most jobs to return.
        demoted: Rows that a rule demotes, which stand last in `rows`.
        per_company: Most jobs of one company that are returned; None: no cap.
        spread: As `display_order`.

    Returns:
        The jobs, and reason -> number of jobs removed on the way to them.
    """
    alive = index.alive(rows, request.time)
    records: dict[int, dict[str, Any]] = {}
    removed: Counter[str] = Counter()

    def read(places: Sequence[int]) -> None:
        if unread := [place for place in places if place not in records]:
            records.update(zip(unread, index.displays(rows[unread].tolist()), strict=True))

    def ineligible(place: int) -> str:
        read((place,))
        return _ineligible(records[place], bool(alive[place]), request)

    def passes(place: int) -> bool:
        if place not in records:
            read(range(place, min(place + k, len(rows))))  # those that are looked at next, at once
        reason = ineligible(place)
        if reason:
            removed[reason] += 1
        return not reason

    ordered = display_order(index, rows, passes, demoted, spread)
    shown = list(islice(ordered if per_company is None else _capped(index, rows, ordered, per_company), k))
    groups = index.groups[rows]
    jobs = []
    for place in shown:
        group = np.flatnonzero(groups == groups[place]).tolist()
        duplicates = tuple(records[i]["id"] for i in group if i != place and not ineligible(i))
        jobs.append(EligibleJob(place, records[place], duplicates))
    return jobs, removed


def display_order(
    index: JobIndex,
    rows: np.ndarray,
    passes: Callable[[int], bool] = lambda place: True,
    demoted: Container[int] = (),
    spread: bool = True,
) -> Iterator[int]:
    """The places of a ranking in the order in which its jobs are shown, in the service and in replay alike.

    Of near-duplicates the first that passes stands for all. Where the index limits a company's share of the first
    places, its further jobs wait until these are filled or nothing else is left: no job is lost, and all else keeps its
    order. No job waits until behind the demoted ones.

    Args:
        index: Holds the groups of near-duplicates, the companies and the limit.
        rows: (n,) int32 of the index, best first.
        passes: Whether the job at a place may be shown; called at most once a place.
        demoted: Rows that a rule demotes, which stand last in `rows`.
        spread: Whether the index's limit of a company's share holds; not where the order is one that a person chose.

    Yields:
        Indices into `rows`.
    """
    groups, companies = index.groups[rows], index.attributes.codes("company")[rows]
    folded: set[int] = set()
    waiting: list[int] = []
    places = iter(range(len(rows)))

    def is_shown(place: int) -> bool:
        if int(groups[place]) in folded or not passes(place):
            return False
        folded.add(int(groups[place]))
        return True

    diversity = index.manifest.retrieval.diversity if spread else None
    if diversity is not None:
        of_company: Counter[int] = Counter()
        in_demoted = False
        while of_company.total() < diversity.first and (place := next(places, None)) is not None:
            if not in_demoted and int(rows[place]) in demoted:
                in_demoted = True
                for waited in filter(is_shown, waiting):
                    of_company[int(companies[waited])] += 1
                    yield waited
                waiting.clear()
            company = int(companies[place]) if companies[place] >= 0 else -1 - place  # unknown: one of its own
            if of_company[company] >= diversity.most:
                waiting.append(place)
            elif is_shown(place):
                of_company[company] += 1
                yield place
    yield from filter(is_shown, chain(waiting, places))


def _capped(index: JobIndex, rows: np.ndarray, ordered: Iterable[int], most: int) -> Iterator[int]:
    """The places without those of a company that `most` stand of already; an unknown company has no cap."""
    companies = index.attributes.codes("company")[rows]
    of_company: Counter[int] = Counter()
    for place in ordered:
        company = int(companies[place])
        of_company[company] += 1
        if company < 0 or of_company[company] <= most:
            yield place


def _ineligible(record: dict[str, Any], alive: bool, request: Request) -> str:
    """Why a job must not be shown; empty where it may."""
    if closed := why_closed(record["posted_at"], record["expires_at"], record["hidden"], request.time):
        return closed
    if record["id"] in request.exclude:
        return "excluded"  # asked for, applied to or dismissed
    return "" if alive else "hidden"  # hidden since the index was built
