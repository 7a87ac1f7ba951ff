"""Under load a service refuses soon and in order, and what nobody was sent counts for nobody as shown."""

from __future__ import annotations

import json
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from contracts.workspace import Workspace
from serving.config import ServeConfig
from serving.engine import Engine
from serving.http.problems import Problem
from serving.http.run import running
from serving.limits import LimitsConfig

DEADLINE = 2.0
LIMITS = LimitsConfig(running=1, waiting=2, events_running=1, events_waiting=1, events_wait=0.5, bodies=1_000_000)
WAIT = 30.0
Held = tuple[Engine, httpx.Client]


@pytest.fixture(scope="module")
def narrow_engine(market: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    root = tmp_path_factory.mktemp("narrow") / "market"
    shutil.copytree(market.root, root)
    engine = Engine(Workspace(root), ServeConfig(deadline=DEADLINE, limits=LIMITS))
    yield engine
    engine.close()


@pytest.fixture
def narrow(narrow_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    """A service that ranks one request at a time and lets two wait."""
    monkeypatch.setattr(narrow_engine, "close", lambda: None)  # other tests go on with it
    with running(narrow_engine) as url, httpx.Client(base_url=url, timeout=WAIT) as client:
        assert recommend(client).status_code == 200
        yield narrow_engine, client


class Hold:
    """Work that waits until it is let go; counts who began."""

    def __init__(self, work: Callable[..., Any]) -> None:
        self._work = work
        self.begun: list[Any] = []
        self._go = threading.Event()

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.begun.append(arguments)
        assert self._go.wait(WAIT)
        return self._work(*arguments, **named)

    def let_go(self) -> None:
        self._go.set()


@contextmanager
def held(engine: Engine, name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hold]:
    hold = Hold(getattr(engine, name))
    with monkeypatch.context() as patched:
        patched.setattr(engine, name, hold)
        try:
            yield hold
        finally:
            hold.let_go()


def until(true: Callable[[], Any]) -> None:
    end = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.005)


def metric(client: httpx.Client, line: str) -> float:
    """The value of a line of /metrics; 0 where it is absent."""
    found = re.search(rf"^{re.escape(line)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def overloaded(answer: httpx.Response) -> Problem:
    assert answer.status_code == 429, answer.text
    assert int(answer.headers["retry-after"]) >= 1
    problem = Problem.model_validate(answer.json())
    assert problem.reason == "overloaded"
    return problem


def recommend(client: httpx.Client) -> httpx.Response:
    return client.post("/v1/recommend", json={"k": 1})


def test_past_its_bounds_a_service_refuses_and_stays_alive(narrow: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, client = narrow
    shed = metric(client, 'rolecall_shed_total{cause="patience",line="jobs"}')
    with held(engine, "prepare", monkeypatch) as hold, ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(recommend, client)]
        until(lambda: hold.begun)
        for waiting in (1, 2):
            asked.append(pool.submit(recommend, client))
            until(lambda n=waiting: metric(client, 'rolecall_waiting{line="jobs"}') == n)
        overloaded(recommend(client))
        for path in ("/healthz", "/readyz", "/metrics"):
            assert client.get(path).status_code == 200
        assert len(hold.begun) == 1
        hold.let_go()
        assert [future.result().status_code for future in asked] == [200] * 3
    assert metric(client, 'rolecall_shed_total{cause="patience",line="jobs"}') == shed + 1
    assert metric(client, 'rolecall_waiting{line="jobs"}') == 0


def test_a_refusal_comes_before_the_body_is_parsed(narrow: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, client = narrow
    with held(engine, "prepare", monkeypatch) as hold, ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(recommend, client)]
        until(lambda: hold.begun)
        for waiting in (1, 2):
            asked.append(pool.submit(recommend, client))
            until(lambda n=waiting: metric(client, 'rolecall_waiting{line="jobs"}') == n)
        overloaded(client.post("/v1/search", content=b"{no json", headers={"content-type": "application/json"}))
        hold.let_go()
        assert {future.result().status_code for future in asked} == {200}


def test_what_hangs_is_answered_at_its_deadline_and_keeps_its_place_until_it_ends(
    narrow: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, client = narrow
    unshown = metric(client, "rolecall_unshown_total")
    with held(engine, "prepare", monkeypatch):
        started = time.monotonic()
        answer = recommend(client)
        waited = time.monotonic() - started
        assert (answer.status_code, answer.json()["reason"]) == (503, "too_late")
        assert answer.headers["retry-after"] and waited >= DEADLINE
        assert metric(client, 'rolecall_running{line="jobs"}') == 1
    until(lambda: metric(client, 'rolecall_running{line="jobs"}') == 0)
    until(lambda: metric(client, "rolecall_unshown_total") == unshown + 1)
    assert recommend(client).status_code == 200


def ask_raw(client: httpx.Client, member_id: str) -> socket.socket:
    """A raw request whose connection is still open."""
    body = json.dumps({"member_id": member_id, "k": 3}).encode()
    connection = socket.create_connection((client.base_url.host, client.base_url.port or 80))
    head = ["POST /v1/recommend HTTP/1.1", "host: localhost", "content-type: application/json"]
    connection.sendall("\r\n".join([*head, f"content-length: {len(body)}", "", ""]).encode() + body)
    return connection


def test_the_answer_of_a_client_that_hung_up_is_not_logged_as_shown(
    narrow: Held, member_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, client = narrow
    shown: list[Any] = []
    monkeypatch.setattr(engine, "shown", shown.append)
    unshown = metric(client, "rolecall_unshown_total")
    with held(engine, "prepare", monkeypatch) as hold:
        connection = ask_raw(client, member_ids[0])
        until(lambda: hold.begun)
        connection.close()
        hold.let_go()
        until(lambda: metric(client, "rolecall_unshown_total") == unshown + 1)
    assert shown == []
    answer = client.post("/v1/recommend", json={"member_id": member_ids[0], "k": 3}).json()
    assert [slate.request_id for slate in shown] == [answer["request_id"]]


def test_a_client_that_hangs_up_while_it_waits_is_dropped_before_its_work_begins(
    narrow: Held, member_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, client = narrow
    gone = metric(client, 'rolecall_shed_total{cause="gone",line="jobs"}')
    with held(engine, "prepare", monkeypatch) as hold, ThreadPoolExecutor(2) as pool:
        first = pool.submit(recommend, client)
        until(lambda: hold.begun)
        connection = ask_raw(client, member_ids[0])
        until(lambda: metric(client, 'rolecall_waiting{line="jobs"}') == 1)
        connection.close()
        until(lambda: metric(client, 'rolecall_shed_total{cause="gone",line="jobs"}') == gone + 1)
        hold.let_go()
        assert first.result().status_code == 200
    assert recommend(client).status_code == 200
    assert len(hold.begun) == 1


def test_events_that_hang_hold_up_no_answer_and_their_line_has_an_end(
    narrow: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, client = narrow
    event = {"member_id": "m", "job_id": engine.servable.index.ids[0], "action": "view"}

    def post() -> httpx.Response:
        return client.post("/v1/events", json=event)

    with held(engine, "record", monkeypatch) as hold, ThreadPoolExecutor(4) as pool:
        first = pool.submit(post)
        until(lambda: hold.begun)
        second = pool.submit(post)
        until(lambda: metric(client, 'rolecall_waiting{line="events"}') == 1)
        overloaded(post())  # there is no room in the line
        assert recommend(client).status_code == 200
        overloaded(second.result())  # it waited for as long as an event may
        hold.let_go()
        assert first.result().json()["accepted"] == 1
    assert metric(client, 'rolecall_shed_total{cause="full",line="events"}') >= 1
    assert metric(client, 'rolecall_shed_total{cause="late",line="events"}') >= 1


def test_bodies_that_are_held_are_bounded_together(narrow: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, client = narrow
    body, json_type = b'{"query": "nurse"' + b" " * 600_000 + b"}", {"content-type": "application/json"}
    with held(engine, "prepare", monkeypatch) as hold, ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/v1/search", content=body, headers=json_type)
        until(lambda: hold.begun)
        overloaded(client.post("/v1/search", content=body, headers=json_type))
        hold.let_go()
        assert first.result().status_code == 200
    assert metric(client, 'rolecall_shed_total{cause="bodies",line="jobs"}') == 1
    assert client.post("/v1/search", content=body, headers=json_type).status_code == 200


def test_readyz_says_so_while_most_requests_are_refused(narrow: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, client = narrow
    with held(engine, "prepare", monkeypatch) as hold, ThreadPoolExecutor(16) as pool:
        first = pool.submit(recommend, client)
        until(lambda: hold.begun)
        answers = [pool.submit(recommend, client) for _ in range(60)]
        until(lambda: client.get("/readyz").status_code == 503)
        problem = Problem.model_validate(client.get("/readyz").json())
        assert problem.reason == "overloaded"
        hold.let_go()
        assert {future.result().status_code for future in [first, *answers]} <= {200, 429, 503}
    until(lambda: client.get("/readyz").status_code == 200)


def test_a_service_that_loads_refuses_jobs_and_events_without_a_place(engine: Engine) -> None:
    promise: Future[Engine] = Future()
    with running(promise) as url, httpx.Client(base_url=url, timeout=WAIT) as client:
        for path in ("/v1/search", "/v1/events"):
            answer = client.post(path, json={"query": "nurse"})
            assert (answer.status_code, answer.json()["reason"]) == (503, "not_ready")
        promise.set_result(engine)
        assert recommend(client).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/v1/search", "POST"), ("HEAD", "/v1/search", "POST"), ("POST", "/healthz", "GET, HEAD")],
)
def test_a_wrong_method_says_which_are_right(client: httpx.Client, method: str, path: str, allowed: str) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/console"])
def test_a_head_has_the_headers_of_the_get(client: httpx.Client, path: str) -> None:
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.headers["content-type"]) == (200, get.headers["content-type"])
    assert head.content == b""
