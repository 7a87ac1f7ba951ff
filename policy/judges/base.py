"""The interface of judges: pairs in; out a judgement of each, or the cause why there is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, Self

from pydantic import ConfigDict

from contracts.errors import BadInput
from contracts.records import Job, Member
from contracts.values import FrozenModel
from policy.rubric.dimensions import Scores
from policy.rubric.titles import Similarity
from policy.types import GRADES, Policy

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
    "unsure",
]
"""Why a pair has no grade: a fault of the answer or of the server, records that say nothing, or a judge that disagrees
with itself."""
BLAMELESS: tuple[Cause, ...] = ("nothing known", "unsure")
"""Causes that are no failure of the judge, however many pairs have them."""


class Pair(NamedTuple):
    """What a judge grades. A search has a query, an anonymous one no member; a recommendation has no query."""

    member: Member | None
    job: Job
    query: str = ""

    def check(self) -> None:
        """Raise BadInput where neither a member nor a query asks for the job."""
        if self.member is None and not self.query.strip():
            raise BadInput("neither a member nor a query to grade for", cure="give one of them")


@dataclass(frozen=True)
class Judgement:
    """A judge's answer to a pair.

    Attributes:
        grade: 0 to 4.
        rationale: Why, in the policy's words and none of the member's.
        dimensions: Score 0 to 4 by dimension, None where the records say nothing about it.
        probabilities: Of the grades 0 to 4; None where the judge gives none.
    """

    grade: int
    rationale: str
    dimensions: Scores = field(default_factory=dict)
    probabilities: tuple[float, ...] | None = None

    @property
    def expected(self) -> float | None:
        """The mean grade under `probabilities`: a soft label in [0, 4]."""
        return expected_grade(self.probabilities) if self.probabilities else None


@dataclass(frozen=True)
class Ungraded:
    """A pair that the judge could not grade. The detail repeats no word of the pair."""

    cause: Cause
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.cause} ({self.detail})" if self.detail else self.cause


class JudgeConfig(FrozenModel):
    """Base of the judges' knobs. `kind` is the judge's name in `policy.judges.registry.JUDGES`.

    Attributes:
        free: Whether grading calls no model, so that the judge may be asked without a word about money.
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # the input may hold a key

    kind: str
    free: ClassVar[bool] = False

    def cost(self, spent: Counter[str]) -> float | None:
        """The money that a judge's `spent` comes to; None where no price is known."""
        return 0.0 if self.free else None


@dataclass(frozen=True)
class JudgeSetting:
    """What a judge may use beside its own knobs.

    Attributes:
        policy: What to grade by.
        answers: A file for the answers of a model that is paid for; None where nothing is kept.
        open_similarity: Opens the encoder of titles; None where there is none.
    """

    policy: Policy
    answers: Path | None = None
    open_similarity: Callable[[], Similarity] | None = None


class Judge(Protocol):
    """Whoever grades pairs.

    Attributes:
        name: Who grades, as it stands in a grade's `grader`: the judge, the model and the version of the prompt.
        spent: What grading took so far by name (calls, cached, prompt_tokens); empty for a judge that calls no model.
    """

    name: str
    spent: Counter[str]

    def grade_many(self, pairs: Sequence[Pair]) -> list[Judgement | Ungraded]:
        """Grade pairs.

        Returns:
            One outcome a pair, in the order of the pairs.

        Raises:
            JudgeFailed: The judge cannot be reached at all.
        """
        ...


class JudgeKind(Judge, Protocol):
    """A judge as `policy.judges.registry.JUDGES` holds it: one class in one file.

    Attributes:
        Config: The judge's knobs, a `JudgeConfig` whose `kind` is the judge's name.
    """

    Config: ClassVar[type[JudgeConfig]]

    @classmethod
    def open(cls, config: Any, setting: JudgeSetting) -> Self:
        """Make the judge from its `Config`. Raises what stands in the way of all grading."""
        ...


def agreed(answers: Sequence[Judgement]) -> Judgement | None:
    """What several answers to one pair come to: the grade that more than half of them give, with its first rationale.

    Args:
        answers: One or more.

    Returns:
        The judgement, whose probabilities are the mean of all answers' (an answer without any is sure of its grade);
        None where there is one answer alone or no such grade.

    Source: Wang et al., Self-Consistency (ICLR 2023, arXiv 2203.11171).
    """
    (grade, votes), *_ = Counter(answer.grade for answer in answers).most_common(1)
    if len(answers) < 2 or 2 * votes <= len(answers):
        return None
    shares = [answer.probabilities or tuple(float(one == answer.grade) for one in GRADES) for answer in answers]
    mean = tuple(sum(of_grade) / len(answers) for of_grade in zip(*shares, strict=True))
    return replace(next(answer for answer in answers if answer.grade == grade), probabilities=mean)


def expected_grade(probabilities: Sequence[float]) -> float:
    """The mean of the grades 0 to 4 under their probabilities, which add up to 1."""
    return min(4.0, sum(grade * share for grade, share in enumerate(probabilities)))
