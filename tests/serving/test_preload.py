"""What processes share is loaded once, taken while it is still what is served, and never of a process with threads."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from contracts.versions import set_current
from contracts.workspace import Workspace
from retrieval.engines import side_by_side
from serving.config import ServeConfig
from serving.engine import Engine
from serving.preload import preload, survives_fork
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


FORKED = """
import os, signal, sys
from pathlib import Path
from contracts.workspace import Workspace
from serving.config import ServeConfig
from serving.engine import Engine
from serving.preload import preload
from serving.schemas import RecommendRequest

workspace, config = Workspace(Path(sys.argv[1])), ServeConfig(deadline=60, threads=1, poll=0)
loaded = preload(workspace, config)
assert loaded is not None
child = os.fork()
signal.alarm(120)  # a thread or a lock that did not come along would be waited for, for ever
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
engine = Engine(workspace, config, None if child else loaded)
answer = engine.recommend(RecommendRequest(member_id=sys.argv[2], k=10))
assert not answer.degraded and (engine.servable.index is loaded.index) == (not child)
print([job.job_id for job in answer.results], flush=True)
engine.close()
os._exit(0)  # as a process of multiprocessing ends: libraries would wait for threads that did not come along
"""
"""In an interpreter of its own: the threads of other tests would not come along."""


def test_a_forked_process_answers_as_one_that_loads_for_itself(workspace: Workspace, member_ids: list[str]) -> None:
    command = [sys.executable, "-c", FORKED, str(workspace.root), member_ids[0]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    of_child, of_parent = done.stdout.splitlines()
    assert of_child == of_parent


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
