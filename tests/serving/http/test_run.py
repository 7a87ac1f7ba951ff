"""Parts that do not belong together are refused at the start; a service listens before it is ready."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.bundle import MANIFEST, Manifest, content_version
from contracts.errors import BundleMismatch, IndexMismatch, NotAFeatureRepo, NotReady, UnreadableFile
from contracts.features import serving_service
from contracts.versions import set_current
from contracts.workspace import Workspace
from feature_repo.store import apply
from serving.engine import Engine
from serving.http import run
from serving.http.run import running, serve
from serving.http.state import ContextPool, give_way
from tests.make import refused


def another_bundle(workspace: Workspace) -> Path:
    """The current bundle under other metrics: as good as another training's."""
    source = workspace.bundle
    manifest = Manifest.model_validate_json((source / MANIFEST).read_bytes())
    manifest = manifest.model_copy(update={"metrics": {"made_for": "a test"}})
    version = content_version(manifest)
    manifest = manifest.model_copy(update={"version": version, "feature_service": serving_service(version)})
    folder = workspace.bundles / version
    shutil.copytree(source, folder)
    (folder / MANIFEST).write_text(manifest.model_dump_json())
    return folder


def test_a_reload_while_libraries_load_ends_nothing(tmp_path: Path) -> None:
    program = """
import os, signal, sys
from rolecall.__main__ import main

class Reload:
    def find_spec(self, name, *_):
        if name == "serving.http.run":
            os.kill(os.getpid(), signal.SIGHUP)

sys.meta_path.insert(0, Reload())
sys.argv = ["rolecall", "serve", "--workspace", sys.argv[1], "--port", "0"]
main()
"""
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "none"], capture_output=True, text=True)
    assert done.returncode == NotReady.exit_code, done.stderr


def test_a_sandbox_that_forbids_to_give_way_stops_no_request(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def forbidden(*_: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.setpriority", forbidden)
    with ContextPool(1, initializer=give_way) as pool:
        assert pool.submit(lambda: 7).result() == 7
    assert "gives_no_way" in caplog.text


def test_a_bundle_that_reads_another_text_version_is_refused(workspace: Workspace) -> None:
    workspace.percentiles.write_text('{"breaks": {"salary": [10.0, 20.0]}}')
    trained_on = Manifest.model_validate_json((workspace.bundle / MANIFEST).read_bytes()).text_version
    with refused(BundleMismatch, trained_on, where=workspace.bundle):
        Engine(workspace)


def test_a_bundle_whose_feature_service_the_repository_lacks_is_refused(workspace: Workspace) -> None:
    bundle = workspace.bundle
    manifest = bundle / MANIFEST
    aside = manifest.rename(manifest.with_suffix(".aside"))
    shutil.rmtree(workspace.feature_repo)
    apply(workspace)
    aside.rename(manifest)
    with refused(BundleMismatch, f"student_{bundle.name}", where=workspace.feature_repo):
        Engine(workspace)


def test_an_index_built_with_another_bundle_is_refused(workspace: Workspace) -> None:
    before, other = workspace.bundle.name, another_bundle(workspace).name
    set_current(workspace.bundles, other)
    with refused(IndexMismatch, workspace.index.name, before, other):
        Engine(workspace)


def test_an_index_of_another_encoder_is_refused(workspace: Workspace) -> None:
    about = workspace.encoder / "encoder.json"
    about.write_text(about.read_text().replace('"version": "', '"version": "not-'))
    with refused(IndexMismatch, workspace.index.name, "encoder", "not-"):
        Engine(workspace)


def test_a_bundle_that_was_changed_after_export_is_refused(workspace: Workspace) -> None:
    with (workspace.bundle / "score.onnx").open("ab") as file:
        file.write(b"x")
    with refused(BundleMismatch, "score.onnx", where=workspace.bundle):
        Engine(workspace)


def test_a_broken_percentiles_file_is_refused(workspace: Workspace) -> None:
    workspace.percentiles.write_text('{"breaks": ')
    with refused(UnreadableFile, where=workspace.percentiles):
        Engine(workspace)


def test_a_folder_that_is_no_feature_repository_is_refused(workspace: Workspace) -> None:
    (workspace.feature_repo / "feature_store.yaml").unlink()
    with pytest.raises(NotAFeatureRepo):
        Engine(workspace)


@pytest.mark.parametrize("missing", ["bundles/CURRENT", "indexes/CURRENT", "encoder/encoder.json", "percentiles.json"])
def test_a_missing_part_is_named_with_the_command_that_makes_it(workspace: Workspace, missing: str) -> None:
    (workspace.root / missing).unlink()
    with refused(NotReady, (workspace.root / missing).parent, "run `rolecall"):
        Engine(workspace)


def test_until_it_is_loaded_a_service_is_alive_but_not_ready(engine: Engine) -> None:
    promise: Future[Engine] = Future()
    with running(promise) as url, httpx.Client(base_url=url) as client:
        assert client.get("/healthz").status_code == 200
        for answer in (client.get("/readyz"), client.post("/v1/recommend", json={})):
            assert (answer.status_code, answer.json()["reason"]) == (503, "not_ready")
        promise.set_result(engine)
        assert client.get("/readyz").json()["jobs"] == len(engine.servable.index)


def test_serve_ends_with_the_error_where_the_parts_do_not_fit(workspace: Workspace) -> None:
    workspace.percentiles.write_text('{"breaks": {"salary": [10.0, 20.0]}}')
    with pytest.raises(BundleMismatch):
        serve(workspace, port=0)


def test_an_engine_that_is_loaded_after_the_service_stopped_is_closed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(engine, "close", lambda: closed.append(True))
    promise: Future[Engine] = Future()
    with running(promise) as url:
        assert httpx.get(f"{url}/healthz").status_code == 200
    promise.set_result(engine)
    monkeypatch.undo()
    assert closed == [True]


def test_a_service_told_to_stop_while_it_loads_stops(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    told = threading.Event()
    seen: list[bool] = []

    class Server:
        should_exit = False

        def run(self, sockets: list[Any]) -> None:
            self.should_exit = True  # as SIGTERM does
            told.set()
            self.loading.result()
            time.sleep(0.2)
            seen.append(self.should_exit)

    server = Server()

    def make(promise: Future[Engine], *_: object) -> Server:
        server.loading = promise  # type: ignore[attr-defined]
        return server

    monkeypatch.setattr(run, "_server", make)
    monkeypatch.setattr(run, "Engine", lambda *_, **__: told.wait(60) and engine)
    serve(Workspace(Path()), port=0)
    assert seen == [True]


@pytest.fixture(scope="module")
def stopped(
    market: Workspace, tmp_path_factory: pytest.TempPathFactory, member_ids: list[str]
) -> tuple[str, str, dict[str, Any]]:
    """A served process from its start to SIGTERM: what it said, what it logged, and its answer to a member."""
    workspace = Workspace(tmp_path_factory.mktemp("stopped") / "market")
    shutil.copytree(market.root, workspace.root)
    program = (
        "import sys, logging; from pathlib import Path; from contracts.workspace import Workspace\n"
        "from serving.config import ServeConfig\n"
        "from serving.http.run import serve; logging.basicConfig(level='INFO', format='%(message)s')\n"
        "serve(Workspace(Path(sys.argv[1])), ServeConfig(deadline=60), port=0)"
    )
    said = workspace.root / "said"
    with said.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-c", program, str(workspace.root)], stderr=file)
    try:
        url = _wait(lambda: said.read_text().split("serving: ")[1].split("/console")[0])
        _wait(lambda: httpx.get(f"{url}/readyz").raise_for_status())
        answer = httpx.post(f"{url}/v1/recommend", json={"member_id": member_ids[0], "k": 2}, timeout=60)
        profile = {"headline": "Xylophonist", "skills": ["Glockenspiel"]}
        for body in ({"profile": profile}, {"profile": profile | {"sumary": "Marimba"}}):
            httpx.post(f"{url}/v1/recommend", json=body, timeout=60)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    logged = b"".join(path.read_bytes() for path in workspace.logs.rglob("*.jsonl")).decode()
    return said.read_text(), logged, answer.json()


def test_a_served_process_answers_and_writes_its_log_before_it_ends(stopped: tuple[str, str, dict[str, Any]]) -> None:
    _, logged, answer = stopped
    assert len(answer["results"]) == 2
    assert logged.count(f'"id":"{answer["request_id"]}-') == 2


def test_a_served_process_says_one_json_line_a_request(stopped: tuple[str, str, dict[str, Any]]) -> None:
    lines = [json.loads(line) for line in stopped[0].splitlines() if line.startswith("{")]
    assert [line["status"] for line in lines if line["event"] == "request" and "/v1/" in line["path"]] == [
        200,
        200,
        422,
    ]


def test_no_line_holds_a_members_text(stopped: tuple[str, str, dict[str, Any]]) -> None:
    said, logged, _ = stopped
    for word in ("Xylophonist", "Glockenspiel", "Marimba"):
        assert word not in said + logged


def _wait(found: Callable[[], Any]) -> Any:
    until = time.monotonic() + 120
    while True:
        try:
            return found()
        except (IndexError, httpx.HTTPError):
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def test_blas_keeps_to_one_core_in_a_service() -> None:
    """In a process of its own: the setting is the process's."""
    code = """
from pathlib import Path
from threadpoolctl import threadpool_info
from contracts.errors import BadInput
from contracts.workspace import Workspace
from serving.access.config import SecurityConfig
from serving.config import ServeConfig
from serving.http.run import serve
try:
    serve(Workspace(Path(".")), ServeConfig(security=SecurityConfig(behind_proxy=True)), host="256.0.0.1")
except BadInput:
    print({found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"})
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "{1}\n"
