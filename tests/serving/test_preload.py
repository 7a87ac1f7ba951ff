"""What processes share is loaded once, taken while it is still what is served, and never of a process with threads."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from contracts.versions import set_current
from contracts.workspace import Workspace
from retrieval.engines import side_by_side
from serving.config import ServeConfig
from serving.engine import Engine
from serving.preload import preload, survives_fork
from serving.schemas import RecommendRequest
from tests.serving.test_administration import another_pair

CONFIG = ServeConfig(deadline=60, threads=1, poll=0)


@pytest.fixture(autouse=True)
def all_cores() -> Iterator[None]:
    yield
    side_by_side._kept_to.clear()
    gc.unfreeze()


def test_models_on_several_threads_or_elsewhere_than_the_cpu_are_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    assert survives_fork(CONFIG)
    assert not survives_fork(ServeConfig(threads=2))
    assert not survives_fork(ServeConfig(threads=1, device="cuda"))
    monkeypatch.setattr("serving.preload.chosen_providers", lambda _: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    assert not survives_fork(CONFIG)


def test_a_service_takes_what_was_loaded_until_another_index_is_current(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 1)  # those of other tests
    loaded = preload(workspace, CONFIG)
    assert loaded is not None
    of_now = loaded.folders[0].name, loaded.folders[1].name
    for (bundle, index), is_shared in ((of_now, True), (another_pair(workspace), False)):
        set_current(workspace.bundles, bundle)
        set_current(workspace.indexes, index)
        engine = Engine(workspace, CONFIG, loaded)
        try:
            assert (engine.servable.index is loaded.index) == is_shared
            assert engine.servable.index.version == index
        finally:
            engine.close()


def test_a_forked_process_answers_as_the_one_that_loaded(
    workspace: Workspace, member_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    loaded = preload(workspace, CONFIG)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(60)  # a thread or a lock that did not come along would be waited for, for ever
        try:
            os.write(writing, ",".join(_jobs(workspace, loaded, member_ids[0])).encode())
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert os.read(reading, 65_536).decode().split(",") == _jobs(workspace, None, member_ids[0])


def _jobs(workspace: Workspace, loaded: object, member_id: str) -> list[str]:
    engine = Engine(workspace, CONFIG, loaded)  # type: ignore[arg-type]
    try:
        answer = engine.recommend(RecommendRequest(member_id=member_id, k=10))
        assert not answer.degraded
        return [job.job_id for job in answer.results]
    finally:
        engine.close()


def test_nothing_is_shared_where_a_thread_runs(workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait, name="of-a-plugin")
    thread.start()
    try:
        assert preload(workspace, CONFIG) is None
    finally:
        ended.set()
        thread.join()
    assert "of-a-plugin" in caplog.text
