"""An arm with a bundle of its own: loaded beside, named in answers and logs, kept up with what is served."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from pydantic import ValidationError

from contracts.bundle import MANIFEST
from contracts.errors import BundleMismatch, IndexMismatch, NotReady
from contracts.versions import set_current
from contracts.workspace import Workspace
from feature_repo.store import apply, materialize
from retrieval.index.build import build_index
from retrieval.index.changes import Upsert
from serving import arms
from serving.config import ServeConfig
from serving.engine import Engine
from serving.http.run import running
from serving.pages import next_page
from serving.schemas import NextRequest, RecommendRequest, SearchRequest
from serving.servable import Servable
from serving.trials.config import Arm, Explore, TrialsConfig
from tests.make import refused

from .test_feed import by_words, delete, has_applied, upsert, wait, write
from .test_swap import another_index, bundle_with_items

Candidate = tuple[Path, Path]


@pytest.fixture
def candidate(workspace: Workspace) -> Candidate:
    """Another bundle with its index; what is served is as before."""
    served = workspace.bundle.name, workspace.index.name
    bundle = bundle_with_items(workspace)
    apply(workspace)
    materialize(workspace)
    index = build_index(workspace, bundle)
    set_current(workspace.bundles, served[0])
    set_current(workspace.indexes, served[1])
    return bundle, index


def trying(candidate: Candidate, share: float = 0.5, **more: object) -> ServeConfig:
    arm = Arm(name="candidate", share=share, bundle=candidate[0], index=candidate[1])
    trials = TrialsConfig(arms=(arm,), explore=Explore(share=0.5, by="request"))
    return ServeConfig(deadline=60, trials=trials).model_copy(update=more)


@pytest.fixture
def tried(workspace: Workspace, candidate: Candidate, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(arms, "FOLLOW_SECONDS", 0.02)
    engine = Engine(workspace, trying(candidate, poll=0))
    yield engine
    engine.close()


def test_members_of_the_arm_get_its_bundle_and_all_say_which(
    tried: Engine, workspace: Workspace, candidate: Candidate, member_ids: list[str]
) -> None:
    versions = {
        "": (workspace.bundle.name, workspace.index.name),
        "candidate": (candidate[0].name, candidate[1].name),
    }
    seen = {}
    for member in member_ids[:12]:
        answer = tried.recommend(RecommendRequest(member_id=member, k=3))
        assert (answer.bundle_version, answer.index_version) == versions[answer.arm]
        explained = tried.explain(answer.request_id, answer.results[0].job_id)
        assert explained.bundle_version == answer.bundle_version and explained.explanation.match
        seen[answer.request_id] = answer
    assert {answer.arm for answer in seen.values()} == {"", "candidate"}
    tried.close()
    logs = workspace.logs
    shown = [json.loads(line) for path in (logs / "events").glob("*.jsonl") for line in path.open()]
    assert {row["request_id"]: row["logged_by"] for row in shown} == {
        request_id: "/".join(versions[answer.arm]) for request_id, answer in seen.items()
    }
    lines = [json.loads(line) for path in (logs / "trials").glob("*.jsonl") for line in path.open()]
    assert {line["served"] for line in lines if line["arm"]} == {"/".join(versions["candidate"])}


def test_further_pages_are_of_the_index_that_answered(
    tried: Engine, member_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[str]()

    def noted(servable: Servable, *given: Any) -> Any:
        asked.append(servable.index.version)
        return next_page(servable, *given)

    monkeypatch.setattr("serving.engine.next_page", noted)
    arms_seen = set()
    for member in member_ids[:12]:
        answer = tried.recommend(RecommendRequest(member_id=member, k=3))
        page, _ = tried.next(NextRequest(request_id=answer.request_id, member_id=member, k=3))
        assert asked.pop() == page.index_version == answer.index_version
        arms_seen.add(answer.arm)
    assert arms_seen == {"", "candidate"}


def test_readiness_says_what_the_arms_are(tried: Engine, candidate: Candidate) -> None:
    with running(tried) as url:
        ready = httpx.get(f"{url}/readyz").json()
    assert ready["arms"] == {"candidate": f"{candidate[0].name}/{candidate[1].name}"}
    assert ready["bundle_version"] != candidate[0].name


def test_an_arm_keeps_its_versions_when_what_is_served_is_swapped(
    tried: Engine, workspace: Workspace, member_ids: list[str]
) -> None:
    before = tried.arms
    loads = b'rolecall_trials_total{outcome="loaded",what="arm"}'
    assert loads + b" 1.0" in tried.metrics.text()
    index = another_index(workspace)
    tried.swap(index=index)
    wait(lambda: loads + b" 2.0" in tried.metrics.text())
    assert tried.arms == before
    answers = [tried.recommend(RecommendRequest(member_id=member, k=3)) for member in member_ids[:12]]
    assert {answer.index_version for answer in answers if not answer.arm} == {index.name}
    assert {f"{answer.bundle_version}/{answer.index_version}" for answer in answers if answer.arm} == {
        before["candidate"]
    }
    assert {stage for answer in answers for stage in answer.degraded} == set()


def test_an_arm_that_cannot_be_loaded_anew_goes_on_and_says_so(
    tried: Engine, workspace: Workspace, candidate: Candidate, member_ids: list[str]
) -> None:
    index = another_index(workspace)
    shutil.move(candidate[1], candidate[1].with_name("away"))
    tried.swap(index=index)
    wait(lambda: "stale" in tried.arms["candidate"])
    answers = [tried.recommend(RecommendRequest(member_id=member, k=3)) for member in member_ids[:12]]
    assert {answer.index_version for answer in answers if answer.arm} == {candidate[1].name}
    assert all(answer.results and not answer.degraded for answer in answers)


def test_the_feed_and_counted_events_reach_the_arm(
    workspace: Workspace, candidate: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arms, "FOLLOW_SECONDS", 0.02)
    feed = tmp_path / "changes"
    feed.mkdir()
    engine = Engine(workspace, trying(candidate, share=1.0, changes=str(feed)))
    with running(engine) as url, httpx.Client(base_url=url, timeout=60) as client:
        gone = engine.servable.index.ids[0]
        write(feed, 1, [upsert("new", "Xylophonist"), delete(gone)])
        wait(has_applied(client, 2))
        client.post("/v1/events", json={"member_id": "someone", "job_id": "new", "action": "view"})
        wait(lambda: by_words(client, "xylophonist").keys() == {"new"})
        answer = engine.search(SearchRequest(query="xylophonist"))
        assert answer.arm == "candidate" and answer.bundle_version == candidate[0].name and answer.results[0].scores
        [own] = engine._arms._loaded
        index = own.current.servable.index
        assert (index.rows([gone, "new"]) < 0).tolist() == [True, False]
        wait(lambda: bool(own.current.servable.index.activity.live_events()))
        assert len(own.current.servable.index.activity.live_events()) == 1


def test_what_does_not_fit_stops_the_start(workspace: Workspace, candidate: Candidate) -> None:
    bundle, index = candidate
    with refused(IndexMismatch, "bundle"):
        Engine(workspace, trying((bundle, workspace.index)))
    with refused(BundleMismatch, "nowhere"):
        Engine(workspace, trying((bundle.with_name("nowhere"), index)))
    (bundle / MANIFEST).write_text((bundle / MANIFEST).read_text().replace("a test", "another"))
    with refused(BundleMismatch, "version"):
        Engine(workspace, trying(candidate))


def test_a_stage_that_fails_with_an_arm_alone_stops_the_start(
    workspace: Workspace, candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails = {candidate[0].name: {"student"}}
    monkeypatch.setattr("serving.engine.warm_up", lambda _, of, __: fails.get(of.manifest.version, set()))
    before = set(threading.enumerate())
    with refused(NotReady, "student fails with bundle"):
        Engine(workspace, trying(candidate))
    for thread in set(threading.enumerate()) - before:  # it had begun to read, write and tell
        thread.join(30)
        assert not thread.is_alive(), thread.name


def test_events_of_jobs_of_an_arm_alone_are_taken_in_after_a_restart(tried: Engine, member_ids: list[str]) -> None:
    job = tried.advert(tried.servable.index.ids[0]).model_copy(update={"id": "of-the-arm"})

    def with_it(servable: Servable) -> Servable:
        index = servable.index
        new = Upsert(job, index.vectors[0], index.items(np.array([0]))[0], "hash", index.title_vectors[0])
        return replace(servable, index=index.changed([new], {}, "1"))

    tried._arms._loaded[0].current.change(with_it)
    viewed = {"member_id": member_ids[0], "action": "view"}
    reply = tried.record([viewed | {"job_id": job_id} for job_id in ("of-the-arm", "nowhere")])
    assert (reply.accepted, [rejected.reason for rejected in reply.reasons]) == (1, ["unknown_job"])


def test_so_many_are_loaded_beside_and_no_more() -> None:
    arms_of = tuple(Arm(name=f"a{i}", share=0.1, bundle=Path(f"b{i}"), index=Path(f"i{i}")) for i in range(2))
    with pytest.raises(ValidationError, match="beside is 1"):
        TrialsConfig(arms=arms_of)
    assert len(TrialsConfig(arms=arms_of, beside=2).folders) == 2
    twice = (arms_of[0], arms_of[0].model_copy(update={"name": "other"}))
    assert len(TrialsConfig(arms=twice).folders) == 1
    with pytest.raises(ValidationError, match="a bundle or an index alone"):
        Arm(name="half", share=0.1, bundle=Path("b"))
