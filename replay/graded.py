"""Grades of served candidates: by the truth of a simulated market, and by the judge of the product policy."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from beam_jobs.labelling.grading import TitleVectors
from contracts.progress import Progress
from contracts.records import Member
from contracts.workspace import Workspace
from history.as_of import JobVersions
from policy.judges.base import Judge, JudgeConfig, Judgement, JudgeSetting, Pair
from policy.judges.registry import open_judge
from policy.types import Policy
from replay.fits import UNGRADED
from replay.holdout import HeldOut
from replay.served import ServedList
from retrieval.encoder import TextEncoder
from retrieval.request import Request

log = logging.getLogger("rolecall")

TrueGrades = Callable[[Sequence[str], Sequence[str], Sequence[str]], np.ndarray]
"""(n member ids, n job ids, n queries) -> (n,) grades 0 to 4 of the true fit, known for a simulated market alone."""


class ListGrades(NamedTuple):
    """Grades of one list.

    Attributes:
        candidates: (n,) int8, `UNGRADED` where there is none, in the order of the list's jobs.
        eligible: (m,) int8 of all eligible jobs; None where they were not judged.
    """

    candidates: np.ndarray
    eligible: np.ndarray | None = None


def true_grades(truth: TrueGrades, held: Sequence[HeldOut], lists: Sequence[ServedList]) -> list[ListGrades]:
    """The true fit of each list's candidates and, where the list names them, of all its eligible jobs."""

    def grade(request: HeldOut) -> Callable[[Sequence[str]], np.ndarray]:
        return lambda jobs: np.asarray(
            truth([request.member_id] * len(jobs), jobs, [request.query] * len(jobs)), np.int8
        )

    return [_list_grades(served, grade(held[served.place])) for served in lists]


def open_served_judge(workspace: Workspace, config: JudgeConfig, policy: Policy, encoder: TextEncoder) -> Judge:
    """The judge that grades served candidates.

    Args:
        workspace: Holds stored answers of a judge that calls a model.
        config: The judge's knobs.
        policy: What to grade by.
        encoder: Of titles that the policy's table of work does not hold.
    """
    return open_judge(config, JudgeSetting(policy, workspace.judge_answers, lambda: TitleVectors(encoder).cosine))


def judge_grades(
    judge: Judge,
    jobs: JobVersions,
    held: Sequence[HeldOut],
    requests: Sequence[Request],
    lists: Sequence[ServedList],
    exhaustive: bool,
) -> list[ListGrades]:
    """The judge's grades of each list, of the records as they were known at the request's time.

    Args:
        judge: Who grades.
        jobs: Job records by id and time.
        held: The held-out requests.
        requests: What retrieval was asked, in the order of `held`.
        lists: Whose candidates are graded.
        exhaustive: Whether all eligible jobs are graded, where a list names them.

    Returns:
        One element a list; all is `UNGRADED` where neither a member nor a query is known.

    Raises:
        JudgeFailed: The judge cannot be reached at all.
    """
    started, pairs = time.monotonic(), 0
    progress = Progress("replay, judge", "lists", len(lists))
    progress.start()
    graded = []
    for served in lists:
        asked = held[served.place]
        member = _member(requests[served.place].member)

        def of(ids: Sequence[str], asked: HeldOut = asked, member: Member | None = member) -> np.ndarray:
            if member is None and not asked.query.strip():
                return np.full(len(ids), UNGRADED, np.int8)
            versions = jobs.as_of([(job, asked.time) for job in ids])
            outcomes = judge.grade_many([Pair(member, job, asked.query) for job in versions])
            return np.array([one.grade if isinstance(one, Judgement) else UNGRADED for one in outcomes], np.int8)

        grades = _list_grades(served if exhaustive else served.candidates_alone(), of)
        pairs += len(grades.candidates if grades.eligible is None else grades.eligible)
        graded.append(grades)
        progress.add()
    progress.close()
    seconds = max(time.monotonic() - started, 1e-9)
    log.info("replay: judge %s graded %s pairs, %s a second", judge.name, f"{pairs:,}", f"{pairs / seconds:,.0f}")
    return graded


def _list_grades(served: ServedList, grade: Callable[[Sequence[str]], np.ndarray]) -> ListGrades:
    """Grades of a list; a candidate is one of the eligible jobs, so that none is graded twice."""
    if not served.eligible:
        return ListGrades(grade(served.jobs))
    eligible = grade(served.eligible)
    place = {job: i for i, job in enumerate(served.eligible)}
    return ListGrades(eligible[[place[job] for job in served.jobs]], eligible)


def _member(record: Mapping[str, Any] | None) -> Member | None:
    return Member.model_validate(record) if record else None
