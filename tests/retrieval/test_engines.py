from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import BadInput, ShapeMismatch
from retrieval.exact import ExactEngine
from retrieval.faiss_engine import FaissEngine, build_faiss


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


@given(share=st.sampled_from([0.05, 0.3, 0.8, None]), k=st.integers(1, 400), seed=st.integers(0, 50))
def test_flat_faiss_finds_what_exact_search_finds(share: float | None, k: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((300, 8)).astype(np.float32)
    mask = None if share is None else random.random(300) < share
    query = random.standard_normal((2, 8)).astype(np.float32)
    pairs = zip(
        build_faiss(vectors, "flat").search(query, mask, k), ExactEngine(vectors).search(query, mask, k), strict=True
    )
    for found, expected in pairs:
        assert found.rows.tolist() == expected.rows.tolist()
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
@pytest.mark.parametrize("share", [0.02, 0.2, 1.0])
def test_approximate_faiss_stays_in_the_filter_and_finds_most(kind: str, share: float) -> None:
    random = np.random.default_rng(0)
    vectors = random.standard_normal((3_000, 16)).astype(np.float32)
    mask = random.random(3_000) < share
    query = random.standard_normal((8, 16)).astype(np.float32)
    found = build_faiss(vectors, kind).search(query, mask, 50)  # type: ignore[arg-type]
    expected = ExactEngine(vectors).search(query, mask, 50)
    wanted = min(50, int(mask.sum()))
    assert all(mask[hits.rows].all() and (hits.rows >= 0).all() and len(hits.rows) == wanted for hits in found)
    recall = np.mean([len(set(f.rows) & set(e.rows)) / wanted for f, e in zip(found, expected, strict=True)])
    assert recall > 0.9


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
def test_k_above_what_passes_gives_all_that_passes_and_no_minus_one(kind: str) -> None:
    vectors = np.random.default_rng(0).standard_normal((200, 4)).astype(np.float32)
    mask = np.arange(200) % 2 == 0
    [hits] = build_faiss(vectors, kind).search(vectors[:1], mask, 10_000)  # type: ignore[arg-type]
    assert sorted(hits.rows) == list(range(0, 200, 2))


def test_a_filter_that_passes_only_far_rows_does_not_starve_the_answer() -> None:
    vectors = np.random.default_rng(0).standard_normal((4_000, 8)).astype(np.float32)
    query = vectors[:1]
    likeness = vectors @ query[0]
    mask = likeness < np.median(likeness)  # the lists that are probed hold few of these
    [found] = build_faiss(vectors, "ivf").search(query, mask, 2_000)
    assert sorted(found.rows) == np.flatnonzero(mask).tolist()


def test_a_saved_faiss_index_finds_as_before(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).standard_normal((500, 8)).astype(np.float32)
    engine = build_faiss(vectors, "ivf")
    engine.save(tmp_path / "faiss.index")
    again = FaissEngine.load(tmp_path / "faiss.index", vectors)
    assert again.search(vectors[:1], None, 9)[0].rows.tolist() == engine.search(vectors[:1], None, 9)[0].rows.tolist()


def engines(n: int) -> list[ExactEngine | FaissEngine]:
    vectors = np.random.default_rng(0).standard_normal((n, 4)).astype(np.float32)
    return [ExactEngine(vectors), build_faiss(vectors, "flat")]


def test_nothing_passes_and_nothing_is_found() -> None:
    for engine in engines(30):
        [hits] = engine.search(np.ones((1, 4), np.float32), np.zeros(30, dtype=bool), 5)
        assert hits.rows.shape == hits.scores.shape == (0,)


def test_an_index_without_vectors_finds_nothing() -> None:
    for engine in engines(0):
        assert len(engine.search(np.ones((1, 4), np.float32), None, 5)[0].rows) == 0


def test_bad_queries_are_errors() -> None:
    for engine in engines(30):
        with pytest.raises(BadInput, match="k is 0"):
            engine.search(np.ones((1, 4), np.float32), None, 0)
        with pytest.raises(ShapeMismatch, match="width 4"):
            engine.search(np.ones((1, 5), np.float32), None, 3)
        with pytest.raises(ShapeMismatch, match="mask"):
            engine.search(np.ones((1, 4), np.float32), np.ones(29, dtype=bool), 3)
        with pytest.raises(BadInput, match="NaN"):
            engine.search(np.full((1, 4), np.nan, np.float32), None, 3)
