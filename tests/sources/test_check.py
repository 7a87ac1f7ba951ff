"""A row is a record, or is set aside with a stable reason, a message that helps and all of its text."""

from collections.abc import Callable
from datetime import timedelta

import orjson
import pytest
from pydantic_core import PydanticCustomError

from contracts import records
from contracts.records import Event, Job, Member
from sources import RawRow, Reject
from sources.check import check

JOB = {"id": "j", "title": "Nurse", "updated_at": "2025-05-01"}
MEMBER = {"id": "m", "updated_at": "2025-05-01"}
EVENT = {"id": "e", "time": "2025-05-01T10:00:00Z", "member_id": "m", "job_id": "j", "action": "view"}
GRADE = {"member_id": "m", "job_id": "j", "grade": 3, "grader": "g", "policy_version": "1", "time": "2025-05-01"}

BAD = [
    ("jobs", JOB, {"title": ...}, "missing_field"),
    ("jobs", JOB, {"id": ...}, "missing_field"),
    ("jobs", JOB, {"salery": 3}, "unknown_field"),
    ("jobs", JOB, {"skills": 7}, "wrong_type"),
    ("jobs", JOB, {"title": ["Nurse"]}, "wrong_type"),
    ("jobs", JOB, {"hidden": "perhaps"}, "wrong_type"),
    ("jobs", JOB, {"seniority": "wizard"}, "unknown_value"),
    ("jobs", JOB, {"updated_at": "soon"}, "bad_date"),
    ("jobs", JOB, {"updated_at": "1899-12-31"}, "date_before_1900"),
    ("jobs", JOB, {"updated_at": "2025-06-03"}, "date_in_future"),
    ("jobs", JOB, {"posted_at": "2025-07-01"}, "date_in_future"),
    ("jobs", JOB, {"title": ""}, "empty_title"),
    ("jobs", JOB, {"title": "<b> </b>"}, "empty_title"),
    ("jobs", JOB, {"id": "\u200b"}, "empty_id"),
    ("jobs", JOB, {"id": "x" * 201}, "id_too_long"),
    ("jobs", JOB, {"salary_min": 9, "salary_max": 3}, "salary_range"),
    ("jobs", JOB, {"salary_min": -1}, "salary_range"),
    ("jobs", JOB, {"salary_max": float("nan")}, "salary_range"),
    ("jobs", JOB, {"posted_at": "2025-05-02", "expires_at": "2025-05-01"}, "expiry_before_posting"),
    ("jobs", JOB, {"skills": ["s"] * 501}, "too_many_values"),
    ("members", MEMBER, {"updated_at": "0113-11-17"}, "date_before_1900"),
    ("members", MEMBER, {"positions": [{"company": "no title"}]}, "missing_field"),
    ("events", EVENT, {"propensity": 1.7}, "propensity_range"),
    ("events", EVENT, {"propensity": 0}, "propensity_range"),
    ("events", EVENT, {"propensity": 5e-324}, "propensity_range"),
    ("events", EVENT, {"propensity": float("inf")}, "propensity_range"),
    ("events", EVENT, {"position": 0}, "position_range"),
    ("events", EVENT, {"position": 2**63}, "position_range"),
    ("events", EVENT, {"position": 1e30}, "position_range"),
    ("events", EVENT, {"position": float("nan")}, "position_range"),
    ("events", EVENT, {"time": "9999-12-31T23:59:59-12:00"}, "bad_date"),
    ("events", EVENT, {"time": "0001-01-01T00:00:00+10:00"}, "bad_date"),
    ("events", EVENT, {"action": "stare"}, "unknown_value"),
    ("events", EVENT, {"time": "2026-01-01"}, "date_in_future"),
    ("events", EVENT, {"member_id": ""}, "empty_member_id"),
    ("grades", GRADE, {"grade": 5}, "grade_range"),
    ("grades", GRADE, {"grade": 2**63}, "grade_range"),
    ("grades", GRADE, {"grade": 1e30}, "grade_range"),
    ("jobs", JOB, {"salary_min": float("inf")}, "salary_range"),
    ("grades", GRADE, {"member_id": ""}, "grade_without_asker"),
]


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
    assert next(iter(changes)) in result.detail or reason in (
        "salary_range",
        "expiry_before_posting",
        "grade_without_asker",
    )


@pytest.mark.parametrize(
    ("table", "base", "changes", "reason"),
    [
        ("jobs", JOB, {"description": "x" * 100_001}, "text_too_long"),
        ("jobs", JOB, {"updated_at": "1899-12-31"}, "date_before_1900"),
        ("jobs", JOB, {"updated_at": "9999-12-31T23:59:59-12:00"}, "bad_date"),
        ("jobs", JOB, {"salary_min": 9, "salary_max": 3}, "salary_range"),
        ("jobs", JOB, {"posted_at": "2025-05-02", "expires_at": "2025-05-01"}, "expiry_before_posting"),
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
    result = checked("events", **_with(EVENT, {"propensity": 1.7}))
    assert "propensity 1.7" in result.detail
    assert "log the probability in (0, 1]" in result.detail


def test_a_10_mb_description_is_set_aside_with_all_of_its_text(checked: Callable) -> None:
    text = "very long " * 1_000_000
    result = checked("jobs", **_with(JOB, {"description": text}))
    assert result.reason == "text_too_long"
    assert orjson.loads(result.raw)["description"] == text
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
