"""What was shown and not opened is kept by member, within its bounds."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.workspace import Workspace
from retrieval.rules.rules import load_rules
from serving import unopened
from serving.event_log import day_file
from serving.unopened import Unopened, read_unopened

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
    state, expected = Unopened(days=10_000), {}
    now = START
    for member, job, action, hours in events:
        now += timedelta(hours=hours)
        state.add(member, job, action, now)
        if action == "impression" and member:
            expected.setdefault((member, job), []).append(now.timestamp())
        elif action in ("view", "apply", "save"):
            expected.pop((member, job), None)
    for member in ("ann", "bob", ""):
        mine = {job: tuple(times) for (who, job), times in expected.items() if who == member}
        assert state.of(member) == mine


def test_without_a_rule_that_asks_nothing_is_kept() -> None:
    state = Unopened(days=0)
    state.shown("ann", ["j1"], START)
    assert state.of("ann") == {}


def test_what_is_older_than_the_days_goes_with_the_next_time() -> None:
    state = Unopened(days=1)
    for hours in (0, 1, 25):
        state.shown("ann", ["j1"], START + timedelta(hours=hours))
    assert len(state.of("ann")["j1"]) == 2


def test_a_job_that_is_not_shown_again_goes_when_it_is_too_old() -> None:
    state = Unopened(days=1)
    for hours, job_id in ((0, "j1"), (1, "j2"), (2, "j1"), (25.5, "j3"), (26.5, "j4")):
        state.shown("ann", [job_id], START + timedelta(hours=hours))
    assert set(state.of("ann")) == {"j3", "j4"}
    state.shown("ann", [], START + timedelta(hours=50))
    assert set(state.of("ann")) == {"j4"}


def test_members_jobs_and_times_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, bound in (("MEMBERS", 2), ("JOBS", 2), ("TIMES", 3)):
        monkeypatch.setattr(unopened, name, bound)
    state = Unopened(days=10)
    for _ in range(5):
        state.shown("ann", ["j1"], START)
    assert len(state.of("ann")["j1"]) == 3
    state.shown("ann", ["j2", "j3"], START)
    assert set(state.of("ann")) == {"j2", "j3"}
    for member in ("bob", "ann", "cid"):
        state.shown(member, ["j1"], START)
    assert state.of("bob") == {} and state.of("ann") and state.of("cid")


def test_of_a_log_that_is_too_long_the_newest_days_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(tmp_path)
    (workspace.logs / "events").mkdir(parents=True)
    for days in (0, 1, 2):
        time = START - timedelta(days=days)
        row = {"time": time.isoformat(), "member_id": "ann", "job_id": f"j{days}", "action": "impression"}
        day_file(workspace, time).write_text(json.dumps(row) + "\n{cut off")
    rule = next(rule for rule in load_rules().rules if rule.when.seen)
    assert set(read_unopened(workspace, [rule], START).of("ann")) == {"j0", "j1", "j2"}
    assert read_unopened(workspace, [], START).of("ann") == {}
    monkeypatch.setattr(unopened, "MOST_BYTES", 250)
    assert set(read_unopened(workspace, [rule], START).of("ann")) == {"j0", "j1"}
