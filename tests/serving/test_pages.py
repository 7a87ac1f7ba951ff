"""Further pages of an answer: one order, whatever happened since, no model, and only for whom it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from serving.engine import Engine
from serving.schemas import RecommendRequest


def post(client: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(answer: dict[str, Any]) -> list[str]:
    return [result["job_id"] for result in answer["results"]]


@pytest.mark.parametrize("asked", [{}, {"diversity": 0.5}, {"per_company": 2}, {"sort": "date"}])
def test_pages_are_the_parts_of_one_long_answer(client: httpx.Client, asked: dict[str, Any]) -> None:
    body = {"query": "nurse", **asked}
    whole = ids(post(client, "/v1/search", **body, k=60))
    first = post(client, "/v1/search", **body, k=20)
    pages = [first] + [post(client, "/v1/next", request_id=first["request_id"], k=20) for _ in range(2)]
    assert [job_id for page in pages for job_id in ids(page)] == whole[:60]
    assert [r["rank"] for page in pages for r in page["results"]] == list(range(1, len(whole) + 1))
    assert all(page["bundle_version"] == first["bundle_version"] for page in pages)


def test_a_page_runs_no_model(
    client: httpx.Client, shared: tuple[Engine, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = post(client, "/v1/search", query="cook", k=5)
    servable = shared[0].servable
    monkeypatch.setattr(servable.scorer, "logits", None)
    monkeypatch.setattr(servable.scorer, "prefix", None)
    monkeypatch.setattr(servable.encoder, "encode", None)
    monkeypatch.setattr(servable.members, "read", None)
    page = post(client, "/v1/next", request_id=first["request_id"], k=5)
    assert len(page["results"]) == 5 and all(result["scores"] for result in page["results"])


def test_a_page_is_the_same_again_by_its_rank_and_the_end_is_said(client: httpx.Client) -> None:
    request_id = post(client, "/v1/search", query="driver", k=10)["request_id"]
    page = post(client, "/v1/next", request_id=request_id, k=10)
    assert post(client, "/v1/next", request_id=request_id, k=10, after=10) == page and page["more"]
    rest = post(client, "/v1/next", request_id=request_id, k=500)
    assert rest["results"] and not rest["more"]
    assert post(client, "/v1/next", request_id=request_id)["results"] == []
    refused = client.post("/v1/next", json={"request_id": request_id, "after": 10_000})
    assert (refused.status_code, refused.json()["field"]) == (422, "after")


def test_the_order_outlives_events_and_a_swap_of_the_index(engine: Engine, served: httpx.Client) -> None:
    body = {"query": "teacher", "member_id": "visitor"}
    whole = ids(post(served, "/v1/search", **body, k=40))
    first = post(served, "/v1/search", **body, k=20)
    views = [{"member_id": f"v{i}", "job_id": whole[-1], "action": "view"} for i in range(50)]
    assert post_events(served, [*views, {"member_id": "visitor", "job_id": whole[25], "action": "view"}]) == 51
    engine.swap()
    page = post(served, "/v1/next", request_id=first["request_id"], member_id="visitor", k=20)
    assert ids(page) == whole[20:40]


def test_a_job_that_left_since_is_not_shown(engine: Engine, served: httpx.Client) -> None:
    whole = ids(post(served, "/v1/search", query="teacher", k=40))
    first = post(served, "/v1/search", query="teacher", k=20)
    gone = {whole[22]: datetime.now(UTC)}
    engine._current.change(lambda servable: replace(servable, index=servable.index.changed([], gone, "1")))
    page = post(served, "/v1/next", request_id=first["request_id"], k=10)
    assert whole[22] not in ids(page) and ids(page)[:2] == whole[20:22] and len(ids(page)) == 10


def post_events(client: httpx.Client, events: list[dict[str, Any]]) -> int:
    answer = client.post("/v1/events", json=events)
    return int(answer.json()["accepted"])


def test_a_page_of_another_members_answer_is_refused(client: httpx.Client, someone: Callable[[], str]) -> None:
    mine, other = someone(), someone()
    request_id = post(client, "/v1/recommend", member_id=mine, k=5)["request_id"]
    for body in ({"member_id": other}, {}):
        answer = client.post("/v1/next", json={"request_id": request_id, **body})
        assert (answer.status_code, answer.json()["reason"]) == (403, "not_their_request")
    assert post(client, "/v1/next", request_id=request_id, member_id=mine, k=5)["results"]


def test_an_answer_that_is_not_kept_is_404(client: httpx.Client) -> None:
    answer = client.post("/v1/next", json={"request_id": "nobody"})
    assert (answer.status_code, answer.json()["reason"]) == (404, "unknown_answer")


def test_a_job_of_a_page_has_its_rank_in_events_and_explanations(engine: Engine, served: httpx.Client) -> None:
    request_id = post(served, "/v1/search", query="nurse", k=5)["request_id"]
    last = post(served, "/v1/next", request_id=request_id, k=5)["results"][-1]
    explained = served.get(f"/v1/explain/{request_id}/{last['job_id']}").json()
    assert (explained["rank"], explained["score"]) == (last["rank"], last["score"]) == (10, last["score"])
    assert explained["bundle_version"] == engine.servable.manifest.version
    slate = engine._slates.get(request_id)
    assert slate is not None and len(slate.impressions()) == 10
    assert [line["position"] for line in slate.impressions()] == list(range(1, 11))


def test_an_erased_members_answer_has_no_further_pages(engine: Engine, member_ids: list[str]) -> None:
    answer = engine.recommend(RecommendRequest(member_id=member_ids[0], k=3))
    assert engine._slates.ranking(answer.request_id) is not None
    engine._slates.forget(member_ids[0])
    assert engine._slates.ranking(answer.request_id) is None
