"""Whatever a valid record holds, it survives Arrow, and its text keeps to its budgets."""

from datetime import UTC, datetime, timedelta, timezone
from typing import get_args
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.arrow import arrow_schema, to_records, to_table
from contracts.cleaning import clean_text
from contracts.reading.spellings import is_missing
from contracts.records import (
    LEAST_PROPENSITY,
    MAX_POSITION,
    RECORDS,
    SENIORITY_LADDER,
    Education,
    Event,
    Grade,
    Job,
    Member,
    Position,
    Preferences,
    Reason,
)
from contracts.text.form import JOB_BUDGET, MEMBER_BUDGET
from contracts.text.verbalizer import Percentiles, Verbalizer, limit_tokens

DAY = datetime(2025, 5, 1, tzinfo=UTC)
TEXT = st.text(max_size=40)
WORDS = st.lists(st.text(min_size=1, max_size=12), max_size=6)
TIMES = st.datetimes(datetime(1900, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC))
IDS = st.text(min_size=1, max_size=20).filter(lambda text: not is_missing(clean_text(text.strip())))
MONEY = st.none() | st.floats(0, 1e9)
SENIORITY = st.none() | st.sampled_from(SENIORITY_LADDER)
WORKPLACE = st.sampled_from(["onsite", "hybrid", "remote"])
POSITIONS = st.builds(
    Position, title=TEXT, company=TEXT, industry=TEXT, start=st.none() | TIMES, end=st.none() | TIMES, description=TEXT
)
MEMBERS = st.builds(
    Member,
    id=IDS,
    headline=TEXT,
    summary=TEXT,
    location=TEXT,
    seniority=SENIORITY,
    skills=WORDS,
    positions=st.lists(POSITIONS, max_size=4),
    education=st.lists(st.builds(Education, school=TEXT, degree=TEXT, field=TEXT), max_size=2),
    preferences=st.builds(
        Preferences, titles=WORDS, locations=WORDS, workplace=st.lists(WORKPLACE, max_size=3), salary_min=MONEY
    ),
    updated_at=TIMES,
)
JOBS = st.builds(
    Job,
    id=IDS,
    title=IDS,
    company=TEXT,
    location=TEXT,
    workplace=st.none() | WORKPLACE,
    seniority=SENIORITY,
    industry=TEXT,
    skills=WORDS,
    description=TEXT,
    salary_min=MONEY,
    posted_at=st.none() | TIMES,
    hidden=st.booleans(),
    updated_at=TIMES,
)
EVENTS = st.builds(
    lambda action, reason, **fields: Event(action=action, reason=reason if action == "dismiss" else None, **fields),
    id=IDS,
    time=TIMES,
    surface=st.sampled_from(["search", "recommendation"]),
    request_id=TEXT,
    member_id=IDS,
    query=TEXT,
    job_id=IDS,
    position=st.none() | st.integers(1, MAX_POSITION),
    action=st.sampled_from(["impression", "view", "apply", "save", "dismiss", "hire"]),
    propensity=st.none() | st.floats(LEAST_PROPENSITY, 1),
    reason=st.sampled_from([None, *get_args(Reason)]),
    found_by=TEXT,
)
GRADES = st.builds(
    Grade,
    member_id=IDS,
    query=TEXT,
    job_id=IDS,
    grade=st.integers(0, 4),
    expected=st.none() | st.floats(0, 4),
    grader=IDS,
    policy_version=IDS,
    time=TIMES,
)
RECORD = st.one_of(MEMBERS, JOBS, EVENTS, GRADES)
VERBALIZER = Verbalizer(Percentiles.fit({"salary": range(20_000, 200_000, 1_000)}))


@given(RECORD)
@settings(max_examples=150)
def test_a_record_survives_arrow(record: Member | Job | Event | Grade) -> None:
    model = type(record)
    assert list(to_records(to_table([record], model), model)) == [record]


@given(st.integers())
@example(2**63)
@example(10**30)
def test_a_position_that_no_column_holds_is_no_event(position: int) -> None:
    value = {"id": "e", "time": DAY, "member_id": "m", "job_id": "j", "action": "view", "position": position}
    try:
        event = Event.model_validate(value)
    except ValidationError:
        return
    assert list(to_records(to_table([event], Event), Event)) == [event]
    assert orjson.loads(orjson.dumps(event.model_dump()))["position"] == position


@given(st.datetimes(timezones=st.timezones() | st.sampled_from([timezone(timedelta(hours=h)) for h in (-12, 14)])))
@example(datetime.max.replace(tzinfo=timezone(timedelta(hours=-12))))
@example(datetime.min.replace(tzinfo=timezone(timedelta(hours=10))))
@example(datetime(2000, 2, 26, 23, tzinfo=ZoneInfo("America/Maceio")))
def test_any_moment_is_a_time_in_utc_or_a_validation_error(moment: datetime) -> None:
    try:
        member = Member(id="m", updated_at=moment)
    except ValidationError:
        return
    assert member.updated_at == moment.astimezone(UTC)  # an hour that a clock shows twice equals none in another zone
    assert member.updated_at.tzinfo is UTC


@given(RECORD)
def test_a_record_survives_being_validated_again(record: Member | Job | Event | Grade) -> None:
    assert type(record).model_validate(record.model_dump()) == record


@pytest.mark.parametrize(
    ("action", "reason", "kind"),
    [
        ("view", "too_far", "reason_without_dismissal"),
        ("reject", "too_far", "reason_without_dismissal"),
        ("dismiss", "overqualified", "reason_without_dismissal"),
        ("dismiss", "no_idea", "literal_error"),
    ],
)
def test_a_dismissal_and_a_rejection_have_a_reason_of_their_own_words(action: str, reason: str, kind: str) -> None:
    value = {"id": "e", "time": DAY, "member_id": "m", "job_id": "j", "action": action, "reason": reason}
    with pytest.raises(ValidationError) as raised:
        Event.model_validate(value)
    assert [error["type"] for error in raised.value.errors()] == [kind]
    assert Event.model_validate(value | {"reason": ""}).reason is None


@pytest.mark.parametrize("table", RECORDS)
def test_the_arrow_schema_has_the_fields_of_the_record_in_order(table: str) -> None:
    assert arrow_schema(RECORDS[table]).names == list(RECORDS[table].model_fields)


@given(st.one_of(MEMBERS, JOBS))
def test_text_is_the_same_after_arrow(record: Member | Job) -> None:
    model = type(record)
    (again,) = to_records(to_table([record], model), model)
    assert _text(again) == _text(record)


@given(st.one_of(MEMBERS, JOBS))
def test_text_keeps_to_the_sum_of_its_budgets(record: Member | Job) -> None:
    budgets = MEMBER_BUDGET if isinstance(record, Member) else JOB_BUDGET
    separators = 3 * len(budgets)  # "name" and ":" before each field, "|" between two
    text = _text(record)
    assert limit_tokens(text, sum(budgets.values()) + separators) == text


@given(MEMBERS)
def test_a_missing_field_leaves_no_trace(member: Member) -> None:
    text = VERBALIZER.member(member.model_copy(update={"headline": "", "seniority": None, "summary": "", "skills": ()}))
    bare = VERBALIZER.member(
        Member(
            id="m",
            location=member.location,
            positions=member.positions,
            education=member.education,
            preferences=member.preferences,
            updated_at=member.updated_at,
        )
    )
    assert text == bare


@given(st.text(max_size=200), st.integers(1, 20))
def test_limited_text_is_a_start_of_the_text_and_limiting_again_changes_nothing(text: str, budget: int) -> None:
    limited = limit_tokens(text, budget)
    assert text.startswith(limited)
    assert limit_tokens(limited, budget) == limited


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_larger_number_never_gets_a_lower_percentile_tag(values: list[float], a: float, b: float) -> None:
    fitted = Percentiles.fit({"salary": values})
    low, high = sorted((a, b))
    assert int(fitted.tag("salary", low)[1:]) <= int(fitted.tag("salary", high)[1:])


def test_an_unknown_field_is_an_error() -> None:
    with pytest.raises(ValidationError) as raised:
        Job.model_validate({"id": "1", "title": "Nurse", "updated_at": datetime(2025, 1, 1), "salery_min": 1})
    assert [(error["type"], error["loc"]) for error in raised.value.errors()] == [("extra_forbidden", ("salery_min",))]


def _text(record: Member | Job) -> str:
    return VERBALIZER.member(record) if isinstance(record, Member) else VERBALIZER.job(record)
