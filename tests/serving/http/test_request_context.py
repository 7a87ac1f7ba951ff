"""Every HTTP request has an id, and a trace where a collector is named: neither holds what a member wrote."""

from __future__ import annotations

import gzip
import json
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from contracts.workspace import Workspace
from serving.config import ServeConfig
from serving.engine import Engine
from serving.http.run import running
from serving.tracing import Telemetry

MARK = "quixotic zanzibar"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(r.getMessage()) for r in caplog.records if r.name == "rolecall.service"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/nowhere", "/v1/explain/a/b"])
def test_the_id_of_a_request_comes_back(client: httpx.Client, path: str) -> None:
    reply = client.get(path, headers={"X-Request-Id": "shop-42/a:b"})
    assert reply.headers["X-Request-Id"] == "shop-42/a:b"


@pytest.mark.parametrize("given", [None, "", "a b", "x" * 129, "é".encode("latin-1"), b'"><script>', b"a;b=\\"])
def test_a_missing_or_odd_id_is_replaced(client: httpx.Client, given: str | bytes | None) -> None:
    sent = {} if given is None else {"X-Request-Id": given}
    made = client.get("/healthz", headers=sent).headers["X-Request-Id"]
    assert len(made) == 32 and made.isalnum()


def test_the_id_of_a_call_is_not_the_id_of_an_answer(client: httpx.Client, member_ids: list[str]) -> None:
    """Else a caller could choose by what an answer is found, and put its own in another's place."""
    reply = client.post("/v1/recommend", json={"member_id": member_ids[0]}, headers={"X-Request-Id": "mine"})
    assert reply.json()["request_id"] != "mine"


def test_lines_of_log_carry_the_id_also_from_a_stages_thread(
    engine: Engine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ConnectionError(MARK)

    monkeypatch.setattr(type(engine.servable.members), "read", broken)
    with caplog.at_level(logging.INFO, "rolecall.service"), running(engine) as url:
        httpx.post(
            f"{url}/v1/search",
            json={"member_id": "m1", "query": MARK},
            headers={"X-Request-Id": "shop-42"},
            timeout=60,
        ).raise_for_status()
    lines = logged(caplog)
    of_request = [line for line in lines if line.get("http_request_id") == "shop-42"]
    assert {line["event"] for line in of_request} == {"request", "degraded"}
    assert MARK not in json.dumps(lines)


def test_a_bug_is_answered_with_the_id(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(engine, "explain", broken)
    with running(engine) as url:
        reply = httpx.get(f"{url}/v1/explain/a/b", headers={"X-Request-Id": "shop-42"})
    assert (reply.status_code, reply.headers["X-Request-Id"]) == (500, "shop-42")


@contextmanager
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """An OTLP/HTTP receiver on a socket: its endpoint, and what it was sent."""
    received: list[ExportTraceServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_traced_request_hangs_on_its_callers_span(workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    with collector() as (endpoint, received):
        engine = Engine(workspace, ServeConfig(deadline=60, telemetry=Telemetry(traces=endpoint)))
        with caplog.at_level(logging.INFO, "rolecall.service"), running(engine) as url:
            body = {"member_id": "m0000001", "query": MARK, "k": 3}
            headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-Id": "shop-42"}
            httpx.post(f"{url}/v1/search", json=body, headers=headers, timeout=60).raise_for_status()
    spans = {span.name: span for r in received for rs in r.resource_spans for ss in rs.scope_spans for span in ss.spans}
    server = spans.pop("POST /v1/search")
    assert (server.trace_id.hex(), server.parent_span_id.hex()) == (TRACE, PARENT)
    assert {"features", "encoder", "retrieval", "student", "rules"} <= set(spans)
    assert all(stage.parent_span_id == server.span_id for stage in spans.values())
    told = {a.key: a.value.string_value or a.value.int_value for a in server.attributes}
    assert told["http.route"] == "/v1/search"
    assert told["http.response.status_code"] == 200
    assert told["rolecall.http_request_id"] == "shop-42"
    sent = b"".join(r.SerializeToString() for r in received)
    assert MARK.encode() not in sent and b"m0000001" not in sent
    [line] = [line for line in logged(caplog) if line["event"] == "request"]
    assert line["trace_id"] == TRACE


def test_a_collector_that_is_away_harms_no_request(workspace: Workspace) -> None:
    telemetry = Telemetry(traces="http://127.0.0.1:9/v1/traces")
    engine = Engine(workspace, ServeConfig(deadline=60, telemetry=telemetry))
    with running(engine) as url:
        reply = httpx.post(f"{url}/v1/search", json={"query": "nurse"}, timeout=60)
    assert (reply.status_code, reply.json()["degraded"]) == (200, [])


def test_the_id_comes_back_while_the_service_is_loading(tmp_path: Path) -> None:
    promise: Future[Engine] = Future()
    with running(promise) as url:
        reply = httpx.get(f"{url}/readyz", headers={"X-Request-Id": "shop-42"})
    assert (reply.status_code, reply.headers["X-Request-Id"]) == (503, "shop-42")
