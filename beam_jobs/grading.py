"""Grades of a list's jobs by a judge, with their lineage."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from beam_jobs.asof import JobVersions
from beam_jobs.lists import Ask
from contracts.records import Grade, Member
from policy import Judge, Policy, RubricJudge
from retrieval.encoder import TextEncoder

JUDGES = ("rubric",)


def open_judge(name: str, policy: Policy, encoder: TextEncoder) -> Judge:
    """name: one of JUDGES."""
    assert name in JUDGES, name
    return RubricJudge(policy, TitleVectors(encoder).cosine)


def grade_jobs(
    judge: Judge, policy_version: str, jobs: JobVersions, ask: Ask, job_ids: Sequence[str]
) -> list[Grade | None]:
    """A grade of each job; None where the list is not to be graded, or nothing is known of who asks and for what."""
    past = ask.past
    if not ask.graded or (ask.member is None and not past.query):
        return [None] * len(job_ids)
    member = Member.model_validate(ask.member) if ask.member else None
    found: list[Grade | None] = []
    for job_id in job_ids:
        judged = judge.grade(member, jobs.as_of(job_id, past.time), past.query)
        found.append(
            Grade(
                member_id=past.member_id,
                query=past.query,
                job_id=job_id,
                grade=judged.grade,
                rationale=judged.rationale,
                grader=judge.name,
                policy_version=policy_version,
                time=past.time,
            )
        )
    return found


class TitleVectors:
    """Cosines of titles. Each is encoded alone: int8 vectors depend a little on what shares a batch."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._vector = lru_cache(maxsize=100_000)(lambda title: encoder.encode([title])[0])

    def cosine(self, a: str, b: str) -> float:
        return float(self._vector(a) @ self._vector(b))
