"""What a service remembers between requests changes no answer, and is counted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.workspace import Workspace
from retrieval.filters.filters import Filter, any_of
from serving import answering
from serving.config import CacheConfig, ServeConfig
from serving.engine import Engine
from serving.schemas import JobsRequest, RecommendRequest, SearchRequest
from tests.serving.conftest import write_untrained_bundle

NONE = CacheConfig(vectors_mb=0, prefixes_mb=0, scores_mb=0)
SMALL = CacheConfig(vectors_mb=0.01, prefixes_mb=0.1, scores_mb=0.02)


@pytest.fixture(scope="module")
def exact_market(market: Workspace, untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The market with a bundle whose scores do not depend on the other candidates of a call."""
    from beam_jobs import embed
    from feature_repo.store import apply
    from retrieval.index.build import build_index

    workspace = Workspace(tmp_path_factory.mktemp("exact") / "market")
    shutil.copytree(market.root, workspace.root)
    bundle = write_untrained_bundle(workspace, untrained, "float32")
    embed.run(["--workspace", str(workspace.root), "--what", "items", "--bundle", str(bundle)])
    build_index(workspace, bundle)
    apply(workspace)
    return workspace


class Clock(datetime):
    """A clock that stands, since ages of jobs go into the scores."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls(2026, 11, 30, 12, tzinfo=tz)


@pytest.fixture(scope="module")
def engines(exact_market: Workspace) -> Iterator[dict[str, Engine]]:
    """Services of one workspace that remember nothing, little and much."""
    caches = {"none": NONE, "little": SMALL, "much": CacheConfig()}
    found = {name: Engine(exact_market, ServeConfig(deadline=60, cache=cache)) for name, cache in caches.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answering, "datetime", Clock)
        yield found
    for engine in found.values():
        engine.close()


def requests(members: list[str]) -> st.SearchStrategy[JobsRequest]:
    common = {
        "member_id": st.sampled_from(members[:4]),
        "k": st.sampled_from([1, 5, 20]),
        "filter": st.sampled_from([Filter(), any_of("workplace", "remote", "hybrid")]),
        "exclude": st.sampled_from([(), ("j00000001", "j00000007")]),
    }
    query = st.sampled_from(["nurse", "driver in Austin", "senior developer"])
    return st.builds(RecommendRequest, **common) | st.builds(SearchRequest, query=query, **common)


def said(engine: Engine, message: JobsRequest) -> dict[str, Any]:
    """An answer without what tells one request from another."""
    return engine.tried(message).model_dump(exclude={"request_id", "timings_ms"})


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_answers_with_caches_are_those_without(
    engines: dict[str, Engine], member_ids: list[str], data: st.DataObject
) -> None:
    for message in data.draw(st.lists(requests(member_ids), min_size=1, max_size=5)):
        expected = said(engines["none"], message)
        assert said(engines["little"], message) == expected
        assert said(engines["much"], message) == expected


def test_a_second_request_of_a_member_costs_no_model(
    engines: dict[str, Engine], member_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engines["much"]
    message = RecommendRequest(member_id=member_ids[7])
    first = said(engine, message)

    class Broken:
        def run(self, *_: object) -> None:
            raise AssertionError("a model was run")

    monkeypatch.setattr(engine.servable.encoder, "_session", Broken())
    monkeypatch.setattr(engine.servable.scorer, "_prefix", Broken())
    monkeypatch.setattr(engine.servable.scorer, "_score", Broken())
    assert said(engine, message) == first
    assert not first["degraded"]


def test_look_ups_and_bytes_are_counted_and_within_the_bounds(
    engines: dict[str, Engine], member_ids: list[str]
) -> None:
    for member in member_ids[:30]:
        said(engines["little"], RecommendRequest(member_id=member))
    text = engines["little"].metrics.text().decode()
    held = {
        line.split('"')[1]: float(line.split()[1]) for line in text.splitlines() if line.startswith("rolecall_cache_b")
    }
    assert 0 < held["vectors"] <= 10_000
    assert held["prefixes"] <= 100_000
    assert held["scores"] <= 20_000
    assert 'rolecall_cache_lookups_total{cache="vectors",outcome="miss"}' in text
    engines["little"].servable.caches.clear()
    assert engines["little"].servable.caches.vectors.bytes == 0
