"""The answers of a contender to a part of the past requests, and what is measured of each: one part of a run folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.arrow import TIME
from contracts.text.fitted import open_verbalizer
from contracts.versions import staged_folder
from contracts.workspace import Workspace
from history.as_of import JobVersions
from history.requests import PastRequest, gains
from policy.judges.base import JudgeConfig
from policy.types import Policy
from ranking.caching_scorer import CachingScorer, score_caches
from ranking.calibrate import probabilities
from ranking.match import RequestTitles, encode_all_titles
from ranking.rank import RANKED, as_retrieved, bins_read, rank
from ranking.scorer import ItemEncoder
from replay.cohorts import cohorts
from replay.fits import UNGRADED, good_fits, poor_fits
from replay.graded import ListGrades, judge_grades, open_served_judge, true_grades
from replay.holdout import HeldOut, requests_as_of
from replay.results import BEST, POPULARITY, WHOLE
from replay.runs.contender import SYSTEMS, Contender
from replay.runs.measured import CHOSEN, FITS, MEASURES, by_choices, of_jobs, within_list
from replay.served import ServedList
from replay.systems import DEPTH, Ranker, as_shown, best, first, gains_of
from replay.trec import RankedList, read_run
from retrieval.candidates import Candidates
from retrieval.encoder import TextEncoder
from retrieval.index.job_index import CANDIDATES, JobIndex
from retrieval.request import Request
from retrieval.rules.rules import Rule, RuleBook

TABLES = ("requests", "answers", "shown", "measures")
OWN = "this run"
"""The name of the contender's own order in the table of measures, beside `BEST` and `POPULARITY`."""
WHY_PLACES = 10
PREFIX_BYTES, SCORE_BYTES = 64 << 20, 16 << 20
"""Of what a worker remembers of the requests of one part."""
SLICES = ("surface", "query", "occupation", "seniority", "region", "language", "history")
TASKS = ("view", "apply")


@dataclass(frozen=True)
class Task:
    """What every part of a run has in common; it can be pickled.

    Attributes:
        root: Of the workspace.
        folder: Of the run.
        contender: Who answers.
        index: Folder of the index as of the first request.
        known_from: Jobs that it would offer too early, with when they became known.
        rank_only: Whether the shown jobs alone are put in order.
        rules: In force; None for none.
        judge: Grades the first ten; None for nobody.
        policy: What it grades by, and whose table of work names occupations.
        market: Folder of a simulated market, whose truth then grades instead; None for none.
    """

    root: Path
    folder: Path
    contender: Contender
    index: Path
    known_from: Mapping[str, datetime]
    rank_only: bool = False
    rules: RuleBook | None = None
    judge: JudgeConfig | None = None
    policy: Policy | None = None
    market: Path | None = None

    def part(self, number: int) -> Path:
        """The folder of a part; it is there when the part is done."""
        return self.folder / "parts" / f"{number:05d}"


class _Answer(NamedTuple):
    """The order of one request: ids and scores of the first `DEPTH` jobs, their rows, and why the first ten."""

    ranked: RankedList
    rows: np.ndarray
    why: list[tuple[str, ...]]


def answer_part(task: Task, number: int, asked: Sequence[PastRequest], logged_by: Sequence[str]) -> None:
    """Answer some past requests and write their part of a run; a part that is there is left as it is.

    logged_by: of each request the bundle and index versions of what showed it, empty where the log does not say.

    Raises:
        BadInput: A score is not a number, or the contender's knobs do not fit its bundle.
        NotFinite: The student's scores are no numbers.
        JudgeFailed: The judge cannot be reached.
    """
    if task.part(number).is_dir():
        return
    tables = _tables(task, asked, logged_by)
    with staged_folder(task.part(number)) as staged:
        for name, table in zip(TABLES, tables, strict=True):
            pq.write_table(table, staged / f"{name}.parquet", compression="zstd")


@lru_cache(1)
def _opened(root: Path, bundle: str, index: Path) -> Ranker:
    workspace = Workspace(root)
    folder = workspace.bundles / bundle
    # What is said of a shown job is scored a second time where it was put in order; of a text the prefix is read once.
    scorer = CachingScorer(folder, caches=score_caches(PREFIX_BYTES, SCORE_BYTES))
    return Ranker(JobIndex.load(index), TextEncoder(workspace.encoder), scorer, ItemEncoder(folder))


@lru_cache(1)
def _foreign(path: str) -> Mapping[str, RankedList]:
    return read_run(Path(path))


def _tables(task: Task, asked: Sequence[PastRequest], logged_by: Sequence[str]) -> tuple[pa.Table, ...]:
    workspace = Workspace(task.root)
    ranker = _opened(task.root, task.contender.bundle, task.index)
    held = [
        HeldOut(one.list_id, one.member_id, one.query, one.time, _known_gains(task, one), one.viewed) for one in asked
    ]
    rules = task.rules.enabled if task.rules else ()
    reads = bool(rules or ranker.scorer.manifest.match_version)
    percentiles = open_verbalizer(workspace).percentiles if reads else None
    requests = requests_as_of(workspace, held, task.known_from, percentiles)
    systems = list(_orders(task, ranker, asked, held, requests, rules))
    kinds = cohorts(workspace, held, requests, task.policy)
    own = [by_system[OWN] for by_system in systems]
    shown = _shown(task, ranker, asked, requests, own)
    return (
        _requests(asked, logged_by, kinds),
        _answers(asked, own),
        shown,
        _measures(task, ranker, asked, held, requests, systems, shown),
    )


def _known_gains(task: Task, request: PastRequest) -> dict[str, int]:
    """The outcomes on jobs that were known by then."""
    known = task.known_from
    return {job: gain for job, gain in gains(request).items() if job not in known or known[job] <= request.time}


def _orders(
    task: Task,
    ranker: Ranker,
    asked: Sequence[PastRequest],
    held: Sequence[HeldOut],
    requests: Sequence[Request],
    rules: Sequence[Rule],
) -> Iterator[dict[str, _Answer]]:
    """Of each request the contender's order, that of popularity, and the best possible one."""
    vectors = ranker.encoder.encode([request.request_text for request in requests], "request")
    titles: Sequence[RequestTitles | None] = [None] * len(requests)
    if ranker.scorer.manifest.match_version:
        titles = encode_all_titles(ranker.encoder, requests)
    for i, request in enumerate(requests):
        index, of = ranker.index, gains_of(ranker.index, held[i])
        mask = index.mask(request, rules)
        if task.rank_only:
            was = np.zeros(len(index), bool)
            was[index.known_rows(job.job_id for job in asked[i].shown)] = True
            mask = was & ~(index.mask(request) & ~mask)  # a rule takes away; what has closed since was there then
        popular = index.activity.popularity(request.time)
        rows, scores = best(popular, mask & (popular > 0), of)
        found = {POPULARITY: _Answer(([index.ids[row] for row in rows], scores), rows, [])}
        ideal, worth = best(of.astype(np.float64), mask & (of > 0), of)
        found[BEST] = _Answer(([index.ids[row] for row in ideal], worth), ideal, [])
        if task.contender.trec:
            jobs, scores = _foreign(task.contender.trec).get(held[i].request_id, ([], np.zeros(0, np.float32)))
            found[OWN] = _Answer((jobs[:DEPTH], scores[:DEPTH]), index.known_rows(jobs[:DEPTH]), [])
        else:
            found[OWN] = _own(task, ranker, request, vectors[i], titles[i], rules, mask, of)
        yield found


def _own(
    task: Task,
    ranker: Ranker,
    request: Request,
    vector: np.ndarray,
    titles: RequestTitles | None,
    rules: Sequence[Rule],
    mask: np.ndarray,
    of: np.ndarray,
) -> _Answer:
    index, system = ranker.index, SYSTEMS[task.contender.system]
    by_all = {
        "popularity": lambda: index.activity.popularity(request.time),
        "bm25": lambda: index.term_shares(request),
        "encoder": lambda: np.asarray(index.vectors) @ vector,
    }
    if task.contender.system in by_all:
        scores = by_all[task.contender.system]()
        rows, kept = best(scores, mask if task.contender.system == "encoder" else mask & (scores > 0), of)
        return _Answer(([index.ids[row] for row in rows], kept), rows, [])
    candidates = index.search(request, vector, CANDIDATES, rules)
    if task.rank_only:
        candidates = _only(index, request, candidates, np.flatnonzero(mask))
    ranked = as_retrieved(candidates)
    if system == WHOLE:
        objective = task.contender.objective(ranker.scorer.manifest, request.surface)
        top = len(candidates) if task.rank_only else RANKED
        ranked = rank(index, ranker.scorer, request, candidates, vector, top, titles, objective)
        rows, scores = first(*as_shown(index, ranked), of)
    else:
        rows, scores = first(candidates.rows, candidates.fused, of)
    place = {int(row): i for i, row in enumerate(ranked.rows)}
    why = [ranked.why(place[int(row)]) for row in rows[:WHY_PLACES]]
    return _Answer(([index.ids[row] for row in rows], scores), rows, why)


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


def _requests(asked: Sequence[PastRequest], logged_by: Sequence[str], kinds: Mapping[str, Sequence[str]]) -> pa.Table:
    none = [""] * len(asked)
    columns: dict[str, Any] = {
        "request_id": [one.list_id for one in asked],
        "member_id": [one.member_id for one in asked],
        "query": [one.query for one in asked],
        "time": pa.array([one.time for one in asked], TIME),
        "split": [one.split for one in asked],
        "complete": [one.complete for one in asked],
        "logged_by": list(logged_by),
        **{f"slice_{kind}": list(kinds.get(kind, none)) for kind in SLICES},
    }
    return pa.table(columns)


def _answers(asked: Sequence[PastRequest], own: Sequence[_Answer]) -> pa.Table:
    rows = [
        (one.list_id, one.member_id, rank, job, float(score), list(why))
        for one, answer in zip(asked, own, strict=True)
        for rank, (job, score, why) in enumerate(zip(*answer.ranked, _filled(answer), strict=True), start=1)
    ]
    schema = pa.schema(
        {
            "request_id": pa.string(),
            "member_id": pa.string(),
            "rank": pa.int16(),
            "job_id": pa.string(),
            "score": pa.float32(),
            "why": pa.list_(pa.string()),
        }
    )
    names = schema.names
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=schema)


def _filled(answer: _Answer) -> Iterator[tuple[str, ...]]:
    """Why each job stands where it does; nothing behind the first ones."""
    return islice(chain(answer.why, repeat(())), len(answer.ranked[0]))


def _shown(
    task: Task, ranker: Ranker, asked: Sequence[PastRequest], requests: Sequence[Request], own: Sequence[_Answer]
) -> pa.Table:
    """A row a job of each past request: where it stood then and stands now, what came of it, and what is said of it."""
    known_tasks = [name for name in TASKS if name in ranker.scorer.tasks and not task.contender.trec]
    columns: dict[str, list[Any]] = {name: [] for name in _shown_schema().names}
    for one, request, answer in zip(asked, requests, own, strict=True):
        place = {job: rank for rank, job in enumerate(answer.ranked[0], start=1)}
        said, of = _said(ranker, request, one, known_tasks), _known_gains(task, one)
        for i, job in enumerate(one.shown):
            columns["request_id"].append(one.list_id)
            columns["member_id"].append(one.member_id)
            columns["job_id"].append(job.job_id)
            columns["position"].append(job.position)
            columns["propensity"].append(job.propensity)
            columns["rank"].append(place.get(job.job_id, 0))
            columns["gain"].append(of.get(job.job_id, 0))
            for name in TASKS:
                columns[name].append(getattr(job, name))
                columns[f"said_{name}"].append(said.get(name, {}).get(i))
    return pa.table(columns, schema=_shown_schema())


def _shown_schema() -> pa.Schema:
    fields = {"request_id": pa.string(), "member_id": pa.string(), "job_id": pa.string()}
    numbers = {"position": pa.int32(), "propensity": pa.float64(), "rank": pa.int32(), "gain": pa.int8()}
    labels = {name: pa.int8() for name in TASKS}
    return pa.schema(fields | numbers | labels | {f"said_{name}": pa.float64() for name in TASKS})


def _said(
    ranker: Ranker, request: Request, one: PastRequest, tasks: Sequence[str]
) -> dict[str, dict[int, float | None]]:
    """Task -> place among the shown jobs -> the bundle's probability there, of jobs that the index holds."""
    rows = ranker.index.rows(job.job_id for job in one.shown)
    known = np.flatnonzero(rows >= 0)
    if not len(known) or not tasks:
        return {}
    titles = encode_all_titles(ranker.encoder, [request])[0] if ranker.scorer.manifest.match_version else None
    match = bins_read(ranker.index, ranker.scorer, request, rows[known], titles)
    logits = ranker.scorer.scores(request.request_text, ranker.index, rows[known], match)
    places = np.array([one.shown[i].position or 0 for i in known], np.int64)
    by_task = probabilities(ranker.scorer.manifest, logits, places)
    return {name: dict(zip(known.tolist(), by_task[name].tolist(), strict=True)) for name in tasks if name in by_task}


def _measures(
    task: Task,
    ranker: Ranker,
    asked: Sequence[PastRequest],
    held: Sequence[HeldOut],
    requests: Sequence[Request],
    systems: Sequence[Mapping[str, _Answer]],
    shown: pa.Table,
) -> pa.Table:
    """A row a request and order: this run's, popularity's, and the best possible."""
    ids = [one.list_id for one in asked]
    qrels = {one.request_id: dict(one.gains) for one in held}
    jobs_shown = {one.list_id: [job.job_id for job in one.shown] for one in asked}
    tables = []
    for name in (OWN, POPULARITY, BEST):
        answers = [by_system[name] for by_system in systems]
        run = {request: answer.ranked for request, answer in zip(ids, answers, strict=True)}
        fits = _fits(task, ranker, held, requests, answers) if name != BEST else np.full((len(ids), len(FITS)), np.nan)
        rest = [
            _rest(ranker, one, request, answer) for one, request, answer in zip(asked, requests, answers, strict=True)
        ]
        values = np.concatenate(
            [
                by_choices(qrels, run, jobs_shown, ids),
                np.array([auc for auc, _ in rest]).reshape(len(ids), len(TASKS)),
                fits,
                np.array([of for _, of in rest]).reshape(len(ids), 5),
            ],
            axis=1,
        )
        if name == BEST:
            values[:, [i for i, measure in enumerate(MEASURES) if measure not in CHOSEN]] = (
                np.nan
            )  # it holds the chosen jobs alone
        columns = {measure: values[:, i] for i, measure in enumerate(MEASURES)}
        tables.append(
            pa.table(
                {
                    "request_id": ids,
                    "member_id": [one.member_id for one in asked],
                    "system": [name] * len(ids),
                    **columns,
                }
            )
        )
    return pa.concat_tables(tables)


def _rest(ranker: Ranker, one: PastRequest, request: Request, answer: _Answer) -> tuple[np.ndarray, np.ndarray]:
    place = {job: rank for rank, job in enumerate(answer.ranked[0], start=1)}
    ranks = np.array([place.get(job.job_id, 0) for job in one.shown], np.int64)
    labels = [
        np.array([np.nan if (value := getattr(job, name)) is None else value for job in one.shown], np.float64)
        for name in TASKS
    ]
    were = {job.job_id for job in one.shown}
    judged = np.array([ranker.index.ids[row] in were for row in answer.rows[:10]], bool)
    popular = ranker.index.activity.popularity(request.time)
    return within_list(ranks, labels), of_jobs(ranker.index, answer.rows, request.time.timestamp(), popular, judged)


def _fits(
    task: Task, ranker: Ranker, held: Sequence[HeldOut], requests: Sequence[Request], answers: Sequence[_Answer]
) -> np.ndarray:
    """(n, 2) float64 of `FITS`, NaN where nobody grades."""
    values = np.full((len(held), len(FITS)), np.nan)
    lists = [ServedList(i, answer.ranked[0][:10], {}) for i, answer in enumerate(answers) if len(answer.ranked[0])]
    graded: Sequence[ListGrades] = ()
    if task.market is not None:
        from simulator.truth import Truth

        graded = true_grades(Truth.load(task.market).fits, held, lists)
    elif task.judge is not None and task.policy is not None:
        judge = open_served_judge(Workspace(task.root), task.judge, task.policy, ranker.encoder)
        graded = judge_grades(judge, JobVersions(Workspace(task.root)), held, requests, lists, exhaustive=False)
    for served, grades in zip(lists, graded, strict=False):
        if not (grades.candidates == UNGRADED).all():
            values[served.place] = good_fits(grades.candidates), poor_fits(grades.candidates)
    return values
