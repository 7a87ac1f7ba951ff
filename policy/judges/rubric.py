"""Judges: whoever grades (member, job) pairs by the policy. The rubric judge does so by its written criteria alone.

It is deterministic, and the same in every process. `policy.judges.llm` asks a language model over HTTP,
`policy.judges.local` one on this machine. For each of them what a record holds is data: no text of a member or employer
is an instruction.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from contracts.errors import BadInput
from contracts.records import Job, Member
from policy.document.document import DIMENSIONS, Dimension, Policy
from policy.rubric.dimensions import Scores, score_dimensions
from policy.rubric.titles import Similarity, TitleReader

Cause = Literal[
    "empty",
    "prose",
    "malformed",
    "wrong schema",
    "off the scale",
    "cut off",
    "refused",
    "rate limited",
    "server error",
    "timeout",
    "unreachable",
    "rejected",
    "nothing known",
]
"""Why a pair has no grade: what can be wrong with an answer, what can come instead of one, records that say nothing."""


class Pair(NamedTuple):
    """What is graded. member None: an anonymous search; query empty: a recommendation; never both."""

    member: Member | None
    job: Job
    query: str = ""


@dataclass(frozen=True)
class Judgement:
    """grade: 0-4; rationale: why, in the policy's words and none of the member's; dimensions: score 0-4, None where
    the records say nothing about it; probabilities: of the grades 0 to 4, None where the judge does not say."""

    grade: int
    rationale: str
    dimensions: Mapping[Dimension, int | None] = field(default_factory=dict)
    probabilities: tuple[float, ...] | None = None

    @property
    def expected(self) -> float | None:
        """The mean grade under `probabilities`: a soft label, in [0, 4]."""
        return expected_grade(self.probabilities) if self.probabilities else None


@dataclass(frozen=True)
class Ungraded:
    """A pair that the judge could not grade; detail: what came instead, without a word of the pair."""

    cause: Cause
    detail: str = ""


class Judge(Protocol):
    """name: who grades, as it stands in a grade's `grader`: judge, model and version of the prompt.

    spent: what it took since it was opened, by name (calls, cached, tokens); empty for a judge that asks nobody.
    """

    name: str
    spent: Counter[str]

    def grade_many(self, pairs: Sequence[Pair]) -> list[Judgement | Ungraded]:
        """One outcome a pair, in their order. Raises JudgeFailed where the judge cannot be asked at all."""
        ...


def expected_grade(probabilities: Sequence[float]) -> float:
    """The mean of the grades 0 to 4 under their probabilities, which add up to 1."""
    return min(4.0, sum(grade * share for grade, share in enumerate(probabilities)))


def check_asked(pair: Pair) -> None:
    """Raises BadInput where neither a member nor a query asks for the job."""
    if pair.member is None and not pair.query.strip():
        raise BadInput("neither a member nor a query to grade for", cure="give one of them")


class RubricJudge:
    """Grades by the policy's steps, cuts and rules.

    title_similarity: cosine of two titles' vectors, asked only where the policy's table of work does not know both.
    """

    name = "rubric"

    def __init__(self, policy: Policy, title_similarity: Similarity | None = None) -> None:
        self._policy = policy
        self._titles = TitleReader(policy, title_similarity)
        self._weights = {name: getattr(policy.dimensions, name).weight for name in DIMENSIONS}
        self.spent: Counter[str] = Counter()

    def grade_many(self, pairs: Sequence[Pair]) -> list[Judgement | Ungraded]:
        return [self.grade(*pair) for pair in pairs]

    def grade(self, member: Member | None, job: Job, query: str = "") -> Judgement | Ungraded:
        """Ungraded where the records say nothing about any dimension that counts.

        Raises BadInput where neither a member nor a query asks for the job.
        """
        check_asked(Pair(member, job, query))
        scores = score_dimensions(self._policy, self._titles, member, job, query)
        if not any(score is not None and self._weights[name] for name, score in scores.items()):
            return Ungraded("nothing known")
        grade, reason = self._decide(scores)
        told = ", ".join(f"{name} {score}" for name, score in scores.items() if score is not None)
        return Judgement(grade, f"{told}; {reason}", scores)

    def _decide(self, scores: Scores) -> tuple[int, str]:
        total = weights = 0.0
        for name, score in scores.items():
            if score is not None:
                total += self._weights[name] * score
                weights += self._weights[name]
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
