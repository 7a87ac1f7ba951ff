"""The records: what a member, a job, an event and a grade are. Everything else is derived from these models.

Times are timezone-aware UTC. Text is cleaned as it enters (`contracts.cleaning`). A member asks for yearly pay; a job
says in which currency and for which period it pays. Values are read as data write them (`contracts.reading`), as
FULL_TIME, 25 May 2004 or "$40k a year". A record never holds a value that its field does not allow: what does not fit
raises at validation; `sources.check` then leaves an optional field empty and sets aside the row of a required one.

The context of a validation may be the `contracts.reading.times.TimeReading` of the source.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from contracts.cleaning import clean_text, without_files
from contracts.reading.pay import currency_code, fill_pay, fill_wish, yearly
from contracts.reading.spellings import is_missing, is_spelled, spelled
from contracts.reading.times import PLAIN, TimeReading, read_time
from contracts.reading.ways import fill_way

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
MAX_TEXT_CHARS = 100_000
MAX_MARKUP_CHARS = 20 * MAX_TEXT_CHARS
MAX_POSITION = 1_000_000
"""Of a job in a list; every integer column that later holds it is wide enough."""
LEAST_PROPENSITY = 2.0**-126
"""The smallest normal float32: a smaller propensity becomes 0, and a weight by its inverse infinite."""

Surface = Literal["search", "recommendation"]
Action = Literal["impression", "view", "apply", "save", "dismiss", "hire", "shortlist", "interview", "offer", "reject"]
Seniority = Literal["intern", "entry", "mid", "senior", "lead", "director", "executive"]
Reason = Literal[
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
"""Why a member dismissed a job. Rules answer these (`retrieval.rules.rules`)."""
RejectReason = Literal[
    "skills", "experience", "overqualified", "place", "pay", "permit", "filled", "withdrawn", "other"
]
"""Why an employer rejected an application; `filled`: somebody else has the job, `withdrawn`: the member gave it up."""
Workplace = Literal["onsite", "hybrid", "remote"]
PayPeriod = Literal["year", "month", "week", "day", "hour"]
Employment = Literal["full_time", "part_time", "contract", "temporary", "internship", "volunteer"]
Told = Literal["skills", "seniority", "workplace", "employment", "pay", "location"]
"""What may be read out of an advert's title and description (`contracts.text.adverts`); "pay": all fields of pay."""

SENIORITY_LADDER: tuple[str, ...] = ("intern", "entry", "mid", "senior", "lead", "director", "executive")


def _misfit(reason: str, what: str) -> PydanticCustomError:
    """An error for a validator to raise; its type is the reason of the quarantine, a key of `sources.reasons.CURES`."""
    return PydanticCustomError(reason, "{what}", {"what": what})


def _bounded(text: str) -> str:
    """The text without markup; its length is measured then, that of its markup before only to bound the work."""
    for cleaned, limit in ((without_files, MAX_MARKUP_CHARS), (clean_text, MAX_TEXT_CHARS)):
        text = cleaned(text)
        if len(text) > limit:
            raise _misfit("text_too_long", f"text of {len(text):,} characters is over the limit of {limit:,}")
    return text


def _read_text(text: str) -> str:
    """A text without markup; none where it stands for nothing, as "N/A" does."""
    text = _bounded(text)
    return "" if is_missing(text) else text


def _given(text: str) -> str:
    """The text of a field that a record needs; a word for nothing is none."""
    if text and is_missing(text):
        raise _misfit("missing_field", "it stands for nothing")
    return text


def _with_words(texts: tuple[str, ...]) -> tuple[str, ...]:
    return texts if all(texts) else tuple(text for text in texts if text)


def utc(value: datetime) -> datetime:
    """The moment in UTC; one without a zone is taken as UTC.

    Raises:
        ValueError: It is before 1900, or past 9999 in UTC.
    """
    try:
        value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:  # the calendar ends between its own zone and UTC
        raise _misfit("bad_date", f"{value.isoformat()} is outside the years 1 to 9999 in UTC") from None
    if value < EARLIEST:
        raise _misfit("date_before_1900", f"{value.date()} is before 1900")
    return value


def _blank_is_missing(value: Any) -> Any:
    if isinstance(value, str):
        if value[:1].isdigit():  # no word for nothing begins so, and most times and amounts do
            return value
        return None if is_missing(value) else value
    return None if isinstance(value, float) and value != value else value


def _closed_by(value: Any) -> Any:
    """A cell that ends something: "Present" or "until filled" is no end."""
    value = _blank_is_missing(value)
    return None if isinstance(value, str) and is_spelled("open_end", value) else value


def _closed_as_of(value: dict[str, Any]) -> dict[str, Any]:
    """A job's raw fields; one that is said to be closed, without a day, closed when that was said."""
    end = value.get("expires_at")
    if not isinstance(end, str) or end[:1].isdigit() or not is_spelled("closed", end) or "updated_at" not in value:
        return value
    return value | {"expires_at": value["updated_at"]}


def _words_of(field: str, values: Any) -> BeforeValidator:
    """Reads one of the values of a Literal as data spell it; what is not known stays, for the Literal to refuse."""
    known = frozenset(get_args(values))

    def read(value: Any) -> Any:
        if value is None or (isinstance(value, str) and value in known):
            return value
        if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
            value = ", ".join(value)  # schema.org gives several
        value = _blank_is_missing(value)
        return (spelled(field, value) or value) if isinstance(value, str) else value

    return BeforeValidator(read)


def _joined(value: Any) -> Any:
    """Several places, in a list or one a line, as one text."""
    if isinstance(value, str) and "\n" in value.strip():
        value = [line for line in value.splitlines() if line.strip()]
    if isinstance(value, list | tuple) and all(isinstance(place, str) for place in value):
        return "; ".join(place for place in value if not is_missing(place))
    return value


def _blank_is_a_year(value: Any) -> Any:
    return "year" if value is None else value


def _blank_is_usd(value: Any) -> Any:
    return "USD" if _blank_is_missing(value) is None else value


def _none_is_empty(value: Any) -> Any:
    return () if value is None else value


def _time(value: Any, info: ValidationInfo) -> datetime:
    return read_time(value, _reading(info), info.field_name or "")


def _closing_time(value: Any, info: ValidationInfo) -> datetime:
    return read_time(value, _reading(info), info.field_name or "", closes=True)


def _reading(info: ValidationInfo) -> TimeReading:
    return info.context if isinstance(info.context, TimeReading) else PLAIN


Identifier = Annotated[
    str, Field(min_length=1, max_length=200), AfterValidator(clean_text), AfterValidator(_given), Field(min_length=1)
]
Text = Annotated[str, AfterValidator(_read_text)]
NeededText = Annotated[str, AfterValidator(_bounded), AfterValidator(_given), Field(min_length=1)]
_AS_WRITTEN = WithJsonSchema({"type": "string", "description": "A time, or a date as people write it."})
Time = Annotated[datetime, BeforeValidator(_time), AfterValidator(utc), _AS_WRITTEN]
ClosingTime = Annotated[datetime, BeforeValidator(_closing_time), AfterValidator(utc)]
Money = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Rank = Annotated[int, Field(ge=1, le=MAX_POSITION)]
Propensity = Annotated[float, Field(ge=LEAST_PROPENSITY, le=1, allow_inf_nan=False)]
MeanGrade = Annotated[float, Field(ge=0, le=4, allow_inf_nan=False)]
OptionalTime = Annotated[Time | None, BeforeValidator(_blank_is_missing)]
EndTime = Annotated[Time | None, BeforeValidator(_closed_by)]
LastTime = Annotated[ClosingTime | None, BeforeValidator(_closed_by)]
OptionalMoney = Annotated[Money | None, BeforeValidator(_blank_is_missing)]
OptionalPosition = Annotated[Rank | None, BeforeValidator(_blank_is_missing)]
OptionalMean = Annotated[MeanGrade | None, BeforeValidator(_blank_is_missing)]
OptionalPropensity = Annotated[Propensity | None, BeforeValidator(_blank_is_missing)]
OptionalSeniority = Annotated[Seniority | None, _words_of("seniority", Seniority)]
OptionalWorkplace = Annotated[Workplace | None, _words_of("workplace", Workplace)]
OptionalEmployment = Annotated[Employment | None, _words_of("employment", Employment)]
Period = Annotated[PayPeriod, BeforeValidator(_blank_is_a_year), _words_of("salary_period", PayPeriod)]
Currency = Annotated[Text, BeforeValidator(_blank_is_usd), AfterValidator(currency_code)]
Places = Annotated[Text, BeforeValidator(_joined)]
Words = Annotated[tuple[Text, ...], Field(max_length=500), AfterValidator(_with_words)]
ReadOut = Annotated[tuple[Told, ...], BeforeValidator(_none_is_empty)]


class Record(BaseModel):
    """Base of all records: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, coerce_numbers_to_str=True)


class Position(Record):
    """One job that a member held; `end` is None while they hold it."""

    title: Text
    company: Text = ""
    industry: Text = ""
    start: OptionalTime = None
    end: EndTime = None
    description: Text = ""


def _newest_first(positions: tuple[Position, ...]) -> tuple[Position, ...]:
    return tuple(sorted(positions, key=_recency, reverse=True))


def _recency(position: Position) -> tuple[int, datetime]:
    if position.end is not None:
        return 1, position.end
    return (2, position.start) if position.start is not None else (0, EARLIEST)


Positions = Annotated[tuple[Position, ...], Field(max_length=200), AfterValidator(_newest_first)]


class Education(Record):
    school: Text = ""
    degree: Text = ""
    field: Text = ""


class Preferences(Record):
    """What a member says they look for. Empty means no stated wish. `salary_min` is by the year; it may be in words,
    as "$25 an hour"."""

    titles: Words = ()
    locations: Words = ()
    workplace: tuple[Annotated[Workplace, _words_of("workplace", Workplace)], ...] = ()
    salary_min: OptionalMoney = None

    @property
    def yearly_pay(self) -> float | None:
        """The least pay by the year that can be meant, as `contracts.reading.pay.yearly`; None where none is wished."""
        return yearly(self.salary_min, "year")

    @model_validator(mode="before")
    @classmethod
    def _in_words(cls, value: Any) -> Any:
        return fill_wish(value) if isinstance(value, dict) else value


class Member(Record):
    """A person who looks for work. `location` is "City, Region[, Country]".

    `positions` are the newest first, whatever order they came in: those that are still held by their start, then those
    that ended by their end, then those without dates as they came.
    """

    id: Identifier
    headline: Text = ""
    summary: Text = ""
    location: Places = ""
    seniority: OptionalSeniority = None
    skills: Words = ()
    positions: Positions = ()
    education: Annotated[tuple[Education, ...], Field(max_length=50)] = ()
    preferences: Preferences = Preferences()
    updated_at: Time


class Job(Record):
    """A job advert. `posted_at` None: not known; `expires_at` None: no end; `hidden`: never shown.

    `salary_min` and `salary_max` are paid for each `salary_period` in `currency`; either may give both in words, as
    "20-25 €/hour". An `expires_at` without a time of day is the end of that day. `location` may name several places,
    "San Francisco, CA; New York, NY", and a way of working, which `workplace` is where it is not given.
    `read_out` names the fields that nobody gave and that were read out of title and description.
    """

    id: Identifier
    title: NeededText
    company: Text = ""
    location: Places = ""
    workplace: OptionalWorkplace = None
    employment: OptionalEmployment = None
    seniority: OptionalSeniority = None
    industry: Text = ""
    skills: Words = ()
    description: Text = ""
    salary_min: OptionalMoney = None
    salary_max: OptionalMoney = None
    currency: Currency = "USD"
    salary_period: Period = "year"
    posted_at: OptionalTime = None
    expires_at: LastTime = None
    hidden: bool = False
    read_out: ReadOut = ()
    updated_at: Time

    @property
    def yearly_pay(self) -> tuple[float | None, float | None]:
        """(least, most) by the year, in `currency`, as `contracts.reading.pay.yearly`; None where it does not say."""
        return yearly(self.salary_min, self.salary_period), yearly(self.salary_max, self.salary_period)

    @model_validator(mode="before")
    @classmethod
    def _in_words(cls, value: Any) -> Any:
        return _closed_as_of(fill_way(fill_pay(value))) if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _ranges(self) -> Self:
        if self.salary_min is not None and self.salary_max is not None and self.salary_min > self.salary_max:
            raise _misfit("salary_range", f"salary_min {self.salary_min:g} is above salary_max {self.salary_max:g}")
        if self.posted_at and self.expires_at and self.expires_at < self.posted_at:
            what = f"expires_at {self.expires_at} is before posted_at {self.posted_at}"
            raise _misfit("expiry_before_posting", what)
        return self


class Event(Record):
    """Something that happened to one job in front of one member.

    What is not known is None or empty.

    Attributes:
        member_id: Who it was; empty for nobody in particular. An id that no member has is a visitor's, or a session's.
        position: 1-based rank at which the job was shown.
        propensity: Probability in (0, 1] with which the logging policy showed this job at this position.
        logged_by: "bundle/index" versions of the service that showed it.
        reason: Why the member dismissed it (`Reason`), or the employer rejected the application (`RejectReason`).
        found_by: Retrieval sources that found the job, as "dense,terms"; of an impression only.
    """

    id: Identifier
    time: Time
    surface: Surface = "recommendation"
    request_id: Text = ""
    member_id: Text = ""
    query: Text = ""
    job_id: Identifier
    position: OptionalPosition = None
    action: Action
    propensity: OptionalPropensity = None
    logged_by: Text = ""
    reason: Annotated[Literal[Reason, RejectReason] | None, BeforeValidator(_blank_is_missing)] = None
    found_by: Text = ""

    @model_validator(mode="after")
    def _dismissed_for(self) -> Self:
        allowed = get_args({"dismiss": Reason, "reject": RejectReason}.get(self.action))
        if self.reason is not None and self.reason not in allowed:
            has = f"one of {', '.join(allowed)} is" if allowed else "only a dismissal and a rejection have one"
            raise _misfit("reason_without_dismissal", f"reason {self.reason!r} of an event {self.action!r}: {has}")
        return self


class Grade(Record):
    """How good a match is, 0-4, by the written policy. One of `member_id` and `query` may be empty, not both.

    Attributes:
        expected: The mean grade, a soft label, of a grader that gives each grade a probability; else None.
        grader: The person or judge.
        policy_version: Of the policy that was graded by.
    """

    member_id: Text = ""
    query: Text = ""
    job_id: Identifier
    grade: Annotated[int, Field(ge=0, le=4)]
    expected: OptionalMean = None
    rationale: Text = ""
    grader: NeededText
    policy_version: NeededText
    time: Time

    @model_validator(mode="after")
    def _asked(self) -> Self:
        if not self.member_id and not self.query:
            raise _misfit("grade_without_asker", "a grade needs a member_id or a query")
        return self


RECORDS: dict[str, type[Record]] = {"members": Member, "jobs": Job, "events": Event, "grades": Grade}
"""Table name -> record. The one list of tables."""
