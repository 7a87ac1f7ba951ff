"""Raw row -> record, or the reason why not. The reasons are stable: dashboards and tests count by them."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from contracts.records import MAX_POSITION, RECORDS, Event, Grade, Job, Record
from sources.rows import RawRow, Reject, raw_text

AHEAD = timedelta(days=1)
"""Clocks differ and days end later elsewhere: a time up to this far after `now` is not called the future."""

CURES: Mapping[str, str] = {
    "missing_field": "give the row this field",
    "unknown_field": "remove or rename it",
    "wrong_type": "write it as the record's type",
    "unknown_value": "use one of the values that the record allows",
    "bad_date": "write it as ISO 8601, like 2025-01-31T09:30:00Z",
    "date_before_1900": "correct the date, or leave it out where it may be missing",
    "date_in_future": "correct the clock or the time zone",
    "text_too_long": "cut the text",
    "too_many_values": "keep the first ones",
    "id_too_long": "use an id of at most 200 characters",
    "propensity_range": "log the probability in (0, 1], or leave it out",
    "salary_range": "give amounts of 0 to 1e9, the lower one first",
    "position_range": f"count positions from 1, up to {MAX_POSITION:,}",
    "grade_range": "grade from 0 to 4",
    "expiry_before_posting": "correct one of the two dates",
    "grade_without_asker": "name the member or the query",
}

_VALUE_ERRORS = (
    ("text of ", "text_too_long"),
    ("is before 1900", "date_before_1900"),
    ("is outside the years", "bad_date"),
    ("is above salary_max", "salary_range"),
    ("is before posted_at", "expiry_before_posting"),
    ("needs a member_id or a query", "grade_without_asker"),
)
_RANGES = {
    "salary_min": "salary_range",
    "salary_max": "salary_range",
    "propensity": "propensity_range",
    "position": "position_range",
    "grade": "grade_range",
}
_OUT_OF_RANGE = {"greater_than_equal", "less_than_equal", "finite_number", "int_parsing_size"}
_SHOWN_CHARS = 80


def check(row: RawRow, now: datetime) -> Record | Reject:
    """The record that a row holds, or a Reject with a reason, a message and the row's whole text.

    now: timezone-aware; times more than a day after it are rejected (an expiry may lie ahead).
    """
    if row.value is None or row.reason:
        return reject(row, row.reason, row.detail)
    try:
        record = RECORDS[row.table].model_validate(row.value)
    except ValidationError as error:
        return reject(row, *explain(error))
    return next((late for name, time in _times(record) if (late := in_future(row, name, time, now))), record)


def in_future(row: RawRow, name: str, time: datetime, now: datetime) -> Reject | None:
    """A Reject where a time of the row lies more than a day after `now`."""
    if time <= now + AHEAD:
        return None
    detail = f"{name} {time.isoformat()} is after {now.isoformat(timespec='seconds')}"
    return reject(row, "date_in_future", f"{detail}; {CURES['date_in_future']}")


def check_known(row: RawRow, record: Record, known: Callable[[str], Container[str]]) -> Reject | None:
    """A Reject where an event or grade names a member or job that is not there. known: table -> its ids."""
    if not isinstance(record, Event | Grade):
        return None
    for table, reason, wanted in (
        ("members", "unknown_member", record.member_id),
        ("jobs", "unknown_job", record.job_id),
    ):
        if wanted and wanted not in known(table):
            detail = f"{table[:-1]}_id {wanted!r} is not among the {table}; ingest the {table[:-1]}, then run again"
            return reject(row, reason, detail)
    return None


def _times(record: Record) -> tuple[tuple[str, datetime], ...]:
    if isinstance(record, Event | Grade):
        return (("time", record.time),)
    if isinstance(record, Job) and record.posted_at is not None:
        return (("updated_at", record.updated_at), ("posted_at", record.posted_at))
    return (("updated_at", record.updated_at),)  # type: ignore[attr-defined]  # Member and Job have it


def reject(row: RawRow, reason: str, detail: str) -> Reject:
    """The row as what the quarantine holds."""
    return Reject(row.table, row.source, row.row, reason, detail, raw_text(row))


def explain(error: ValidationError) -> tuple[str, str]:
    """The reason and message of a record's first problem."""
    problem = error.errors(include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in problem["loc"]) or "row"
    message = problem["msg"].removeprefix("Value error, ")
    reason = _reason(problem["type"], str(problem["loc"][-1]) if problem["loc"] else "", message)
    value = "" if reason == "missing_field" or field == "row" else f" {_shown(problem['input'])}"
    cure = CURES.get(reason, "give it a value")
    return reason, f"{field}{value}: {message}; {cure}"


def _reason(kind: str, field: str, message: str) -> str:
    if kind == "missing":
        return "missing_field"
    if kind == "extra_forbidden":
        return "unknown_field"
    if kind == "value_error":
        return next((reason for text, reason in _VALUE_ERRORS if text in message), "wrong_type")
    if kind == "literal_error":
        return "unknown_value"
    if kind == "too_long":
        return "too_many_values"
    if kind == "string_too_long":
        return "id_too_long"
    if kind in ("string_too_short", "too_short"):
        return f"empty_{field}"
    if kind in _OUT_OF_RANGE:
        return _RANGES.get(field, "wrong_type")
    return "bad_date" if kind.startswith(("datetime", "date_")) else "wrong_type"


def _shown(value: Any) -> str:
    try:
        text = repr(value[:_SHOWN_CHARS] if isinstance(value, str | bytes) else value)
    except RecursionError:
        text = f"a {type(value).__name__} nested too deep to be shown"
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"
