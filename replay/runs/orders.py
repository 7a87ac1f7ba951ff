"""The orders in which a contender, popularity and hindsight put the jobs of a past request, and what is said of each.

A pair of request and job is scored once: what the bundle says of the shown jobs is taken from the scores by which they
were put in order, and only those that were not are scored beside them. Where the shown jobs alone are put in order
nothing is retrieved: their item tokens are those of the index, and a text is encoded only where the order weighs how
close its vector is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from contracts.bundle import Objective
from history.requests import PastRequest
from ranking.match import RequestTitles, encode_all_titles
from ranking.objective import blend_of
from ranking.rank import RANKED, Ranked, as_retrieved, bins_read, rank
from replay.holdout import HeldOut
from replay.results import BEST, POPULARITY, WHOLE
from replay.runs.contender import SYSTEMS
from replay.runs.remembering import TermShares
from replay.runs.task import OWN, Task
from replay.systems import DEPTH, Ranker, as_shown, best, first, gains_of
from replay.trec import RankedList, read_run
from retrieval.candidates import Candidates
from retrieval.index.job_index import CANDIDATES, JobIndex
from retrieval.request import Request
from retrieval.rules.rules import Rule, demoted, demoted_by

WHY_PLACES = 10


class Answer(NamedTuple):
    """The order of one request: ids and scores of the first `DEPTH` jobs, their rows, and why the first ten."""

    ranked: RankedList
    rows: np.ndarray
    why: list[tuple[str, ...]]


class Orders(NamedTuple):
    """The answers to one request.

    Attributes:
        answers: `OWN`, popularity and the best possible -> answer.
        popular: (n,) views and applications of each job of the index as known then.
        known: Of the shown jobs those that the index holds, as places in the request's list.
        logits: (known, tasks) float32 of the bundle for them; None where a foreign engine answers.
    """

    answers: Mapping[str, Answer]
    popular: np.ndarray
    known: np.ndarray
    logits: np.ndarray | None


def orders(
    task: Task,
    ranker: Ranker,
    terms: TermShares,
    asked: Sequence[PastRequest],
    held: Sequence[HeldOut],
    requests: Sequence[Request],
    rules: Sequence[Rule],
) -> Iterator[Orders]:
    """The answers to n requests, one after the other.

    Args:
        task: Who answers, and how.
        ranker: Of its bundle and index.
        terms: Of the index.
        asked: As the log has them.
        held: The same with their outcomes.
        requests: The same as retrieval is asked.
        rules: In force.
    """
    index = ranker.index
    vectors = _vectors(task, ranker, requests)
    titles: Sequence[RequestTitles | None] = [None] * len(requests)
    if ranker.scorer.manifest.match_version and not task.contender.trec:
        titles = encode_all_titles(ranker.encoder, requests)
    for i, request in enumerate(requests):
        of, popular = gains_of(index, held[i]), index.activity.popularity(request.time)
        shown = index.rows(job.job_id for job in asked[i].shown)
        known = np.flatnonzero(shown >= 0)
        if task.rank_only:
            mask = np.zeros(len(index), bool)
            mask[shown[known]] = True
            if rules:  # a rule takes away; what has closed since was there then
                mask &= ~(index.mask(request) & ~index.mask(request, rules))
        else:
            mask = index.mask(request, rules)
        rows, scores = best(popular, mask & (popular > 0), of)
        ideal, worth = best(of.astype(np.float64), mask & (of > 0), of)
        answers = {
            POPULARITY: Answer(([index.ids[row] for row in rows], scores), rows, []),
            BEST: Answer(([index.ids[row] for row in ideal], worth), ideal, []),
        }
        if task.contender.trec:
            jobs, scores = _foreign(task.contender.trec).get(held[i].request_id, ([], np.zeros(0, np.float32)))
            answers[OWN] = Answer((jobs[:DEPTH], scores[:DEPTH]), index.known_rows(jobs[:DEPTH]), [])
            yield Orders(answers, popular, known, None)
            continue
        answers[OWN], ranked = _own(task, ranker, terms, request, vectors[i], titles[i], rules, mask, of)
        yield Orders(answers, popular, known, _logits(ranker, request, shown[known], ranked, titles[i]))


@lru_cache(1)
def _foreign(path: str) -> Mapping[str, RankedList]:
    return read_run(Path(path))


def _vectors(task: Task, ranker: Ranker, requests: Sequence[Request]) -> Sequence[np.ndarray | None]:
    """The encoded texts of requests; None where nothing reads one."""
    contender = task.contender
    if contender.trec or contender.system in ("popularity", "bm25"):
        return [None] * len(requests)
    reads = [
        contender.system != "served"
        or not _scores_alone(task, ranker, request)
        or _weighs(ranker, _objective(task, ranker, request), "dense")
        for request in requests
    ]
    encoded = iter(
        ranker.encoder.encode([one.request_text for one, of in zip(requests, reads, strict=True) if of], "request")
    )
    return [next(encoded) if of else None for of in reads]


def _objective(task: Task, ranker: Ranker, request: Request) -> Objective:
    return task.contender.objective(ranker.scorer.manifest, request.surface)


def _weighs(ranker: Ranker, objective: Objective, feature: str) -> bool:
    """Whether an order hangs on a feature of `contracts.examples.PAIR_FEATURES`."""
    blend = blend_of(ranker.scorer.manifest, objective)
    return blend is not None and bool(dict(zip(blend.names, blend.weights, strict=True)).get(feature))


def _scores_alone(task: Task, ranker: Ranker, request: Request) -> bool:
    """Whether the shown jobs are put in order by what is known of each alone, and not by how retrieval found it."""
    whole = SYSTEMS[task.contender.system] == WHOLE
    return task.rank_only and whole and _objective(task, ranker, request).order != "retrieval"


def _own(
    task: Task,
    ranker: Ranker,
    terms: TermShares,
    request: Request,
    vector: np.ndarray | None,
    titles: RequestTitles | None,
    rules: Sequence[Rule],
    mask: np.ndarray,
    of: np.ndarray,
) -> tuple[Answer, Ranked | None]:
    """The contender's answer, and the ranking behind it where the bundle or retrieval made one."""
    index, system = ranker.index, task.contender.system
    if system in ("popularity", "bm25", "encoder"):
        if system == "popularity":
            scores: np.ndarray = index.activity.popularity(request.time)
        elif system == "bm25":
            scores = index.term_shares(request)
        else:
            assert vector is not None
            scores = np.asarray(index.vectors) @ vector
        rows, kept = best(scores, mask if system == "encoder" else mask & (scores > 0), of)
        return Answer(([index.ids[row] for row in rows], kept), rows, []), None
    if _scores_alone(task, ranker, request):
        reads_words = _weighs(ranker, _objective(task, ranker, request), "terms")
        candidates = _given(index, request, np.flatnonzero(mask), rules, terms if reads_words else None)
    else:
        candidates = index.search(request, vector, CANDIDATES, rules)
        if task.rank_only:
            candidates = _only(index, request, candidates, np.flatnonzero(mask))
    ranked = as_retrieved(candidates)
    if SYSTEMS[system] == WHOLE:
        top = len(candidates) if task.rank_only else RANKED
        objective = _objective(task, ranker, request)
        ranked = rank(index, ranker.scorer, request, candidates, vector, top, titles, objective)
        rows, scores = first(*as_shown(index, ranked), of)
    else:
        rows, scores = first(candidates.rows, candidates.fused, of)
    place = {int(row): i for i, row in enumerate(ranked.rows)}
    why = [ranked.why(place[int(row)]) for row in rows[:WHY_PLACES]]
    return Answer(([index.ids[row] for row in rows], scores), rows, why), ranked


def _given(
    index: JobIndex, request: Request, rows: np.ndarray, rules: Sequence[Rule], terms: TermShares | None
) -> Candidates:
    """Candidates of given rows that no source had to find. terms: None where nothing reads how they hold the words."""
    rows = rows.astype(np.int32)
    none = np.zeros(len(rows), np.float32)
    return Candidates(
        rows,
        [index.ids[row] for row in rows.tolist()],
        (),
        np.zeros((len(rows), 0), np.float32),
        none,
        none if terms is None else terms.of(request)[rows],
        demoted=demoted_by(demoted(rules, index, request), rows),
    )


def _only(index: JobIndex, request: Request, candidates: Candidates, rows: np.ndarray) -> Candidates:
    """Candidates of given rows alone; those that retrieval did not find stand last, and no source found them."""
    place = {int(row): i for i, row in enumerate(candidates.rows)}
    found = [place[int(row)] for row in rows if int(row) in place]
    found.sort()
    lost = np.array([row for row in rows.tolist() if row not in place], np.int32)
    chosen = np.concatenate([candidates.rows[found], lost]).astype(np.int32)
    unknown = np.full((len(lost), len(candidates.sources)), np.nan, np.float32)
    reasons = candidates.reasons
    return Candidates(
        chosen,
        [index.ids[row] for row in chosen.tolist()],
        candidates.sources,
        np.concatenate([candidates.scores[found], unknown]),
        np.concatenate([candidates.fused[found], np.zeros(len(lost), np.float32)]),
        index.term_shares(request)[chosen],
        reasons=[*(reasons[i] for i in found), *[""] * len(lost)] if reasons else (),
        removed=candidates.removed,
        demoted={row: by for row, by in candidates.demoted.items() if row in set(chosen.tolist())},
    )


def _logits(
    ranker: Ranker, request: Request, rows: np.ndarray, ranked: Ranked | None, titles: RequestTitles | None
) -> np.ndarray:
    """(n, tasks) float32 of n rows, as they were scored for the order, and else scored here."""
    logits = np.full((len(rows), len(ranker.scorer.tasks)), np.nan, np.float32)
    if ranked is not None and ranked.scored is not None:
        place = {int(row): i for i, row in enumerate(ranked.rows[: ranked.depth])}
        done = [(i, place[int(row)]) for i, row in enumerate(rows) if int(row) in place]
        if done:
            here, there = zip(*done, strict=True)
            logits[list(here)] = ranked.scored.logits[list(there)]
    rest = np.flatnonzero(np.isnan(logits).all(axis=1)) if len(ranker.scorer.tasks) else np.zeros(0, np.int64)
    if len(rest):
        match = bins_read(ranker.index, ranker.scorer, request, rows[rest], titles)
        logits[rest] = ranker.scorer.scores(request.request_text, ranker.index, rows[rest], match)
    return logits
