"""A drawn list says so, and its log has what it takes to learn from it: seed, temperature, propensities."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from contracts.shown import unfolded
from contracts.workspace import Workspace
from ranking.explore import draw
from serving.config import ServeConfig
from serving.engine import Engine
from serving.metrics import Metrics
from serving.schemas import Answer, RecommendRequest, SearchRequest
from serving.trials.config import Arm, Explore, TrialsConfig
from serving.trials.log import TrialLog

K = 8
EXPLORE = Explore(share=1.0, temperature=2.0, first=3, pool=30)


def opened(workspace: Workspace, trials: TrialsConfig) -> Engine:
    return Engine(workspace, ServeConfig(deadline=60, trials=trials))


@pytest.fixture
def exploring(workspace: Workspace) -> Iterator[Engine]:
    engine = opened(workspace, TrialsConfig(explore=EXPLORE))
    yield engine
    engine.close()


def lines(folder: Path) -> list[dict[str, object]]:
    found = [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]
    return [row for line in found for row in unfolded(line)]


def asked(engine: Engine, member_ids: list[str]) -> Answer:
    return engine.recommend(RecommendRequest(member_id=member_ids[-1], k=K))


def test_a_drawn_list_comes_again_from_its_line_of_the_log(
    exploring: Engine, workspace: Workspace, member_ids: list[str]
) -> None:
    answer = asked(exploring, member_ids)
    exploring.close()
    [row] = lines(workspace.logs / "trials")
    assert answer.explored is not None and answer.explored.model_dump() == {
        name: row[name] for name in ("temperature", "first", "joint")
    }
    again = draw(np.array(row["scores"]), K, row["temperature"], row["seed"], row["first"])  # type: ignore[arg-type]
    assert [row["pool"][i] for i in again.order] == row["jobs"] == [job.job_id for job in answer.results]  # type: ignore[index]
    assert again.propensities.tolist() == row["propensities"] and again.joint == row["joint"]


def test_impressions_carry_the_propensity_of_their_place(
    exploring: Engine, workspace: Workspace, member_ids: list[str]
) -> None:
    answer = asked(exploring, member_ids)
    exploring.close()
    shown = {row["job_id"]: row for row in lines(workspace.logs / "events") if row["request_id"] == answer.request_id}
    [trial] = lines(workspace.logs / "trials")
    found = [shown[job.job_id]["propensity"] for job in answer.results]
    assert found == trial["propensities"] and found[:2] == [1.0, 1.0] and all(0 < p < 1 for p in found[2:])  # type: ignore[operator]


def test_an_event_takes_the_propensity_from_the_answer_and_not_from_its_sender(
    exploring: Engine, workspace: Workspace, someone: Callable[[], str]
) -> None:
    member = someone()
    answer = exploring.recommend(RecommendRequest(member_id=member, k=K))
    job = answer.results[-1]
    event = {"request_id": answer.request_id, "job_id": job.job_id, "action": "view", "propensity": 1.0, "position": 1}
    assert exploring.record(event).accepted == 1
    expected = exploring.explain(answer.request_id, job.job_id).propensity
    exploring.close()
    [viewed] = [row for row in lines(workspace.logs / "events") if row["action"] == "view"]
    assert (viewed["propensity"], viewed["position"]) == (expected, K) and expected is not None and expected < 1


def test_lists_differ_from_request_to_request_and_hold_each_job_once(exploring: Engine, member_ids: list[str]) -> None:
    lists = [tuple(job.job_id for job in asked(exploring, member_ids).results) for _ in range(6)]
    assert len(set(lists)) > 1 and len({ids[:2] for ids in lists}) == 1
    assert all(len(set(ids)) == K for ids in lists)


@pytest.mark.parametrize("fields", [{"sort": "date"}, {"diversity": 0.5}])
def test_a_list_in_another_order_than_its_scores_is_not_drawn(
    exploring: Engine, member_ids: list[str], fields: dict[str, object]
) -> None:
    message = RecommendRequest.model_validate({"member_id": member_ids[-1], "k": K} | fields)
    assert exploring.recommend(message).explored is None


def test_jobs_that_a_query_demotes_are_not_drawn_to_the_front(exploring: Engine) -> None:
    answer = exploring.search(SearchRequest(query="junior nurse", k=100))
    far = ["the query asks for another seniority" in " ".join(job.why) for job in answer.results]
    assert answer.explored is not None and any(far) and far == sorted(far)


def test_an_arm_is_named_in_answer_and_log_and_sets_the_objective(workspace: Workspace, member_ids: list[str]) -> None:
    arm = Arm.model_validate({"name": "more_policy", "share": 1.0, "objective": {"weight": 2.0}})
    engine = opened(workspace, TrialsConfig(arms=(arm,)))
    answer = asked(engine, member_ids)
    engine.close()
    assert (answer.arm, answer.objective.weight, answer.explored) == ("more_policy", 2.0, None)
    [row] = lines(workspace.logs / "trials")
    served = f"{answer.bundle_version}/{answer.index_version}"
    assert row == {"kind": "arm", "request_id": answer.request_id, "arm": "more_policy", "served": served}


def test_without_trials_nothing_is_drawn_or_logged(engine: Engine, workspace: Workspace, member_ids: list[str]) -> None:
    answer = asked(engine, member_ids)
    engine.close()
    assert (answer.arm, answer.explored) == ("", None) and not (workspace.logs / "trials").exists()
    assert {row["propensity"] for row in lines(workspace.logs / "events")} == {None}


def test_the_days_log_is_bounded(workspace: Workspace, member_ids: list[str]) -> None:
    engine = opened(workspace, TrialsConfig(explore=EXPLORE, log_bytes=6_000))
    for _ in range(10):
        asked(engine, member_ids)
    engine.close()
    written = lines(workspace.logs / "trials")
    assert 0 < len(written) < 10 and sum(path.stat().st_size for path in (workspace.logs / "trials").iterdir()) <= 6_000
    assert (
        f'rolecall_trials_total{{outcome="dropped",what="log"}} {10 - len(written)}.0' in engine.metrics.text().decode()
    )


def test_files_of_the_log_go_with_their_days(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    names = [f"{now - timedelta(days=days):%Y-%m-%d}-x.jsonl" for days in (1, 7, 8, 400)]
    for name in names:
        (tmp_path / name).write_text("{}\n")
        os.utime(tmp_path / name, (1_000, 1_000))
    TrialLog(tmp_path, Metrics(), 1_000, keep_days=7).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[:2])


def test_places_behind_those_that_are_drawn_stand_as_ranked_and_carry_no_propensity(
    exploring: Engine, workspace: Workspace, member_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ranking.explore.MOST_DRAWN", 3)
    answer = asked(exploring, member_ids)
    exploring.close()
    [row] = lines(workspace.logs / "trials")
    pool, shown = row["pool"], [job.job_id for job in answer.results]
    drawn, behind = shown[:5], shown[5:]  # two before the first, three that are drawn
    assert len(shown) == K and behind == [job_id for job_id in pool if job_id not in drawn][: K - 5]  # type: ignore[union-attr, attr-defined]
    events = {event["job_id"]: event for event in lines(workspace.logs / "events")}
    assert [events[job_id]["propensity"] for job_id in behind] == [None] * 3
    assert [events[job_id]["propensity"] for job_id in drawn] == row["propensities"]


def test_a_list_whose_scores_are_no_numbers_is_not_drawn_and_the_answer_says_so(
    exploring: Engine, member_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unlike(scores: np.ndarray, *how: object) -> object:
        return draw(np.full(len(scores), np.nan), *how)  # type: ignore[arg-type]

    before = exploring.recommend(RecommendRequest(member_id=member_ids[-1], k=K, diversity=0.0))
    monkeypatch.setattr("serving.trials.explored.draw", unlike)
    answer = asked(exploring, member_ids)
    assert before.explored is not None and before.degraded == ()
    assert (answer.explored, answer.degraded, len(answer.results)) == (None, ("explore",), K)
    scores = [job.score for job in answer.results]
    assert scores == sorted(scores, reverse=True)
