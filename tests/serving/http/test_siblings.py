"""What one process knows is told by whichever is asked; one that is gone or hangs is left out and said."""

from __future__ import annotations

import json
import math
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

import httpx
import pytest

from contracts.errors import BadInput
from contracts.workspace import Workspace
from serving.access.keys import new_key
from serving.config import ServeConfig
from serving.engine import Engine
from serving.http import siblings
from serving.http.run import running
from serving.http.siblings import Siblings, labelled, summed
from serving.metrics import Metrics
from tests.make import refused
from tests.serving.test_metrics import samples

Tell = Callable[..., list[tuple[str, str | None]]]


@pytest.fixture
def tell(tmp_path: Path) -> Iterator[Tell]:
    """Starts a process of a place, as far as the others see it: every request is answered with one text. Gives the
    paths and the names of the requests that it gets."""
    with ExitStack() as stack:

        def started(place: int, text: Callable[[], bytes], status: int = 200) -> list[tuple[str, str | None]]:
            asked: list[tuple[str, str | None]] = []

            class Answer(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    asked.append((self.path, self.headers["x-request-id"]))
                    content = text()
                    self.send_response(status)
                    self.send_header("retry-after", "7")
                    self.send_header("content-length", str(len(content) + (b"cut" in content)))
                    self.end_headers()
                    self.wfile.write(content)

                def log_message(self, *_: object) -> None:
                    return

            server = ThreadingUnixStreamServer(str(tmp_path / str(place)), Answer, bind_and_activate=False)
            server.socket.close()
            server.socket = Siblings(tmp_path, place).listen()
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            stack.callback(server.server_close)
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            return asked

        yield started


def test_each_gives_the_numbers_of_all(tell: Tell, tmp_path: Path) -> None:
    two = Metrics(), Metrics()
    two[0].requests.labels("/v1/search", "200").inc(3)
    two[1].requests.labels("/v1/search", "200").inc(4)
    two[1].request_seconds.labels("/v1/search").observe(0.03)
    two[1].features_materialized.set(math.nan)
    for place, metrics in enumerate(two):
        tell(place, metrics.text)
    for place, metrics in enumerate(two):
        text = Siblings(tmp_path, place).metrics(metrics.text())
        found = samples(text)
        of = {process: frozenset({("path", "/v1/search"), ("status", "200"), ("process", process)}) for process in "01"}
        assert [found["rolecall_requests_total", of[process]] for process in "01"] == [3, 4]
        assert found["rolecall_request_seconds_count", frozenset({("path", "/v1/search"), ("process", "1")})] == 1
        assert math.isnan(found["rolecall_features_materialized_timestamp_seconds", frozenset({("process", "1")})])
        [requests] = [family for family in summed(text) if family.name == "rolecall_requests"]
        totals = [sample for sample in requests.samples if sample.name.endswith("_total")]
        assert [(sample.labels, sample.value) for sample in totals] == [({"path": "/v1/search", "status": "200"}, 7)]
        [processes] = [family for family in summed(text) if family.name == "rolecall_processes"]
        assert sorted(sample.labels["process"] for sample in processes.samples) == ["0", "1"]


def test_one_process_keeps_all_that_it_says_but_for_its_label() -> None:
    metrics = Metrics()
    metrics.degraded.labels("student", 'a \\ "quoted" cause\nof two lines').inc()
    metrics.shown("search", [0.9, 0.1], [{"view": 0.5}])
    own = {name: value for name, value in samples(metrics.text()).items() if not name[0].startswith("process_")}
    found = {
        (name, frozenset(labels - {("process", "0")})): value
        for (name, labels), value in samples(labelled({"0": metrics.text()})).items()
        if not name.startswith("process_")
    }
    assert found == pytest.approx(own, nan_ok=True)
    assert labelled({"0": metrics.text()}).count(b"# TYPE rolecall_degraded_total counter") == 1


def test_one_that_is_gone_or_hangs_is_left_out_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(siblings, "SECONDS", 0.05)
    with socket.socket(socket.AF_UNIX) as gone, socket.socket(socket.AF_UNIX) as hangs:
        gone.bind(str(tmp_path / "1"))
        hangs.bind(str(tmp_path / "2"))
        hangs.listen()
        found = samples(Siblings(tmp_path, 0).metrics(Metrics().text()))
        assert Siblings(tmp_path, 0).first("GET", "/v1/explain/a/b", {}, None, 60) is None
        assert caplog.text.count("sibling_not_asked") == 4
        one = Siblings(tmp_path, 0)
        assert [one.answers(["0" * 32], 60) for _ in range(siblings.HANGS + 2)] == [{}] * (siblings.HANGS + 2)
    assert [labels for name, labels in found if name == "rolecall_processes"] == [frozenset({("process", "0")})]
    assert caplog.text.count('"process": "2"') == 2 + siblings.HANGS, "then it is left alone"


def test_a_folder_that_was_cleaned_away_leaves_a_process_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    alone = Siblings(tmp_path / "gone", 0)
    assert alone.first("GET", "/v1/explain/a/b", {}, None, 60) is None
    assert alone.answers(["0" * 32], 60) == {}
    assert b'rolecall_unshown_total{process="0"}' in alone.metrics(Metrics().text())
    assert caplog.text.count("siblings_not_found") == 3


def test_of_one_that_is_busy_and_one_that_knows_the_latter_is_heard(tell: Tell, tmp_path: Path) -> None:
    tell(1, lambda: b"busy", 429)
    tell(2, lambda: b"nothing", 404)
    one = Siblings(tmp_path, 0)
    busy = one.first("GET", "/v1/explain/a/b", {}, None, 60)
    assert busy == (429, b"busy", {"Retry-After": "7"})
    tell(3, lambda: b"known")
    known = one.first("GET", "/v1/explain/a/b", {}, None, 60)
    assert known is not None and (known.status, known.body) == (200, b"known")


def test_whoever_asks_another_process_is_itself_answered_by_the_others(
    workspace: Workspace, member_ids: list[str], tell: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(siblings, "SECONDS", 20.0)
    config = ServeConfig(deadline=60, poll=0, limits={"running": 1})
    asked, may_tell = threading.Event(), threading.Event()

    def told() -> bytes:
        asked.set()
        may_tell.wait(60)
        return b"{}"

    posted = list[str]()
    engine = Engine(workspace, config)
    with running(engine, workers=1, siblings=Siblings(tmp_path, 0)) as url, ExitStack() as stack:
        answer = httpx.post(f"{url}/v1/recommend", json={"member_id": member_ids[0], "k": 3}, timeout=60).json()
        got = tell(1, told)
        replies = list[httpx.Response]()
        job = f"{url}/v1/explain/elsewhere/100%2541%3F"
        asks = threading.Thread(target=lambda: replies.append(httpx.get(job, timeout=60)))
        asks.start()
        stack.callback(asks.join)
        stack.callback(may_tell.set)
        assert asked.wait(60)
        path = f"/v1/explain/{answer['request_id']}/{answer['results'][0]['job_id']}"
        reply = Siblings(tmp_path, 2).first("GET", path, {}, None, 60)
        assert reply is not None and reply.status == 200, (
            "its only place is taken by one that waits for another process"
        )
        engine.ask_elsewhere(lambda ids: posted.extend(ids) or {})  # type: ignore[func-returns-value]
        events = b'[{"request_id": "\\ud800", "job_id": "j", "action": "view"}, '
        events += json.dumps({"request_id": "0" * 32, "job_id": "j", "action": "view"}).encode() + b"]"
        taken = httpx.post(f"{url}/v1/events", content=events, headers={"content-type": "application/json"}, timeout=60)
        assert [one["reason"] for one in taken.json()["reasons"]] == ["bad_event", "unknown_job"]
    assert posted == ["0" * 32], "others are asked for what one of them may have made"
    assert got == [("/v1/explain/elsewhere/100%2541%3F", replies[0].headers["x-request-id"])]


def test_one_that_replaces_another_takes_its_place(tell: Tell, tmp_path: Path) -> None:
    with Siblings(tmp_path, 0).listen():
        after = Metrics()
    after.unshown.inc(7)
    tell(0, after.text)
    found = samples(Siblings(tmp_path, 1).metrics(Metrics().text()))
    assert found["rolecall_unshown_total", frozenset({("process", "0")})] == 7


def test_one_that_ends_in_the_middle_of_a_text_is_left_out(
    tell: Tell, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tell(1, lambda: b"rolecall_unshown_total 12 # cut")
    found = samples(Siblings(tmp_path, 0).metrics(Metrics().text()))
    assert {dict(labels)["process"] for _, labels in found} == {"0"}
    assert "IncompleteRead" in caplog.text


def test_a_folder_with_too_long_a_path_is_named_with_its_cure(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    with refused(BadInput, "too long", "TMPDIR", where=folder):
        Siblings(folder, 0).listen()


def test_an_answer_is_explained_and_continued_by_whichever_process_is_asked(
    workspace: Workspace, member_ids: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("s")
    keys = folder.parent / f"{folder.name}.json"
    one, other = (new_key(keys, name, ["serve"])[1] for name in ("one", "other"))
    operator = new_key(keys, "operator", ["admin", "console"])[1]
    seldom = {"Authorization": f"Bearer {new_key(keys, 'seldom', ['serve'], per_second=0.2)[1]}"}
    config = ServeConfig(deadline=60, poll=0, security={"keys": keys})
    mine, theirs = ({"Authorization": f"Bearer {key}"} for key in (one, other))
    with ExitStack() as stack:
        urls = [
            stack.enter_context(running(Engine(workspace, config), siblings=Siblings(folder, place)))
            for place in (0, 1)
        ]
        body = {"member_id": member_ids[0], "k": 3}
        answer = httpx.post(f"{urls[0]}/v1/recommend", json=body, headers=mine, timeout=60).json()
        path = f"/v1/explain/{answer['request_id']}"
        told = [httpx.get(f"{url}{path}/{answer['results'][0]['job_id']}", headers=mine, timeout=60) for url in urls]
        assert [reply.status_code for reply in told] == [200, 200]
        assert told[0].json() == told[1].json()
        once = httpx.post(f"{urls[0]}/v1/recommend", json=body, headers=seldom, timeout=60).json()
        of_it = f"/v1/explain/{once['request_id']}/{once['results'][0]['job_id']}"
        kept = [httpx.get(f"{url}{of_it}", headers=seldom, timeout=60).status_code for url in reversed(urls)]
        assert kept == [200, 429], "a request counts once against its key, whichever process gets it and asks another"
        asked = {"request_id": answer["request_id"], "member_id": member_ids[0], "k": 2}
        page = httpx.post(f"{urls[1]}/v1/next", json=asked, headers=mine, timeout=60)
        assert page.status_code == 200, page.text
        jobs = [job["job_id"] for job in page.json()["results"]]
        assert len(jobs) == 2 and not set(jobs) & {job["job_id"] for job in answer["results"]}
        assert httpx.get(f"{urls[0]}{path}/{jobs[0]}", headers=mine, timeout=60).status_code == 200
        event = {"request_id": answer["request_id"], "job_id": answer["results"][2]["job_id"], "action": "view"}
        poster = {"Authorization": f"Bearer {new_key(keys, 'poster', ['events'])[1]}"}
        assert httpx.post(f"{urls[1]}/v1/events", json=event, headers=poster, timeout=60).json()["accepted"] == 1
        [line] = [
            line
            for path_of_log in (workspace.logs / "events").glob("*.jsonl")
            for line in map(json.loads, path_of_log.read_text().splitlines())
            if line["action"] == "view"
        ]
        assert (line["position"], line["member_id"]) == (3, member_ids[0])
        assert line["logged_by"] == f"{answer['bundle_version']}/{answer['index_version']}"
        strange = httpx.post(f"{urls[1]}/siblings/answers", json=[answer["request_id"]], headers=mine, timeout=60)
        assert strange.status_code == 403, "it is told to processes alone"
        for wrong in (
            httpx.get(f"{urls[1]}/v1/explain/nothing/{jobs[0]}", headers=mine, timeout=60),
            httpx.get(f"{urls[1]}{path}/{jobs[0]}", headers=theirs, timeout=60),
            httpx.post(f"{urls[1]}/v1/next", json=asked, headers=theirs, timeout=60),
        ):
            assert (wrong.status_code, wrong.json()["reason"]) == (404, "unknown_answer")
        not_a_number = httpx.post(f"{urls[1]}/v1/next", json=asked | {"after": 99}, headers=mine, timeout=60)
        assert (not_a_number.status_code, not_a_number.json()["field"]) == (422, "after")
        operating = {"Authorization": f"Bearer {operator}"}
        page = f"/console/why/{answer['request_id']}/{answer['results'][0]['job_id']}"
        whys = [httpx.get(f"{url}{page}", headers=operating, timeout=60) for url in urls]
        assert [reply.status_code for reply in whys] == [200, 200], "its page too"
        assert answer["results"][0]["title"] in whys[1].text
        assert whys[0].headers["content-security-policy"] == whys[1].headers["content-security-policy"]
        unknown = httpx.get(f"{urls[1]}/console/why/nothing/j", headers=operating, timeout=60)
        assert unknown.status_code == 404 and "<html" in unknown.text
        found = samples(httpx.get(f"{urls[1]}/metrics", headers=operating, timeout=60).content)
        assert (
            sum(
                value
                for (name, labels), value in found.items()
                if name == "rolecall_requests_total" and ("path", "/v1/next") in labels
            )
            == 3
        ), "each request counts once, though two processes worked on it"
        health = httpx.get(f"{urls[1]}/console/health", headers=operating, timeout=60)
        assert health.status_code == 200 and "/v1/recommend" in health.text, "it was asked of the other process"
