"""Every stage broken in turn: the answer loses one step, says which, and is never a 500."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from contracts.activity import Activity
from contracts.errors import UnknownAttribute
from contracts.tables import parts
from contracts.workspace import Workspace
from feature_repo.store import materialize
from ranking.popular import popular_candidates
from retrieval.filters.filters import Filter
from retrieval.request import build_request
from retrieval.rules.rules import Rule
from serving.config import ServeConfig
from serving.engine import Engine
from serving.http.run import running
from serving.log_files import read_day
from serving.schemas import RecommendRequest
from serving.stages import Stages, StageTimes


@pytest.fixture
def ask(served: httpx.Client, member_ids: list[str]) -> Any:
    """Recommendations for a known member; `whole` is the answer before anything broke."""

    def recommend(**body: Any) -> dict[str, Any]:
        answer = served.post("/v1/recommend", json={"member_id": member_ids[0], "k": 5, **body})
        assert answer.status_code == 200, answer.text
        return answer.json()

    return recommend


def ids(answer: dict[str, Any]) -> list[str]:
    return [result["job_id"] for result in answer["results"]]


def break_feature_store(workspace: Workspace) -> None:
    """Before the first request: a thread that has read the store holds its pages."""
    for path in (workspace.feature_repo / "data").glob("online_store.db*"):
        if not path.name.endswith("-shm"):  # mapped into memory
            path.write_bytes(b"no database " * 10_000)


def test_without_the_feature_store_the_member_is_served_as_someone_new(
    ask: Any, engine: Engine, workspace: Workspace
) -> None:
    break_feature_store(workspace)
    answer = ask()
    assert answer["degraded"] == ["features"]
    assert answer["member_known"] is None
    assert len(answer["results"]) == 5


def test_without_the_feature_store_a_profile_is_still_ranked_for(
    ask: Any, engine: Engine, workspace: Workspace
) -> None:
    break_feature_store(workspace)
    answer = ask(profile={"headline": "Truck driver"})
    assert answer["degraded"] == ["features"]
    assert answer["results"][0]["scores"]


def test_without_the_feature_store_events_are_logged_and_said_to_be_late(
    ask: Any, engine: Engine, served: httpx.Client, workspace: Workspace
) -> None:
    break_feature_store(workspace)
    event = {"id": "late", "member_id": "m", "job_id": engine.servable.index.ids[0], "action": "view"}
    answer = served.post("/v1/events", json=event)
    assert (answer.status_code, answer.json()["accepted"], answer.json()["degraded"]) == (200, 1, ["features"])
    assert b'"late"' in b"".join(path.read_bytes() for path in workspace.logs.rglob("*.jsonl"))


def use_items_of_another_bundle(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    items = engine.servable.index.items
    monkeypatch.setattr(engine.servable.index, "items", lambda rows: items(rows)[:, :1])


def test_without_the_student_the_order_is_that_of_retrieval(
    ask: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_items_of_another_bundle(engine, monkeypatch)
    answer = ask()
    assert answer["degraded"] == ["student"]
    assert answer["objective"]["order"] == "retrieval" and answer["objective"]["passed"] is None
    assert len(answer["results"]) == 5
    assert all(result["scores"] == {} and result["good_match"] is None for result in answer["results"])
    scores = [result["score"] for result in answer["results"]]
    assert scores == sorted(scores, reverse=True)


def test_without_the_encoder_words_and_activity_find_candidates(
    ask: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.servable.encoder, "encode", None)
    answer = ask()
    assert answer["degraded"] == ["encoder"]
    assert len(answer["results"]) == 5
    assert not any("dense" in result["found_by"] for result in answer["results"])


def test_without_retrieval_the_answer_is_what_is_popular_nearby(
    ask: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.servable.index, "term_scores", None)
    answer = ask()
    assert answer["degraded"] == ["retrieval"]
    assert [result["found_by"] for result in answer["results"]] == [["popular"]] * 5
    said = {sentence for result in answer["results"] for sentence in result["why"]}
    assert said <= {"it was viewed or applied to in the last thirty days"}


def test_without_anything_the_answer_is_empty_and_says_so(
    ask: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.servable.index, "attributes", None)
    answer = ask()
    assert answer["results"] == []
    assert answer["degraded"] == ["retrieval", "popular", "rules"]


def test_what_the_last_step_cannot_check_is_not_shown(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.choosing.eligible_jobs", None)
    answer = ask()
    assert (answer["results"], answer["degraded"]) == ([], ["rules"])


@pytest.fixture
def hurried(workspace: Workspace) -> Iterator[Engine]:
    """An engine whose deadline has passed when a request arrives."""
    engine = Engine(workspace, ServeConfig(deadline=-1))
    yield engine
    engine.close()


def test_what_is_popular_comes_after_the_others_where_a_rule_demotes_it(engine: Engine) -> None:
    index = engine.servable.index
    now = datetime.now(UTC)
    request = build_request("", Activity(), "", "", Filter(), now)
    plain = popular_candidates(index, request, 500)
    company = index.display(int(plain.rows[0]))["company"]
    rule = Rule.model_validate(
        {
            "name": "one",
            "reason": "bad_company",
            "action": "demote",
            "enabled": True,
            "because": "so",
            "surfaces": ["recommendation"],
            "when": {"company": {"dismissed_for": []}},
        }
    )
    facts = replace(request.facts, dismissed=((plain.ids[0], ""),))
    found = popular_candidates(index, replace(request, facts=facts), 500, [rule])
    down = [index.display(int(row))["company"] == company for row in found.rows]
    assert found.ids != plain.ids and set(found.ids) == set(plain.ids)
    assert any(down) and down == sorted(down)
    assert {row: ("one",) for row, is_down in zip(found.rows.tolist(), down, strict=True) if is_down} == found.demoted


def test_past_the_deadline_the_answer_is_what_is_popular_nearby(hurried: Engine, member_ids: list[str]) -> None:
    answer = hurried.recommend(RecommendRequest(member_id=member_ids[0], k=5))
    assert len(answer.results) == 5
    assert answer.degraded == ("features", "retrieval")


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_none_of_an_answer(
    ask: Any, engine: Engine, monkeypatch: pytest.MonkeyPatch, broken: float
) -> None:
    items = engine.servable.index.items
    monkeypatch.setattr(engine.servable.index, "items", lambda rows: np.full_like(items(rows), broken))
    answer = ask()
    assert answer["degraded"] == ["student"]
    assert all(math.isfinite(result["score"]) for result in answer["results"])


def test_a_bad_filter_is_an_error_even_past_the_deadline(hurried: Engine) -> None:
    body = {"filter": {"all": [{"attribute": "shoe_size", "any_of": ["9"]}]}}
    with pytest.raises(UnknownAttribute):
        hurried.recommend(RecommendRequest.model_validate(body))


def test_a_stage_that_would_not_be_done_in_time_is_left_out_and_tried_again_later(engine: Engine) -> None:
    times = StageTimes()
    times.add("student", 5.0)

    def ran() -> bool:
        stages = Stages("r", engine.metrics, time.monotonic() + 1.0, times)
        return stages.run("student", lambda: True, instead=lambda: False)

    outcomes = [ran() for _ in range(20)]
    assert outcomes[0] is False and outcomes[-1] is True


def test_degradation_is_counted_by_stage_and_cause(
    ask: Any, served: httpx.Client, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_items_of_another_bundle(engine, monkeypatch)
    ask()
    assert 'rolecall_degraded_total{cause="ShapeMismatch",stage="student"} 1.0' in served.get("/metrics").text


def test_stored_text_of_another_version_is_not_read(workspace: Workspace, member_ids: list[str]) -> None:
    for path in parts(workspace.features / "member_text"):
        table = pq.read_table(path)
        column = table.schema.get_field_index("text_version")
        version = pc.replace_substring_regex(table["text_version"], "^[0-9]+-", "0-")
        assert isinstance(version, pa.ChunkedArray)
        pq.write_table(table.set_column(column, "text_version", version), path)
    materialize(workspace)
    with running(Engine(workspace, ServeConfig(deadline=60))) as url:
        answer = httpx.post(f"{url}/v1/recommend", json={"member_id": member_ids[0], "k": 5}, timeout=60).json()
    assert answer["degraded"] == ["features"]
    assert (answer["member_known"], len(answer["results"])) == (True, 5)


# --- depth ---


def test_fewer_candidates_are_scored_where_a_depth_says_so_and_answer_and_explanation_name_it(
    engine: Engine, member_ids: list[str]
) -> None:
    answer, _ = engine.prepare(RecommendRequest(member_id=member_ids[0], k=20), depth=10)
    assert answer.depth == 10
    assert [bool(result.scores) for result in answer.results] == [True] * 10 + [False] * 10
    assert engine.explain(answer.request_id, answer.results[0].job_id).depth == 10


def test_at_no_depth_the_order_is_that_of_retrieval(engine: Engine, member_ids: list[str]) -> None:
    answer, _ = engine.prepare(RecommendRequest(member_id=member_ids[0], k=20), depth=0)
    assert (answer.depth, answer.degraded, answer.objective.order) == (0, ("student",), "retrieval")
    assert 'rolecall_degraded_total{cause="load",stage="student"} 1.0' in engine.metrics.text().decode()


def test_what_was_prepared_counts_as_shown_when_somebody_says_so(workspace: Workspace, member_ids: list[str]) -> None:
    engine = Engine(workspace, ServeConfig(deadline=60))
    answer, slate = engine.prepare(RecommendRequest(member_id=member_ids[0], k=3))
    engine.prepare(RecommendRequest(member_id=member_ids[0], k=3))
    engine.shown(slate)
    engine.close()
    logged = [row["request_id"] for row in read_day(workspace, datetime.now(UTC))]
    assert logged == [answer.request_id] * 3
