"""The systems that replay compares, and the order in which each puts the jobs of a held-out request.

End to end, every system chooses among all jobs that the request could have been answered with. Re-ranking, every system
orders the same labelled candidates. Both use the very functions that answer requests.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.errors import BadInput, NotReady
from contracts.examples import PAIR_FEATURES
from contracts.match import match_column
from contracts.progress import Progress
from contracts.tasks import GAINS
from contracts.versions import require_current
from contracts.workspace import Workspace
from models.registry import TEACHERS
from models.teachers.scores import score_files
from ranking.calibrate import probabilities
from ranking.eligibility import display_order
from ranking.match import RequestTitles, encode_all_titles
from ranking.objective import served_scores
from ranking.rank import RANKED, Ranked, rank
from ranking.scorer import BundleScorer, ItemEncoder
from replay.holdout import HeldOut
from replay.results import (
    BM25,
    ENCODER_ALONE,
    END_TO_END,
    POPULARITY,
    RETRIEVAL,
    STUDENT_ENGAGEMENT,
    STUDENT_RELEVANCE,
    WHOLE,
    teacher_name,
)
from replay.trec import RankedList, order_against, strictly_falling
from retrieval.candidates import Candidates
from retrieval.encoder import TextEncoder
from retrieval.index.job_index import CANDIDATES, JobIndex
from retrieval.request import Request
from retrieval.rules.rules import Rule

log = logging.getLogger("rolecall")

DEPTH = 100
"""Jobs of a request that a run holds; later ones count as not found."""
_BLOCK_REQUESTS = 256
_BLOCK_SCORES = 2**25
"""Dense scores held at once: 128 MB."""


Observe = Callable[[int, np.ndarray, Candidates, Ranked], None]
"""Place of a held-out request, (n,) bool of the jobs that may be candidates, the candidates, and their served order."""


@dataclass(frozen=True)
class Ranker:
    """The parts of the service that decide the order of an answer."""

    index: JobIndex
    encoder: TextEncoder
    scorer: BundleScorer
    item_encoder: ItemEncoder


def end_to_end_runs(
    ranker: Ranker,
    held: Sequence[HeldOut],
    requests: Sequence[Request],
    rules: Sequence[Rule] = (),
    observe: Observe | None = None,
) -> dict[str, dict[str, RankedList]]:
    """The run of every system of `END_TO_END` on the held-out requests.

    BM25 does not find a job without any word of the request, nor popularity a job without any view.

    Args:
        ranker: Answers the requests.
        held: n held-out requests.
        requests: n requests to retrieval, in the same order.
        rules: Those in force.
        observe: Called with the answer to each request.

    Returns:
        System -> request id -> the first `DEPTH` jobs.
    """
    index = ranker.index
    runs: dict[str, dict[str, RankedList]] = {system: {} for system in END_TO_END}
    progress = Progress("replay", "requests", len(held))
    progress.start()
    size = min(max(_BLOCK_SCORES // max(len(index), 1), 1), _BLOCK_REQUESTS)
    for start in range(0, len(held), size):
        block = requests[start : start + size]
        vectors = ranker.encoder.encode([request.request_text for request in block], "request")
        titles: Sequence[RequestTitles | None] = [None] * len(block)
        if ranker.scorer.manifest.match_version:
            titles = encode_all_titles(ranker.encoder, block)
        dense = vectors @ np.asarray(index.vectors).T
        for i, (outcome, request) in enumerate(zip(held[start : start + size], block, strict=True)):
            gains = gains_of(index, outcome)
            mask = index.mask(request, rules)
            popular = index.activity.popularity(request.time)
            words = index.term_shares(request)
            candidates = index.search(request, vectors[i], CANDIDATES, rules)
            ranked = rank(index, ranker.scorer, request, candidates, vectors[i], RANKED, titles[i])
            if observe is not None:
                observe(start + i, mask, candidates, ranked)
            orders = {
                POPULARITY: best(popular, mask & (popular > 0), gains),
                BM25: best(words, mask & (words > 0), gains),
                ENCODER_ALONE: best(dense[i], mask, gains),
                RETRIEVAL: first(candidates.rows, candidates.fused, gains),
                WHOLE: first(*as_shown(index, ranked), gains),
            }
            for system, (rows, scores) in orders.items():
                runs[system][outcome.request_id] = ([index.ids[row] for row in rows], scores)
            progress.add()
    return runs


def as_shown(index: JobIndex, ranked: Ranked) -> tuple[np.ndarray, np.ndarray]:
    """(m,) rows and scores of a ranking as the service shows it.

    Where companies are kept apart the order is not that of the scores: then 0, -1, ... stand in place of the scores.
    """
    places = np.fromiter(display_order(index, ranked.rows, demoted=ranked.candidates.demoted), np.int64)
    scores = ranked.scores[places]
    return ranked.rows[places], scores if (np.diff(scores) <= 0).all() else -np.arange(len(places), dtype=np.float64)


def gains_of(index: JobIndex, outcome: HeldOut) -> np.ndarray:
    """(n,) int8 gain of each job of the index; a job that the index lacks is a miss for every system."""
    gains = np.zeros(len(index), np.int8)
    for job, gain in outcome.gains.items():
        gains[index.known_rows([job])] = gain
    return gains


def best(scores: np.ndarray, mask: np.ndarray, gains: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first of the jobs in `mask`, all three (n,) by row of the index."""
    rows = np.flatnonzero(mask)
    return first(rows, scores[rows], gains)


def first(rows: np.ndarray, scores: np.ndarray, gains: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first `DEPTH` of (m,) rows by their scores (m,); gains: (n,) by row of the index."""
    order = order_against(scores, gains[rows], DEPTH)
    return rows[order], strictly_falling(scores[order])


@dataclass(frozen=True)
class ScoredPairs:
    """The n labelled candidates of held-out requests with the scores of every re-ranking system.

    Attributes:
        lists: (n,) ids of the lists.
        jobs: (n,) ids of the jobs.
        members: n ids.
        queries: n queries.
        labels: Task -> (n,) float64, NaN where not known.
        grades: (n,) float64, NaN where not graded.
        scores: System -> (n,) float that it orders by.
        events: System -> task (view, apply) -> (n,) float.
        probabilities: Task -> (n,) calibrated probabilities of the bundle.
    """

    lists: np.ndarray
    jobs: np.ndarray
    members: list[str]
    queries: list[str]
    labels: Mapping[str, np.ndarray]
    grades: np.ndarray
    scores: Mapping[str, np.ndarray]
    events: Mapping[str, Mapping[str, np.ndarray]]
    probabilities: Mapping[str, np.ndarray]


def score_pairs(workspace: Workspace, table: pa.Table, ranker: Ranker, requests: Mapping[str, Request]) -> ScoredPairs:
    """Score the pairs of a test table by every re-ranking system.

    Engagement is the sum of the probabilities of `GAINS`: the expected gain, since each action is worth one more than
    the action that it follows.

    Args:
        workspace: Holds the teachers' scores.
        table: n rows of `contracts.examples.TRAINING`.
        ranker: Scores them.
        requests: List -> its request to retrieval.

    Raises:
        NotReady: No teacher has scored.
        BadInput: The scores of a teacher from which the bundle is made lack a pair.
    """
    features = np.stack([table[name].to_numpy() for name in PAIR_FEATURES], axis=1)
    logits, tasks, manifest = _student(table, ranker), ranker.scorer.tasks, ranker.scorer.manifest
    calibrated = probabilities(manifest, logits, table["position"].fill_null(0).to_numpy())
    views, words, dense = (features[:, PAIR_FEATURES.index(name)] for name in ("views_7d", "terms", "dense"))
    scores: dict[str, np.ndarray] = {POPULARITY: views, BM25: words, ENCODER_ALONE: dense}
    scores[RETRIEVAL] = _retrieved(table, ranker, requests)
    events = {BM25: _same(words), ENCODER_ALONE: _same(dense)}
    for teacher in _teachers(workspace):
        try:
            by_task = _teacher_scores(workspace, teacher, table)
        except BadInput as error:
            if teacher in manifest.lineage.get("teachers", {}):
                raise
            log.warning("replay: without the %s teacher, from which the bundle is not made: %s", teacher, error.what)
            continue
        name = teacher_name(teacher)
        engagement = [_sigmoid(by_task[task]) for task in GAINS if task in by_task]
        scores[name] = np.sum(engagement, axis=0) if engagement else by_task["relevance"]
        events[name] = {task: by_task.get(task, scores[name]) for task in ("view", "apply")}
    if "relevance" in tasks:
        scores[STUDENT_RELEVANCE] = logits[:, tasks.index("relevance")]
    engaged = [_sigmoid(logits[:, tasks.index(task)]) for task in GAINS if task in tasks]
    if engaged:
        scores[STUDENT_ENGAGEMENT] = np.sum(engaged, axis=0)
        events["student"] = {task: logits[:, tasks.index(task)] for task in ("view", "apply") if task in tasks}
    searches = np.array([bool(query) for query in table["query"].to_pylist()])
    scores[WHOLE] = served_scores(manifest, features, logits, scores[RETRIEVAL], searches)
    events[WHOLE] = _same(scores[WHOLE])
    return ScoredPairs(
        lists=table["list_id"].to_numpy(),
        jobs=table["job_id"].to_numpy(),
        members=table["member_id"].to_pylist(),
        queries=table["query"].to_pylist(),
        labels={task: _floats(table[task]) for task in ("view", "apply", "hire")},
        grades=_floats(table["grade"]),
        scores=scores,
        events=events,
        probabilities=calibrated,
    )


def _retrieved(table: pa.Table, ranker: Ranker, requests: Mapping[str, Request]) -> np.ndarray:
    """(n,) fused retrieval score of each pair; zero where no source found the job."""
    lists, rows = table["list_id"].to_pylist(), ranker.index.rows(table["job_id"].to_pylist())
    vectors = ranker.encoder.encode([request.request_text for request in requests.values()], "request")
    fused: dict[tuple[str, int], float] = {}
    for (name, request), vector in zip(requests.items(), vectors, strict=True):
        candidates = ranker.index.search(request, vector, CANDIDATES)
        rows_of_list = ((name, row) for row in candidates.rows.tolist())
        fused |= dict(zip(rows_of_list, candidates.fused.tolist(), strict=True))
    return np.array([fused.get(pair, 0.0) for pair in zip(lists, rows.tolist(), strict=True)])


def _student(table: pa.Table, ranker: Ranker) -> np.ndarray:
    """(n, tasks) float32 logits of the bundle. Jobs that the index lacks are encoded from their text."""
    index = ranker.index
    rows = index.rows(table["job_id"].to_pylist())
    missing = np.flatnonzero(rows < 0)
    texts = table["job_text"].take(pa.array(missing)).to_pylist()
    extra = ranker.item_encoder.encode(texts)
    place = {int(row): i for i, row in enumerate(missing)}
    logits = np.zeros((len(rows), len(ranker.scorer.tasks)), np.float32)
    of_list, match = table["list_id"].to_numpy(), match_column(table)
    order = np.argsort(of_list, kind="stable")
    for pairs in np.split(order, np.flatnonzero(of_list[order][1:] != of_list[order][:-1]) + 1):
        if not len(pairs):
            continue
        known = [int(pair) for pair in pairs if rows[pair] >= 0]
        unknown = [int(pair) for pair in pairs if rows[pair] < 0]
        prefix = ranker.scorer.prefix(table["request_text"][int(pairs[0])].as_py())
        if known:
            logits[known] = ranker.scorer.logits(prefix, index.items(rows[known]), match[known])
        if unknown:
            items = extra[[place[pair] for pair in unknown]]
            logits[unknown] = ranker.scorer.logits(prefix, items, match[unknown])
    return logits


def _teachers(workspace: Workspace) -> list[str]:
    order = TEACHERS.names()
    found = sorted(pointer.parent.name for pointer in workspace.scores.glob("*/CURRENT"))
    if not found:
        raise NotReady(f"no teacher's scores in {workspace.scores}", cure=f"run `rolecall train {order[0]}` first")
    return sorted(found, key=lambda name: order.index(name) if name in order else len(order))


def _teacher_scores(workspace: Workspace, teacher: str, table: pa.Table) -> dict[str, np.ndarray]:
    """task -> (n,) float64 logits in the order of the table's pairs."""
    path = require_current(workspace.scores / teacher, "scores", f"run `rolecall train {teacher}` first")
    scores = pa.concat_tables([pq.read_table(file) for file in score_files(path)])
    keys = [f"{a}\x00{b}" for a, b in zip(scores["list_id"].to_pylist(), scores["job_id"].to_pylist(), strict=True)]
    place = {key: row for row, key in enumerate(keys)}
    wanted = zip(table["list_id"].to_pylist(), table["job_id"].to_pylist(), strict=True)
    rows = np.array([place.get(f"{a}\x00{b}", -1) for a, b in wanted], np.int64)
    if (rows < 0).any():
        raise BadInput(
            f"{int((rows < 0).sum()):,} of {len(rows):,} held-out pairs have no score of the {teacher} teacher",
            where=str(path),
            cure=f"run `rolecall train {teacher}` again",
        )
    tasks = [name for name in scores.column_names if name not in ("list_id", "job_id")]
    return {task: scores[task].to_numpy()[rows].astype(np.float64) for task in tasks}


def _same(scores: np.ndarray) -> dict[str, np.ndarray]:
    return {"view": scores, "apply": scores}


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -500, 500)))


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    return column.cast(pa.float64()).to_numpy(zero_copy_only=False)
