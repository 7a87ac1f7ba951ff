"""What of a log is no person's choice is set apart and counted."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from history.set_apart import PROGRAM, REPEATED, set_apart
from tests.make import NOW


def log(*rows: tuple[str, float, str, str, str]) -> pl.DataFrame:
    """rows: id, seconds, member, job, action."""
    return pl.DataFrame(
        [(name, NOW + timedelta(seconds=at), "r", who, job, action) for name, at, who, job, action in rows],
        ["id", "time", "request_id", "member_id", "job_id", "action"],
        orient="row",
    )


def test_a_click_that_came_twice_is_one_and_the_second_is_counted() -> None:
    kept, apart = set_apart(log(("a", 0, "m", "j", "view"), ("b", 0.2, "m", "j", "view"), ("c", 9, "m", "j", "view")))
    assert kept["id"].to_list() == ["a", "c"] and apart == {REPEATED: 1}


def test_of_nobody_and_of_impressions_nothing_is_a_repeat() -> None:
    events = log(("a", 0, "", "j", "view"), ("b", 0, "", "j", "view"), ("c", 0, "m", "j", "impression"))
    kept, apart = set_apart(events)
    assert len(kept) == 3 and apart == {}


def test_who_acts_as_no_person_can_goes_with_all_their_events() -> None:
    rows = [(f"b{i}", i, "bot", f"j{i}", "view") for i in range(6)]
    rows += [("i", 0, "bot", "j", "impression"), ("p", 0, "person", "j", "view")]
    kept, apart = set_apart(log(*rows), most_an_hour=5)
    assert kept["member_id"].to_list() == ["person"] and apart == {PROGRAM: 7}
    assert set_apart(log(*rows), most_an_hour=6)[1] == {}
