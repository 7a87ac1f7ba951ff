"""The log as User Behavior Insights: read as others write it, and the same again after it was written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.arrow import to_table
from contracts.errors import NotReady
from contracts.records import Event
from contracts.tables import write_part
from contracts.workspace import Workspace
from replay.ubi import write_ubi
from sources import open_source
from sources.check import check
from sources.rows import Reject
from tests.make import NOW, event, refused

QUERY = {
    "application": "board",
    "query_id": "q1",
    "client_id": "c1",
    "user_query": "night nurse",
    "timestamp": "2026-02-01T10:00:00.000Z",
    "query_response_object_ids": ["j2", "j1"],
    "query_attributes": {"form": "big"},
}
CLICK = {
    "action_name": "item_click",
    "query_id": "q1",
    "client_id": "c1",
    "session_id": "s",
    "timestamp": "2026-02-01T10:00:07.000Z",
    "message": "opened",
    "event_attributes": {"object": {"object_id": "j1", "object_id_field": "isbn"}, "position": {"ordinal": 2}},
}


def read(folder: Path) -> list[Event | Reject]:
    source = open_source(folder, jobs_elsewhere=True)
    found = [check(row, NOW + timedelta(days=900)) for s in source.shards("events") for row in source.read(s)]
    return [one for one in found if isinstance(one, Event | Reject)]


def write(folder: Path, name: str, *documents: object) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("\n".join(map(json.dumps, documents)) + "\n")


def test_a_query_is_its_impressions_and_a_click_is_a_view(tmp_path: Path) -> None:
    write(tmp_path, "ubi_queries.ndjson", QUERY)
    write(tmp_path, "ubi_events.ndjson", CLICK, CLICK | {"action_name": "apply"})
    events = read(tmp_path)
    assert all(isinstance(one, Event) for one in events)
    told = [(e.action, e.job_id, e.position, e.request_id, e.member_id) for e in events if isinstance(e, Event)]
    assert told == [
        ("view", "j1", 2, "q1", "c1"),
        ("apply", "j1", 2, "q1", "c1"),
        ("impression", "j2", 1, "q1", "c1"),
        ("impression", "j1", 2, "q1", "c1"),
    ]
    shown = events[2]
    assert isinstance(shown, Event) and (shown.query, shown.surface) == ("night nurse", "search")
    assert (
        shown.time == datetime(2026, 2, 1, 10, tzinfo=UTC) and len({e.id for e in events if isinstance(e, Event)}) == 4
    )


def test_a_dump_of_an_index_and_the_older_name_of_hits_are_read(tmp_path: Path) -> None:
    old = {name: value for name, value in QUERY.items() if name != "query_response_object_ids"}
    write(tmp_path, "dump.jsonl", {"_index": "ubi_queries", "_source": old | {"query_response_hit_ids": ["j7"]}})
    [one] = read(tmp_path)
    assert isinstance(one, Event) and (one.job_id, one.action) == ("j7", "impression")


def test_one_hit_without_a_list_is_an_impression_and_what_is_no_id_is_set_aside(tmp_path: Path) -> None:
    alone = QUERY | {"query_response_object_ids": "j7"}
    none = QUERY | {"query_id": "q2", "query_response_object_ids": {"hits": 3}}
    write(tmp_path, "ubi_queries.ndjson", alone, none, QUERY | {"query_response_object_ids": []})
    one, aside = read(tmp_path)
    assert isinstance(one, Event) and (one.job_id, one.position) == ("j7", 1)
    assert isinstance(aside, Reject)


def test_what_is_done_with_no_job_is_set_aside_with_its_reason_and_not_lost(tmp_path: Path) -> None:
    write(tmp_path, "ubi_events.ndjson", CLICK, {"action_name": "login", "query_id": "q1", "timestamp": "2026-02-01"})
    kept, aside = read(tmp_path)
    assert isinstance(kept, Event) and isinstance(aside, Reject)
    assert "login" in aside.raw


def test_an_event_that_is_told_twice_has_one_id(tmp_path: Path) -> None:
    write(tmp_path, "ubi_events.ndjson", CLICK, CLICK)
    assert len({one.id for one in read(tmp_path) if isinstance(one, Event)}) == 1


TEXT = st.text("abcé ", max_size=5).map(str.strip)
EVENTS = st.builds(
    lambda action, request, member, query, position, propensity, at, by: {
        "action": action,
        "request_id": request,
        "member_id": member,
        "query": query,
        "surface": "search" if query else "recommendation",
        "position": position if action == "impression" else None,
        "propensity": propensity if action == "impression" else None,
        "time": NOW + timedelta(milliseconds=at),
        "logged_by": by,
    },
    st.sampled_from(["impression", "view", "apply", "save", "dismiss"]),
    st.sampled_from(["", "q1", "q2"]),
    st.sampled_from(["", "m1"]),
    TEXT,
    st.one_of(st.none(), st.integers(1, 50)),
    st.one_of(st.none(), st.floats(0.01, 1)),
    st.integers(0, 10**7),
    st.sampled_from(["", "b/i"]),
)


@settings(deadline=None, max_examples=40)
@given(st.lists(EVENTS, min_size=1, max_size=12))
def test_a_log_that_is_written_and_read_again_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, rows: Sequence[dict[str, object]]
) -> None:
    events = [event(f"e{i}", job_id=f"j{i % 3}", **row) for i, row in enumerate(rows)]  # type: ignore[arg-type]
    workspace = Workspace(tmp_path_factory.mktemp("ubi"))
    table = to_table(events, Event)
    write_part(workspace.records / "events", table.append_column("row_hash", [[str(i) for i in range(len(events))]]))
    write_ubi(workspace, workspace.root / "out")
    again = [one for one in read(workspace.root / "out") if isinstance(one, Event)]
    assert sorted(again, key=lambda one: one.id) == sorted(events, key=lambda one: one.id)


def test_days_are_those_asked_for_and_no_log_is_refused(shown: Workspace, tmp_path: Path) -> None:
    start = datetime(2026, 3, 9, tzinfo=UTC)
    queries, events = write_ubi(shown, tmp_path / "out", start, start + timedelta(days=1))
    assert (queries, events) == (1, 1)
    with refused(NotReady, "rolecall ingest"):
        write_ubi(Workspace(tmp_path), tmp_path / "none")
