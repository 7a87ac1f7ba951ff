"""Write a judge: what one sees is the grade of two jobs by a judge of our own, beside that of the built-in rubric.

A judge is one class in one file. Registered under a name, it grades the training lists of the recipe as soon as
`params.yaml` names it:

    plugins: [examples/own_judge.py]
    label: {judge: {kind: shared_skills, full: 3}}
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar, Literal, Self

from pydantic import Field

from contracts.records import Job, Member
from policy import load_policy
from policy.judges.base import JudgeConfig, Judgement, JudgeSetting, Pair, Ungraded
from policy.judges.registry import JUDGES, open_judge, read_judge


class SharedSkillsConfig(JudgeConfig):
    """Knobs of the judge."""

    kind: Literal["shared_skills"] = "shared_skills"
    full: int = Field(3, ge=1, description="Shared skills that earn grade 4.")


@JUDGES.register("shared_skills")
class SharedSkillsJudge:
    """Grades by how many skills a member and a job share."""

    Config: ClassVar[type[JudgeConfig]] = SharedSkillsConfig

    def __init__(self, full: int) -> None:
        self.name, self.full, self.spent = f"shared_skills {full}", full, Counter[str]()

    @classmethod
    def open(cls, config: SharedSkillsConfig, setting: JudgeSetting) -> Self:
        return cls(config.full)

    def grade_many(self, pairs: Sequence[Pair]) -> list[Judgement | Ungraded]:
        return [self._grade(pair) for pair in pairs]

    def _grade(self, pair: Pair) -> Judgement | Ungraded:
        if pair.member is None or not pair.job.skills:
            return Ungraded("nothing known", "no member or no skills")
        shared = len(set(pair.member.skills) & set(pair.job.skills))
        return Judgement(min(4, 4 * shared // self.full), f"{shared} shared skills")


if __name__ == "__main__":
    now, care = datetime.now(UTC), ("wound care", "triage", "charting")
    member = Member(id="m", headline="Registered Nurse", skills=care, updated_at=now)
    nurse = Job(id="1", title="Registered Nurse", skills=care, updated_at=now)
    welder = Job(id="2", title="Welder", skills=("TIG welding",), updated_at=now)
    for knobs in ({"kind": "shared_skills", "full": 3}, "rubric"):
        judge = open_judge(read_judge(knobs), JudgeSetting(load_policy()))
        for job in (nurse, welder):
            [judgement] = judge.grade_many([Pair(member, job)])
            print(f"{judge.name:<16} {job.title:<17} {judgement}")
