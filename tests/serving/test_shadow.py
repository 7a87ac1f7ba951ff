"""A candidate is asked beside what is served; its list is logged and nobody waits for it."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Iterator

import pytest

from contracts.errors import NotReady
from contracts.workspace import Workspace
from serving.config import ServeConfig
from serving.engine import Engine
from serving.schemas import RecommendRequest
from serving.trials.config import Shadow, TrialsConfig
from tests.make import refused

PATIENCE_SECONDS = 60.0


@pytest.fixture
def shadowed(workspace: Workspace) -> Iterator[Engine]:
    """The candidate is what is served, so that its lists are the same."""
    shadow = Shadow(bundle=workspace.bundle, index=workspace.index, share=1.0)
    engine = Engine(workspace, ServeConfig(deadline=60, trials=TrialsConfig(shadow=shadow)))
    yield engine
    engine.close()


def rows(workspace: Workspace) -> list[dict[str, object]]:
    files = sorted((workspace.logs / "trials").glob("*.jsonl"))
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def test_both_lists_are_logged_and_the_candidates_is_not_shown(
    shadowed: Engine, workspace: Workspace, member_ids: list[str]
) -> None:
    answer = shadowed.recommend(RecommendRequest(member_id=member_ids[0], k=5))
    until = time.monotonic() + PATIENCE_SECONDS
    while not rows(workspace) and time.monotonic() < until:
        time.sleep(0.05)
    [row] = rows(workspace)
    assert (row["kind"], row["request_id"]) == ("shadow", answer.request_id)
    assert row["jobs"] == row["shadow_jobs"] == [job.job_id for job in answer.results]
    assert row["scores"] == pytest.approx(row["shadow_scores"])
    shadowed.close()
    shown = [json.loads(line) for path in (workspace.logs / "events").glob("*.jsonl") for line in path.open()]
    assert {line["request_id"] for line in shown} == {answer.request_id}


def test_how_slow_a_candidate_is_leaves_out_no_stage_of_what_is_served(shadowed: Engine, member_ids: list[str]) -> None:
    assert shadowed._shadow is not None
    assert shadowed._shadow._answerer.times is not shadowed._answerer.times
    before = dict(shadowed._answerer.times._seconds)
    shadowed.tried(RecommendRequest(member_id=member_ids[0], k=5), servable=shadowed.servable)
    assert shadowed._answerer.times._seconds == before


def test_what_a_busy_candidate_cannot_take_is_dropped_and_counted(
    shadowed: Engine, member_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(asked: object) -> None:
        raise queue.Full

    assert shadowed._shadow is not None
    monkeypatch.setattr(shadowed._shadow._waiting, "put_nowait", full)
    shadowed.recommend(RecommendRequest(member_id=member_ids[0], k=5))
    assert 'rolecall_trials_total{outcome="dropped",what="shadow"} 1.0' in shadowed.metrics.text().decode()


def test_a_candidate_that_is_not_there_stops_the_start(workspace: Workspace) -> None:
    shadow = Shadow(bundle=workspace.bundle, index=workspace.indexes / "nowhere")
    with refused(NotReady, "nowhere"):
        Engine(workspace, ServeConfig(trials=TrialsConfig(shadow=shadow)))
