"""Candidates without a request's text, words or vectors: the most popular jobs nearby, when nothing else answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from retrieval.candidates import Candidates
from retrieval.index.job_index import JobIndex
from retrieval.merge import below_others
from retrieval.popularity import popular_nearby
from retrieval.request import Request
from retrieval.rules.rules import Rule, demoted, demoted_by

SOURCE = "popular"
NO_CANDIDATES = Candidates(
    rows=np.zeros(0, np.int32),
    ids=[],
    sources=(SOURCE,),
    scores=np.zeros((0, 1), np.float32),
    fused=np.zeros(0, np.float32),
    terms=np.zeros(0, np.float32),
)


def popular_candidates(index: JobIndex, request: Request, k: int, rules: Sequence[Rule] = ()) -> Candidates:
    """The k most popular jobs that may be shown, near ones first; those that a rule demotes come after all others."""
    popularity = index.activity.popularity(request.time)
    nearness = index.nearness(request)
    mask, removed = index.allowed(request, rules)
    by_rule = demoted(rules, index, request)
    behind = np.zeros(len(index), dtype=bool)
    for rows_of_rule in by_rule.values():
        behind |= mask & rows_of_rule
    tiers = [popular_nearby(popularity, nearness, k, tier) for tier in (mask & ~behind, mask & behind)]
    rows = np.concatenate([hits.rows for hits in tiers])[:k]
    scores = np.concatenate([hits.scores for hits in tiers])[:k]
    return Candidates(
        rows=rows,
        ids=[index.ids[row] for row in rows],
        sources=(SOURCE,),
        scores=scores[:, None],
        fused=below_others(scores, behind[rows]).astype(np.float32),
        terms=np.zeros(len(rows), np.float32),
        removed=removed,
        demoted=demoted_by(by_rule, rows),
    )
