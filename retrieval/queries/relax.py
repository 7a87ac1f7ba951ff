"""A search for what a query was read as, and what gives way where too few jobs of its words pass all it asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple

import numpy as np

from retrieval.candidates import Candidates
from retrieval.filters.filters import Filter
from retrieval.index.job_index import JobIndex
from retrieval.index.searching import Opened
from retrieval.queries.chips import Reading
from retrieval.request import OF_WORDS, Request
from retrieval.rules.rules import Rule

FEW = 10
"""Jobs of the words that pass, below which filters of the query give way: a page of the right place and the wrong work
helps nobody, and those that do pass stand first all the same."""


class Found(NamedTuple):
    """The candidates, the request that found them, and how its query was read in the end."""

    candidates: Candidates
    request: Request
    reading: Reading


def search_read(
    index: JobIndex,
    request: Request,
    reading: Reading,
    given: Filter,
    vector: np.ndarray | None,
    k: int,
    rules: Sequence[Rule],
    sources: Mapping[str, float] | None = None,
) -> Found:
    """`JobIndex.search` for a query that was read, of which some filters may give way (`relaxed`).

    Args:
        index: Is searched.
        request: As `asked` made it.
        reading: Of the query.
        given: The filter beside the query, which never gives way.
        vector: As `JobIndex.search` takes it.
        k: As there.
        rules: Those in force.
        sources: As there.
    """
    opened = index.open_to(request, rules)
    softer = relaxed(index, request, reading, given, opened)
    if softer is not None:
        reading, request = softer, replace(asked(request, softer, given), words_first=bool(request.words))
    return Found(index.search(request, vector, k, rules, sources, opened), request, reading)


def asked(request: Request, reading: Reading, given: Filter) -> Request:
    """A request for what a query was read as. given: the filter beside it."""
    return replace(request, filter=given & reading.filter, demotions=reading.demotions, not_titled=reading.not_titled)


def relaxed(index: JobIndex, request: Request, reading: Reading, given: Filter, opened: Opened) -> Reading | None:
    """The reading with as few of its filters as demotions as it takes for `FEW` jobs of its words to pass, or all there
    are.

    Of as few, those that give way first (`chips.RELAXED_FIRST`). Exclusions and the given filter never do.

    Args:
        index: Is searched.
        request: As `asked` made it.
        reading: Of the query.
        given: The filter beside the query.
        opened: Of the index for the request (`JobIndex.open_to`).

    Returns:
        None where enough pass as it is, or nothing that gives way would help.
    """
    fields = tuple(dict.fromkeys(one.chip.field for one in reading.filters))
    if not fields:
        return None
    open_to_all, _ = index.allowed(asked(request, reading.relaxed(fields), given), (), opened)
    of_words = open_to_all & (index.term_shares(request) >= OF_WORDS) if request.words else open_to_all
    most = int(of_words.sum())
    open_to_all, enough = (of_words, min(FEW, most)) if most and request.words else (open_to_all, 1)
    passing = {name: _of(reading, name).mask(index.attributes) for name in fields}
    for size in range(len(fields) + 1):
        for given_up in combinations(fields, size):
            mask = open_to_all.copy()
            for name in fields:
                mask &= True if name in given_up else passing[name]
            if mask.sum() >= enough:
                return reading.relaxed(given_up) if given_up else None
    return None


def relaxed_note(reading: Reading) -> tuple[str, ...]:
    """That filters gave way, in words."""
    given_up = [chip.label for chip in reading.chips if chip.relaxed]
    return (f"few jobs of these words are {', '.join(given_up)}: those come first",) if given_up else ()


def _of(reading: Reading, field: str) -> Filter:
    """What the filters on one field ask for."""
    alone = replace(reading, understood=tuple(one for one in reading.filters if one.chip.field == field))
    return alone.filter
