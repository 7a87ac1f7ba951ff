"""Judges: a member or a query and a job in, a grade 0-4 with its reasons out.

`RubricJudge` applies the policy's written criteria itself: deterministic, free, and the yardstick for any judge that
comes later behind the same interface.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from contracts.errors import BadInput
from contracts.records import Job, Member
from contracts.text import job_title
from policy import dimensions
from policy.dimensions import Likeness, member_titles, overlap, work_terms
from policy.document import Policy


@dataclass(frozen=True)
class Judgement:
    """grade: 0-4; rationale: one line a person can read; dimensions: name -> 0-4, None with nothing to compare."""

    grade: int
    rationale: str
    dimensions: Mapping[str, int | None]


class Judge(Protocol):
    """name and policy_version are the lineage of every grade."""

    name: str
    policy_version: str

    def grade(self, member: Member | None, job: Job, query: str = "") -> Judgement: ...


class RubricJudge:
    """Grades by the policy's anchors, from the records alone.

    likeness: how alike two descriptions of work are, 0-1, beside shared words; without it words alone decide.
    """

    name = "rubric"

    def __init__(self, policy: Policy, likeness: Likeness | None = None) -> None:
        self.policy = policy
        self.policy_version = policy.version
        self._likeness = likeness
        synonyms = {word: group[0] for group in policy.synonyms for word in group}
        self._terms = lru_cache(maxsize=65_536)(lambda title: work_terms(title, synonyms))

    def grade(self, member: Member | None, job: Job, query: str = "") -> Judgement:
        """Raises BadInput with neither member nor query."""
        if member is None and not query:
            raise BadInput("nothing to judge: no member and no query", cure="give one of them")
        found = self._dimensions(member, job, query)
        known = {name: value for name, value in found.items() if value is not None}
        weights = {name: self.policy.dimensions[name].weight for name in known}
        mean = sum(weights[name] * value for name, value in known.items()) / sum(weights.values())
        grade = bisect_right(self.policy.cuts, mean)
        reasons = [f"{name} {value}/4" for name, value in known.items()]
        for rule in self.policy.hard_rules:
            if known.get(rule.dimension, 4) <= rule.at_most and grade > rule.cap:
                grade = rule.cap
                reasons.append(f"at most {rule.cap}: {rule.because}")
        return Judgement(grade, "; ".join(reasons), found)

    def _dimensions(self, member: Member | None, job: Job, query: str) -> dict[str, int | None]:
        titles = [(query, 1.0)] if query else member_titles(member) if member else []
        found: dict[str, int | None] = {"title": self._work(titles, job)}
        if member is None:
            return found
        wishes = [(title, 1.0) for title in member.preferences.titles]
        return found | {
            "skills": dimensions.skills(member, job),
            "seniority": dimensions.seniority(member, job),
            "location": dimensions.location(member, job),
            "industry": dimensions.industry(member, job),
            "pay": dimensions.pay(member, job),
            "intent": self._work(wishes, job) if wishes else None,
        }

    def _work(self, titles: list[tuple[str, float]], job: Job) -> int | None:
        """0-4: the best likeness of any title to the job's; None with no title to compare."""
        advert = job_title(job)
        best = max((weight * self._alike(title, advert) for title, weight in titles if title), default=None)
        return None if best is None else bisect_right(self.policy.likeness, best)

    def _alike(self, title: str, advert: str) -> float:
        shared = overlap(self._terms(title), self._terms(advert))
        return max(shared, self._likeness(title, advert)) if self._likeness else shared
