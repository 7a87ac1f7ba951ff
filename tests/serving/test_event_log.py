"""The log of what was shown and done is a table of events that ingest takes in."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.records import Event
from contracts.tables import read_table
from contracts.workspace import Workspace
from serving import event_log as log
from serving.engine import Engine
from serving.event_log import EventLog, LogFailed, append, day_file, read_day
from serving.http.run import running
from serving.metrics import Metrics
from serving.recovery import recent_event_ids
from serving.schemas import RecommendRequest, SearchRequest


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_bytes().splitlines()]


@pytest.fixture
def served_once(workspace: Workspace, member_ids: list[str]) -> tuple[Workspace, dict[str, Any], str]:
    """A workspace that answered one search of a member and took one event, then stopped."""
    engine = Engine(workspace)
    with running(engine) as url, httpx.Client(base_url=url, timeout=60) as client:
        asked = {"query": "registered nurse", "member_id": member_ids[5], "k": 4}
        answer = client.post("/v1/search", json=asked).json()
        event = {"id": "done", "request_id": answer["request_id"], "job_id": answer["results"][2]["job_id"]}
        client.post("/v1/events", json=event | {"action": "view"})
    return workspace, answer, member_ids[5]


def test_every_job_shown_is_one_line_that_is_an_event(served_once: tuple[Workspace, dict[str, Any], str]) -> None:
    workspace, answer, member_id = served_once
    events = [Event.model_validate(line) for line in lines(workspace.logs / "events")]
    shown = [event for event in events if event.action == "impression"]
    assert [event.job_id for event in shown] == [result["job_id"] for result in answer["results"]]
    assert [event.position for event in shown] == [1, 2, 3, 4]
    assert {(e.request_id, e.member_id, e.surface, e.query, e.logged_by, e.propensity) for e in shown} == {
        (
            answer["request_id"],
            member_id,
            "search",
            "registered nurse",
            f"{answer['bundle_version']}/{answer['index_version']}",
            None,
        )
    }


def test_an_event_is_logged_with_what_its_request_says_of_it(
    served_once: tuple[Workspace, dict[str, Any], str],
) -> None:
    workspace, _, member_id = served_once
    event = next(Event.model_validate(line) for line in lines(workspace.logs / "events") if line["id"] == "done")
    assert (event.member_id, event.query, event.position, event.surface) == (member_id, "registered nurse", 3, "search")


def test_ingest_takes_the_log_in(served_once: tuple[Workspace, dict[str, Any], str]) -> None:
    from beam_jobs import ingest

    workspace, answer, _ = served_once
    counts = ingest.run(["--workspace", str(workspace.root), "--source", str(workspace.logs)])
    assert counts.quarantined == 0
    requests = read_table(workspace.records / "events", ["request_id"])["request_id"].to_pylist()
    assert requests.count(answer["request_id"]) == 5


def test_what_nobody_known_by_an_id_was_shown_lies_apart(workspace: Workspace) -> None:
    engine = Engine(workspace)
    engine.search(SearchRequest(query="driver", k=2))
    engine.close()
    assert not lines(workspace.logs / "events")
    assert [line["position"] for line in lines(workspace.logs / "anonymous")] == [1, 2]


def test_a_log_that_cannot_be_written_does_not_stop_answers_but_refuses_events(
    workspace: Workspace, engine: Engine, served: httpx.Client
) -> None:
    workspace.logs.mkdir(exist_ok=True)
    (workspace.logs / "events").write_text("a file where a folder should be")
    index = engine.servable.index
    assert served.post("/v1/recommend", json={"member_id": "m", "k": 1}).status_code == 200
    event = {"id": "again", "member_id": "m", "job_id": index.ids[0], "action": "view"}
    answer = served.post("/v1/events", json=event)
    assert (answer.status_code, answer.json()["reason"]) == (503, "log_failed")
    (workspace.logs / "events").unlink()
    assert served.post("/v1/events", json=event).json()["accepted"] == 1


@pytest.fixture
def event_log(tmp_path: Path) -> Iterator[EventLog]:
    found = EventLog(Workspace(tmp_path), Metrics())
    yield found
    found.close()


def event(**values: Any) -> Event:
    whole = {"id": "e", "time": datetime.now(UTC), "member_id": "m", "job_id": "j", "action": "view", "query": "secret"}
    return Event.model_construct(**whole | values)


def test_a_batch_that_cannot_be_written_is_refused_and_the_next_is_taken(
    event_log: EventLog, tmp_path: Path, capfd: pytest.CaptureFixture, caplog: pytest.LogCaptureFixture
) -> None:
    row = event(action="impression").model_dump()
    event_log.log_impressions([row | {"position": 10**30}])
    event_log.log_impressions([row])
    with pytest.raises(LogFailed):
        event_log.log_events([event(), event(position=10**30)])
    event_log.log_events([event(id="next")])
    written = [line["id"] for line in lines(tmp_path / "logs" / "events")]
    assert written == ["e", "next"]
    text = event_log._metrics.text().decode()
    assert 'rolecall_log_lines_total{outcome="failed"} 3.0' in text
    assert "log_failed" in caplog.text
    assert "secret" not in caplog.text


def test_a_log_whose_disk_hangs_is_closed_all_the_same(event_log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "CLOSE_SECONDS", 0.2)
    hangs = threading.Event()
    monkeypatch.setattr(event_log, "_append", lambda *_: hangs.wait(60))
    row = event(action="impression").model_dump()
    for _ in range(log.MAX_WAITING + 10):
        event_log.log_impressions([row])
    started = time.monotonic()
    event_log.close()
    assert time.monotonic() - started < 5
    hangs.set()


def test_the_engine_answers_without_a_server(engine: Engine, member_ids: list[str]) -> None:
    assert len(engine.recommend(RecommendRequest(member_id=member_ids[0], k=3)).results) == 3


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.binary(min_size=1, max_size=8), st.booleans()), max_size=8), st.integers(0, 12))
def test_a_line_is_whole_whatever_was_torn_before_it(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[bytes, bool]], room: int
) -> None:
    """Some appends fail in the middle: what was acknowledged is readable, what was not has left nothing."""
    path = tmp_path_factory.mktemp("log") / "day.jsonl"
    acknowledged = []
    for number, (_, fails) in enumerate(parts):
        line = json.dumps({"id": f"e{number}"}).encode() + b"\n"
        try:
            with full_after(room) if fails else contextlib.nullcontext():
                append(path, line)
            acknowledged.append(line)
        except OSError:
            pass
    assert (path.read_bytes() if path.exists() else b"") == b"".join(acknowledged)


def test_a_line_that_a_crash_cut_off_does_not_swallow_the_next(tmp_path: Path) -> None:
    path = tmp_path / "day.jsonl"
    path.write_bytes(b'{"id": "e0"}\n{"id": "e')
    append(path, b'{"id": "e2"}\n')
    assert path.read_bytes() == b'{"id": "e0"}\n{"id": "e\n{"id": "e2"}\n'


@contextlib.contextmanager
def full_after(room: int) -> Iterator[None]:
    """A disk that takes some bytes more and then is full."""
    real = io.FileIO.write

    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            if len(data) <= room:
                return real(self, data)
            if room:
                real(self, data[:room])
            raise OSError(errno.ENOSPC, "no space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Path, "open", lambda self, mode="r", **_: Full(self, "a") if "a" in mode else io.FileIO(self, "r")
        )
        yield


@pytest.mark.parametrize("line", ["7", "[]", "null", '"text"', "{}", '{"id": 7, "action": "view"}', "{", ""])
def test_a_strange_line_of_the_log_stops_no_start(workspace: Workspace, line: str) -> None:
    path = day_file(workspace, datetime.now(UTC))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(line + "\n")
    assert list(read_day(workspace, datetime.now(UTC))) == []
    assert recent_event_ids(workspace, datetime.now(UTC)) == []
