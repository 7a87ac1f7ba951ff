"""Raw row -> record, or the reason why not. The reasons are stable: dashboards and tests count by them."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from datetime import datetime, timedelta

from pydantic import ValidationError

from contracts.records import MAX_POSITION, RECORDS, Event, Grade, Job, Record
from contracts.validation import field_path, first_problem, problem_text, shown
from sources.rows import RawRow, Reject, raw_text

AHEAD = timedelta(days=1)
"""A time up to this far after `now` is accepted: clocks differ, and days end later elsewhere."""

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

_RANGES = {
    "salary_min": "salary_range",
    "salary_max": "salary_range",
    "propensity": "propensity_range",
    "position": "position_range",
    "grade": "grade_range",
}
_REASONS = {
    "missing": "missing_field",
    "extra_forbidden": "unknown_field",
    "literal_error": "unknown_value",
    "too_long": "too_many_values",
    "string_too_long": "id_too_long",
}
_OUT_OF_RANGE = {"greater_than_equal", "less_than_equal", "finite_number", "int_parsing_size"}


def check(row: RawRow, now: datetime) -> Record | Reject:
    """The record that a row holds, or a Reject with a reason, a message and the row's whole text.

    Args:
        row: As a source read it.
        now: Timezone-aware; times more than `AHEAD` after it are rejected, except that of an expiry.
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


def check_known(row: RawRow, record: Record, ids_of: Callable[[str], Container[str]]) -> Reject | None:
    """A Reject where an event or grade names a member or job that is in no record. `ids_of`: table -> its ids."""
    if not isinstance(record, Event | Grade):
        return None
    for table, reason, named in (
        ("members", "unknown_member", record.member_id),
        ("jobs", "unknown_job", record.job_id),
    ):
        if named and named not in ids_of(table):
            detail = f"{table[:-1]}_id {named!r} is not among the {table}; ingest the {table[:-1]}, then run again"
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
    problem = first_problem(error)
    field = field_path(problem["loc"]) or "row"
    reason = _reason(problem["type"], str(problem["loc"][-1]) if problem["loc"] else "")
    value = "" if reason == "missing_field" or field == "row" else f" {shown(problem['input'])}"
    cure = CURES.get(reason, "give it a value")
    return reason, f"{field}{value}: {problem_text(problem)}; {cure}"


def _reason(kind: str, field: str) -> str:
    """The reason that a pydantic error's type stands for; a record's own validators give the reason as the type."""
    if kind in CURES:
        return kind
    if kind in ("string_too_short", "too_short"):
        return f"empty_{field}"
    if kind in _OUT_OF_RANGE:
        return _RANGES.get(field, "wrong_type")
    if kind.startswith(("datetime", "date_")):
        return "bad_date"
    return _REASONS.get(kind, "wrong_type")
