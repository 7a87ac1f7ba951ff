"""What goes in and out over HTTP. The engine speaks these types too, so that it is used the same without a server.

Every bound that keeps a hostile request cheap stands here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Optional

from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field, create_model

from contracts.cleaning import clean_text
from contracts.records import (
    EARLIEST,
    Employment,
    Event,
    Identifier,
    Member,
    PayPeriod,
    Record,
    Seniority,
    Surface,
    Workplace,
)
from contracts.text.verbalizer import Verbalizer
from ranking.explain import Explanation
from retrieval.filters.filters import Clause, Either, Filter, Range

MAX_K = 500
MAX_QUERY_CHARS = 2_000
MAX_FILTER_VALUES = 1_000
MAX_EXCLUDED = 1_000
MAX_EVENTS = 1_000
MAX_BODY_BYTES = 1_000_000


def _bounded(found: Filter) -> Filter:
    values = sum(map(_values, found.clauses))
    if values > MAX_FILTER_VALUES:
        raise ValueError(f"{values:,} values are over the limit of {MAX_FILTER_VALUES:,}")
    return found


def _values(clause: Clause) -> int:
    if isinstance(clause, Either):
        return sum(map(_values, clause.either))
    return 1 if isinstance(clause, Range) else len(clause.any_of)


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


if TYPE_CHECKING:

    class Profile(Record):
        """`contracts.records.Member` without `id` and `updated_at`."""
else:
    Profile = create_model(
        "Profile",
        __base__=Record,
        __doc__="What a member would say of themselves: the fields of a member record, all of them optional.",
        **{n: (f.annotation, f) for n, f in Member.model_fields.items() if n not in ("id", "updated_at")},
    )


def profile_text(profile: Profile, verbalizer: Verbalizer) -> tuple[str, str]:
    """The member text of a profile, as the batch job would write it, and its location."""
    member = Member.model_construct(**{"id": "", "updated_at": EARLIEST, **dict(profile)})
    return verbalizer.member(member), member.location


class Ask(_Value):
    """What both surfaces take.

    member_id: empty for someone who is not signed in; an id that nobody knows is no error.
    profile: used in place of the member's stored text, and so the way to serve someone new.
    location: "City, Region", where it is not the member's own.
    """

    member_id: Annotated[str, Field(max_length=200), AfterValidator(clean_text)] = ""
    profile: Profile | None = None
    k: Annotated[int, Field(ge=1, le=MAX_K, description="How many jobs; fewer come back where fewer fit.")] = 20
    filter: Annotated[Filter, AfterValidator(_bounded)] = Filter()
    exclude: Annotated[tuple[Identifier, ...], FailFast(), Field(max_length=MAX_EXCLUDED)] = ()
    location: Annotated[str, Field(max_length=200), AfterValidator(clean_text)] = ""


class RecommendRequest(Ask):
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


class SearchRequest(Ask):
    model_config = ConfigDict(json_schema_extra={"examples": [{"query": "night shift nurse", "k": 10}]})
    query: Annotated[str, Field(max_length=MAX_QUERY_CHARS), AfterValidator(clean_text), Field(min_length=1)]


class Result(_Value):
    """One job of an answer.

    score: what the list is ordered by, comparable within one answer only (where a company's share of the first places
    is limited, a job may stand below one of a lower score); scores: task -> calibrated probability, which may be held
    against a threshold, empty where the student did not rank; found_by: the retrieval sources that found it; why: the
    strongest reasons, and the rules that put it after the others; also: near-duplicates of it that were found too and
    are not listed, best first.
    """

    rank: int
    job_id: str
    score: float
    scores: Mapping[str, float]
    found_by: tuple[str, ...]
    why: tuple[str, ...]
    also: tuple[str, ...]
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
    expires_at: datetime | None


class Answer(_Value):
    """member_known: null where the feature store did not say.

    uncalibrated: tasks that are ranked by but not in `scores`: too few labels say how likely they are; degraded: the
    stages that could not answer or ran out of time, and were done without; removed: rule from member feedback -> jobs
    that it kept out.
    """

    request_id: str
    member_known: bool | None
    results: tuple[Result, ...]
    bundle_version: str
    index_version: str
    text_version: str
    rules_version: str
    removed: Mapping[str, int]
    uncalibrated: tuple[str, ...]
    degraded: tuple[str, ...]
    timings_ms: Mapping[str, float]


EventIn = create_model(
    "EventIn",
    __base__=Record,
    __doc__="An event; what is left out is filled in from the request that `request_id` names, and from the clock.",
    **{
        name: (field.annotation, field) if name in ("job_id", "action") else (Optional[field.annotation], None)  # noqa: UP045
        for name, field in Event.model_fields.items()
    },
)  # type: ignore[call-overload]
"""For the documentation alone: each event of a batch is checked by itself, as a `contracts.records.Event`."""

EVENTS_BODY: Mapping[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "anyOf": [
                    EventIn.model_json_schema(),
                    {"type": "array", "maxItems": MAX_EVENTS, "items": EventIn.model_json_schema()},
                ]
            },
            "example": [{"request_id": "5f3c...", "job_id": "j0000007", "action": "apply"}],
        }
    },
}


class Rejected(_Value):
    """index: the event's place in what was posted."""

    index: int
    reason: str
    message: str


class EventsReply(_Value):
    """accepted: new events; duplicates: ids that were posted before, which change nothing.

    degraded: "features" where events were logged but the member's next answer does not know of them yet.
    """

    accepted: int
    duplicates: int
    rejected: int
    reasons: tuple[Rejected, ...]
    degraded: tuple[str, ...] = ()


class ExplainReply(_Value):
    request_id: str
    job_id: str
    time: datetime
    surface: Surface
    rank: int
    score: float
    explanation: Explanation


class Problem(_Value):
    """Every answer that is not a success."""

    reason: str
    message: str
    field: str | None = None
