"""What is said of a log before it is loaded."""

from __future__ import annotations

from datetime import UTC, datetime

from contracts.records import Event, Member
from history.forecast import Forecast

LATE = datetime(2026, 3, 1, tzinfo=UTC)


def event(number: int, **fields: str) -> Event:
    value = {
        "id": f"e{number}",
        "time": f"2026-02-{1 + number:02d}T10:00:00Z",
        "member_id": "ann",
        "job_id": f"j{number}",
    }
    return Event.model_validate({**value, "action": "apply", **fields})


def said(*records: Event | Member) -> str:
    forecast = Forecast(20)
    for record in records:
        forecast.take(record)
    return "\n".join(forecast.lines())


def test_a_board_without_a_log_is_said_to_be_learned_for_by_the_judge_alone() -> None:
    assert "no log: requests are made" in said()


def test_applications_are_counted_as_the_requests_that_they_will_be() -> None:
    lines = said(*(event(i) for i in range(4)))
    assert "0 lists that were shown and 4 jobs that were opened without one: 3 train, 0 valid, 1 test" in lines
    assert "under 20 requests" in lines


def test_what_tells_nothing_is_said() -> None:
    lines = said(
        Member(id="ann", updated_at=LATE),
        event(0, action="impression"),
        event(1, member_id="", action="view"),
    )
    assert "1 lists that were shown" in lines
    assert "1 impressions name no request: by member and half hour they are 1 lists" in lines
    assert "1 events say neither who nor in which request" in lines
    assert "50% of the events lie before their member's first record" in lines
    assert "no request is held out" in lines
