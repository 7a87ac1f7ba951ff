"""Documents for a query, in the shape that clients of other rerankers speak."""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np
import pytest

from contracts.text.verbalizer import request_text
from ranking.scorer import ItemEncoder
from serving.config import ServeConfig
from serving.engine import Engine
from serving.rerank import MAX_DOCUMENTS, RerankRequest, TooLate

DOCUMENTS = ["Registered Nurse, night shift", "Truck driver", "Cook in a hotel", "Nurse"]


def test_documents_come_in_the_order_of_the_students_scores(client: httpx.Client, shared: tuple[Engine, str]) -> None:
    servable = shared[0].servable
    answer = client.post("/v1/rerank", json={"model": "any", "query": "nurse", "documents": DOCUMENTS}).json()
    assert set(answer) == {"id", "model", "results"} and answer["model"] == servable.manifest.version
    scores = [result["relevance_score"] for result in answer["results"]]
    assert scores == sorted(scores, reverse=True) and all(0 <= score <= 1 for score in scores)
    items = ItemEncoder(servable.folders[0]).encode(DOCUMENTS)
    logits = servable.scorer.logits(servable.scorer.prefix(request_text("", "", "nurse")), items)
    order = np.argsort(-logits[:, servable.scorer.tasks.index("relevance")], kind="stable")
    assert [result["index"] for result in answer["results"]] == order.tolist()


def test_objects_top_n_and_return_documents_as_other_services_take_them(client: httpx.Client) -> None:
    body: dict[str, Any] = {
        "query": "nurse",
        "documents": [{"text": text, "id": i} for i, text in enumerate(DOCUMENTS)],
        "top_n": 2,
        "return_documents": True,
        "max_chunks_per_doc": 10,
    }
    answer = client.post("/v1/rerank", json=body).json()
    assert len(answer["results"]) == 2
    assert all(result["document"] == {"text": DOCUMENTS[result["index"]]} for result in answer["results"])
    plain = client.post("/v1/rerank", json={"query": "nurse", "documents": DOCUMENTS}).json()
    assert [r["relevance_score"] for r in plain["results"][:2]] == [r["relevance_score"] for r in answer["results"]]
    assert all("document" not in result for result in plain["results"])


@pytest.mark.parametrize(
    "body",
    [
        {"query": "", "documents": ["a"]},
        {"query": "a", "documents": []},
        {"query": "a", "documents": ["b"] * (MAX_DOCUMENTS + 1)},
        {"query": "a", "documents": ["b" * 20_001]},
        {"query": "a", "documents": [5]},
        {"query": "a", "documents": [{"title": "b"}]},
        {"query": "a", "documents": ["b"], "top_n": 0},
        {"query": "a", "documents": ["b"], "top_n": True},
        {"documents": ["b"]},
    ],
)
def test_what_does_not_fit_is_refused_in_short(client: httpx.Client, body: dict[str, Any]) -> None:
    answer = client.post("/v1/rerank", json=body)
    assert answer.status_code == 422 and answer.json()["reason"] == "bad_input"
    assert len(answer.text) < 500


def test_past_the_deadline_documents_are_refused_rather_than_guessed(engine: Engine) -> None:
    message = RerankRequest(query="nurse", documents=("a",))
    with pytest.raises(TooLate, match="0 of 1"):
        engine.rerank(message, arrived=-1e9)
    assert ServeConfig().deadline < 10
