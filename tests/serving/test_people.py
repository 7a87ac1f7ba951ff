"""What is popular counts people: once a day, and no more than a person can look at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from contracts.records import Event
from serving.people import People

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def _views(member_id: str, jobs: int, time: datetime = NOW) -> list[Event]:
    of = {"time": time, "surface": "search", "member_id": member_id, "action": "view"}
    return [Event.model_validate({**of, "id": f"{member_id}{i}{time}", "job_id": f"j{i}"}) for i in range(jobs)]


def _members(member_ids: Sequence[str]) -> set[str]:
    return {member_id for member_id in member_ids if member_id.startswith("m")}


def test_of_one_member_and_minute_so_many_views_count_and_another_minute_and_member_have_their_own() -> None:
    people = People(per_minute=5)
    assert len(people.first_of_day(_views("m1", 20), _members)) == 5
    assert len(people.first_of_day(_views("m2", 20), _members)) == 5
    later = people.first_of_day(_views("m1", 20, NOW + timedelta(minutes=1)), _members)
    assert len(later) == 5 and not {event.job_id for event in later} & {f"j{i}" for i in range(5)}


def test_those_who_are_no_members_count_as_one_person_and_share_no_minute() -> None:
    people = People(per_minute=5)
    assert len(people.first_of_day(_views("x1", 20), _members)) == 20
    assert people.first_of_day(_views("x2", 20), _members) == []
