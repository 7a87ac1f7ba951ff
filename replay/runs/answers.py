"""The answers of a contender to a part of the past requests, and what is measured of each: one part of a run folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.arrow import TIME
from contracts.text.fitted import open_verbalizer
from contracts.versions import staged_folder, writing
from contracts.workspace import Workspace
from history.as_of import JobVersions
from history.dealt import read_part
from history.requests import PastRequest, gains
from ranking.caching_scorer import CachingScorer, score_caches
from ranking.calibrate import probabilities
from ranking.scorer import ItemEncoder
from replay.cohorts import history_of, kinds_of
from replay.fits import UNGRADED, good_fits, poor_fits
from replay.graded import ListGrades, judge_grades, open_served_judge, true_grades
from replay.holdout import HeldOut, requests_as_of
from replay.results import BEST, POPULARITY
from replay.runs.measured import CHOSEN, FITS, MEASURES, by_choices, of_jobs, within_list
from replay.runs.orders import Answer, Orders, orders
from replay.runs.remembering import RememberingEncoder, TermShares
from replay.runs.task import OWN, Task
from replay.served import ServedList
from replay.systems import Ranker
from retrieval.index.job_index import JobIndex
from retrieval.request import Request

TABLES = ("requests", "answers", "shown", "measures")
PREFIX_BYTES = 64 << 20
"""Of what a worker remembers of the texts of one part."""
SLICES = ("surface", "query", "occupation", "seniority", "region", "language", "history")
TASKS = ("view", "apply")


class _Found(NamedTuple):
    """What one request came to.

    Attributes:
        answers: `OWN`, popularity and the best possible -> answer.
        rest: `OWN` and popularity -> AUC of each task within the shown list, and the measures of `of_jobs`.
        said: Task -> place in the shown list -> what the bundle says of it.
    """

    answers: Mapping[str, Answer]
    rest: Mapping[str, np.ndarray]
    said: Mapping[str, Mapping[int, float]]


def answer_part(task: Task, number: int) -> None:
    """Answer the past requests of a part and write its tables; a part that is there is left as it is.

    Raises:
        BadInput: A score is not a number, or the contender's knobs do not fit its bundle.
        NotFinite: The student's scores are no numbers.
        JudgeFailed: The judge cannot be reached.
        NotWritten: As on a full disk.
    """
    if task.part(number).is_dir():
        return
    tables = _tables(task, read_part(task.asked, number))
    with writing(task.part(number), "a part of the run"), staged_folder(task.part(number)) as staged:
        for name, table in zip(TABLES, tables, strict=True):
            pq.write_table(table, staged / f"{name}.parquet", compression="zstd")


@lru_cache(1)
def _opened(root: Path, bundle: str, index: Path, threads: int | None) -> tuple[Ranker, TermShares]:
    workspace = Workspace(root)
    folder = workspace.bundles / bundle
    # Of a text that was asked before, or whose shown jobs are not all among those put in order, the prefix is kept.
    scorer = CachingScorer(folder, threads, caches=score_caches(PREFIX_BYTES, 0))
    opened = JobIndex.load(index)
    ranker = Ranker(opened, RememberingEncoder(workspace.encoder, threads), scorer, ItemEncoder(folder, threads))
    return ranker, TermShares(opened)


def _tables(task: Task, asked: Sequence[PastRequest]) -> tuple[pa.Table, ...]:
    workspace = Workspace(task.root)
    ranker, terms = _opened(task.root, task.contender.bundle, task.index, task.share.threads())
    held = [
        HeldOut(one.list_id, one.member_id, one.query, one.time, _known_gains(task, one), one.viewed) for one in asked
    ]
    rules = task.rules.enabled if task.rules else ()
    reads = bool(rules or ranker.scorer.manifest.match_version)
    percentiles = open_verbalizer(workspace).percentiles if reads else None
    requests = requests_as_of(workspace, held, task.known_from, percentiles)
    tasks = [name for name in TASKS if name in ranker.scorer.tasks]
    answered = orders(task, ranker, terms, asked, held, requests, rules)
    found = [
        _found(ranker, one, request, of, tasks) for one, request, of in zip(asked, requests, answered, strict=True)
    ]
    kinds = {
        **kinds_of(requests, task.policy),
        "history": [history_of(one.member_id, one.acted) for one in asked],
        "surface": [one.surface for one in asked],
    }
    return (
        _requests(asked, kinds),
        _answers(asked, [one.answers[OWN] for one in found]),
        _shown(task, asked, found),
        _measures(task, ranker, asked, held, requests, found),
    )


def _known_gains(task: Task, request: PastRequest) -> dict[str, int]:
    """The outcomes on jobs that were known by then."""
    known = task.known_from
    return {job: gain for job, gain in gains(request).items() if job not in known or known[job] <= request.time}


def _found(ranker: Ranker, one: PastRequest, request: Request, of: Orders, tasks: Sequence[str]) -> _Found:
    labels = [
        np.array([np.nan if (value := getattr(job, name)) is None else value for job in one.shown], np.float64)
        for name in TASKS
    ]
    were = {job.job_id for job in one.shown}
    rest = {}
    for name in (OWN, POPULARITY):  # the best possible order holds the chosen jobs alone
        answer = of.answers[name]
        place = {job: rank for rank, job in enumerate(answer.ranked[0], start=1)}
        ranks = np.array([place.get(job.job_id, 0) for job in one.shown], np.int64)
        judged = np.array([ranker.index.ids[row] in were for row in answer.rows[:10]], bool)
        about = of_jobs(ranker.index, answer.rows, request.time.timestamp(), of.popular, judged)
        rest[name] = np.concatenate([within_list(ranks, labels), about])
    said: dict[str, Mapping[int, float]] = {}
    if of.logits is not None and tasks and len(of.known):
        places = np.array([one.shown[i].position or 0 for i in of.known], np.int64)
        by_task = probabilities(ranker.scorer.manifest, of.logits, places)
        said = {
            name: dict(zip(of.known.tolist(), by_task[name].tolist(), strict=True)) for name in tasks if name in by_task
        }
    return _Found(of.answers, rest, said)


def _requests(asked: Sequence[PastRequest], kinds: Mapping[str, Sequence[str]]) -> pa.Table:
    none = [""] * len(asked)
    columns: dict[str, Any] = {
        "request_id": [one.list_id for one in asked],
        "member_id": [one.member_id for one in asked],
        "query": [one.query for one in asked],
        "time": pa.array([one.time for one in asked], TIME),
        "split": [one.split for one in asked],
        "complete": [one.complete for one in asked],
        "logged_by": [one.logged_by for one in asked],
        **{f"slice_{kind}": list(kinds.get(kind, none)) for kind in SLICES},
    }
    return pa.table(columns)


def _answers(asked: Sequence[PastRequest], own: Sequence[Answer]) -> pa.Table:
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


def _filled(answer: Answer) -> Iterator[tuple[str, ...]]:
    """Why each job stands where it does; nothing behind the first ones."""
    return islice(chain(answer.why, repeat(())), len(answer.ranked[0]))


def _shown(task: Task, asked: Sequence[PastRequest], found: Sequence[_Found]) -> pa.Table:
    """A row a job of each past request: where it stood then and stands now, what came of it, and what is said of it."""
    columns: dict[str, list[Any]] = {name: [] for name in _shown_schema().names}
    for one, (answers, _, said) in zip(asked, found, strict=True):
        place = {job: rank for rank, job in enumerate(answers[OWN].ranked[0], start=1)}
        of = _known_gains(task, one)
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


def _measures(
    task: Task,
    ranker: Ranker,
    asked: Sequence[PastRequest],
    held: Sequence[HeldOut],
    requests: Sequence[Request],
    found: Sequence[_Found],
) -> pa.Table:
    """A row a request and order: this run's, popularity's, and the best possible."""
    ids = [one.list_id for one in asked]
    qrels = {one.request_id: dict(one.gains) for one in held}
    jobs_shown = {one.list_id: [job.job_id for job in one.shown] for one in asked}
    tables = []
    for name in (OWN, POPULARITY, BEST):
        answers = [one.answers[name] for one in found]
        run = {request: answer.ranked for request, answer in zip(ids, answers, strict=True)}
        values = np.full((len(ids), len(MEASURES)), np.nan)
        choices = by_choices(qrels, run, jobs_shown, ids)
        if name == BEST:
            values[:, : len(CHOSEN)] = choices[:, : len(CHOSEN)]
        else:
            rest = np.array([one.rest[name] for one in found]).reshape(len(ids), -1)
            areas, about = rest[:, : len(TASKS)], rest[:, len(TASKS) :]
            values[:] = np.hstack([choices, areas, _fits(task, ranker, held, requests, answers), about])
        columns = {measure: values[:, i] for i, measure in enumerate(MEASURES)}
        members = [one.member_id for one in asked]
        tables.append(pa.table({"request_id": ids, "member_id": members, "system": [name] * len(ids), **columns}))
    return pa.concat_tables(tables)


def _fits(
    task: Task, ranker: Ranker, held: Sequence[HeldOut], requests: Sequence[Request], answers: Sequence[Answer]
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
