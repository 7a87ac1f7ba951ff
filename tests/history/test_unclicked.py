"""What was shown and not opened is kept by member, within its bounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from history import unclicked
from history.unclicked import Unclicked
from retrieval.rules.conditions import TIMES

START = datetime(2026, 1, 1, tzinfo=UTC)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob", ""]),
        st.sampled_from(["j1", "j2", "j3"]),
        st.sampled_from(["impression", "impression", "view", "apply", "save", "dismiss"]),
        st.integers(0, 40),
    ),
    max_size=60,
)


@given(EVENTS)
def test_of_each_job_the_times_since_it_was_last_opened_are_kept(events: list[tuple[str, str, str, int]]) -> None:
    state, expected = Unclicked(days=10_000), {}
    now = START
    for member, job, action, hours in events:
        now += timedelta(hours=hours)
        state.add(member, job, action, now)
        if action == "impression" and member:
            times = expected.setdefault((member, job), [])
            times += [now.timestamp()] if now.timestamp() not in times else []  # told again it counts once
        elif action in ("view", "apply", "save"):
            expected.pop((member, job), None)
    for member in ("ann", "bob", ""):
        mine = {job: tuple(times[-TIMES:]) for (who, job), times in expected.items() if who == member}
        assert state.of(member) == mine


def test_without_a_rule_that_asks_nothing_is_kept() -> None:
    state = Unclicked(days=0)
    state.add_impressions("ann", ["j1"], START)
    assert state.of("ann") == {}


def test_what_is_older_than_the_days_goes_with_the_next_time() -> None:
    state = Unclicked(days=1)
    for hours in (0, 1, 25):
        state.add_impressions("ann", ["j1"], START + timedelta(hours=hours))
    assert len(state.of("ann")["j1"]) == 2


def test_a_job_that_is_not_shown_again_goes_when_it_is_too_old() -> None:
    state = Unclicked(days=1)
    for hours, job_id in ((0, "j1"), (1, "j2"), (2, "j1"), (25.5, "j3"), (26.5, "j4")):
        state.add_impressions("ann", [job_id], START + timedelta(hours=hours))
    assert set(state.of("ann")) == {"j3", "j4"}
    state.add_impressions("ann", [], START + timedelta(hours=50))
    assert set(state.of("ann")) == {"j4"}


def test_members_jobs_and_times_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, bound in (("MAX_MEMBERS", 2), ("MAX_JOBS", 2), ("TIMES", 3)):
        monkeypatch.setattr(unclicked, name, bound)
    state = Unclicked(days=10)
    for second in range(5):
        state.add_impressions("ann", ["j1"], START + timedelta(seconds=second))
        state.add_impressions("ann", ["j1"], START)  # told again
    assert len(state.of("ann")["j1"]) == 3
    state.add_impressions("ann", ["j2", "j3"], START)
    assert set(state.of("ann")) == {"j2", "j3"}
    for member in ("bob", "ann", "cid"):
        state.add_impressions(member, ["j1"], START)
    assert state.of("bob") == {} and state.of("ann") and state.of("cid")
