"""Judges: whoever grades a (member, job) pair by the policy. The rubric judge does so by its written criteria alone.

Deterministic, and the same in every process. It takes records as data: no text of a member or employer is ever
interpreted. A judge that asks a language model keeps the same protocol.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from contracts.errors import BadInput
from contracts.records import Job, Member
from policy.dimensions import Scores, score_dimensions
from policy.document import DIMENSIONS, Dimension, Policy
from policy.titles import Similarity, TitleReader


@dataclass(frozen=True)
class Judgement:
    """grade: 0-4; rationale: why, in the policy's words and none of the member's; dimensions: score 0-4, None where
    the records say nothing about it."""

    grade: int
    rationale: str
    dimensions: Mapping[Dimension, int | None]


class Judge(Protocol):
    """name: who grades, as it stands in a grade's `grader`."""

    name: str

    def grade(self, member: Member | None, job: Job, query: str = "") -> Judgement: ...


class RubricJudge:
    """Grades by the policy's steps, cuts and rules.

    title_similarity: cosine of two titles' vectors, asked only where the policy's table of work does not know both.
    """

    name = "rubric"

    def __init__(self, policy: Policy, title_similarity: Similarity | None = None) -> None:
        self._policy = policy
        self._titles = TitleReader(policy, title_similarity)
        self._weights = {name: getattr(policy.dimensions, name).weight for name in DIMENSIONS}

    def grade(self, member: Member | None, job: Job, query: str = "") -> Judgement:
        """Raises BadInput where neither a member nor a query asks for the job."""
        if member is None and not query.strip():
            raise BadInput("neither a member nor a query to grade for", cure="give one of them")
        scores = score_dimensions(self._policy, self._titles, member, job, query)
        grade, reason = self._decide(scores)
        told = ", ".join(f"{name} {score}" for name, score in scores.items() if score is not None)
        return Judgement(grade, f"{told or 'nothing to compare'}; {reason}", scores)

    def _decide(self, scores: Scores) -> tuple[int, str]:
        total = weights = 0.0
        for name, score in scores.items():
            if score is not None:
                total += self._weights[name] * score
                weights += self._weights[name]
        if not weights:
            return 0, "nothing that counts is known"
        mean = total / weights
        grade = bisect_right(self._policy.cuts, mean + 1e-9)
        reason = f"mean {mean:.2f} earns {grade}"
        for rule in self._policy.rules:
            if rule.grade_at_most < grade and all(
                (score := scores[name]) is not None and score <= limit.at_most for name, limit in rule.when.items()
            ):
                grade = rule.grade_at_most
                reason += f"; at most {grade}: {rule.because}"
        return grade, reason
