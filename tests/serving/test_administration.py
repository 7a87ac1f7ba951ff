"""A swap that is asked for: to what could serve alone, one at a time, and what is refused changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest

from contracts.errors import NotWritten
from contracts.versions import current, set_current
from contracts.workspace import Workspace
from feature_repo.store import apply, materialize
from ranking.canaries import CANARIES
from retrieval.index.build import build_index
from serving import administration
from serving.administration import (
    CandidateRefused,
    Pinned,
    RollbackRequest,
    SwapRequest,
    UnknownVersion,
)
from serving.config import ServeConfig
from serving.engine import Engine
from serving.http.run import running
from serving.servable import Servable
from serving.swap import SwapInProgress
from tests.make import refused

from .test_swap import another_index, bundle_with_items

Pair = tuple[str, str]


def another_pair(workspace: Workspace) -> Pair:
    """Another bundle with its index, which CURRENT does not name."""
    named = workspace.bundle.name, workspace.index.name
    bundle = bundle_with_items(workspace)
    apply(workspace)
    materialize(workspace)
    index = build_index(workspace, bundle)
    point(workspace, named)
    return bundle.name, index.name


def point(workspace: Workspace, pair: Pair) -> None:
    set_current(workspace.bundles, pair[0])
    set_current(workspace.indexes, pair[1])


def named(workspace: Workspace) -> Pair:
    return workspace.bundle.name, workspace.index.name


def opened(workspace: Workspace, **more: object) -> Engine:
    return Engine(workspace, ServeConfig(deadline=60, poll=0).model_copy(update=more))


def served(engine: Engine) -> Pair:
    return engine.servable.served[:2]


def test_there_and_back_over_http(workspace: Workspace, member_ids: list[str]) -> None:
    first, second = named(workspace), another_pair(workspace)
    engine = opened(workspace)
    with running(engine) as url, httpx.Client(base_url=url, timeout=60) as client:
        listed = client.get("/v1/admin/versions").json()
        assert {(one["bundle"], one["index"]) for one in listed["versions"]} == {first, second}
        assert [one["served"] for one in listed["versions"]] == [one["current"] for one in listed["versions"]]
        reply = client.post("/v1/admin/swap", json={"index": second[1]})
        assert reply.status_code == 200, reply.text
        assert (reply.json()["served"], reply.json()["changed"]) == ({"bundle": second[0], "index": second[1]}, True)
        answer = client.post("/v1/recommend", json={"member_id": member_ids[0], "k": 2}).json()
        assert (answer["bundle_version"], answer["index_version"]) == second == named(workspace)
        assert client.post("/v1/admin/swap", json={"bundle": second[0]}).json()["changed"] is False
        back = client.post("/v1/admin/rollback", json={}).json()
        assert (back["served"], back["former"]) == (
            {"bundle": first[0], "index": first[1]},
            {"bundle": second[0], "index": second[1]},
        )
        assert served(engine) == first == named(workspace)
        again = client.post("/v1/admin/rollback", json={"to": second[1]})
        assert again.status_code == 200 and served(engine) == second
        assert client.get("/v1/admin/versions").json()["current"] == {"bundle": second[0], "index": second[1]}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("swap", {"index": "nowhere"}, 404),
        ("swap", {"index": "../../etc"}, 404),
        ("swap", {"bundle": "nowhere"}, 404),
        ("swap", {}, 422),
        ("swap", {"index": 7}, 422),
        ("swap", {"index": "x" * 5_000}, 422),
        ("swap", {"version": "x"}, 422),
        ("swap", [], 422),
        ("rollback", {"to": "nowhere"}, 404),
        ("rollback", {"to": None}, 404),
        ("rollback", {"to": ["x"]}, 422),
    ],
)
def test_what_is_not_there_or_does_not_fit_is_refused(
    client: httpx.Client, path: str, body: object, status: int
) -> None:
    answer = client.post(f"/v1/admin/{path}", json=body)
    assert answer.status_code == status, answer.text
    assert len(answer.content) < 1_500


def broken_vectors(workspace: Workspace, pair: Pair) -> None:
    path = workspace.indexes / pair[1] / "vectors.npy"
    path.chmod(0o644)
    array = np.load(path)
    np.save(path, np.roll(array, 1, axis=0))


def strange_canaries(workspace: Workspace, pair: Pair) -> None:
    path = workspace.bundles / pair[0] / CANARIES
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"1", b"2") + b" ")


@pytest.mark.parametrize("spoil", [broken_vectors, strange_canaries])
def test_a_candidate_that_is_broken_is_refused_and_what_was_served_goes_on(
    workspace: Workspace, member_ids: list[str], spoil: Callable[[Workspace, Pair], None]
) -> None:
    first, second = named(workspace), another_pair(workspace)
    engine = opened(workspace)
    spoil(workspace, second)
    with running(engine) as url, httpx.Client(base_url=url, timeout=60) as client:
        reply = client.post("/v1/admin/swap", json={"index": second[1]})
        assert reply.status_code in (404, 409), reply.text
        assert reply.json()["reason"] in ("candidate_refused", "unknown_version") and reply.json()["message"]
        assert served(engine) == first == named(workspace)
        answer = client.post("/v1/recommend", json={"member_id": member_ids[0], "k": 2}).json()
        assert answer["degraded"] == [] and answer["index_version"] == first[1]


def test_a_stage_that_fails_is_the_reason(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = named(workspace), another_pair(workspace)
    engine = opened(workspace)
    fails = {second[0]: {"student"}}
    monkeypatch.setattr("serving.engine.warm_up", lambda _, of, __: fails.get(of.manifest.version, set()))
    with refused(CandidateRefused, "student fails"):
        engine.administration.swap(SwapRequest(index=second[1]))
    assert served(engine) == first == named(workspace)
    engine.close()


def test_where_current_cannot_be_written_nothing_changes(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = named(workspace), another_pair(workspace)
    engine = opened(workspace)

    def full(*_: object) -> None:
        raise NotWritten("the disk is full", cure="make room")

    with monkeypatch.context() as patched:
        patched.setattr(administration, "make_current", full)
        with refused(NotWritten, "full"):
            engine.administration.swap(SwapRequest(index=second[1]))
    assert served(engine) == first == named(workspace)
    engine.close()


def test_where_the_exchange_fails_after_current_was_moved_it_is_moved_back(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = named(workspace), another_pair(workspace)
    engine = opened(workspace)

    def lost(*_: object) -> None:
        raise OSError("gone")

    with monkeypatch.context() as patched:
        patched.setattr("serving.swap._take_over", lost)
        with refused(CandidateRefused, "OSError"):
            engine.administration.swap(SwapRequest(index=second[1]))
    assert served(engine) == first == named(workspace)
    engine.close()


def test_a_refusal_leaves_what_somebody_else_made_current_meanwhile(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = named(workspace), another_pair(workspace)
    engine = opened(workspace)
    theirs = first[0], "another-night"

    def fails(_: object, of: Servable, __: object) -> set[str]:
        point(workspace, theirs)
        return {"student"} if of.manifest.version == second[0] else set()

    monkeypatch.setattr("serving.engine.warm_up", fails)
    with refused(CandidateRefused, "student fails"):
        engine.administration.swap(SwapRequest(index=second[1]))
    assert named(workspace) == theirs and served(engine) == first
    engine.close()


def test_one_swap_at_a_time(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    second = another_pair(workspace)
    engine = opened(workspace)
    begun, go = threading.Event(), threading.Event()
    warm = administration.make_current

    def waiting(*given: object) -> None:
        begun.set()
        go.wait(60)
        warm(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(administration, "make_current", waiting)
    thread = threading.Thread(target=engine.administration.swap, args=(SwapRequest(index=second[1]),))
    thread.start()
    assert begun.wait(60)
    with refused(SwapInProgress, "another swap"):
        engine.administration.swap(SwapRequest(index=second[1]))
    go.set()
    thread.join()
    assert served(engine) == second
    engine.close()


def test_a_service_that_was_told_what_to_serve_is_not_moved(workspace: Workspace) -> None:
    first, second = named(workspace), another_pair(workspace)
    engine = opened(workspace, bundle=workspace.bundle, index=workspace.index)
    with refused(Pinned, "started with"):
        engine.administration.swap(SwapRequest(index=second[1]))
    assert served(engine) == first == named(workspace)
    engine.close()


def test_an_index_of_another_bundle_and_no_earlier_one_are_refused(workspace: Workspace) -> None:
    first = named(workspace)
    engine = opened(workspace)
    with refused(UnknownVersion, "no earlier index"):
        engine.administration.roll_back(RollbackRequest())
    with refused(UnknownVersion, f"built with bundle {first[0]}"):
        engine.administration.swap(SwapRequest(index=first[1], bundle="another"))
    index = another_index(workspace)
    point(workspace, first)
    newest = engine.administration.swap(SwapRequest(bundle=first[0]))
    assert newest.served.index == index.name == Path(str(current(workspace.indexes))).name
    engine.close()
