"""A search of an index: what may be returned, what each source finds of it, and how that is merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

import numpy as np

from contracts.errors import BadInput
from retrieval.candidates import Candidates
from retrieval.engines.hits import Hits
from retrieval.index.job_rows import JobRows
from retrieval.index.manifest import IndexManifest
from retrieval.merge import linear_scores, merge
from retrieval.popularity import popular_nearby
from retrieval.request import OF_WORDS, OTHER_WORDS, Request
from retrieval.rules.conditions import Jobs
from retrieval.rules.rules import Rule, demoted, demoted_by, removing, without_removed
from retrieval.sources.source import SearchedIndex, Source, SourceQuery, VectorSource, by_place
from retrieval.words.terms import TermIndex

NEWEST = "newest"
"""What finds jobs where no source has anything to go by, as for a place alone on a board that nobody looked at yet."""


class Opened(NamedTuple):
    """What a request may be given whatever its filter.

    Attributes:
        mask: (n,) bool, without what rules remove.
        removing: Rule -> (n,) bool, what it removes.
    """

    mask: np.ndarray
    removing: Mapping[str, np.ndarray]


class Index(SearchedIndex, Jobs, Protocol):
    """What a search reads of an index; `retrieval.index.job_index.JobIndex` is one."""

    @property
    def manifest(self) -> IndexManifest: ...

    @property
    def jobs(self) -> JobRows: ...

    @property
    def terms(self) -> TermIndex: ...

    @property
    def sources(self) -> Mapping[str, Source]: ...

    def alive(self, rows: np.ndarray | slice, time: datetime) -> np.ndarray: ...


def search(
    index: Index,
    request: Request,
    vector: np.ndarray | None,
    k: int,
    rules: Sequence[Rule],
    asked: Mapping[str, float] | None = None,
    opened: Opened | None = None,
) -> Candidates:
    """`JobIndex.search`."""
    if k < 1:
        raise BadInput(f"k is {k}", cure="ask for at least one job")
    mask, removed = allowed(index, request, rules, opened)
    config = index.manifest.retrieval
    shares = config.shares(request.query) if asked is None else {name: asked[name] for name in asked if asked[name]}
    if lacking := [name for name in shares if name not in index.sources]:
        raise BadInput(f"index {index.manifest.version} was built without source {lacking[0]!r}", cure="build it anew")
    query = SourceQuery(index, request, vector, mask, k)
    hits = _hits({name: index.sources[name] for name in shares}, query)
    if not any(len(found.rows) for found in hits.values()):
        shares, hits = {NEWEST: 1.0}, {NEWEST: _newest(query)}
    learned = {} if NEWEST in hits or asked is not None else config.weights(request.query)

    def order(rows: np.ndarray, scores: np.ndarray) -> np.ndarray:
        if NEWEST in hits:
            return by_place(rows, hits[NEWEST])
        if learned:
            return linear_scores(scores, [learned.get(name, (0.0, 0.0)) for name in hits])
        told = [index.sources[name].evidence(query, rows, found) for name, found in hits.items()]
        return np.array([shares[name] for name in hits]) @ np.array(told)

    demotions = demoted(rules, index, request)
    if request.words_first:
        demotions |= {OTHER_WORDS: query.term_shares < OF_WORDS}
    last = np.logical_or.reduce(list(demotions.values())) if demotions else None
    rows, fused, scores = merge(list(hits.values()), [shares[name] for name in hits], k, order, last)
    ids = index.ids
    return Candidates(
        rows,
        [ids[row] for row in rows.tolist()],
        tuple(hits),
        scores,
        fused,
        query.term_shares[rows],
        reasons=_reasons(index.sources, query, tuple(hits), rows, scores),
        removed=removed,
        demoted=demoted_by(demotions, rows),
    )


def allowed(
    index: Index, request: Request, rules: Sequence[Rule], opened: Opened | None = None
) -> tuple[np.ndarray, dict[str, int]]:
    """`JobIndex.allowed`."""
    mask, removing_ = opened or open_to(index, request, rules)
    if request.filter:
        mask = mask & request.filter.mask(index.attributes)
    return without_removed(removing_, mask)


def open_to(index: Index, request: Request, rules: Sequence[Rule]) -> Opened:
    """`JobIndex.open_to`."""
    mask = index.alive(slice(0, len(index)), request.time)
    quoted = index.terms.holding(request.words)
    if quoted is not None:
        mask &= quoted
    for text in request.not_titled:
        mask &= ~index.titles.holding(text)
    mask[index.known_rows(request.exclude)] = False
    return Opened(mask, removing(rules, index, request))


def _hits(sources: Mapping[str, Source], query: SourceQuery) -> dict[str, Hits]:
    """Source to what it found, without those that have nothing to go by; one scan for all that compare vectors."""
    targets = {name: source.target(query) for name, source in sources.items() if isinstance(source, VectorSource)}
    near = {name: np.asarray(target, np.float32) for name, target in targets.items() if target is not None}
    scanned: dict[str, Hits] = {}
    if near:
        batch = query.index.engine.search(np.stack(list(near.values())), query.mask, query.k)
        scanned = dict(zip(near, batch, strict=True))
    every = {name: scanned.get(name) if name in targets else source.search(query) for name, source in sources.items()}
    return {name: hits for name, hits in every.items() if hits is not None}


def _newest(query: SourceQuery) -> Hits:
    """Jobs near the request, the newest first."""
    posted = np.nan_to_num(query.index.attributes.number("posted_at"))
    return popular_nearby(posted, query.index.nearness(query.request), query.k, query.mask)


def _reasons(
    sources: Mapping[str, Source], query: SourceQuery, names: Sequence[str], rows: np.ndarray, scores: np.ndarray
) -> list[str]:
    """For each of (m,) rows what its sources say besides their names; empty where no source says anything.

    scores: (m, S) float32, NaN where a source did not find the row.
    """
    sentences: dict[int, list[str]] = {}
    for column, name in enumerate(names):
        if name not in sources:
            continue
        places = np.flatnonzero(~np.isnan(scores[:, column]))
        for place, sentence in zip(places.tolist(), sources[name].reasons(query, rows[places]), strict=True):
            if sentence:
                sentences.setdefault(place, []).append(sentence)
    return [". ".join(sentences.get(place, ())) for place in range(len(rows))] if sentences else []
