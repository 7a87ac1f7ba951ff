"""Where a log is cut for links: by its requests where the hires lie around that, else by the hires."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from history.hires import hire_cut
from history.requests import EVENT_COLUMNS, end_of_training

START = datetime(2026, 1, 1, tzinfo=UTC)


def log(*events: tuple[float, str, str, str, str]) -> pl.DataFrame:
    """(day, member, job, action, request)."""
    rows = [
        {
            "id": f"e{i}",
            "time": START + timedelta(days=day),
            "request_id": request,
            "member_id": member,
            "query": "",
            "job_id": job,
            "position": 1 if request else None,
            "action": action,
            "propensity": None,
        }
        for i, (day, member, job, action, request) in enumerate(events)
    ]
    types = {"time": pl.Datetime("us", "UTC"), "position": pl.Int64, "propensity": pl.Float64}
    return pl.DataFrame(rows, {name: types.get(name, pl.String) for name in EVENT_COLUMNS})


SHOWN = [(float(day), f"m{day % 9}", f"j{day % 7}", "impression", f"r{day}") for day in range(100)]


def hires(*days: float) -> list[tuple[float, str, str, str, str]]:
    return [(day, f"h{i}", f"j{i}", "hire", "") for i, day in enumerate(days)]


def test_hires_around_the_first_held_out_request_are_cut_there() -> None:
    events = log(*SHOWN, *hires(*range(10, 100, 10)))
    cut = hire_cut(events)
    assert cut is not None and cut.until == end_of_training(events) and not cut.blind


def test_hires_that_all_come_late_are_cut_among_themselves_and_earlier_requests_do_without() -> None:
    cut = hire_cut(log(*SHOWN, *hires(*range(80, 90))))
    assert cut is not None and cut == (START + timedelta(days=88), True)


def test_hires_that_all_come_early_are_cut_among_themselves() -> None:
    cut = hire_cut(log(*SHOWN, *hires(*range(10))))
    assert cut is not None and cut == (START + timedelta(days=8), False)


def test_a_log_of_applications_and_hires_is_not_cut_at_the_first_member_s_last_application() -> None:
    applied = [(day + part / 9, f"m{day}", f"j{part}", "apply", "") for day in range(50) for part in range(2)]
    events = log(*applied, *[(day + 3.0, f"m{day}", "j0", "hire", "") for day in range(50)])
    first = end_of_training(events)
    assert first is not None and first < START + timedelta(days=1)
    cut = hire_cut(events)
    assert cut is not None and cut == (START + timedelta(days=43), True)


def test_without_a_hire_there_is_no_cut() -> None:
    assert hire_cut(log(*SHOWN)) is None
