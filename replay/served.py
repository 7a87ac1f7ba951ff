"""The candidates of held-out requests as retrieval returned them at the time, and how each system orders them.

What people did is known of the few jobs that were shown; how well a job fits can be asked of any candidate. So these
lists tell what the policy's knowledge is worth in the first ten jobs that people see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ranking.eligibility import display_order
from ranking.rank import Ranked, bins_read
from ranking.scorer import BundleScorer
from replay.results import BM25, RETRIEVAL, SERVED, student
from retrieval.candidates import Candidates
from retrieval.index.job_index import JobIndex
from retrieval.request import Request


@dataclass(frozen=True)
class ServedList:
    """The n candidates of one held-out request, best first by retrieval.

    Attributes:
        place: Of the request among the held-out ones.
        jobs: n ids.
        scores: System -> (n,) float; the system puts the highest first, and equal ones in the order of retrieval.
        eligible: Ids of all jobs that might have been candidates; () where the index is too large to judge them all.
        match: (n, C) uint8 bins of `contracts.match.COMPARISONS`; None where no teacher is asked.
    """

    place: int
    jobs: Sequence[str]
    scores: Mapping[str, np.ndarray]
    eligible: Sequence[str] = ()
    match: np.ndarray | None = None

    def candidates_alone(self) -> ServedList:
        """The same list without the other eligible jobs."""
        return replace(self, eligible=())

    def first(self, k: int) -> ServedList:
        """The first k candidates of retrieval."""
        scores = {name: of[:k] for name, of in self.scores.items()}
        match = None if self.match is None else self.match[:k]
        return replace(self, jobs=self.jobs[:k], scores=scores, eligible=(), match=match)

    def scored_by(self, scores: Mapping[str, np.ndarray]) -> ServedList:
        """The same list with the scores of further systems."""
        return replace(self, scores={**scores, **self.scores})


def sampled(held: int, most: int) -> np.ndarray:
    """(m,) int64 places of at most `most` of the held-out requests, evenly over their time."""
    return np.unique(np.linspace(0, held - 1, min(held, most)).astype(np.int64)) if held and most else np.zeros(0, int)


def served_list(
    place: int,
    index: JobIndex,
    scorer: BundleScorer,
    request: Request,
    candidates: Candidates,
    ranked: Ranked,
    eligible: np.ndarray | None = None,
    match: np.ndarray | None = None,
) -> ServedList:
    """The list of one request, with what the service has computed for its answer.

    Args:
        place: Of the request among the held-out ones.
        index: Holds the candidates' item tokens.
        scorer: Scores the candidates that `ranked` left in the order of retrieval.
        request: As retrieval was asked.
        candidates: n of them.
        ranked: The same ones in the order of the service.
        eligible: (m,) rows of all jobs that might have been candidates; None to leave them out.
        match: As `ServedList.match`.
    """
    logits = _logits(index, scorer, request, candidates, ranked)
    scores: dict[str, np.ndarray] = {student(task): logits[:, i] for i, task in enumerate(scorer.tasks)}
    scores[SERVED] = _as_shown(index, ranked)
    scores[RETRIEVAL] = -np.arange(len(candidates), dtype=np.float64)
    scores[BM25] = candidates.terms
    ids = index.ids
    return ServedList(place, candidates.ids, scores, () if eligible is None else [ids[row] for row in eligible], match)


def _logits(
    index: JobIndex, scorer: BundleScorer, request: Request, candidates: Candidates, ranked: Ranked
) -> np.ndarray:
    """(n, tasks) float32 of all candidates; the service itself scores the first of them alone."""
    logits = np.zeros((len(candidates), len(scorer.tasks)), np.float32)
    done = len(ranked.scored.logits) if ranked.scored else 0
    if ranked.scored:
        logits[ranked.order[:done]] = ranked.scored.logits
    if done < len(candidates):
        rest = candidates.rows[done:]
        match = bins_read(index, scorer, request, rest, ranked.scored.titles if ranked.scored else None)
        logits[done:] = scorer.logits(scorer.prefix(request.request_text), index.items(rest), match)
    return logits


def _as_shown(index: JobIndex, ranked: Ranked) -> np.ndarray:
    """(n,) float64: 0 for the candidate that is shown first, then -1, ...; near-duplicates, not shown, stand last."""
    shown = np.fromiter(display_order(index, ranked.rows, demoted=ranked.candidates.demoted), np.int64)
    scores = np.full(len(ranked.rows), -float(len(ranked.rows)))
    scores[ranked.order[shown]] = -np.arange(len(shown), dtype=np.float64)
    return scores
