"""A restarted service knows from its log what it knew before."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.records import Event
from contracts.workspace import Workspace
from history.unclicked import Unclicked
from retrieval.rules.rules import load_rules
from serving import counts, recovery
from serving.engine import Engine
from serving.log_files import read_file
from serving.recovery import MAX_EVENT_DAYS, Recovered, read_unclicked, recover
from tests.make import event

START = datetime(2026, 1, 1, tzinfo=UTC)


def row(days: int, action: str, **more: Any) -> dict[str, Any]:
    """A line of the log that was written so many days ago."""
    time = START - timedelta(days=days)
    said = {"id": f"{action}{days}", "time": time.isoformat(), "member_id": "ann", "job_id": f"j{days}"}
    return {**said, "action": action, **more}


def write(workspace: Workspace, days: int, rows: Sequence[Mapping[str, Any]], of: str = "a") -> Path:
    path = workspace.logs / "events" / f"{START - timedelta(days=days):%Y-%m-%d}-{of}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in rows) + "{cut off")
    return path


def recovered(
    workspace: Workspace, days: float = 7, built: datetime = START
) -> tuple[Recovered, Unclicked, list[Event]]:
    unclicked, events = Unclicked(days), list[Event]()
    return recover(workspace, unclicked, built, START, events.extend), unclicked, events


def test_of_a_log_that_is_too_long_the_newest_files_are_read_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    workspace = Workspace(tmp_path)
    paths = [write(workspace, days, [row(days, "impression"), row(days, "view", job_id="k")]) for days in range(4)]
    _, unclicked, events = recovered(workspace, built=START - timedelta(days=9))
    assert set(unclicked.of("ann")) == {"j0", "j1", "j2", "j3"} and len(events) == 4
    assert recovered(workspace, days=0)[1].of("ann") == {}
    assert "log_too_long" not in caplog.text
    monkeypatch.setattr(recovery, "MAX_LOG_BYTES", 2 * paths[0].stat().st_size + 1)
    found, unclicked, events = recovered(workspace, built=START - timedelta(days=9))
    assert set(unclicked.of("ann")) == {"j0", "j1"} and [one.id for one in events] == ["view1", "view0"]
    assert found.files == paths[:2] and "log_too_long" in caplog.text and '"left_out_files": 2' in caplog.text


def test_impressions_until_a_time_are_read_without_what_came_later(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for days in range(3):
        write(workspace, days, [row(days, "impression")])
    [rule, *_] = [rule for rule in load_rules().rules if rule.when.seen]
    assert set(read_unclicked(workspace, [rule], START).of("ann")) == {"j0", "j1", "j2"}
    before = START - timedelta(days=1)
    assert set(read_unclicked(workspace, [rule], START, until=before).of("ann")) == {"j1", "j2"}
    assert read_unclicked(workspace, [], START).of("ann") == {}


def test_of_a_day_that_is_too_long_the_newest_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(tmp_path)
    paths = [write(workspace, 0, [row(0, "view", id=name)], name) for name in "abc"]
    for path, age in zip(paths, (20, 0, 10), strict=True):
        os.utime(path, (START.timestamp() - age,) * 2)
    monkeypatch.setattr(recovery, "MAX_LOG_BYTES", 2 * paths[0].stat().st_size)
    found, _, events = recovered(workspace)
    assert found.files == [paths[1], paths[2]]
    assert {one.id for one in events} == set(found.event_ids) == {"b", "c"}


def test_what_is_learned_from_which_days(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for days in (0, 1, 2, MAX_EVENT_DAYS, MAX_EVENT_DAYS + 1):
        shown = row(days, "impression", id=f"shown{days}", found_by="words")
        write(workspace, days, [row(days, "view"), row(days, "impression"), shown])
    found, _, events = recovered(workspace, days=0, built=START - timedelta(days=400))
    assert [one.id for one in events] == ["view30", "view2", "view1", "view0"]
    assert found.event_ids == ["view1", "impression1", "view0", "impression0"]
    assert [one.id for one in recovered(workspace, built=START - timedelta(days=1, hours=-1))[2]] == ["view0"]


def test_a_file_is_read_once_whatever_is_learned_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, read = Workspace(tmp_path), list[Path]()
    paths = [write(workspace, days, [row(days, "view"), row(days, "impression")]) for days in range(3)]
    monkeypatch.setattr("serving.log_files.read_file", lambda path: (read.append(path), read_file(path))[1])
    recovered(workspace, built=START - timedelta(days=9))
    assert sorted(read) == sorted(paths)


def test_events_are_handed_on_some_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, sizes = Workspace(tmp_path), list[int]()
    write(workspace, 0, [row(0, "view", id=f"v{number}") for number in range(5)])
    monkeypatch.setattr(recovery, "SLICE", 2)
    recover(workspace, Unclicked(0), START, START, lambda events: sizes.append(len(events)))
    assert sizes == [2, 2, 1]


def test_a_start_asks_a_slow_store_for_some_members_at_a_time_and_again(
    engine: Engine, member_ids: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    members, index, calls = engine.servable.members, engine.servable.index, list[int]()
    read = members.read_many

    def read_some(ids: Sequence[str], views: Sequence[str]) -> Any:
        calls.append(len(ids))
        if len(ids) > 10 or len(calls) == 2:
            raise TimeoutError
        return read(ids, views)

    monkeypatch.setattr(members, "read_many", read_some)
    monkeypatch.setattr(counts, "SLICE", 10)
    job_id, now = index.ids[0], datetime.now(UTC)
    views = [
        event(f"v-{id_}", member_id=id_, job_id=job_id, action="view", time=now - timedelta(minutes=1))
        for id_ in member_ids[:25]
    ]
    before = index.activity.views(index.rows([job_id]), now, 1)[0]
    engine._counts.add_logged(engine.servable, views)
    assert index.activity.views(index.rows([job_id]), now, 1)[0] == before + 25
    assert calls == [10, 10, 10, 5] and "people_not_known" not in caplog.text


def test_a_start_says_whom_it_could_not_ask_for(
    engine: Engine, member_ids: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def down(*_: Sequence[str]) -> Any:
        raise TimeoutError

    monkeypatch.setattr(engine.servable.members, "read_many", down)
    monkeypatch.setattr(engine._counts, "_patient_until", 0.0)
    job_id = engine.servable.index.ids[0]
    engine._counts.add_logged(
        engine.servable, [event(f"v-{id_}", member_id=id_, job_id=job_id) for id_ in member_ids[:3]]
    )
    assert "people_not_known" in caplog.text and '"members": 3' in caplog.text
