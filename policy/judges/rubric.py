"""The judge that grades by the policy's written criteria alone: deterministic, and the same in every process."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from contracts.records import Job, Member
from policy.judges.base import JudgeConfig, Judgement, JudgeSetting, Pair, Ungraded
from policy.rubric.dimensions import Scores, score_dimensions
from policy.rubric.titles import Similarity, TitleReader
from policy.types import DIMENSIONS, Policy


class RubricConfig(JudgeConfig):
    """The rubric judge has no knobs: it reads the policy's own steps, cuts and rules."""

    kind: Literal["rubric"] = "rubric"
    free: ClassVar[bool] = True


class RubricJudge:
    """Grades by the policy's steps, cuts and hard rules."""

    Config = RubricConfig
    name = "rubric"

    def __init__(self, policy: Policy, similarity: Similarity | None = None) -> None:
        """Make the judge.

        Args:
            policy: What to grade by.
            similarity: Cosine of two titles' vectors, for titles that the policy's table of work does not hold.
        """
        self._policy = policy
        self._titles = TitleReader(policy, similarity)
        self._weights = {name: getattr(policy.dimensions, name).weight for name in DIMENSIONS}
        self.spent: Counter[str] = Counter()

    @classmethod
    def open(cls, config: RubricConfig, setting: JudgeSetting) -> Self:
        """Make the judge with the encoder of titles, if there is one."""
        return cls(setting.policy, setting.open_similarity() if setting.open_similarity else None)

    def grade_many(self, pairs: Sequence[Pair]) -> list[Judgement | Ungraded]:
        """Grade pairs, see `grade`."""
        return [self.grade(*pair) for pair in pairs]

    def grade(self, member: Member | None, job: Job, query: str = "") -> Judgement | Ungraded:
        """Grade one pair.

        Returns:
            Ungraded where the records say nothing about any dimension that has a weight.

        Raises:
            BadInput: Neither a member nor a query asks for the job.
        """
        Pair(member, job, query).check()
        scores = score_dimensions(self._policy, self._titles, member, job, query)
        if not any(score is not None and self._weights[name] for name, score in scores.items()):
            return Ungraded("nothing known")
        grade, reason = self._grade_of(scores)
        listed = ", ".join(f"{name} {score}" for name, score in scores.items() if score is not None)
        return Judgement(grade, f"{listed}; {reason}", scores)

    def _grade_of(self, scores: Scores) -> tuple[int, str]:
        """The grade that the weighted mean earns, lowered by the hard rules, and the reason in words."""
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
