"""Remembered scores are those that would be computed, to the bit, whatever was asked for before."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.match import SIZES
from ranking.caching_scorer import CachingScorer, score_caches
from ranking.scorer import BundleScorer
from retrieval.engines.side_by_side import one_core

TEXTS = ("nurse austin", "driver", "python developer")
MEGABYTE = 1_000_000


class Index:
    """Rows with item tokens, of one lineage."""

    def __init__(self, seed: int) -> None:
        self.lineage = object()
        self.tokens = np.random.default_rng(seed).standard_normal((40, 2, 4)).astype(np.float32)
        self.asked: list[int] = []

    def items(self, rows: np.ndarray) -> np.ndarray:
        self.asked += rows.tolist()
        return self.tokens[rows]


def asks() -> st.SearchStrategy[list[tuple[str, int, list[int], int]]]:
    rows = st.lists(st.integers(0, 39), unique=True, max_size=12)
    return st.lists(st.tuples(st.sampled_from(TEXTS), st.integers(0, 1), rows, st.integers(0, 1)), max_size=12)


@settings(max_examples=40, deadline=None)
@given(asks())
def test_remembered_scores_are_those_that_would_be_computed(
    match_bundle: Path, asks: list[tuple[str, int, list[int], int]]
) -> None:
    plain = BundleScorer(match_bundle, threads=1)
    manifest = plain.manifest.model_copy(update={"precision": "float32"})
    caches = score_caches(MEGABYTE, MEGABYTE)
    caching = CachingScorer(match_bundle, 1, manifest, caches=caches)
    indexes = (Index(0), Index(1))
    for text, which, of, bins in asks:
        index, rows = indexes[which], np.array(of, np.int32)
        match = (rows[:, None] + bins + np.arange(len(SIZES))).astype(np.uint8) % 3
        assert np.array_equal(caching.scores(text, index, rows, match), plain.scores(text, index, rows, match))


def test_the_same_candidates_again_cost_no_model(bundle: Path) -> None:
    manifest = BundleScorer(bundle, 1).manifest.model_copy(update={"precision": "int8_static"})
    caching = CachingScorer(bundle, 1, manifest, caches=score_caches(MEGABYTE, MEGABYTE))
    index, rows = Index(0), np.array([3, 9, 1], np.int32)
    first = caching.scores("nurse", index, rows)
    index.asked.clear()
    again = caching.scores("nurse", index, rows[[2, 0]])
    assert not index.asked
    assert np.array_equal(again, first[[2, 0]])
    caching.scores("nurse", index, np.array([3, 4], np.int32))
    assert index.asked == [4], "the new candidate alone"


@pytest.mark.parametrize("precision", ["int8", "int8_token"])
def test_scores_that_depend_on_other_candidates_are_not_remembered(bundle: Path, precision: str) -> None:
    manifest = BundleScorer(bundle, 1).manifest.model_copy(update={"precision": precision})
    caches = score_caches(MEGABYTE, MEGABYTE)
    caching = CachingScorer(bundle, 1, manifest, caches=caches)
    caching.scores("nurse", Index(0), np.array([1, 2], np.int32))
    assert caches.scores.bytes == 0
    assert caches.prefixes.bytes > 0


def test_a_lone_candidate_has_the_score_that_it_has_among_others(bundle: Path) -> None:
    scorer, index, rows = BundleScorer(bundle, 1), Index(0), np.arange(40, dtype=np.int32)
    together = scorer.scores("nurse", index, rows)
    alone = np.concatenate([scorer.scores("nurse", index, rows[i : i + 1]) for i in range(40)])
    assert np.array_equal(together, alone)


def test_candidates_scored_on_two_cores_at_once_have_the_same_scores(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.engines.side_by_side.cores", lambda: 2)
    monkeypatch.setattr("ranking.scorer.cores", lambda: 2)
    manifest = BundleScorer(bundle, 1).manifest.model_copy(update={"precision": "float32"})
    scorer = BundleScorer(bundle, 1, manifest)
    prefix, items = scorer.prefix("nurse"), np.random.default_rng(0).standard_normal((130, 2, 4)).astype(np.float32)
    calls: list[int] = []
    graph = scorer._score
    monkeypatch.setattr(scorer, "_score", SimpleNamespace(run=lambda names, feeds: _run(graph, names, feeds, calls)))
    alone = scorer.logits(prefix, items)
    assert calls == [130]
    with one_core():
        assert np.array_equal(scorer.logits(prefix, items), alone)
    assert sorted(calls[1:]) == [65, 65]


def _run(graph: Any, names: list[str], feeds: dict[str, np.ndarray], calls: list[int]) -> Any:
    calls.append(len(feeds["items"]))
    return graph.run(names, feeds)


def test_a_prefix_is_not_begun_where_the_scores_of_its_text_are_kept(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.engines.side_by_side.cores", lambda: 2)
    manifest = BundleScorer(bundle, 1).manifest.model_copy(update={"precision": "int8_static"})
    caches = score_caches(0, MEGABYTE)
    caching = CachingScorer(bundle, 1, manifest, caches=caches)
    with one_core():
        first = caching.scores("nurse", Index(0), np.array([3]), prefix=caching.prefix_ahead("nurse"))
        reading = caching.prefix_ahead("nurse")
    assert isinstance(reading, partial)
    assert np.array_equal(caching.scores("nurse", Index(0), np.array([3]), prefix=reading), first)
