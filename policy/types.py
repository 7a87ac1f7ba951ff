"""The types of a policy: its dimensions, worked examples, rules and words, each field checked on its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from contracts.records import SENIORITY_LADDER, Job, Member
from contracts.text.work import Vocabulary
from contracts.values import FrozenModel

GRADES = (0, 1, 2, 3, 4)
Dimension = Literal["function", "skills", "seniority", "place", "industry", "pay", "intent"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
Score = Annotated[int, Field(ge=0, le=4)]
Rung = Literal["intern", "entry", "mid", "senior", "lead", "director", "executive"]
_SOME_TIME = datetime(2000, 1, 1, tzinfo=UTC)


def _invalid(what: str, cure: str) -> PydanticCustomError:
    """An error whose cure `policy.document.load` puts into the typed error."""
    return PydanticCustomError("policy", "{what}", {"what": what, "cure": cure})


def _check_scale(texts: Mapping[int, str], what: str) -> None:
    """Raise unless there is one sentence for each grade, and no two are the same."""
    missing = [str(grade) for grade in GRADES if not texts.get(grade, "").strip()]
    if missing:
        raise _invalid(f"no {what} for {', '.join(missing)}", f"write a sentence for each {what}, 0 to 4")
    if len(texts) > len(GRADES):
        extra = ", ".join(str(grade) for grade in texts if grade not in GRADES)
        raise _invalid(f"{what} {extra} is not on the scale", "the scale is 0 to 4")
    first: dict[str, int] = {}
    for grade in GRADES:
        same = first.setdefault(texts[grade].strip().casefold(), grade)
        if same != grade:
            raise _invalid(f"{what}s {same} and {grade} say the same", "say what tells them apart")


class Example(FrozenModel):
    """A worked example of a dimension: parts of a member and a job, and a query."""

    because: str = Field(description="Why the dimension gets this score, in a sentence.")
    member: Member | None = None
    job: Job
    query: str = ""
    score: Score = Field(description="What the dimension scores, 0 to 4.")

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, raw: Any) -> Any:
        """Add the ids and times that a record needs and an example does not."""
        if not isinstance(raw, dict):
            return raw
        given = {"id": "example", "updated_at": _SOME_TIME}
        return {
            name: {**given, **value} if name in ("member", "job") and isinstance(value, dict) else value
            for name, value in raw.items()
        }


class _DimensionBase(FrozenModel):
    weight: float = Field(ge=0, le=100, description="Share of the mean, in percent.")
    question: str = Field(description="What a grader asks; a language model reads it.")
    anchors: Mapping[int, str] = Field(description="A sentence for each score, 0 to 4; a language model reads them.")
    examples: tuple[Example, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _anchored(self) -> Self:
        _check_scale(self.anchors, "anchor")
        return self


class SteppedDimension(_DimensionBase):
    """A dimension with a measure in [0, 1] that is cut into scores."""

    steps: tuple[float, float, float, float] = Field(description="The least measure of the scores 1, 2, 3 and 4.")

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if not all(a < b for a, b in pairwise(self.steps)):
            raise _invalid(f"steps {list(self.steps)} do not ascend", "give four rising numbers, for scores 1, 2, 3, 4")
        return self


class FunctionDimension(SteppedDimension):
    positions: int = Field(ge=1, description="Newest positions whose titles say what work the member does.")


class SeniorityDimension(_DimensionBase):
    by_distance: tuple[Score, Score, Score, Score] = Field(description="Scores at 0, 1, 2, and 3 or more rungs.")
    words: Mapping[Rung, tuple[str, ...]] = Field(description="Words of a title that name a rung.")
    unmarked: tuple[Rung, ...] = Field(min_length=1, description="Rungs of a title that names none.")

    @cached_property
    def unmarked_rungs(self) -> tuple[int, ...]:
        return tuple(SENIORITY_LADDER.index(rung) for rung in self.unmarked)


class PlaceScores(FrozenModel):
    same_city: Score
    remote: Score
    same_region: Score
    elsewhere: Score
    workplace_not_wished: Score


class PlaceDimension(_DimensionBase):
    scores: PlaceScores


class IndustryScores(FrozenModel):
    same: Score
    in_part: Score
    other: Score


class IndustryDimension(_DimensionBase):
    scores: IndustryScores


class PayDimension(SteppedDimension):
    currency: str = Field(
        Job.model_fields["currency"].default,
        min_length=1,
        description="The currency of the members' wishes; jobs that pay in another one get no score.",
    )


class DimensionSet(FrozenModel):
    """Every dimension, in the order of a rationale; one with weight 0 counts in hard rules alone."""

    function: FunctionDimension
    skills: SteppedDimension
    seniority: SeniorityDimension
    place: PlaceDimension
    industry: IndustryDimension
    pay: PayDimension
    intent: SteppedDimension

    @model_validator(mode="after")
    def _weighed(self) -> Self:
        total = sum(getattr(self, name).weight for name in DIMENSIONS)
        if abs(total - 100) > 1e-6:
            raise _invalid(f"the weights add up to {total:g}", "make them 100 together")
        return self


class Limit(FrozenModel):
    at_most: Score


class HardRule(FrozenModel):
    """A cap on the grade of a pair whose named dimensions are all known and score low."""

    when: Mapping[Dimension, Limit] = Field(min_length=1)
    grade_at_most: Score
    because: str


class Policy(FrozenModel):
    """A product policy; the comments of policy.yaml explain each field to its editors."""

    version: str = Field(description="Twelve hex digits of the file's content.")
    name: str
    grades: Mapping[int, str] = Field(description="A sentence for each grade, 0 to 4.")
    cuts: tuple[float, float, float, float] = Field(description="The least weighted mean of the grades 1, 2, 3 and 4.")
    dimensions: DimensionSet
    rules: tuple[HardRule, ...]
    languages: tuple[str, ...] = Field(
        (), description="Languages beside its own that titles are read in: files of policy/languages, or paths."
    )
    generic: tuple[str, ...] = Field(description="Words of titles that say little about the work.")
    work: Mapping[str, Mapping[str, Annotated[tuple[str, ...], Field(min_length=1)]]] = Field(
        description="Field of work -> kind of work -> the phrases that name it."
    )
    related: tuple[tuple[str, str], ...] = Field(description="Pairs of kinds of work that are near each other.")

    @property
    def vocabulary(self) -> Vocabulary:
        """What titles are read by."""
        return Vocabulary(work=self.work, related=self.related, levels=self.dimensions.seniority.words)

    @field_validator("grades")
    @classmethod
    def _described(cls, grades: Mapping[int, str]) -> Mapping[int, str]:
        _check_scale(grades, "grade")
        return grades

    @field_validator("cuts")
    @classmethod
    def _rising(cls, cuts: tuple[float, ...]) -> tuple[float, ...]:
        if not all(a < b for a, b in pairwise((0, *cuts, 4.0001))):
            raise _invalid(f"cuts {list(cuts)} do not rise from above 0 to 4", "give the lowest mean of each grade")
        return cuts

    @field_validator("related")
    @classmethod
    def _named(cls, related: tuple[tuple[str, str], ...], info: ValidationInfo) -> tuple[tuple[str, str], ...]:
        listed = {kind for kinds in info.data.get("work", {}).values() for kind in kinds}
        unknown = [kind for pair in related for kind in pair if listed and kind not in listed]
        if unknown:
            raise _invalid(f"{unknown[0]!r}, which is no kind of work", "name kinds that stand under work")
        return related
