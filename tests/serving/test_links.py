"""Learned links through the service: a profile is enough, and each match says why."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from contracts.workspace import Workspace
from retrieval.config import Diversity, RetrievalConfig
from retrieval.index.build import build_index
from retrieval.links.graph import Link, LinkGraph
from retrieval.links.store import LinksManifest, LinkStore
from retrieval.links.values import Value
from serving.config import ServeConfig
from serving.engine import Engine
from serving.http.run import running

LINK = Link((Value("skills", "unicycling"),), (Value("workplace", "remote"),), 1.7, hires=41)
SENTENCE = "members with skill unicycling were hired for remote work: 41 hires, weight 1.70"
SHARES = {"dense": 0.15, "recent": 0.2, "terms": 0.2, "popular": 0.2, "links": 0.25}
PROFILE = {"headline": "Clown", "skills": ["Unicycling"]}


@pytest.fixture
def linked(workspace: Workspace) -> Iterator[tuple[Engine, httpx.Client]]:
    """A service whose index holds one link, and whose answers keep companies apart."""
    about = LinksManifest(
        quality="l1", liquidity=50, knobs={}, pairs=("skills -> workplace",), level_words=(), counts={}
    )
    store = LinkStore.make(about, LinkGraph([LINK]), ["m1"], [np.array([0], np.int32)], [], [])
    config = RetrievalConfig(recommend=SHARES, diversity=Diversity(most=1, first=5))
    build_index(workspace, workspace.bundle, retrieval=config, links=store.save(workspace.links))
    engine = Engine(workspace, ServeConfig(deadline=60))
    with running(engine) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield engine, client
    engine.close()


def test_a_profile_is_led_by_links_and_told_why(linked: tuple[Engine, httpx.Client]) -> None:
    _, client = linked
    found = client.post("/v1/recommend", json={"profile": PROFILE, "k": 200}).json()
    assert not found["degraded"]
    led = [result for result in found["results"] if "links" in result["found_by"]]
    assert led and all(result["workplace"] == "remote" for result in led)
    assert all((SENTENCE in result["why"]) == ("links" in result["found_by"]) for result in found["results"])
    told = client.get(f"/v1/explain/{found['request_id']}/{led[0]['job_id']}").json()
    assert f"{SENTENCE[0].upper()}{SENTENCE[1:]}." in told["explanation"]["words"]


def test_a_profile_without_what_links_name_is_answered_without_them(linked: tuple[Engine, httpx.Client]) -> None:
    found = linked[1].post("/v1/recommend", json={"profile": {"headline": "Clown"}, "k": 50}).json()
    assert found["results"] and not any("links" in result["found_by"] for result in found["results"])


def test_a_search_does_not_ask_what_has_no_share_in_it(linked: tuple[Engine, httpx.Client]) -> None:
    found = linked[1].post("/v1/search", json={"query": "nurse", "profile": PROFILE, "k": 50}).json()
    assert found["results"] and not any("links" in result["found_by"] for result in found["results"])


def test_companies_are_kept_apart_in_the_answer(linked: tuple[Engine, httpx.Client]) -> None:
    found = linked[1].post("/v1/recommend", json={"profile": PROFILE, "k": 20}).json()["results"]
    first = [result["company"] for result in found[:5]]
    assert len(set(first)) == 5
    assert [result["rank"] for result in found] == list(range(1, 21))


def test_a_near_duplicate_is_named_and_not_listed(linked: tuple[Engine, httpx.Client]) -> None:
    engine, client = linked
    body = {"profile": PROFILE, "k": 500}
    one, other = (result["job_id"] for result in client.post("/v1/recommend", json=body).json()["results"][:2])
    index = engine.servable.index
    rows = index.rows([one, other])
    index.groups[rows] = rows[0]
    found = {result["job_id"]: result["also"] for result in client.post("/v1/recommend", json=body).json()["results"]}
    assert found[one] == [other] and other not in found
    assert all(not also for job_id, also in found.items() if job_id != one)
