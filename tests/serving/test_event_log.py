"""The log of what was shown and done is a table of events that ingest takes in."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.records import Event
from contracts.shown import folded, unfolded
from contracts.tables import read_table
from contracts.workspace import Workspace
from history.unclicked import Unclicked
from serving import event_log as log
from serving import log_files
from serving.engine import Engine
from serving.event_log import EventLog, LogFailed
from serving.event_log_config import LogConfig
from serving.http.run import running
from serving.log_files import append, day_files, read_day
from serving.metrics import Metrics
from serving.recovery import recover
from serving.schemas import RecommendRequest, SearchRequest


def lines(folder: Path) -> list[dict[str, Any]]:
    """The events of all lines."""
    paths = sorted(folder.glob("*.jsonl"))
    return [event for path in paths for line in path.read_bytes().splitlines() for event in unfolded(json.loads(line))]


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
    found = EventLog(Workspace(tmp_path), Metrics(), LogConfig(seconds=60))
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
    monkeypatch.setattr(log, "MAX_WAITING_BYTES", 10_000)
    row = event(action="impression").model_dump()
    for _ in range(100):
        event_log.log_impressions([row])
    assert 'outcome="dropped"' in event_log._metrics.text().decode()
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
        patch.setattr(log_files, "_opened", lambda path: Full(path, "a"))
        yield


@pytest.mark.parametrize("line", ["7", "[]", "null", '"text"', "{}", '{"id": 7, "action": "view"}', "{", ""])
def test_a_strange_line_of_the_log_stops_no_start(workspace: Workspace, line: str) -> None:
    path = workspace.logs / "events" / f"{datetime.now(UTC):%Y-%m-%d}.jsonl"  # as files were called before
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(line + "\n")
    assert list(read_day(workspace, datetime.now(UTC))) == []
    now, taken = datetime.now(UTC), list[Any]()
    assert recover(workspace, Unclicked(7), now, now, taken.extend).event_ids == taken == []


def shown(jobs: int, query: str = "nurse", member_id: str = "m") -> list[dict[str, Any]]:
    """The impressions of one answer."""
    own = [{"id": f"r-{n}", "job_id": f"j{n}", "position": n, "found_by": "dense"} for n in range(1, jobs + 1)]
    alike = {
        "time": datetime.now(UTC),
        "request_id": "r",
        "query": query,
        "member_id": member_id,
        "action": "impression",
    }
    return [alike | one for one in own]


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), st.one_of(st.booleans(), st.integers(0, 2), st.text()))))
def test_a_line_of_several_events_is_those_events(rows: list[dict[str, Any]]) -> None:
    if rows:
        assert [dict(one) for one in unfolded(folded(rows))] == rows
        assert [list(map(type, one.values())) for one in unfolded(json.loads(json.dumps(folded(rows))))] == [
            [type(one[name]) for name in event] for one, event in zip(rows, unfolded(folded(rows)), strict=True)
        ]


def test_the_query_stands_once_a_search_and_what_one_writes_is_bounded(tmp_path: Path) -> None:
    metrics = Metrics()
    event_log = EventLog(Workspace(tmp_path), metrics, LogConfig(max_answer_bytes=20_000))
    event_log.log_impressions(shown(100, "nurse " * 400))
    event_log.log_impressions(shown(500, "nurse " * 400))
    event_log.close()
    [path] = (tmp_path / "logs" / "events").iterdir()
    first, second = path.read_bytes().splitlines()
    assert first.count(b"nurse nurse nurse") == second.count(b"nurse nurse nurse") > 0
    assert max(len(first), len(second)) <= 20_000
    kept = [event["job_id"] for event in unfolded(json.loads(second))]
    assert kept == [f"j{n}" for n in range(1, len(kept) + 1)] and 50 < len(kept) < 500
    assert f'outcome="left_out"}} {500 - len(kept)}.0' in metrics.text().decode()


def test_two_processes_on_one_folder_cut_nothing_off(tmp_path: Path) -> None:
    """Each writes and, on a full disk, takes back what it wrote, while the other writes."""
    program = """
import sys
from pathlib import Path
from contracts.workspace import Workspace
from history.unclicked import Unclicked
from serving import log_files
from serving.event_log import EventLog, LogFailed
from serving.event_log_config import LogConfig
from serving.metrics import Metrics
from tests.make import event
from tests.serving.test_event_log import full_after

log = EventLog(Workspace(Path(sys.argv[1])), Metrics(), LogConfig(seconds=60))
for number in range(100):
    log.log_events([event(f"{sys.argv[2]}-{number}")])
    try:
        with full_after(20):
            log.log_events([event("never")])
    except LogFailed:
        continue
    raise AssertionError("a full disk took events")
log.close()
"""
    command = [sys.executable, "-c", program, str(tmp_path)]
    both = [subprocess.Popen([*command, name]) for name in ("a", "b")]
    assert [process.wait(120) for process in both] == [0, 0]
    found = [line["id"] for line in lines(tmp_path / "logs" / "events")]
    assert sorted(found) == sorted(f"{name}-{number}" for name in "ab" for number in range(100))
    assert all(path.stat().st_mode & 0o7 == 0 for path in (tmp_path / "logs" / "events").iterdir())


def test_a_full_file_is_followed_by_another_and_all_are_read(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    event_log = EventLog(workspace, Metrics(), LogConfig(seconds=60, max_file_bytes=300, fsync=True))
    for number in range(12):
        event_log.log_events([event(id=f"e{number}")])
    event_log.close()
    assert len(day_files(workspace, datetime.now(UTC))) > 3
    assert {row["id"] for row in read_day(workspace, datetime.now(UTC))} == {f"e{number}" for number in range(12)}


@pytest.mark.parametrize(("taken", "told", "gone"), [(False, False, 0), (True, False, 2), (False, True, 3)])
def test_files_are_thrown_away_when_they_are_old_and_taken_in(
    tmp_path: Path, taken: bool, told: bool, gone: int
) -> None:
    now = datetime.now(UTC)
    old = tmp_path / "logs" / "events"
    old.mkdir(parents=True)
    for days in (0, 5, 9, 10, 11):
        (old / f"{now - timedelta(days=days):%Y-%m-%d}-x.jsonl").write_text("{}\n")
    late = old / f"{now - timedelta(days=12):%Y-%m-%d}-x.jsonl"
    ingested = now + timedelta(days=1) if taken else None
    if not told:
        late.write_text("{}\n")
        os.utime(late, ((now + timedelta(days=2)).timestamp(),) * 2)  # written after `ingest` ran
    event_log = EventLog(
        Workspace(tmp_path), Metrics(), LogConfig(keep_days=8, drop_untaken=told), taken_until=lambda: ingested
    )
    event_log._drop_old()
    event_log.close()
    assert 5 + (not told) - len(list(old.iterdir())) == (gone if told or not taken else 3)
    assert late.exists() == (not told)


def test_old_files_go_while_lines_come_without_a_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.event_log.DROP_SECONDS", 0.01)
    monkeypatch.setattr("serving.event_log.CHECK_SECONDS", 3_600.0)  # as if the writer never came to rest
    event_log = EventLog(Workspace(tmp_path), Metrics(), LogConfig(seconds=60, drop_untaken=True))
    event_log.log_events([event(id="first")])
    old = event_log._identified.folder / "2020-01-01-x.jsonl"
    old.write_text("{}\n")
    wait_until(lambda: not old.exists())
    event_log.close()


def test_a_file_that_cannot_be_thrown_away_stops_neither_others_nor_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Metrics()
    folder = tmp_path / "logs" / "events"
    for name in ("2020-01-01-x.jsonl", "2020-01-03-x.jsonl"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}\n")
    (folder / "2020-01-02-x.jsonl").mkdir()  # it cannot be unlinked
    (folder / "2020-01-04-x.jsonl").symlink_to("gone meanwhile")
    event_log = EventLog(Workspace(tmp_path), metrics, LogConfig(seconds=60, drop_untaken=True))
    wait_until(lambda: "log_files_not_dropped" in caplog.text)
    event_log._look()
    assert event_log.state == log.WRITABLE
    assert sorted(path.name for path in folder.glob("2020*")) == ["2020-01-02-x.jsonl", "2020-01-04-x.jsonl"]
    assert 'outcome="files_not_dropped"} 1.0' in metrics.text().decode()
    event_log.close()


def test_a_record_of_loads_that_cannot_be_read_does_not_stop_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> datetime:
        raise ValueError("loads.json")

    event_log = EventLog(Workspace(tmp_path), Metrics(), LogConfig(seconds=60), taken_until=broken)
    wait_until(lambda: "log_files_not_dropped" in caplog.text)
    event_log.log_events([event(id="taken")])
    assert event_log.state == log.WRITABLE
    event_log.close()


def test_a_disk_that_hangs_refuses_events_at_once_and_says_so(
    event_log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was given up while it waited is not written when the disk is back."""
    hangs, began, write = threading.Event(), threading.Event(), event_log._append

    def append_late(*arguments: Any) -> Any:
        began.set()
        hangs.wait(60)
        return write(*arguments)

    monkeypatch.setattr(event_log, "_seconds", 0.05)
    monkeypatch.setattr(event_log, "_append", append_late)
    event_log.log_impressions(shown(1))
    assert began.wait(60)
    for number in range(3):
        with pytest.raises(LogFailed, match="post them again"):
            event_log.log_events([event(id=f"refused-{number}")])
    assert event_log.state == "the disk hangs"
    hangs.set()
    monkeypatch.setattr(event_log, "_seconds", 60)
    wait_until(lambda: event_log.state == log.WRITABLE)
    event_log.log_events([event(id="taken")])
    event_log.close()
    written = [line["id"] for line in lines(event_log._identified.folder)]
    assert written == ["r-1", "taken"]


def wait_until(there: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not there():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_workspace_that_was_deleted_gets_no_new_log(
    workspace: Workspace, engine: Engine, served: httpx.Client
) -> None:
    job_id = engine.servable.index.ids[0]
    assert served.get("/readyz").status_code == 200
    workspace.root.rename(workspace.root.with_name("gone"))
    answer = served.post("/v1/events", json={"member_id": "m", "job_id": job_id, "action": "view"})
    assert (answer.status_code, answer.json()["reason"]) == (503, "log_failed")
    assert answer.headers["retry-after"] == "1" and str(workspace.root) not in answer.text
    assert not workspace.root.exists()
    ready = served.get("/readyz")
    assert (ready.status_code, ready.json()["reason"]) == (503, "not_ready") and "log" in ready.json()["message"]
    assert served.post("/v1/recommend", json={"member_id": "m", "k": 3}).status_code == 200


def test_a_full_disk_is_not_ready_before_anybody_posts(event_log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    event_log._root.joinpath("logs").mkdir(exist_ok=True)
    event_log._look()
    assert event_log.state == log.WRITABLE
    full = os.statvfs(event_log._root)
    monkeypatch.setattr(os, "statvfs", lambda _: types.SimpleNamespace(f_bavail=1, f_frsize=full.f_frsize))
    event_log._look()
    assert event_log.state == "the disk is full"
