"""A search over HTTP says how its query was read, and takes chips off."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import httpx
import pytest

from feature_repo.online import MemberRow
from history.unclicked import Unclicked
from serving.asking import jobs_request, reading_of
from serving.engine import Engine
from serving.schemas import SearchRequest
from serving.stages import Stages


def search(client: httpx.Client, query: str, **fields: object) -> dict[str, object]:
    answer = client.post("/v1/search", json={"query": query, "k": 20, **fields})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


@pytest.fixture(scope="module")
def city(shared: tuple[Engine, str]) -> str:
    """A city that is one word and in which jobs are open."""
    index = shared[0].servable.index
    places = [str(index.display(row)["location"]).partition(",")[0] for row in range(len(index))]
    return next(place for place in places if place.isalpha())


def test_a_place_filters_and_is_taken_off(client: httpx.Client, city: str) -> None:
    answer = search(client, f"jobs in {city}")
    [chip] = answer["understood"]  # type: ignore[misc]
    assert (chip["field"], chip["kind"], chip["text"]) == ("place", "filter", f"jobs in {city}")
    assert all(
        job["location"].startswith(city) or job["workplace"] == "remote" or job["distance"] is not None
        for job in answer["results"]  # type: ignore[attr-defined]
    )
    assert search(client, f"jobs in {city}", ignore=[chip["id"]])["understood"] == []
    assert search(client, f"jobs in {city}", as_typed=True)["understood"] == []


def test_a_place_that_is_typed_goes_before_the_members_own(engine: Engine, city: str) -> None:
    now = datetime.now(UTC)
    typed, stages = f"nurse in {city}", Stages("", engine.metrics, math.inf)
    message = SearchRequest(query=typed)
    reading = reading_of(engine.servable.index, message, now, stages)
    row = MemberRow(known=True, location="Nome, AK")
    assert jobs_request(engine.servable, message, reading, row, Unclicked(0), now).location == reading.place
    elsewhere = message.model_copy(update={"location": "Reno, NV"})
    assert jobs_request(engine.servable, elsewhere, reading, row, Unclicked(0), now).location == "Reno, NV"


def test_filters_that_give_way_are_said(client: httpx.Client) -> None:
    answer = search(client, "nurse over 990k in Anchorage")
    relaxed = [chip for chip in answer["understood"] if chip["relaxed"]]  # type: ignore[attr-defined]
    assert relaxed and answer["results"]
    assert any(chip["label"] in note for chip in relaxed for note in answer["notes"])  # type: ignore[attr-defined]


def test_a_level_demotes_in_the_answer_and_says_why(client: httpx.Client) -> None:
    answer = search(client, "junior nurse", k=100)
    far = ["the query asks for another seniority" in " ".join(job["why"]) for job in answer["results"]]  # type: ignore[attr-defined]
    assert any(far) and far == sorted(far)


def test_a_reading_that_fails_leaves_the_query_as_it_was_typed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("the lexicon is gone")

    monkeypatch.setattr("serving.asking.read_query", broken)
    answer = engine.search(SearchRequest(query="nurse in Denver"))
    assert "query" in answer.degraded and answer.understood == () and answer.results


@pytest.mark.parametrize("fields", [{"as_typed": "yes"}, {"as_typed": 1}, {"ignore": "place:denver"}, {"ignore": [1]}])
def test_fields_of_another_type_are_refused(client: httpx.Client, fields: dict[str, object]) -> None:
    assert client.post("/v1/search", json={"query": "nurse", **fields}).status_code == 422


def test_what_is_logged_is_what_the_models_read(engine: Engine) -> None:
    answer = engine.search(SearchRequest(query="nurse -night posted this week"))
    slate = engine._slates.get(answer.request_id)
    assert slate is not None and slate.query == "nurse"
