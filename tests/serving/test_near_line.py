"""Services on one online store know of each other's events, and none is lost while the store is stopped or gone."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.workspace import Workspace
from feature_repo.config import StoreConfig
from feature_repo.online import MemberRow
from feature_repo.store import apply, materialize
from serving.config import ServeConfig
from serving.engine import Engine
from serving.event_log_config import LogConfig
from serving.http.run import running
from serving.log_files import Position
from serving.near_line import NearLine
from tests.make import event
from tests.serving.redis_server import RedisServer

CONFIG = ServeConfig(deadline=60, store=StoreConfig(read_seconds=10, write_seconds=10, probe_seconds=0.1))
IMPATIENT = ServeConfig(deadline=60, store=StoreConfig(read_seconds=0.2, write_seconds=0.2, probe_seconds=0.1))


@pytest.fixture
def redis_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    (tmp_path / "redis").mkdir()
    server = RedisServer(tmp_path / "redis")
    monkeypatch.setenv("REDIS_URL", server.address)
    yield server
    server.kill()


@pytest.fixture
def on_redis(workspace: Workspace, redis_server: RedisServer) -> Workspace:
    apply(workspace, profile="redis")
    materialize(workspace)
    return workspace


def until(there: Callable[[], Any]) -> None:
    end = time.monotonic() + 60
    while not there():
        assert time.monotonic() < end
        time.sleep(0.02)


def recommend(client: httpx.Client, member_id: str, **body: Any) -> dict[str, Any]:
    answer = client.post("/v1/recommend", json={"member_id": member_id, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def whole(client: httpx.Client, member_id: str, **body: Any) -> dict[str, Any]:
    """An answer with the member's features; an impatient service on a busy machine may need a second try."""
    found: list[dict[str, Any]] = []
    until(lambda: found.append(recommend(client, member_id, **body)) or not found[-1]["degraded"])
    return found[-1]


def post(client: httpx.Client, events: Any) -> dict[str, Any]:
    answer = client.post("/v1/events", json=events)
    assert answer.status_code == 200, answer.text
    return answer.json()


def job_ids(answer: dict[str, Any]) -> list[str]:
    return [result["job_id"] for result in answer["results"]]


@pytest.fixture(params=["one folder, SQLite", "two folders, Redis"])
def replicas(
    request: pytest.FixtureRequest, workspace: Workspace, tmp_path: Path
) -> Iterator[tuple[tuple[Engine, httpx.Client], tuple[Engine, httpx.Client]]]:
    """Two services on one store: processes on one workspace, or machines with a workspace each."""
    places = [workspace, workspace]
    if "Redis" in request.param:
        request.getfixturevalue("on_redis")
        shutil.copytree(workspace.root, tmp_path / "other")
        places = [workspace, Workspace(tmp_path / "other")]
    workspace.rules.write_text(json.dumps({"rules": [SEEN]}))
    with ExitStack() as stack:
        found = []
        for place in places:
            shutil.copy(workspace.rules, place.rules) if place is not workspace else None
            engine = Engine(place, CONFIG)
            url = stack.enter_context(running(engine))
            found.append((engine, stack.enter_context(httpx.Client(base_url=url, timeout=60))))
        yield found[0], found[1]


SEEN = {
    "name": "seen",
    "reason": "other",
    "enabled": True,
    "surfaces": ["recommendation"],
    "because": "it was shown before",
    "when": {"seen": {"times": 1, "days": 7}},
    "action": "demote",
}


def test_of_what_was_applied_to_half_here_and_half_there_nothing_is_shown_again(
    replicas: tuple[tuple[Engine, httpx.Client], ...], member_ids: list[str]
) -> None:
    clients = [client for _, client in replicas]
    ids = job_ids(recommend(clients[0], member_ids[0], k=100))
    events = [{"member_id": member_ids[0], "job_id": job_id, "action": "apply"} for job_id in ids]
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda i: post(clients[i % 2], events[i]), range(len(events))))
    assert len(ids) > 50 and all(reply["accepted"] == 1 and not reply["degraded"] for reply in replies)
    for client in clients:
        assert not set(ids) & set(job_ids(recommend(client, member_ids[0], k=150)))


def test_one_id_posted_to_both_is_accepted_once(
    replicas: tuple[tuple[Engine, httpx.Client], ...], member_ids: list[str]
) -> None:
    job_id = replicas[0][0].servable.index.ids[0]
    event = {"id": "to-both", "member_id": member_ids[1], "job_id": job_id, "action": "view"}
    replies = [post(client, event) for _, client in replicas]
    assert [(reply["accepted"], reply["duplicates"]) for reply in replies] == [(1, 0), (0, 1)]


def test_what_one_shows_and_counts_the_other_knows(
    replicas: tuple[tuple[Engine, httpx.Client], ...], member_ids: list[str]
) -> None:
    (one, here), (other, there) = replicas
    row = other.servable.index.rows([one.servable.index.ids[5]])
    before = other.servable.index.activity.views(row, datetime.now(UTC), 1)[0]
    view = {"member_id": member_ids[2], "job_id": one.servable.index.ids[5], "action": "view"}
    post(here, [view, view])
    first = recommend(here, member_ids[3], k=3)
    until(lambda: other.servable.index.activity.views(row, datetime.now(UTC), 1)[0] == before + 1)
    until(lambda: set(other._unclicked.of(member_ids[3])) == set(job_ids(first)))
    assert not set(job_ids(first)) & set(job_ids(recommend(there, member_ids[3], k=3)))


@pytest.mark.parametrize("fault", ["hang", "kill"])
def test_a_store_that_hangs_or_is_gone_costs_the_features_alone_and_nothing_acknowledged(
    on_redis: Workspace, redis_server: RedisServer, member_ids: list[str], fault: str
) -> None:
    """It is used again without a restart, and then knows the events that were accepted meanwhile."""
    engine = Engine(on_redis, IMPATIENT)
    with running(engine) as url, httpx.Client(base_url=url, timeout=60) as client:
        jobs = job_ids(whole(client, member_ids[0], k=5))
        getattr(redis_server, fault)()
        for job_id in jobs:
            answer = recommend(client, member_ids[0], k=5)
            assert "features" in answer["degraded"] and answer["results"]
            reply = post(client, {"member_id": member_ids[0], "job_id": job_id, "action": "apply"})
            assert (reply["accepted"], reply["degraded"]) == (1, ["features"])
        assert recommend(client, "", k=5)["degraded"] == []
        ready = client.get("/readyz")
        assert ready.status_code == 200 and ready.json()["features"] != "closed"
        assert 'rolecall_breaker_state{dependency="features"} 0.0' not in client.get("/metrics").text
        redis_server.go_on() if fault == "hang" else redis_server.start()
        until(lambda: client.get("/readyz").json()["features"] == "closed")
        until(lambda: not engine._near_line.behind)
        assert not set(jobs) & set(job_ids(whole(client, member_ids[0], k=150)))


def test_what_a_store_did_not_take_before_a_restart_it_takes_after(
    on_redis: Workspace, redis_server: RedisServer, member_ids: list[str]
) -> None:
    engine = Engine(on_redis, IMPATIENT)
    job_id = engine.servable.index.ids[0]
    redis_server.kill()
    reply = engine.record({"id": "before", "member_id": member_ids[0], "job_id": job_id, "action": "apply"})
    assert (reply.accepted, reply.degraded) == (1, ("features",))
    engine.close()
    redis_server.start()
    engine = Engine(on_redis, CONFIG)
    until(lambda: not engine._near_line.behind)
    assert job_id in engine.servable.members.read(member_ids[0]).activity.applied
    engine.close()


def test_a_member_who_was_erased_does_not_come_back_with_the_log(workspace: Workspace, member_ids: list[str]) -> None:
    engine = Engine(workspace, CONFIG)
    job_id = engine.servable.index.ids[0]
    for member_id in member_ids[:2]:
        engine.record({"member_id": member_id, "job_id": job_id, "action": "apply"})
    engine._near_line.close()
    engine.servable.members.erase(member_ids[0])
    assert engine.servable.members.news("") == [] or member_ids[0] not in str(engine.servable.members.news(""))
    engine.close()
    engine = Engine(workspace, CONFIG)
    until(lambda: not engine._near_line.behind)
    assert not engine.servable.members.read(member_ids[0]).known
    assert engine.servable.members.read(member_ids[1]).activity.applied == (job_id,)
    engine.close()


def test_a_store_that_another_process_locks_keeps_nobody_waiting(workspace: Workspace, member_ids: list[str]) -> None:
    engine = Engine(workspace, IMPATIENT)
    job_id = engine.servable.index.ids[0]
    holder = sqlite3.connect(workspace.feature_repo / "data" / "online_store.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    reply = engine.record({"member_id": member_ids[0], "job_id": job_id, "action": "apply"})
    assert (reply.accepted, reply.degraded) == (1, ("features",))
    holder.execute("ROLLBACK")
    holder.close()
    until(lambda: job_id in _read(engine, member_ids[0]).activity.applied)
    engine.close()


def test_a_post_of_many_people_reads_and_writes_the_store_a_few_times(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(workspace, CONFIG)
    engine._near_line.close()
    members, calls = engine.servable.members, []
    for lane in (members._reads, members._writes):
        run = lane.run
        monkeypatch.setattr(lane, "run", lambda call, run=run: (calls.append(1), run(call))[1])
    job_id = engine.servable.index.ids[0]
    reply = engine.record([{"member_id": f"new-{n}", "job_id": job_id, "action": "view"} for n in range(1_000)])
    assert reply.accepted == 1_000 and len(calls) == 3
    assert members.read("new-999").known
    engine.close()


def test_a_clock_by_which_no_job_is_open_is_not_ready(shared: tuple[Engine, str]) -> None:
    engine, _ = shared
    assert engine.problem() == ""
    now = datetime.now(UTC) - timedelta(days=400)
    assert f"{now:%Y-%m-%d}" in engine.problem(now) and "clock" in engine.problem(now)


def test_a_service_starts_without_its_store_and_uses_it_once_it_is_there(
    on_redis: Workspace, redis_server: RedisServer, member_ids: list[str]
) -> None:
    redis_server.kill()
    with running(Engine(on_redis, IMPATIENT)) as url, httpx.Client(base_url=url, timeout=60) as client:
        assert "features" in recommend(client, member_ids[0], k=3)["degraded"]
        redis_server.start()
        until(lambda: client.get("/readyz").json()["features"] == "closed")
        assert whole(client, member_ids[0], k=3)["member_known"]


def test_what_a_store_forgot_as_it_died_it_is_told_again(
    on_redis: Workspace, redis_server: RedisServer, member_ids: list[str]
) -> None:
    """It had answered, but not yet written its file."""
    engine = Engine(on_redis, IMPATIENT)
    job_id = engine.servable.index.ids[0]
    engine.record({"member_id": member_ids[0], "job_id": job_id, "action": "apply"})
    until(lambda: _read(engine, member_ids[0]).activity.applied == (job_id,))
    redis_server.kill()
    until(lambda: engine.features_state != "closed")
    redis_server.forget()
    redis_server.start()
    until(lambda: engine.features_state == "closed")
    until(lambda: _read(engine, member_ids[0]).activity.applied == (job_id,))
    engine.close()


def _read(engine: Engine, member_id: str) -> MemberRow:
    try:
        return engine.servable.members.read(member_id)
    except Exception:  # as long as it is not there
        return MemberRow(known=False)


def test_a_log_whose_disk_hangs_keeps_no_answer_waiting(workspace: Workspace, member_ids: list[str]) -> None:
    """A pipe that nobody reads hangs whoever opens it."""
    engine = Engine(workspace, ServeConfig(deadline=60, log=LogConfig(seconds=0.2)))
    with running(engine) as url, httpx.Client(base_url=url, timeout=60) as client:
        event = {"id": "again", "member_id": member_ids[0], "job_id": engine.servable.index.ids[0], "action": "view"}
        engine._log._identified.make_folder()
        pipe = engine._log._identified.path()
        os.mkfifo(pipe)
        for _ in range(3):
            answer = client.post("/v1/events", json=event)
            assert (answer.status_code, answer.json()["reason"]) == (503, "log_failed")
            assert answer.headers["retry-after"] == "1" and str(workspace.root) not in answer.text
            assert len(recommend(client, member_ids[0], k=3)["results"]) == 3
        ready = client.get("/readyz")
        assert ready.status_code == 503 and "hangs" in ready.json()["message"]
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        pipe.unlink()
        until(lambda: client.get("/readyz").status_code == 200)
        os.close(reader)
        assert post(client, event)["accepted"] == 1


@contextmanager
def near_line_of(engine: Engine) -> Iterator[NearLine]:
    """One that folds in what it is told to, in place of the engine's own."""
    engine._near_line.close()
    near_line = NearLine(engine._current, engine._counts, engine.metrics, "test", datetime.now(UTC))
    yield near_line
    near_line.close()


def applies(workspace: Workspace, job_id: str, members: Sequence[str], name: str = "2020-01-01-x.jsonl") -> Position:
    """A file of the log in which members apply to a job."""
    rows = [event(f"e-{id_}", datetime.now(UTC), id_, job_id, "apply").model_dump(mode="json") for id_ in members]
    path = workspace.logs / "events" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Position(path, 0)


def test_a_line_that_the_store_never_takes_keeps_no_other_and_no_request(
    workspace: Workspace, member_ids: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine, bad = Engine(workspace, CONFIG), member_ids[2]
    members = engine.servable.members
    update = members._rows.update

    def refuses_one(changes: Any) -> Any:
        if bad in changes:
            raise ValueError("no such member can be written")
        return update(changes)

    monkeypatch.setattr(members._rows, "update", refuses_one)
    job_id, states = engine.servable.index.ids[0], set[str]()
    with near_line_of(engine) as near_line:
        near_line.fold_later(applies(workspace, job_id, member_ids[:5]))
        until(lambda: states.add(engine.features_state) or not near_line.behind)
    assert states == {"closed"}  # its own failures leave no request without the store
    assert "near_line_skipped" in caplog.text and 'outcome="skipped"} 1.0' in engine.metrics.text().decode()
    for member_id in member_ids[:5]:
        assert (job_id in members.read(member_id).activity.applied) == (member_id != bad)
    engine.close()


def test_what_takes_long_in_the_background_leaves_no_request_without_the_store(
    workspace: Workspace, member_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(workspace, ServeConfig(deadline=60, store=StoreConfig(read_seconds=10, write_seconds=0.05)))
    members, job_id = engine.servable.members, engine.servable.index.ids[0]
    update = members._rows.update

    def slow(changes: Any) -> Any:
        time.sleep(0.2)
        return update(changes)

    monkeypatch.setattr(members._rows, "update", slow)
    with near_line_of(engine) as near_line:
        for name in "abcd":
            near_line.fold_later(applies(workspace, job_id, member_ids[:2], f"2020-01-01-{name}.jsonl"))
        until(lambda: not near_line.behind)
    assert engine.features_state == "closed"
    assert members.read(member_ids[0]).activity.applied == (job_id,)
    engine.close()


def test_a_store_that_takes_nothing_loses_no_line(
    workspace: Workspace, member_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, calls = Engine(workspace, CONFIG), list[int]()
    members, job_id = engine.servable.members, engine.servable.index.ids[0]

    def refuses(*_: Any) -> Any:
        calls.append(1)
        raise OSError("read-only file system")

    with near_line_of(engine) as near_line, monkeypatch.context() as patch:
        patch.setattr(members._rows, "update", refuses)
        patch.setattr(members._rows, "claim", refuses)
        near_line.fold_later(applies(workspace, job_id, member_ids[:1]))
        until(lambda: len(calls) > 8)
        assert near_line.behind
        patch.undo()
        until(lambda: not near_line.behind)
    assert members.read(member_ids[0]).activity.applied == (job_id,)
    engine.close()


def test_a_file_that_cannot_be_read_keeps_no_other(workspace: Workspace, member_ids: list[str]) -> None:
    engine = Engine(workspace, CONFIG)
    members, job_id = engine.servable.members, engine.servable.index.ids[0]
    folder = workspace.logs / "events" / "2020-01-01-a.jsonl"
    folder.mkdir(parents=True)
    with near_line_of(engine) as near_line:
        near_line.fold_later(Position(folder, 0))
        near_line.fold_later(applies(workspace, job_id, member_ids[:1]))
        until(lambda: members.read(member_ids[0]).activity.applied == (job_id,))
    engine.close()


def test_each_trouble_is_said_once_and_again_when_it_comes_back(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "rolecall.service")
    engine = Engine(workspace, CONFIG)
    members = engine.servable.members

    def broken(*_: Any) -> Any:
        raise OSError

    with near_line_of(engine):
        for times in (1, 2):
            with monkeypatch.context() as patch:
                patch.setattr(members, "news", broken)
                until(lambda times=times: caplog.text.count('"event": "near_line"') == times)
            until(lambda times=times: caplog.text.count("near_line_works_again") == times)
    engine.close()


def test_all_that_waits_is_told_at_the_end(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.near_line.SLICE", 2)
    monkeypatch.setattr("serving.near_line.TELL_SECONDS", 3_600.0)
    engine = Engine(workspace, CONFIG)
    with near_line_of(engine) as near_line:
        for number in range(7):
            near_line.tell_shown("somebody", [f"j{number}"], datetime.now(UTC))
    told = [json.loads(entry)["shown"][1] for _, entry in engine.servable.members.news("")]
    assert told == [[f"j{number}"] for number in range(7)]
    engine.close()


def test_what_cannot_be_told_at_the_end_is_said(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine = Engine(workspace, CONFIG)

    def broken(*_: Any) -> Any:
        raise OSError

    monkeypatch.setattr(engine.servable.members, "publish", broken)
    with near_line_of(engine) as near_line:
        near_line.tell_shown("somebody", ["j"], datetime.now(UTC))
    assert "near_line_not_told" in caplog.text and 'outcome="dropped"} 1.0' in engine.metrics.text().decode()
    engine.close()
