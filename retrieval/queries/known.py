"""What an index is known by to the readers of queries: its languages' phrases, its words, and what its jobs state."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import numpy as np

from retrieval.filters.attributes import AttributeTable
from retrieval.index.job_index import JobIndex
from retrieval.queries.lexicon import Lexicon, lexicon_of
from retrieval.queries.spelling import Speller

STATED = 0.5
"""The least share of jobs that state a field for it to be a filter: below it would hide more by silence than by what
jobs say, and so demotes."""
KEPT = 4
_ATTRIBUTES = {"pay": "salary_max", "recency": "posted_at"}


@dataclass(frozen=True)
class Known:
    """Of one build of an index. stated: field -> share of its jobs that state it."""

    lexicon: Lexicon
    speller: Speller
    stated: dict[str, float]


def known_of(index: JobIndex) -> Known:
    """What is known of the build of an index; made once, in 0.2 to 0.5 s for 100,000 jobs, and kept."""
    version = index.manifest.version
    with _LOCK:
        known = _KNOWN.get(version)
        if known is None:
            known = _KNOWN[version] = _read(index)
            while len(_KNOWN) > KEPT:
                _KNOWN.popitem(last=False)
        _KNOWN.move_to_end(version)
    return known


_KNOWN: OrderedDict[str, Known] = OrderedDict()
_LOCK = Lock()


def _read(index: JobIndex) -> Known:
    lexicon = lexicon_of(tuple(index.terms.languages))
    stated = {field: _share(index.attributes, field) for field in ("workplace", "employment", "pay", "recency")}
    return Known(lexicon, Speller.of(index, lexicon.words), stated)


def _share(attributes: AttributeTable, field: str) -> float:
    if not len(attributes):
        return 0.0
    if field in _ATTRIBUTES:
        return float(np.mean(~np.isnan(attributes.number(_ATTRIBUTES[field]))))
    return float(np.mean(attributes.has(field)))
