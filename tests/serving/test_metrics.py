"""Metrics say what was shown and how old what is served is; every one has a name of its own and a meaning."""

from __future__ import annotations

import math
import os
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from contracts.workspace import Workspace
from feature_repo.store import materialize, materialized_until
from retrieval.index.manifest import built_at
from serving.engine import Engine
from serving.freshness import tell_freshness
from serving.metrics import Metrics


def samples(text: bytes | str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = text.decode() if isinstance(text, bytes) else text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: Any) -> float:
    return samples(metrics.text())[name, frozenset(labels.items())]


def test_every_series_of_a_running_service_is_described(client: httpx.Client, shared: tuple[Engine, str]) -> None:
    client.post("/v1/search", json={"query": "nurse"}).raise_for_status()
    described = {name.removesuffix("_total"): about for name, _, about, _ in shared[0].metrics.described()}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        assert family.name.startswith(("rolecall_", "process_"))
        assert described.get(family.name.removesuffix("_created")), family.name


def test_without_a_feed_nothing_says_that_it_stands(client: httpx.Client) -> None:
    assert (
        "rolecall_feed_running{" not in (text := client.get("/metrics").text) and "rolecall_feed_running 0" not in text
    )


def test_what_was_shown_is_counted_by_surface() -> None:
    metrics = Metrics()
    metrics.shown("search", [0.9, None, 0.15], [{"view": 0.5, "apply": 0.01}, {"view": 0.4}, {}])
    metrics.shown("search", [], [])
    assert value(metrics, "rolecall_shown_jobs_bucket", surface="search", le="0.0") == 1
    assert value(metrics, "rolecall_shown_jobs_count", surface="search") == 2
    assert value(metrics, "rolecall_good_match_count", surface="search") == 2
    assert value(metrics, "rolecall_good_match_sum", surface="search") == pytest.approx(1.05)
    assert value(metrics, "rolecall_first_probability_sum", surface="search", task="view") == 0.5


def test_an_answer_counts_as_shown_and_one_that_is_only_tried_does_not(engine: Engine) -> None:
    from serving.schemas import SearchRequest

    engine.tried(SearchRequest(query="nurse"))
    assert ("rolecall_shown_jobs_count", frozenset({("surface", "search")})) not in samples(engine.metrics.text())
    answer = engine.search(SearchRequest(query="nurse", k=5))
    assert value(engine.metrics, "rolecall_good_match_count", surface="search") == len(answer.results)


def test_the_age_of_index_and_features_is_told(engine: Engine, workspace: Workspace) -> None:
    metrics, (_, index) = engine.metrics, engine.servable.folders
    assert value(metrics, "rolecall_index_built_timestamp_seconds") == built_at(index).timestamp()
    before = value(metrics, "rolecall_features_materialized_timestamp_seconds")
    until = datetime(2040, 1, 1, tzinfo=UTC)
    materialize(workspace, end=until)
    assert materialized_until(workspace) == until
    tell_freshness(metrics, workspace, index)
    assert value(metrics, "rolecall_features_materialized_timestamp_seconds") == until.timestamp() > before


def test_an_age_that_cannot_be_read_is_no_number_and_no_error(engine: Engine, workspace: Workspace) -> None:
    registry = workspace.feature_repo / "data" / "registry.db"
    registry.write_bytes(os.urandom(64))
    tell_freshness(engine.metrics, workspace, workspace.root / "gone")
    for name in ("index_built", "features_materialized"):
        assert math.isnan(value(engine.metrics, f"rolecall_{name}_timestamp_seconds"))
