"""Suggestions narrow a search: each leaves what it says, adds what the search lacks, and is scored by the student."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest

from contracts.text.words import content_words, stem
from contracts.workspace import Workspace
from serving.config import ServeConfig
from serving.engine import Engine
from serving.http.run import running
from serving.schemas import SearchRequest
from serving.stages import Stages
from serving.suggesting import PRIOR, _fits

LEAST = 3
SURFACE = f"""
name: suggestions
summary: Of a small board
asks: query
answers: suggestions
objective: search
facets: [skills, employment, workplace, seniority, industry]
least: {LEAST}
logged: false
"""


@pytest.fixture(scope="module")
def small(market: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, str]]:
    """A service whose own surface suggests what leaves few jobs: the market has few."""
    root = tmp_path_factory.mktemp("small") / "market"
    shutil.copytree(market.root, root)
    (root / "surfaces").mkdir()
    (root / "surfaces" / "suggestions.yaml").write_text(SURFACE)
    engine = Engine(Workspace(root), ServeConfig(deadline=60))
    with running(engine) as url:
        yield engine, url


@pytest.fixture(scope="module")
def board(small: tuple[Engine, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=small[1], timeout=60) as found:
        yield found


def ask(client: httpx.Client, **body: object) -> dict[str, Any]:
    answer = client.post("/v1/suggestions", json={"query": "nurse", **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture(scope="module")
def broad(small: tuple[Engine, str]) -> str:
    """Words that many jobs of the market have."""
    titles = small[0].servable.index.jobs.titles(np.arange(60, dtype=np.int32))
    return " ".join(sorted({word for title in titles for word in content_words(title)})[:12])


def counted(client: httpx.Client, one: dict[str, Any], query: str) -> int:
    """Jobs that a search has with a suggestion, by the counts beside its answer."""
    body: dict[str, Any] = {"query": query, "k": 1, "facets": ["language"], "as_typed": True}
    body["filter"] = {"all": [one["clause"]]} if one["clause"] else {}
    body["query"] = f"{query} {one['words']}".strip()
    facets = client.post("/v1/search", json=body).json()["facets"]["language"]
    return sum(value["count"] for value in facets)


def test_each_leaves_the_jobs_that_it_says_and_fewer_than_before(board: httpx.Client, broad: str) -> None:
    answer = ask(board, query=broad, as_typed=True, k=50)
    assert answer["surface"] == "suggestions" and answer["degraded"] == []
    assert {one["kind"] for one in answer["suggestions"]} == {"filter", "phrase"}
    for one in answer["suggestions"]:
        assert LEAST <= one["count"] < answer["jobs"]
        assert (one["clause"] is None) == bool(one["words"]) == (one["kind"] == "phrase")
        if one["clause"]:
            assert counted(board, one, broad) == one["count"]
        else:
            assert counted(board, one, broad) >= one["count"] > 0


def test_no_two_say_the_same_and_none_says_what_is_asked_already(board: httpx.Client, broad: str) -> None:
    answer = ask(board, query=broad, as_typed=True, k=50)
    keys = [(one["attribute"], one["value"]) for one in answer["suggestions"]]
    assert len(set(keys)) == len(keys)
    typed = {stem(word) for word in content_words(broad)}
    for one in answer["suggestions"]:
        said = {stem(word) for word in content_words(one["value"])}
        assert not said & typed if one["kind"] == "phrase" else not said or not said <= typed
    chosen = next(one for one in answer["suggestions"] if one["kind"] == "filter")
    narrower = ask(board, query=broad, as_typed=True, k=50, filter={"all": [chosen["clause"]]})
    assert narrower["jobs"] == chosen["count"]
    assert (chosen["attribute"], chosen["value"]) not in [
        (one["attribute"], one["value"]) for one in narrower["suggestions"]
    ]


def test_the_score_is_the_students_of_the_jobs_that_have_it(small: tuple[Engine, str], broad: str) -> None:
    engine = small[0]
    message = SearchRequest(query=broad, as_typed=True, k=50)
    answer = engine.suggest(message)
    assert answer.scored_by == "good_match" and answer.depth > PRIOR
    listed = engine.tried(SearchRequest(query=broad, as_typed=True, k=500))
    good = {job.job_id: job.good_match for job in listed.results if job.good_match is not None}
    assert len(good) == answer.depth  # near-duplicates would be left out of the list
    index = engine.servable.index
    mean = np.mean(list(good.values()))
    for one in answer.suggestions:
        if one.kind == "filter":
            holds = index.attributes.holds_any(one.attribute, [one.value])
            own = [fit for job_id, fit in good.items() if holds[index.rows([job_id])[0]]]
            assert one.score == pytest.approx((sum(own) + PRIOR * mean) / (len(own) + PRIOR), abs=1e-5)
    scores = [one.score for one in answer.suggestions]
    assert scores == sorted(scores, reverse=True)


def test_without_the_student_they_are_by_their_share_and_say_so(small: tuple[Engine, str], broad: str) -> None:
    answer = small[0].suggest(SearchRequest(query=broad, as_typed=True), depth=0)
    assert (answer.scored_by, answer.depth, answer.degraded) == ("share", 0, ("student",))
    assert answer.suggestions and all(0 < one.score <= 1 for one in answer.suggestions)


def test_a_student_of_engagement_alone_says_nothing_of_fits(small: tuple[Engine, str], broad: str) -> None:
    servable, answerer = small[0].servable, small[0]._answerer
    message = SearchRequest(query=broad, as_typed=True)
    stages = Stages("r", answerer.metrics, time.monotonic() + 60, answerer.times)
    ranked = answerer.looked_up(servable, small[0].surfaces["suggestions"], message, None, 20, stages).ranked
    assert ranked.scored is not None
    tasks = tuple(f"not-{name}" for name in ranked.scored.manifest.tasks)
    other = replace(ranked.scored, good=None, manifest=ranked.scored.manifest.model_copy(update={"tasks": tasks}))
    assert _fits(ranked, 50).by == "good_match"
    found = _fits(replace(ranked, scored=other), 50)
    assert (found.by, found.fit, len(found.rows)) == ("share", None, len(other.logits))


def test_a_stage_that_fails_leaves_none_and_says_so(
    engine: Engine, broad: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError("gone")

    monkeypatch.setattr("serving.suggesting._values", broken)
    answer = engine.suggest(SearchRequest(query=broad))
    assert answer.suggestions == () and "suggestions" in answer.degraded


def test_facets_say_whose_values_and_the_surface_how_many_jobs(board: httpx.Client, broad: str) -> None:
    only = ask(board, query=broad, facets=["employment"], k=100)["suggestions"]
    assert {one["attribute"] for one in only} <= {"employment", ""}
    refused = board.post("/v1/suggestions", json={"query": "nurse", "facets": ["posted_at"]})
    assert refused.status_code == 400 and "skills" in refused.json()["message"]
    assert len(ask(board, query=broad, k=2)["suggestions"]) <= 2


@pytest.mark.parametrize("query", ["看護師 夜勤", '"', "-", "🙂", "zzzzqqq", "a" * 2_000, '"night shift" -nurse'])
def test_any_words_are_answered(board: httpx.Client, query: str) -> None:
    assert ask(board, query=query)["degraded"] == []


def test_the_packages_own_leaves_ten_jobs_and_a_body_that_does_not_fit_is_refused(
    client: httpx.Client, broad: str
) -> None:
    found = ask(client, query=broad, as_typed=True)["suggestions"]
    assert found and all(one["count"] >= 10 for one in found)
    for body in ({"query": ""}, {"member_id": "m"}, {"query": "nurse", "k": 0}, {"query": 7}):
        assert client.post("/v1/suggestions", json=body).status_code == 422
