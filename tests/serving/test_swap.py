"""Another bundle or index while requests come: none fails, and what does not fit leaves what was served before."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest

from contracts.bundle import MANIFEST, content_version, read_manifest
from contracts.errors import BundleMismatch, IndexMismatch, NotReady
from contracts.tables import parts
from contracts.versions import file_hash, set_current
from contracts.workspace import Workspace
from feature_repo.store import apply, materialize
from ranking.canaries import CANARIES
from retrieval.index.build import build_index
from retrieval.index.job_index import JobIndex
from serving import swap
from serving.config import ServeConfig
from serving.engine import Engine
from serving.http import run
from serving.http.run import running
from tests.make import refused, replace_part
from tests.serving.http.test_run import another_bundle

from .test_feed import by_words, delete, has_applied, service, upsert, wait, write


def another_index(workspace: Workspace) -> Path:
    """One of the same jobs, but that nobody ever looked at them."""
    for path in parts(workspace.records / "events"):
        pq.write_table(pq.read_table(path).slice(0, 0), path)
    return build_index(workspace, workspace.bundle)


def bundle_with_items(workspace: Workspace) -> Path:
    """Another bundle, with the item tokens of its jobs."""
    source, folder = workspace.bundle, another_bundle(workspace)
    shutil.copytree(workspace.root / "items" / source.name, workspace.root / "items" / folder.name)
    return folder


@contextmanager
def asking(url: str, bodies: Callable[[int], dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Three clients that ask without a pause; gives the answers so far."""
    answers: list[dict[str, Any]] = []
    failures: list[str] = []
    done = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=url, timeout=60) as client:
            while not done.is_set():
                answer = client.post("/v1/recommend", json=bodies(len(answers)))
                if answer.status_code == 200:
                    answers.append(answer.json())
                else:
                    failures.append(answer.text)

    clients = [threading.Thread(target=ask) for _ in range(3)]
    for one in clients:
        one.start()
    try:
        yield answers
    finally:
        done.set()
        for one in clients:
            one.join()
    assert failures == []


def test_bundle_and_index_are_swapped_under_load_without_a_failed_or_degraded_answer(
    workspace: Workspace, member_ids: list[str]
) -> None:
    first = workspace.bundle.name, workspace.index.name
    engine = Engine(workspace, ServeConfig(deadline=60, poll=0.05))
    bodies = lambda n: {"member_id": member_ids[n % len(member_ids)], "k": 5}  # noqa: E731
    with running(engine) as url, asking(url, bodies) as answers:
        wait(lambda: len(answers) > 5)
        index = another_index(workspace).name
        wait(lambda: answers[-1]["index_version"] == index)
        bundle = bundle_with_items(workspace)
        apply(workspace)
        materialize(workspace)
        set_current(workspace.bundles, bundle.name)
        second = build_index(workspace, bundle).name
        wait(lambda: answers[-1]["index_version"] == second)
        served = len(answers)
        wait(lambda: len(answers) > served + 5)
        assert b'rolecall_swaps_total{outcome="done"} 2.0' in engine.metrics.text()
    versions = [(answer["bundle_version"], answer["index_version"]) for answer in answers]
    assert list(dict.fromkeys(versions)) == [first, (first[0], index), (bundle.name, second)]
    assert {degraded for answer in answers for degraded in answer["degraded"]} == set()
    assert all(len(answer["results"]) == 5 for answer in answers)


def test_what_the_feed_told_is_carried_over_to_another_index_and_bundle(workspace: Workspace, tmp_path: Path) -> None:
    feed = tmp_path / "changes"
    feed.mkdir()
    with service(workspace, str(feed)) as (engine, client):
        gone = engine.servable.index.ids[0]
        write(feed, 1, [upsert("new", "Xylophonist"), upsert("passing", "Xylophonist"), delete(gone)])
        write(feed, 4, [delete("passing")])
        wait(has_applied(client, 4))
        client.post("/v1/events", json={"member_id": "someone", "job_id": "new", "action": "view"})
        index = another_index(workspace)
        bundle = bundle_with_items(workspace)
        apply(workspace)
        for path, parts_of in ((None, index), (bundle, None)):
            if path:
                set_current(workspace.bundles, path.name)
                parts_of = build_index(workspace, path)
            engine.swap()
            served = engine.servable.index
            assert served.manifest.version == parts_of.name  # type: ignore[union-attr]
            assert (served.rows([gone, "passing", "new"]) < 0).tolist() == [True, True, False]
            found = by_words(client, "xylophonist")
            assert found.keys() == {"new"} and found["new"]["scores"]
            assert served.activity.views(served.rows(["new"]), datetime.now(UTC), 1).tolist() == [1]
            wait(has_applied(client, 4))  # the feed is told again, from where the records of this one end
            assert by_words(client, "xylophonist").keys() == {"new"}
        write(feed, 5, [upsert("newer", "Bassoonist")])
        wait(has_applied(client, 5))
        assert by_words(client, "bassoonist").keys() == {"newer"}


def test_changes_go_on_while_indexes_are_swapped(workspace: Workspace, tmp_path: Path) -> None:
    feed = tmp_path / "changes"
    feed.mkdir()
    with service(workspace, str(feed)) as (engine, client):
        folders = [workspace.index, another_index(workspace)]
        for number in range(1, 21):
            write(feed, number, [upsert(f"new{number}", "Xylophonist")])
            if number % 4 == 0:
                engine.swap(index=folders[number // 4 % 2])
        wait(has_applied(client, 20))
        assert (engine.servable.index.rows([f"new{number}" for number in range(1, 21)]) >= 0).all()


def test_an_index_of_another_bundle_is_refused_and_the_one_before_still_serves(
    engine: Engine, workspace: Workspace, served: httpx.Client
) -> None:
    before = engine.servable
    with refused(IndexMismatch, "bundle none", workspace.bundle.name):
        engine.swap(index=build_index(workspace))
    bundle = bundle_with_items(workspace)
    index = build_index(workspace, bundle)
    with refused(BundleMismatch, f"student_{bundle.name}", where=workspace.feature_repo):
        engine.swap(bundle, index)
    with refused(NotReady, workspace.indexes / "nowhere"):
        engine.swap(index=workspace.indexes / "nowhere")
    assert engine.servable is before
    assert served.post("/v1/search", json={"query": "nurse"}).json()["degraded"] == []


def test_a_bundle_that_scores_otherwise_than_at_its_export_is_refused(engine: Engine, workspace: Workspace) -> None:
    before, folder = engine.servable, workspace.bundles / "another"
    shutil.copytree(workspace.bundle, folder)
    with np.load(folder / CANARIES) as kept:
        np.savez(folder / CANARIES, items=kept["items"], logits=kept["logits"] + 1)
    manifest = read_manifest(workspace.bundle)
    files = dict(manifest.files) | {CANARIES: file_hash(folder / CANARIES)}
    manifest = manifest.model_copy(update={"files": files})
    manifest = manifest.model_copy(update={"version": content_version(manifest)})
    (folder / MANIFEST).write_text(manifest.model_dump_json())
    with refused(BundleMismatch, "canary", manifest.version, where=CANARIES):
        engine.swap(bundle=folder)
    assert engine.servable is before


@pytest.mark.parametrize("name", ["index.json", "jobs.parquet", "vectors.npy", "items.npy", "activity.npz", "terms"])
def test_an_index_that_is_cut_off_is_refused_and_the_one_before_still_serves(
    engine: Engine, workspace: Workspace, name: str
) -> None:
    before, folder = engine.servable, another_index(workspace)
    path = (
        max((folder / name).glob("*.npy"), key=lambda path: path.stat().st_size) if name == "terms" else folder / name
    )
    content = path.read_bytes()
    replace_part(path, content[: len(content) // 2])
    with refused(IndexMismatch, where=folder / name):
        engine.swap()
    assert engine.servable is before


def test_what_cannot_be_loaded_is_said_and_tried_again(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap, "RETRY_SECONDS", 0.1)
    before, broken = workspace.index, workspace.indexes / "broken"
    shutil.copytree(before, broken)
    (broken / "vectors.npy").unlink()
    engine = Engine(workspace, ServeConfig(deadline=60, poll=0.05))
    with running(engine) as url:
        set_current(workspace.indexes, broken.name)
        wait(lambda: 'rolecall_swaps_total{outcome="failed"}' in httpx.get(f"{url}/metrics").text)
        assert httpx.post(f"{url}/v1/search", json={"query": "nurse"}).status_code == 200
        assert engine.servable.folders[1] == before
        shutil.copy(before / "vectors.npy", broken)
        wait(lambda: engine.servable.folders[1] == broken)


def test_an_index_with_many_ended_rows_is_loaded_again_without_them(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swap, "MAX_DEAD_ROWS", 2)
    feed = tmp_path / "changes"
    feed.mkdir()
    engine = Engine(workspace, ServeConfig(deadline=60, changes=str(feed), poll=0.05))
    with running(engine) as url, httpx.Client(base_url=url, timeout=60) as client:
        for number in range(1, 9):
            write(feed, number, [upsert("new", f"Xylophonist {number}")])
            wait(has_applied(client, number))
        wait(lambda: engine.servable.index.jobs.ended_since_build <= 2)
        assert by_words(client, "xylophonist")["new"]["title"] == "Xylophonist 8"
        assert engine.servable.index.version.endswith("+8")


def test_a_hangup_makes_it_look_at_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = threading.Event()
    monkeypatch.setattr(engine, "look", looked.set)
    promise: Any = run.Future()
    promise.set_result(engine)
    before = signal.getsignal(signal.SIGHUP)
    try:
        run._look_on_hangup(promise)
        os.kill(os.getpid(), signal.SIGHUP)
        assert looked.wait(10)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_without_polling_it_looks_when_it_is_told_to_whatever_failed_before(workspace: Workspace) -> None:
    before, broken = workspace.index, workspace.indexes / "broken"
    shutil.copytree(before, broken)
    (broken / "vectors.npy").unlink()
    engine = Engine(workspace, ServeConfig(deadline=60, poll=0))
    with running(engine) as url:
        set_current(workspace.indexes, broken.name)
        engine.look()
        wait(lambda: 'rolecall_swaps_total{outcome="failed"}' in httpx.get(f"{url}/metrics").text)
        shutil.copy(before / "vectors.npy", broken)
        wait(lambda: engine._swapper._failed is not None)
        engine.look()
        wait(lambda: engine.servable.folders[1] == broken)


def test_what_fails_in_the_warm_up_is_refused(
    engine: Engine, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = engine.servable
    search = JobIndex.search

    def breaks(self: JobIndex, *args: Any) -> Any:
        if self is not before.index:
            raise RuntimeError("an index that fails")
        return search(self, *args)

    with monkeypatch.context() as broken:
        broken.setattr(JobIndex, "search", breaks)
        folder = another_index(workspace)
        with refused(NotReady, workspace.bundle.name, folder.name, where=folder):
            engine.swap(index=folder)
    assert engine.servable is before


def test_a_title_longer_than_a_query_may_be_does_not_break_the_start(
    engine: Engine, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    display = JobIndex.display
    monkeypatch.setattr(JobIndex, "display", lambda self, row: display(self, row) | {"title": "nurse " * 1_000})
    engine.swap(index=another_index(workspace))


def test_connections_are_closed_when_the_last_request_that_uses_them_is_done(
    engine: Engine, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = bundle_with_items(workspace)
    apply(workspace)
    closed: list[str] = []
    members = engine.servable.members
    close = members.close
    monkeypatch.setattr(members, "close", lambda: (closed.append("old"), close()))
    with engine._current.use() as loaded:
        engine.swap(bundle, build_index(workspace, bundle))
        assert engine.servable.members is not members and closed == []
        assert loaded.members.read("nobody").known is False
    assert closed == ["old"]


def _size(path: Path) -> int:
    return path.stat().st_size
