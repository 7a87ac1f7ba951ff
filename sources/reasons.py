"""Why a row or a cell does not fit: stable reasons, each with its cure. Dashboards and tests count by them."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from contracts.records import MAX_POSITION
from contracts.validation import field_path, first_problem, problem_text, shown

CURES: Mapping[str, str] = {
    "missing_field": "give the row this field",
    "unknown_field": "remove or rename it",
    "wrong_type": "write it as the record's type",
    "unknown_value": "use one of the values that the record allows",
    "bad_json": "write it as JSON",
    "bad_date": "write it as ISO 8601, like 2025-01-31T09:30:00Z",
    "ambiguous_date": "write it as ISO 8601, or say the order with `dates`: day_first or month_first",
    "date_before_1900": "correct the date, or leave it out where it may be missing",
    "date_in_future": "correct the clock or the time zone",
    "text_too_long": "cut the text",
    "too_many_values": "keep the first ones",
    "id_too_long": "use an id of at most 200 characters",
    "propensity_range": "log the probability in (0, 1], or leave it out",
    "salary_range": "give amounts of 0 to 1e9, the lower one first",
    "pay_without_period": "give a job its salary_period (hour, day, week, month, year), a member the wish by the year",
    "pay_impossible": "correct the amount, its salary_period or its currency",
    "position_range": f"count positions from 1, up to {MAX_POSITION:,}",
    "grade_range": "grade from 0 to 4",
    "reason_without_dismissal": "give a reason to a dismissal or a rejection alone, one of its own words",
    "end_before_start": "correct one of the two dates",
    "expiry_before_posting": "correct one of the two dates",
    "encoded_twice": "write the text as UTF-8 once",
    "row_of_totals": "cut the row that adds up the others off the file",
    "of_no_record": "bring the records that these ids name, or correct the ids: those of the table are under its `id`",
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


def explain(error: ValidationError) -> tuple[str, str]:
    """The reason and message of a record's first problem."""
    return explain_problem(first_problem(error))


def explain_problem(problem: ErrorDetails) -> tuple[str, str]:
    """The reason and message of one problem of a record."""
    field = field_path(problem["loc"]) or "row"
    reason = reason_of(problem)
    value = "" if reason == "missing_field" or field == "row" else f" {shown(problem['input'])}"
    cure = CURES.get(reason, "give it a value")
    return reason, f"{field}{value}: {problem_text(problem)}; {cure}"


def reason_of(problem: ErrorDetails) -> str:
    """The reason that a pydantic error's type stands for; a record's own validators give the reason as the type."""
    kind, field = problem["type"], str(problem["loc"][-1]) if problem["loc"] else ""
    if kind in CURES:
        return kind
    if kind in ("string_too_short", "too_short"):
        return f"empty_{field}"
    if kind in _OUT_OF_RANGE:
        return _RANGES.get(field, "wrong_type")
    if kind.startswith(("datetime", "date_")):
        return "bad_date"
    return _REASONS.get(kind, "wrong_type")
