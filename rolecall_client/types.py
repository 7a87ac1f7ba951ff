"""Made by `make clients` from the service's OpenAPI 6e7a2601cb00c071; edit the schemas, not this file."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

AnyOf = TypedDict(
    "AnyOf",
    {
        "attribute": str,
        "any_of": list[str],
        "not": NotRequired[bool],
    },
)


class Chip(TypedDict):
    id: str
    text: str
    field: Literal["place", "company", "workplace", "employment", "seniority", "pay", "recency", "words", "spelling"]
    kind: Literal["filter", "demotion", "exclusion", "spelling"]
    value: str
    label: str
    relaxed: NotRequired[bool]


class Circle(TypedDict):
    place: NotRequired[str | None]
    latitude: NotRequired[float | None]
    longitude: NotRequired[float | None]
    km: NotRequired[float | None]
    miles: NotRequired[float | None]


class Distance(TypedDict):
    km: float | None
    miles: float | None
    commute: Literal["remote", "nearby", "commute", "long_commute", "away"]


class Document(TypedDict):
    text: str


class Education(TypedDict):
    school: NotRequired[str]
    degree: NotRequired[str]
    field: NotRequired[str]


class Explored(TypedDict):
    temperature: float
    first: int
    joint: float


class FacetValue(TypedDict):
    value: str
    count: int
    clause: dict[str, Any]


class MatchEffect(TypedDict):
    name: str
    words: str
    bin: int
    dimension: NotRequired[str]
    effect: float


class MemberResult(TypedDict):
    rank: int
    member_id: str
    score: float
    scores: dict[str, float]
    good_match: float | None
    why: list[str]


class ObjectiveUsed(TypedDict):
    order: Literal["blend", "relevance", "retrieval"]
    weight: float
    floor: float
    passed: int | None
    why: str


class Position(TypedDict):
    title: str
    company: NotRequired[str]
    industry: NotRequired[str]
    start: NotRequired[str | None]
    end: NotRequired[str | None]
    description: NotRequired[str]


class Preferences(TypedDict):
    titles: NotRequired[list[str]]
    locations: NotRequired[list[str]]
    workplace: NotRequired[list[Literal["onsite", "hybrid", "remote"]]]
    salary_min: NotRequired[float | None]


class Problem(TypedDict):
    reason: str
    message: str
    field: NotRequired[str | None]


class Profile(TypedDict):
    headline: NotRequired[str]
    summary: NotRequired[str]
    location: NotRequired[str]
    seniority: NotRequired[Literal["intern", "entry", "mid", "senior", "lead", "director", "executive"] | None]
    skills: NotRequired[list[str]]
    positions: NotRequired[list[Position]]
    education: NotRequired[list[Education]]
    preferences: NotRequired[Preferences]


Range = TypedDict(
    "Range",
    {
        "attribute": str,
        "at_least": NotRequired[float | str | None],
        "at_most": NotRequired[float | str | None],
        "currency": NotRequired[str | None],
        "not": NotRequired[bool],
    },
)


ExcludeItem: TypeAlias = str


HideCompany: TypeAlias = str


class Rejected(TypedDict):
    index: int
    reason: str
    message: str


class Remains(TypedDict):
    what: str
    until: NotRequired[str | None]


class Reranked(TypedDict):
    pass


class Result(TypedDict):
    rank: int
    job_id: str
    score: float
    scores: dict[str, float]
    good_match: float | None
    found_by: list[str]
    why: list[str]
    also: list[str]
    distance: Distance | None
    title: str
    company: str
    location: str
    workplace: Literal["onsite", "hybrid", "remote"] | None
    employment: Literal["full_time", "part_time", "contract", "temporary", "internship", "volunteer"] | None
    seniority: Literal["intern", "entry", "mid", "senior", "lead", "director", "executive"] | None
    industry: str
    salary_min: float | None
    salary_max: float | None
    currency: str
    salary_period: Literal["year", "month", "week", "day", "hour"]
    posted_at: str | None
    first_posted_at: str | None
    reposts: int
    expires_at: str | None
    read_out: list[Literal["skills", "seniority", "workplace", "employment", "pay", "location"]]


IgnoreItem: TypeAlias = str


class ShapedResult(TypedDict):
    rank: NotRequired[int]
    job_id: NotRequired[str]
    score: NotRequired[float]
    scores: NotRequired[dict[str, float]]
    good_match: NotRequired[float | None]
    found_by: NotRequired[list[str]]
    why: NotRequired[list[str]]
    also: NotRequired[list[str]]
    distance: NotRequired[Distance | None]
    title: NotRequired[str]
    company: NotRequired[str]
    location: NotRequired[str]
    workplace: NotRequired[Literal["onsite", "hybrid", "remote"] | None]
    employment: NotRequired[
        Literal["full_time", "part_time", "contract", "temporary", "internship", "volunteer"] | None
    ]
    seniority: NotRequired[Literal["intern", "entry", "mid", "senior", "lead", "director", "executive"] | None]
    industry: NotRequired[str]
    salary_min: NotRequired[float | None]
    salary_max: NotRequired[float | None]
    currency: NotRequired[str]
    salary_period: NotRequired[Literal["year", "month", "week", "day", "hour"]]
    posted_at: NotRequired[str | None]
    first_posted_at: NotRequired[str | None]
    reposts: NotRequired[int]
    expires_at: NotRequired[str | None]
    read_out: NotRequired[list[Literal["skills", "seniority", "workplace", "employment", "pay", "location"]]]


class Suggestion(TypedDict):
    kind: Literal["filter", "phrase"]
    attribute: str
    value: str
    label: str
    count: int
    score: float
    clause: dict[str, Any] | None
    words: str


class SuggestionsAnswer(TypedDict):
    request_id: str
    surface: str
    suggestions: list[Suggestion]
    jobs: int
    scored_by: Literal["good_match", "relevance", "share"]
    depth: int
    understood: list[Chip]
    bundle_version: str
    index_version: str
    text_version: str
    degraded: list[str]
    timings_ms: dict[str, float]


class Version(TypedDict):
    bundle: str
    index: str
    jobs: int
    made: str
    served: bool
    current: bool


class Versions(TypedDict):
    bundle: str
    index: str


class VersionsReply(TypedDict):
    served: Versions
    current: Versions | None
    arms: dict[str, str]
    versions: list[Version]


class Wish(TypedDict):
    weight: NotRequired[float | None]
    floor: NotRequired[float | None]


Within = TypedDict(
    "Within",
    {
        "within": Circle,
        "not": NotRequired[bool],
    },
)


class Posted(TypedDict):
    request_id: str
    member_id: NotRequired[str]
    k: NotRequired[int]
    after: NotRequired[int | None]


class PostedEvent(TypedDict):
    id: NotRequired[str | None]
    time: NotRequired[str | None]
    surface: NotRequired[Literal["search", "recommendation"] | None]
    request_id: NotRequired[str | None]
    member_id: NotRequired[str | None]
    query: NotRequired[str | None]
    job_id: str
    action: Literal[
        "impression", "view", "apply", "save", "dismiss", "hire", "shortlist", "interview", "offer", "reject"
    ]
    reason: NotRequired[
        Literal[
            "wrong_occupation",
            "wrong_skills",
            "wrong_level",
            "too_far",
            "wrong_workplace",
            "wrong_pay",
            "seen_before",
            "closed",
            "bad_company",
            "other",
        ]
        | None
    ]


class Answer(TypedDict):
    request_id: str
    surface: str
    member_known: bool | None
    results: list[Result]
    bundle_version: str
    index_version: str
    text_version: str
    objective: ObjectiveUsed
    depth: int
    arm: NotRequired[str]
    explored: NotRequired[Explored | None]
    rules_version: str
    sort: Literal["best", "date", "distance", "pay"]
    facets: dict[str, list[FacetValue]]
    removed: dict[str, int]
    understood: NotRequired[list[Chip]]
    notes: list[str]
    uncalibrated: list[str]
    degraded: list[str]
    timings_ms: dict[str, float]


class CandidatesAnswer(TypedDict):
    request_id: str
    surface: str
    job_id: str
    results: list[MemberResult]
    near: int
    read: int
    bundle_version: str
    index_version: str
    text_version: str
    degraded: list[str]
    timings_ms: dict[str, float]


class Either(TypedDict):
    either: list[AnyOf | Range | Within]


class EraseReply(TypedDict):
    erased: list[str]
    refused: list[str]
    remains: list[Remains]
    degraded: NotRequired[list[str]]


class EventsReply(TypedDict):
    accepted: int
    duplicates: int
    rejected: int
    reasons: list[Rejected]
    degraded: NotRequired[list[str]]


class Explanation(TypedDict):
    found_by: list[str]
    probabilities: dict[str, float]
    contributions: dict[str, float]
    demoted_by: NotRequired[list[str]]
    match: NotRequired[list[MatchEffect]]
    words: list[str]


class Filter(TypedDict):
    all: NotRequired[list[AnyOf | Range | Within | Either]]


class RecommendRequest(TypedDict):
    member_id: NotRequired[str]
    profile: NotRequired[Profile | None]
    k: NotRequired[int]
    filter: NotRequired[Filter]
    exclude: NotRequired[list[ExcludeItem]]
    location: NotRequired[str]
    hide_companies: NotRequired[list[HideCompany]]
    sort: NotRequired[Literal["best", "date", "distance", "pay"]]
    diversity: NotRequired[float]
    per_company: NotRequired[int | None]
    min_good_match: NotRequired[float]
    facets: NotRequired[list[str]]
    objective: NotRequired[Wish | None]


class RerankAnswer(TypedDict):
    id: str
    model: str
    results: list[Reranked]


class SearchRequest(TypedDict):
    member_id: NotRequired[str]
    profile: NotRequired[Profile | None]
    k: NotRequired[int]
    filter: NotRequired[Filter]
    exclude: NotRequired[list[ExcludeItem]]
    location: NotRequired[str]
    hide_companies: NotRequired[list[HideCompany]]
    sort: NotRequired[Literal["best", "date", "distance", "pay"]]
    diversity: NotRequired[float]
    per_company: NotRequired[int | None]
    min_good_match: NotRequired[float]
    facets: NotRequired[list[str]]
    objective: NotRequired[Wish | None]
    query: str
    as_typed: NotRequired[bool]
    ignore: NotRequired[list[IgnoreItem]]


class ShapedAnswer(TypedDict):
    request_id: NotRequired[str]
    surface: NotRequired[str]
    member_known: NotRequired[bool | None]
    results: NotRequired[list[ShapedResult]]
    bundle_version: NotRequired[str]
    index_version: NotRequired[str]
    text_version: NotRequired[str]
    objective: NotRequired[ObjectiveUsed]
    depth: NotRequired[int]
    arm: NotRequired[str]
    explored: NotRequired[Explored | None]
    rules_version: NotRequired[str]
    sort: NotRequired[Literal["best", "date", "distance", "pay"]]
    facets: NotRequired[dict[str, list[FacetValue]]]
    removed: NotRequired[dict[str, int]]
    understood: NotRequired[list[Chip]]
    notes: NotRequired[list[str]]
    uncalibrated: NotRequired[list[str]]
    degraded: NotRequired[list[str]]
    timings_ms: NotRequired[dict[str, float]]


class ShapedPage(TypedDict):
    request_id: NotRequired[str]
    surface: NotRequired[str]
    results: NotRequired[list[ShapedResult]]
    bundle_version: NotRequired[str]
    index_version: NotRequired[str]
    objective: NotRequired[ObjectiveUsed]
    more: NotRequired[bool]


class SimilarRequest(TypedDict):
    member_id: NotRequired[str]
    profile: NotRequired[Profile | None]
    k: NotRequired[int]
    filter: NotRequired[Filter]
    exclude: NotRequired[list[ExcludeItem]]
    location: NotRequired[str]
    hide_companies: NotRequired[list[HideCompany]]
    sort: NotRequired[Literal["best", "date", "distance", "pay"]]
    diversity: NotRequired[float]
    per_company: NotRequired[int | None]
    min_good_match: NotRequired[float]
    facets: NotRequired[list[str]]
    objective: NotRequired[Wish | None]
    job_id: str


class SwapReply(TypedDict):
    served: Versions
    former: Versions
    changed: bool
    jobs: int
    seconds: float


AnyRequest: TypeAlias = SearchRequest | SimilarRequest | RecommendRequest


class ExplainReply(TypedDict):
    request_id: str
    job_id: str
    time: str
    surface: Literal["search", "recommendation"]
    rank: int
    score: float
    good_match: float | None
    objective: ObjectiveUsed
    bundle_version: str
    index_version: str
    depth: int
    propensity: NotRequired[float | None]
    explanation: Explanation
