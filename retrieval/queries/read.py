"""One reading of a query, for the service and the command line.

What each condition becomes is stated once: a place and a company filter; way of working, employment, pay and recency
filter where at least half of the jobs state them (`known.STATED`) and demote else; a level demotes jobs that state one
more than a rung away; what is denied excludes. Words in quotes are exact, and a query that is one phrase in quotes is
not read at all.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime

from contracts.text.words import words
from retrieval.index.job_index import JobIndex
from retrieval.queries.chips import Chip, Reading, Understood
from retrieval.queries.exclusions import read_denials, read_operators
from retrieval.queries.known import Known, known_of
from retrieval.queries.pay import read_amounts
from retrieval.queries.typed import Typed
from retrieval.queries.values import read_recency, read_values
from retrieval.queries.where import read_where
from retrieval.words.term_query import ASKED

_EXACT = re.compile(r'\s*["“„][^"“”„]*["“”]\s*')
_WORD = re.compile(r"[^\s,;()|/]+")
MOST_MENDED = 5
"""Words of one query that are mended: more are no slips."""


def read_query(
    query: str, index: JobIndex, now: datetime, as_typed: bool = False, ignore: Collection[str] = ()
) -> Reading:
    """How a query is understood, by what the jobs of an index have.

    Args:
        query: Any characters.
        index: That is to be searched.
        now: Timezone-aware; recency counts back from it.
        as_typed: Read no condition and mend no word.
        ignore: Ids of chips whose words are taken as typed; an ignored exclusion is dropped.
    """
    if as_typed or not query.strip() or _EXACT.fullmatch(query):
        return Reading(query, query, query)
    known, off = known_of(index), frozenset(ignore)
    text, mended = _mended(query, index, known, off)
    typed = Typed(text, off)
    read_operators(typed, known)
    for span, _ in typed.find(known.lexicon.plain):
        typed.keep(span)
    read_amounts(typed, known, index.attributes.currency)
    read_recency(typed, known, now)
    read_values(typed, known)
    read_where(typed, index, known)
    read_denials(typed, known)
    if any(one.chip.kind != "exclusion" for _, one in typed.found):
        for span, _ in typed.find(known.lexicon.fillers):
            typed.drop(span)
    found = sorted(typed.found, key=lambda one: one[0])
    understood = (*mended, *(read for _, read in found))
    return Reading(query, typed.said or query, typed.left, understood)


def _mended(query: str, index: JobIndex, known: Known, off: frozenset[str]) -> tuple[str, list[Understood]]:
    """The query with slips mended, outside of quotes and operators, and a chip for each."""
    guarded = [match.span() for match in ASKED.finditer(query)]
    tokens = [
        match for match in _WORD.finditer(query) if not any(a < match.end() and match.start() < b for a, b in guarded)
    ]
    said = [words(token[0]) for token in tokens]
    found: list[tuple[int, int, str, Understood]] = []
    at = 0
    while at < len(tokens) and len(found) < MOST_MENDED:
        step = 1
        shown = known.speller.mended(said[at][0], index) if len(said[at]) == 1 else None
        if len(said[at]) == 1 and at + 1 < len(tokens) and len(said[at + 1]) == 1:
            joined = known.speller.joined(said[at][0], said[at + 1][0], index)
            shown, step = (joined, 2) if joined else (shown, 1)
        start, end = tokens[at].start(), tokens[at + step - 1].end()
        if shown and f"spelling:{shown}" not in off:
            text = query[start:end]
            label = f"showing results for “{shown}”"
            chip = Chip(id=f"spelling:{shown}", text=text, field="spelling", kind="spelling", value=shown, label=label)
            found.append((start, end, shown, Understood(chip)))
        at += step
    text = query
    for start, end, shown, _ in reversed(found):
        text = text[:start] + shown + text[end:]
    return text, [one[-1] for one in found]
