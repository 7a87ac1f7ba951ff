"""A row is a record, or is set aside with a stable reason, a message that helps and all of its text.

What does not fit in an optional field costs the cell alone, and is counted.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from pydantic_core import PydanticCustomError

from contracts import records
from contracts.records import RECORDS, Event, Job, Member, Record
from sources import RawRow, Reject
from sources.check import RowChecker, check, check_known
from sources.findings import Finding

JOB = {"id": "j", "title": "Nurse", "updated_at": "2025-05-01"}
MEMBER = {"id": "m", "updated_at": "2025-05-01"}
EVENT = {"id": "e", "time": "2025-05-01T10:00:00Z", "member_id": "m", "job_id": "j", "action": "view"}
GRADE = {"member_id": "m", "job_id": "j", "grade": 3, "grader": "g", "policy_version": "1", "time": "2025-05-01"}

BAD = [
    ("jobs", JOB, {"title": ...}, "missing_field"),
    ("jobs", JOB, {"id": ...}, "missing_field"),
    ("jobs", JOB, {"title": ["Nurse"]}, "wrong_type"),
    ("jobs", JOB, {"title": "x" * 100_001}, "text_too_long"),
    ("jobs", JOB, {"hidden": "perhaps"}, "wrong_type"),
    ("jobs", JOB, {"updated_at": "soon"}, "bad_date"),
    ("jobs", JOB, {"updated_at": "03/04/2025"}, "ambiguous_date"),
    ("jobs", JOB, {"updated_at": 0}, "bad_date"),
    ("jobs", JOB, {"updated_at": "1899-12-31"}, "date_before_1900"),
    ("jobs", JOB, {"updated_at": "2025-06-03"}, "date_in_future"),
    ("jobs", JOB, {"title": ""}, "empty_title"),
    ("jobs", JOB, {"title": "<b> </b>"}, "empty_title"),
    ("jobs", JOB, {"id": "\u200b"}, "empty_id"),
    ("jobs", JOB, {"id": "x" * 201}, "id_too_long"),
    ("members", MEMBER, {"updated_at": "0113-11-17"}, "date_before_1900"),
    ("events", EVENT, {"time": "9999-12-31T23:59:59-12:00"}, "bad_date"),
    ("events", EVENT, {"time": "0001-01-01T00:00:00+10:00"}, "bad_date"),
    ("events", EVENT, {"action": "stare"}, "unknown_value"),
    ("events", EVENT, {"time": "2026-01-01"}, "date_in_future"),
    ("grades", GRADE, {"grade": 5}, "grade_range"),
    ("grades", GRADE, {"grade": 2**63}, "grade_range"),
    ("grades", GRADE, {"grade": 1e30}, "grade_range"),
    ("grades", GRADE, {"member_id": ""}, "grade_without_asker"),
]

ODD = [
    ("jobs", JOB, {"salery": 3}, {}, "unknown_field"),
    ("jobs", JOB, {"skills": 7}, {"skills": ()}, "wrong_type"),
    ("jobs", JOB, {"skills": ["s"] * 501}, {"skills": ("s",) * 500}, "too_many_values"),
    ("jobs", JOB, {"skills": ["s", {"no": "text"}]}, {"skills": ("s",)}, "wrong_type"),
    ("jobs", JOB, {"seniority": "wizard"}, {"seniority": None}, "unknown_value"),
    ("jobs", JOB, {"employment": "Full-time or part-time"}, {"employment": None}, "unknown_value"),
    ("jobs", JOB, {"salary_min": "competitive"}, {"salary_min": None}, "wrong_type"),
    ("jobs", JOB, {"salary_min": -1}, {"salary_min": None}, "salary_range"),
    ("jobs", JOB, {"salary_min": float("inf")}, {"salary_min": None}, "salary_range"),
    ("jobs", JOB, {"salary_min": 9e4, "salary_max": 3e4}, {"salary_min": 3e4, "salary_max": 9e4}, "salary_range"),
    ("jobs", JOB, {"salary_min": 9e4, "salary_max": 0}, {"salary_min": 9e4, "salary_max": None}, "salary_range"),
    ("jobs", JOB, {"salary_min": 20, "salary_max": 25}, {"salary_min": 20, "salary_max": 25}, "pay_without_period"),
    *(
        (
            "jobs",
            JOB,
            {"salary_min": 3_500, "salary_max": 4_000, "salary_period": period},
            {"salary_min": None, "salary_max": None, "salary_period": "year"},
            "unknown_value",
        )
        for period in ("biweekly", "fortnight", "per shift", "whenever")
    ),
    ("jobs", JOB, {"salary_min": "$3,500 biweekly"}, {"salary_min": None}, "wrong_type"),
    (
        "jobs",
        JOB,
        {"salary_min": "£20000", "salary_max": "$30000"},
        {"salary_min": None, "salary_max": None, "currency": "USD"},
        "wrong_type",
    ),
    (
        "jobs",
        JOB,
        {"salary_min": 60_000, "salary_period": "hour", "currency": "GBP"},
        {"salary_min": None, "salary_period": "hour", "currency": "GBP"},
        "pay_impossible",
    ),
    (
        "jobs",
        JOB,
        {"salary_min": "20/hr", "salary_max": 50_000},
        {"salary_min": 20, "salary_max": None, "salary_period": "hour"},
        "pay_impossible",
    ),
    ("jobs", JOB, {"posted_at": "soon"}, {"posted_at": None}, "bad_date"),
    ("jobs", JOB, {"posted_at": "03/04/2025"}, {"posted_at": None}, "ambiguous_date"),
    ("jobs", JOB, {"posted_at": "2025-07-01"}, {"posted_at": datetime(2025, 7, 1, tzinfo=UTC)}, "date_in_future"),
    ("jobs", JOB, {"expires_at": 0}, {"expires_at": None}, "bad_date"),
    (
        "jobs",
        JOB,
        {"posted_at": "2025-05-02", "expires_at": "2025-05-01"},
        {"posted_at": None},
        "expiry_before_posting",
    ),
    ("jobs", JOB, {"description": "x" * 100_001}, {"description": "x" * 100_000}, "text_too_long"),
    ("members", MEMBER, {"positions": [{"company": "no title"}]}, {"positions": ()}, "missing_field"),
    ("members", MEMBER, {"preferences": {"salary_min": "much"}}, {"preferences": records.Preferences()}, "wrong_type"),
    (
        "members",
        MEMBER,
        {"preferences": {"salary_min": 25}},
        {"preferences": records.Preferences(salary_min=25)},
        "pay_without_period",
    ),
    ("members", MEMBER, {"preferences": 7}, {"preferences": records.Preferences()}, "wrong_type"),
    ("events", EVENT, {"propensity": 1.7}, {"propensity": None}, "propensity_range"),
    ("events", EVENT, {"propensity": 5e-324}, {"propensity": None}, "propensity_range"),
    ("events", EVENT, {"position": 0}, {"position": None}, "position_range"),
    ("events", EVENT, {"position": 2**63}, {"position": None}, "position_range"),
    ("events", EVENT, {"reason": "too_far"}, {"reason": None}, "reason_without_dismissal"),
    ("events", EVENT, {"action": "reject", "reason": "too_far"}, {"reason": None}, "reason_without_dismissal"),
    ("grades", GRADE, {"expected": 9}, {"expected": None}, "wrong_type"),
]


def test_a_text_that_was_encoded_twice_is_repaired_and_said(now: datetime) -> None:
    checker = RowChecker(now)
    job = checker.check(RawRow("jobs", "jobs.csv", 1, JOB | {"title": "KÃ¼chenhilfe", "company": "Café"}))
    assert isinstance(job, Job) and job.title == "Küchenhilfe"
    assert [*checker.findings.rows] == [Finding("title", "encoded_twice", "", "repaired")]


def _with(base: dict, changes: dict) -> dict:
    return {name: value for name, value in {**base, **changes}.items() if value is not ...}


@pytest.mark.parametrize(("table", "base"), [("jobs", JOB), ("members", MEMBER), ("events", EVENT), ("grades", GRADE)])
def test_a_row_that_fits_is_a_record(checked: Callable, table: str, base: dict) -> None:
    assert not isinstance(checked(table, **base), Reject)


@pytest.mark.parametrize(("table", "base", "changes", "reason"), BAD, ids=[f"{t}-{c}"[:60] for t, _, c, _ in BAD])
def test_a_row_that_does_not_fit_has_its_reason(
    checked: Callable, table: str, base: dict, changes: dict, reason: str
) -> None:
    result = checked(table, **_with(base, changes))
    assert isinstance(result, Reject)
    assert result.reason == reason


@pytest.mark.parametrize(("table", "base", "changes", "reason"), BAD, ids=[f"{t}-{c}"[:60] for t, _, c, _ in BAD])
def test_the_message_names_the_field(checked: Callable, table: str, base: dict, changes: dict, reason: str) -> None:
    result = checked(table, **_with(base, changes))
    assert next(iter(changes)) in result.detail or reason == "grade_without_asker"


@pytest.mark.parametrize(
    ("table", "base", "changes", "expected", "reason"), ODD, ids=[f"{t}-{c}"[:60] for t, _, c, _, _ in ODD]
)
def test_an_odd_optional_cell_costs_the_cell_and_is_counted(
    table: str, base: dict, changes: dict, expected: dict, reason: str, now: datetime
) -> None:
    checker = RowChecker(now)
    record = checker.check(RawRow(table, "file", 1, base | changes))
    assert isinstance(record, Record)
    assert record.model_dump() | {name: getattr(record, name) for name in expected} == {
        **record.model_dump(),
        **expected,
    }
    plain = RECORDS[table].model_validate(base)
    others = set(RECORDS[table].model_fields) - set(expected)
    assert all(getattr(record, name) == getattr(plain, name) for name in others - set(changes))
    assert {finding.reason for finding in checker.findings.rows} == {reason}
    assert next(iter(checker.findings.lines())).endswith("1 rows, first file row 1")


def test_findings_are_counted_by_the_shape_of_the_value(now: datetime) -> None:
    checker = RowChecker(now)
    for row, level in enumerate(("level 5", "level 7", "wizard"), start=1):
        checker.check(RawRow("jobs", "a/jobs.csv", row, JOB | {"seniority": level}))
    assert checker.findings.rows == {
        Finding("seniority", "unknown_value", "'level 9'", "left empty"): 2,
        Finding("seniority", "unknown_value", "'wizard'", "left empty"): 1,
    }
    assert next(iter(checker.findings.lines())) == (
        "seniority 'level 9': unknown_value, left empty: 2 rows, first jobs.csv row 1"
    )


def test_any_number_of_odd_values_makes_a_bounded_number_of_findings(now: datetime) -> None:
    checker = RowChecker(now)
    for row in range(300):
        checker.check(RawRow("jobs", "jobs.csv", row, JOB | {"seniority": "wizard " + "x" * row}))
    assert len(checker.findings.rows) <= 101
    assert sum(checker.findings.rows.values()) == 300


def test_two_odd_cells_and_a_required_one_lose_the_row_for_the_required_one(checked: Callable) -> None:
    found = checked("jobs", **JOB | {"seniority": "wizard", "skills": 7, "title": ""})
    assert isinstance(found, Reject)
    assert found.reason == "empty_title"


def test_a_position_whose_end_cannot_be_read_is_not_held_today(now: datetime) -> None:
    checker = RowChecker(now)
    positions = [
        {"title": "Cook", "start": "2014-01", "end": "2016-13"},
        {"title": "Waiter", "start": "2017", "end": ""},
    ]
    member = checker.check(RawRow("members", "file", 1, MEMBER | {"positions": positions}))
    assert isinstance(member, Member)
    assert [(one.title, one.start and one.start.year, one.end) for one in member.positions] == [
        ("Waiter", 2017, None),
        ("Cook", None, None),
    ]
    assert {(finding.field, finding.done) for finding in checker.findings.rows} == {
        ("positions.end", "left empty"),
        ("positions.start", "left empty"),
    }


def test_a_position_that_ends_before_it_starts_is_said(now: datetime) -> None:
    checker = RowChecker(now)
    checker.check(
        RawRow("members", "f", 1, MEMBER | {"positions": [{"title": "Cook", "start": "2020", "end": "2018"}]})
    )
    assert {finding.reason for finding in checker.findings.rows} == {"end_before_start"}


def test_the_present_is_no_end_of_a_position(checked: Callable) -> None:
    positions = [{"title": "Nurse", "start": "2019", "end": end} for end in ("Present", "heute", "actualidad", "n/a")]
    member = checked("members", **MEMBER | {"positions": positions})
    assert [(p.start, p.end) for p in member.positions] == [(datetime(2019, 1, 1, tzinfo=UTC), None)] * 4


@pytest.mark.parametrize(
    ("table", "base", "changes", "reason"),
    [
        ("jobs", JOB, {"title": "x" * 100_001}, "text_too_long"),
        ("jobs", JOB, {"updated_at": "1899-12-31"}, "date_before_1900"),
        ("jobs", JOB, {"updated_at": "9999-12-31T23:59:59-12:00"}, "bad_date"),
        ("grades", GRADE, {"member_id": ""}, "grade_without_asker"),
    ],
)
def test_other_words_for_a_problem_change_no_reason(
    checked: Callable, monkeypatch: pytest.MonkeyPatch, table: str, base: dict, changes: dict, reason: str
) -> None:
    monkeypatch.setattr(records, "_misfit", lambda reason, what: PydanticCustomError(reason, "it does not fit"))
    found = checked(table, **base | changes)
    assert isinstance(found, Reject)
    assert (found.reason, "it does not fit" in found.detail) == (reason, True)


def test_the_message_names_value_and_cure(checked: Callable) -> None:
    result = checked("events", **_with(EVENT, {"action": "stare"}))
    assert "action 'stare'" in result.detail
    assert "use one of the values that the record allows" in result.detail


def test_a_10_mb_title_is_set_aside_with_all_of_its_text(checked: Callable) -> None:
    text = "very long " * 1_000_000
    result = checked("jobs", **_with(JOB, {"title": text}))
    assert result.reason == "text_too_long"
    assert orjson.loads(result.raw)["title"] == text
    assert len(result.detail) < 1_000


def test_an_expiry_may_lie_in_the_future(checked: Callable) -> None:
    assert isinstance(checked("jobs", **_with(JOB, {"expires_at": "2030-01-01"})), Job)


def test_a_clock_that_is_a_day_ahead_is_forgiven(now, checked: Callable) -> None:  # type: ignore[no-untyped-def]
    assert isinstance(checked("events", **_with(EVENT, {"time": (now + timedelta(hours=23)).isoformat()})), Event)


def test_markup_and_control_characters_are_cleaned_not_rejected(checked: Callable) -> None:
    job = checked("jobs", **_with(JOB, {"title": "Nurse\x00 &amp; <b>carer</b>"}))
    assert isinstance(job, Job)
    assert job.title == "Nurse & carer"


def test_a_number_is_taken_as_an_id(checked: Callable) -> None:
    member = checked("members", **_with(MEMBER, {"id": 17}))
    assert isinstance(member, Member)
    assert member.id == "17"


def test_a_row_that_could_not_be_read_keeps_its_reason_and_text(now) -> None:  # type: ignore[no-untyped-def]
    row = RawRow("jobs", "jobs.jsonl", 3, None, '{"id": ', "bad_json", "unexpected end")
    assert check(row, now) == Reject("jobs", "jobs.jsonl", 3, "bad_json", "unexpected end", '{"id": ')


@pytest.mark.parametrize(("name", "reason"), [("job_id", "unknown_job"), ("member_id", "unknown_member")])
def test_an_id_that_lost_its_zeros_in_a_spreadsheet_is_told(checked: Callable, name: str, reason: str) -> None:
    event = checked("events", **EVENT | {name: "17"})
    ids = {"members": {"m", "017"}, "jobs": {"j", "0017"}}
    found = check_known(RawRow("events", "file", 1, EVENT), event, ids.__getitem__)
    assert isinstance(found, Reject) and found.reason == reason and "17'" in found.detail and "'0" in found.detail
