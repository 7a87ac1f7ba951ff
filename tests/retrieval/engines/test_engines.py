from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import BadInput, ShapeMismatch
from retrieval.engines.exact import ExactEngine
from retrieval.engines.faiss_engine import FaissEngine, build_faiss
from tests.make import refused


def by_hand(vectors: np.ndarray, query: np.ndarray, mask: np.ndarray | None, k: int) -> list[int]:
    passing = [row for row in range(len(vectors)) if mask is None or mask[row]]
    return sorted(passing, key=lambda row: (-float(vectors[row] @ query), row))[:k]


@given(
    n=st.integers(0, 40),
    share=st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0, None]),
    k=st.integers(1, 60),
    queries=st.integers(1, 3),
    seed=st.integers(0, 10_000),
)
def test_exact_search_is_the_brute_force_inside_the_filter(
    n: int, share: float | None, k: int, queries: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    vectors = random.integers(-2, 3, (n, 3)).astype(np.float32)  # few values: many duplicates and ties
    mask = None if share is None else random.random(n) < share
    asked = random.integers(-2, 3, (queries, 3)).astype(np.float32)
    for query, hits in zip(asked, ExactEngine(vectors).search(asked, mask, k), strict=True):
        assert hits.rows.tolist() == by_hand(vectors, query, mask, k)
        np.testing.assert_array_equal(hits.scores, vectors[hits.rows] @ query)
        assert hits.rows.dtype == np.int32 and hits.scores.dtype == np.float32


def engines(n: int) -> list[ExactEngine | FaissEngine]:
    vectors = np.random.default_rng(0).standard_normal((n, 4)).astype(np.float32)
    return [ExactEngine(vectors), build_faiss(vectors)]


def test_nothing_passes_and_nothing_is_found() -> None:
    for engine in engines(30):
        [hits] = engine.search(np.ones((1, 4), np.float32), np.zeros(30, dtype=bool), 5)
        assert hits.rows.shape == hits.scores.shape == (0,)


def test_an_index_without_vectors_finds_nothing() -> None:
    for engine in engines(0):
        assert len(engine.search(np.ones((1, 4), np.float32), None, 5)[0].rows) == 0


def test_bad_queries_are_errors() -> None:
    for engine in engines(30):
        with refused(BadInput, "k is 0"):
            engine.search(np.ones((1, 4), np.float32), None, 0)
        with refused(ShapeMismatch, (1, 5), "width 4"):
            engine.search(np.ones((1, 5), np.float32), None, 3)
        with refused(ShapeMismatch, "mask", (29,), "30 rows"):
            engine.search(np.ones((1, 4), np.float32), np.ones(29, dtype=bool), 3)
        with refused(BadInput, "query", "NaN"):
            engine.search(np.full((1, 4), np.nan, np.float32), None, 3)
