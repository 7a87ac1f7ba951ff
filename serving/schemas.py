"""Requests and answers of the service, with HTTP and without; every bound that keeps a hostile request cheap."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, FailFast, Field, RootModel
from pydantic_core import PydanticCustomError

from contracts.bundle import OrderName
from contracts.cleaning import clean_text
from contracts.records import (
    EARLIEST,
    Education,
    Employment,
    Identifier,
    Member,
    OptionalSeniority,
    PayPeriod,
    Places,
    Positions,
    Preferences,
    Record,
    Seniority,
    Surface,
    Text,
    Told,
    Words,
    Workplace,
)
from contracts.text.verbalizer import Verbalizer
from contracts.values import FrozenModel
from ranking.explain import Explanation
from ranking.explore import Draw
from ranking.objective import Wish
from ranking.rank import Ranked
from retrieval.filters.commute import Distance
from retrieval.filters.facets import FacetValue
from retrieval.filters.filters import AnyOf, Clause, Either, Filter
from retrieval.queries.chips import Chip
from serving.kinds import BUILT_IN, MAX_FACETS, Asks, Sort
from serving.limits import MAX_K

MAX_QUERY_CHARS = 2_000
MAX_FILTER_VALUES = 1_000
MAX_EXCLUDED = 1_000
MAX_EVENTS = 1_000
MAX_IGNORED = 50
MAX_HIDDEN = 100


def _whole(value: object) -> object:
    """JSON knows one kind of number: 5.0 is whole, while true and "5" are no numbers."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise PydanticCustomError("whole_number", "a whole number is wanted")
    return value


Whole = Annotated[int, BeforeValidator(_whole)]
Company = Annotated[str, Field(max_length=200), AfterValidator(clean_text), Field(min_length=1)]


def _bounded(filter: Filter) -> Filter:
    values = sum(map(_values, filter.clauses))
    if values > MAX_FILTER_VALUES:
        raise ValueError(f"{values:,} values are over the limit of {MAX_FILTER_VALUES:,}")
    return filter


def _values(clause: Clause) -> int:
    if isinstance(clause, Either):
        return sum(map(_values, clause.either))
    return len(clause.any_of) if isinstance(clause, AnyOf) else 1


class Profile(Record):
    """What a member would say of themselves: the fields of a member record, all of them optional.

    Values are read as those of records are: a level in words, a date as people write it.
    """

    model_config = ConfigDict(coerce_numbers_to_str=False)

    headline: Text = ""
    summary: Text = ""
    location: Places = ""
    seniority: OptionalSeniority = None
    skills: Words = ()
    positions: Positions = ()
    education: Annotated[tuple[Education, ...], Field(max_length=50)] = ()
    preferences: Preferences = Preferences()


def profile_text(profile: Profile, verbalizer: Verbalizer) -> tuple[str, str]:
    """The member text of a profile, as the batch job would write it, and its location."""
    member = Member.model_construct(**{"id": "", "updated_at": EARLIEST, **dict(profile)})
    return verbalizer.member(member), member.location


class JobsRequest(FrozenModel):
    """The fields of a recommendation and of a search alike."""

    member_id: Annotated[str, Field(max_length=200), AfterValidator(clean_text)] = Field(
        "", description="Empty for someone who is not signed in; an unknown id is no error."
    )
    profile: Profile | None = Field(
        None, description="Used in place of the member's stored text, and so the way to serve someone new."
    )
    k: Annotated[Whole, Field(ge=1, le=MAX_K, description="How many jobs; fewer come back where fewer fit.")] = 20
    filter: Annotated[Filter, AfterValidator(_bounded)] = Filter()
    exclude: Annotated[tuple[Identifier, ...], FailFast(), Field(max_length=MAX_EXCLUDED)] = Field(
        (), description="Jobs that must not be in the answer."
    )
    location: Annotated[str, Field(max_length=200), AfterValidator(clean_text)] = Field(
        "", description='"City, Region", where it is not the member\'s own.'
    )
    hide_companies: Annotated[tuple[Company, ...], FailFast(), Field(max_length=MAX_HIDDEN)] = Field(
        (), description="Companies none of whose jobs may be in the answer."
    )
    sort: Sort = Field("best", description="`best`: by the objective; the others put what was found in their order.")
    diversity: Annotated[float, Field(ge=0, le=1, strict=True)] = Field(
        0.0, description="Weight of being unlike the jobs that stand before, beside the score; 0: none."
    )
    per_company: Annotated[Whole, Field(ge=1, le=MAX_K)] | None = Field(
        None, description="Most jobs of one company in the answer; null: no cap but the index's."
    )
    min_good_match: Annotated[float, Field(ge=0, le=1, strict=True)] = Field(
        0.0, description="Calibrated probability of a good match below which a job is left out; 0: none is."
    )
    facets: Annotated[tuple[str, ...], Field(max_length=MAX_FACETS)] = Field(
        (), description="Attributes whose values are counted beside the answer, each without its own clause."
    )
    objective: Wish | None = Field(
        None, description="Another weight of the policy or floor than the bundle's, within the bounds that it states."
    )


class ObjectiveUsed(FrozenModel):
    """By what an answer was put in order."""

    order: OrderName = Field(
        description="`blend`: what members choose, beside the policy; `relevance`: the policy alone; `retrieval`: as "
        "retrieved."
    )
    weight: float = Field(description="Weight of the policy beside the blend.")
    floor: float = Field(
        description="Probability of a good match below which jobs come after all that reach it; 0: none."
    )
    passed: int | None = Field(description="Ranked jobs that reach the floor; null where nobody can say.")
    why: str = Field(description="Why it is this order.")

    @classmethod
    def of(cls, ranked: Ranked) -> Self:
        """That of a ranking."""
        used = ranked.objective
        return cls(order=used.order, weight=used.weight, floor=used.floor, passed=ranked.passed, why=used.why)


class Explored(FrozenModel):
    """That a list was drawn by chance, and how."""

    temperature: float = Field(description="By which scores were divided.")
    first: int = Field(description="The first place that was drawn.")
    joint: float = Field(description="Probability of this list.")

    @classmethod
    def of(cls, draw: Draw) -> Self:
        """That of a draw."""
        return cls(temperature=draw.temperature, first=draw.first, joint=draw.joint)


class RecommendRequest(JobsRequest):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"member_id": "m0000001", "k": 10},
                {
                    "profile": {"headline": "Registered nurse", "skills": ["triage"], "location": "Austin, Texas"},
                    "filter": {"all": [{"attribute": "workplace", "any_of": ["onsite", "hybrid"]}]},
                },
            ]
        }
    )


class SearchRequest(JobsRequest):
    model_config = ConfigDict(json_schema_extra={"examples": [{"query": "night shift nurse", "k": 10}]})
    query: Annotated[str, Field(max_length=MAX_QUERY_CHARS), AfterValidator(clean_text), Field(min_length=1)]
    as_typed: bool = Field(False, description="Read no condition in the query, and mend no word.", strict=True)
    ignore: Annotated[tuple[Annotated[str, Field(max_length=200)], ...], FailFast(), Field(max_length=MAX_IGNORED)] = (
        Field((), description="Ids of `understood` whose words are taken as typed; an exclusion is dropped.")
    )


class SimilarRequest(JobsRequest):
    model_config = ConfigDict(json_schema_extra={"examples": [{"job_id": "j0000007", "k": 5}]})
    job_id: Identifier = Field(description="The job that others are to be like.")


class NextRequest(FrozenModel):
    """Further jobs of a recent answer."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"request_id": "5f3c...", "k": 20}]})
    request_id: Identifier
    member_id: Annotated[str, Field(max_length=200), AfterValidator(clean_text)] = Field(
        "", description="The answer's own; a page of another member's answer is refused."
    )
    k: Annotated[Whole, Field(ge=1, le=MAX_K)] = 20
    after: Annotated[Whole, Field(ge=0)] | None = Field(
        None, description="The rank behind which the page begins; null: behind all that was shown. The same page again."
    )


REQUESTS: Mapping[Asks, type[JobsRequest]] = {
    "query": SearchRequest,
    "member": RecommendRequest,
    "job": SimilarRequest,
}
"""What a surface asks for -> the request to it."""


class AnyRequest(RootModel[SearchRequest | SimilarRequest | RecommendRequest]):
    """A request to some surface, for the API's page."""


def surface_of(message: JobsRequest) -> str:
    """The surface of the package that a request is for, where none is named."""
    asks = next(asks for asks, model in REQUESTS.items() if isinstance(message, model))
    return next(name for name, asked in BUILT_IN.items() if asked == asks)


class Result(FrozenModel):
    """One job of an answer."""

    rank: int
    job_id: str
    score: float = Field(
        description="What the list is ordered by, comparable within one answer only. Where a company's share of the "
        "first places is limited, a job may stand below one of a lower score."
    )
    scores: Mapping[str, float] = Field(
        description="Task -> calibrated probability, which may be held against a threshold; empty where the student "
        "did not rank."
    )
    good_match: float | None = Field(
        description="Calibrated probability that the judge grades it 3 or 4, which the floor compares; null where "
        "nobody can say."
    )
    found_by: tuple[str, ...] = Field(description="The retrieval sources that found it.")
    why: tuple[str, ...] = Field(
        description="The strongest facts that speak for it, and the rules that put it after the others, in words."
    )
    also: tuple[str, ...] = Field(
        description="Near-duplicates of it that were found too and are not listed, best first."
    )
    distance: Distance | None = Field(
        description="From the request's place; null where one of the two is not known and the job is not remote."
    )
    title: str
    company: str
    location: str
    workplace: Workplace | None
    employment: Employment | None
    seniority: Seniority | None
    industry: str
    salary_min: float | None
    salary_max: float | None
    currency: str
    salary_period: PayPeriod
    posted_at: datetime | None
    first_posted_at: datetime | None = Field(description="When the same advert was posted for the first time.")
    reposts: int = Field(description="How often the same advert had been posted before.")
    expires_at: datetime | None
    read_out: tuple[Told, ...] = Field(
        description="Fields that nobody gave and that were read out of title and description; pay: all fields of pay."
    )


class Answer(FrozenModel):
    """The jobs for a request, best first, and how they came about."""

    request_id: str
    surface: str = Field(description="What was asked, by the name of its file.")
    member_known: bool | None = Field(description="Null where the feature store did not say.")
    results: tuple[Result, ...]
    bundle_version: str
    index_version: str
    text_version: str
    objective: ObjectiveUsed
    depth: int = Field(
        description="Candidates that the student scored, the best of those found; fewer under load, 0 where the order "
        "is that of retrieval."
    )
    arm: str = Field("", description="The arm of a trial that the member is in; empty: none.")
    explored: Explored | None = Field(
        None, description="That the list was drawn by chance, so that a log can be learned from; null: it was not."
    )
    rules_version: str
    sort: Sort = Field(description="What the list is in the order of: of `best`, by the objective.")
    facets: Mapping[str, tuple[FacetValue, ...]] = Field(
        description="Attribute -> its values among the jobs that may be shown and, of a query, hold a word of it."
    )
    removed: Mapping[str, int] = Field(description="Rule from member feedback -> jobs that it kept out.")
    understood: tuple[Chip, ...] = Field(
        (), description="The conditions that were read in the query, each of which `ignore` turns off."
    )
    notes: tuple[str, ...] = Field(
        description="What the filter asks for in vain: values that no job has, jobs that do not say what it compares."
    )
    uncalibrated: tuple[str, ...] = Field(
        description="Tasks that are ranked by but not in `scores`: too few labels say how likely they are."
    )
    degraded: tuple[str, ...] = Field(
        description="Stages that could not answer or ran out of time, and were done without."
    )
    timings_ms: Mapping[str, float]


class NextAnswer(FrozenModel):
    """A further page of an answer, in its order."""

    request_id: str = Field(description="That of the first page, by which events and explanations name it.")
    surface: str
    results: tuple[Result, ...] = Field(description="Ranks go on; a job that has closed since is left out.")
    bundle_version: str = Field(description="Of the bundle that ranked the answer, which another may serve since.")
    index_version: str
    objective: ObjectiveUsed
    more: bool = Field(description="Whether there are further jobs.")


def _nothing_required(schema: dict[str, Any]) -> None:
    schema.pop("required", None)


class ShapedResult(Result):
    """One job of an answer whose surface may name its fields; `job_id` is always there."""

    model_config = ConfigDict(json_schema_extra=_nothing_required)


class ShapedAnswer(Answer):
    """`Answer` with the fields that its surface names; `request_id`, `results` and `degraded` are always there."""

    model_config = ConfigDict(json_schema_extra=_nothing_required)
    results: tuple[ShapedResult, ...]


class ShapedPage(NextAnswer):
    """`NextAnswer` with the fields that its surface names; `request_id`, `results` and `more` are always there."""

    model_config = ConfigDict(json_schema_extra=_nothing_required)
    results: tuple[ShapedResult, ...] = Field(description="Ranks go on; a job that has closed since is left out.")


class Rejected(FrozenModel):
    index: int = Field(description="The event's place in the post, from 0.")
    reason: str
    message: str


class EventsReply(FrozenModel):
    accepted: int = Field(description="New events.")
    duplicates: int = Field(description="Events whose id was posted before, which change nothing.")
    rejected: int
    reasons: tuple[Rejected, ...]
    degraded: tuple[str, ...] = Field(
        (), description='"features" where events were logged but the next answer does not know of them yet.'
    )


class ExplainReply(FrozenModel):
    request_id: str
    job_id: str
    time: datetime
    surface: Surface
    rank: int
    score: float
    good_match: float | None = Field(description="Calibrated probability that the judge grades it 3 or 4.")
    objective: ObjectiveUsed
    bundle_version: str = Field(description="Of the bundle that ranked the answer: its score is that of the list.")
    index_version: str
    depth: int = Field(description="Candidates that the student scored for that answer.")
    propensity: float | None = Field(
        None, description="With which a list that was drawn by chance has the job at its place; null: it was not."
    )
    explanation: Explanation
