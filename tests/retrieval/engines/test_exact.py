from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import BadInput, ShapeMismatch
from retrieval.engines import side_by_side
from retrieval.engines.exact import BLOCK_ROWS, EINSUM_MAX_QUERIES, MAX_QUERIES_PER_SCAN, ExactEngine
from retrieval.engines.hits import Hits, contenders, top_k
from retrieval.engines.vectors import DTYPES, StoredVectors, decode, encode
from tests.make import refused

SHARES = [0.0, 0.003, 0.05, 0.5, 0.95, 1.0, None]
PLANS = [None, "mask", "gather"]


def drawn(random: np.random.Generator, n: int, dim: int, values: str) -> np.ndarray:
    """Vectors with duplicates; whole numbers have many ties besides."""
    if values == "whole":
        return random.integers(-2, 3, (n, dim)).astype(np.float32)
    vectors = (random.standard_normal((n, dim)) * 10.0 ** random.integers(-3, 4)).astype(np.float32)
    return vectors[random.integers(0, max(n // 2, 1), n)] if n else vectors


def brute_force(vectors: np.ndarray, query: np.ndarray, mask: np.ndarray | None, k: int) -> Hits:
    """Each vector by itself, in float64, and a full sort."""
    passing = np.arange(len(vectors)) if mask is None else np.flatnonzero(mask)
    wide = query.astype(np.float64)
    scores = np.array([(vectors[row].astype(np.float64) * wide).sum() for row in passing], np.float32)
    order = sorted(range(len(passing)), key=lambda place: (-scores[place], passing[place]))[:k]
    return Hits(passing[order].astype(np.int32), scores[order])


@given(
    n=st.sampled_from([0, 1, 7, 300, BLOCK_ROWS + 5]),
    dim=st.sampled_from([1, 3, 33]),
    dtype=st.sampled_from(DTYPES),
    values=st.sampled_from(["whole", "any"]),
    share=st.sampled_from(SHARES),
    plan=st.sampled_from(PLANS),
    k=st.sampled_from([1, 5, 100, 1_000_000]),
    queries=st.sampled_from([1, 2, EINSUM_MAX_QUERIES + 1, MAX_QUERIES_PER_SCAN + 1]),
    seed=st.integers(0, 10_000),
)
def test_every_dtype_plan_and_batch_finds_the_rows_and_scores_of_a_plain_loop(
    n: int, dim: int, dtype: Any, values: str, share: float | None, plan: Any, k: int, queries: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    stored = encode(drawn(random, n, dim, values), dtype)
    mask = None if share is None else random.random(n) < share
    asked = drawn(random, queries, dim, values)
    found = ExactEngine(*stored).search(asked, mask, k, plan=plan)
    plain = decode(stored, slice(None))
    for place in {0, queries - 1}:
        expected = brute_force(plain, asked[place], mask, k)
        np.testing.assert_array_equal(found[place].rows, expected.rows)
        np.testing.assert_array_equal(found[place].scores, expected.scores)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("queries", [1, 2, EINSUM_MAX_QUERIES + 1])
@pytest.mark.parametrize("plan", ["mask", "gather"])
def test_a_large_collection_whose_rows_tie_across_blocks_gives_the_lowest_rows(
    dtype: Any, queries: int, plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The floor is read off a sample here, and all cores score parts of it."""
    monkeypatch.setattr(side_by_side, "cores", lambda: 3)
    random = np.random.default_rng(0)
    stored = encode(random.standard_normal((9, 16)).astype(np.float32)[random.integers(0, 9, 90_000)], dtype)
    query = random.standard_normal((queries, 16)).astype(np.float32)
    for mask in (None, random.random(90_000) < 0.6):
        for hits, asked in zip(ExactEngine(*stored).search(query, mask, 300, plan=plan), query, strict=True):
            scores = (decode(stored, slice(None)) * asked.astype(np.float64)).sum(axis=1).astype(np.float32)
            scores = scores if mask is None else np.where(mask, scores, -np.inf)
            assert hits.rows.tolist() == np.argsort(-scores, kind="stable")[:300].tolist()


@given(
    m=st.sampled_from([1, 50, 70_000]),
    k=st.sampled_from([1, 40, 900, 80_000]),
    margin=st.sampled_from([0.0, 0.01]),
    share=st.sampled_from([None, 0.0, 0.001, 0.7]),
    levels=st.sampled_from([2, 1_000_000]),
    order=st.sampled_from(["drawn", "rising", "best where no sample looks"]),
    seed=st.integers(0, 99),
)
def test_contenders_are_all_scores_within_the_margin_of_the_kth(
    m: int, k: int, margin: float, share: float | None, levels: int, order: str, seed: int
) -> None:
    random = np.random.default_rng(seed)
    scores = (random.integers(0, levels, m) / levels).astype(np.float32)
    if order == "rising":
        scores.sort()
    elif order != "drawn":
        scores[1::2] += 2
    mask = None if share is None else random.random(m) < share
    passing = np.arange(m) if mask is None else np.flatnonzero(mask)
    cut = -np.inf if len(passing) <= k else np.sort(scores[passing])[-k] - margin
    assert contenders(scores, k, margin, mask).tolist() == passing[scores[passing] >= cut].tolist()


def test_a_floor_above_the_kth_score_loses_no_contender() -> None:
    """A few high scores where the sample looks, the others within a margin of the floor that they suggest."""
    scores = np.random.default_rng(0).uniform(0.98, 0.995, 70_000).astype(np.float32)
    scores[: 4 * 300 : 4] = 1
    cut = np.sort(scores)[-900] - 0.01
    assert contenders(scores, 900, 0.01).tolist() == np.flatnonzero(scores >= cut).tolist()


@pytest.mark.parametrize("queries", [1, 3, EINSUM_MAX_QUERIES + 1])
@pytest.mark.parametrize("plan", PLANS)
def test_scores_that_float32_alone_would_tell_apart_are_ties(queries: int, plan: Any) -> None:
    """The same numbers in another order have the same sum, which float32 gets differently wrong."""
    random = np.random.default_rng(0)
    vectors = random.permuted(np.tile(random.standard_normal(65).astype(np.float32), (400, 1)), axis=1)
    mask = np.arange(400) % 3 > 0
    for hits in ExactEngine(vectors).search(np.ones((queries, 65), np.float32), mask, 50, plan=plan):
        assert hits.rows.tolist() == np.flatnonzero(mask)[:50].tolist()


@given(m=st.integers(0, 60), k=st.integers(1, 80), seed=st.integers(0, 500))
def test_top_k_is_the_head_of_a_stable_sort(m: int, k: int, seed: int) -> None:
    scores = np.random.default_rng(seed).integers(0, 5, m).astype(np.float32)
    rows = np.arange(m) * 3 + 1
    order = np.argsort(-scores, kind="stable")[:k]
    assert top_k(scores, k, rows).rows.tolist() == rows[order].tolist()


@given(seed=st.integers(0, 999))
def test_finite_float16_is_widened_as_numpy_does(seed: int) -> None:
    bits = np.random.default_rng(seed).integers(0, 2**16, 4_000).astype(np.uint16).view(np.float16)
    halves = bits[np.isfinite(bits)][None]
    np.testing.assert_array_equal(decode(StoredVectors(halves), slice(None)), halves.astype(np.float32))


def test_int8_is_within_half_a_step_of_what_was_stored() -> None:
    vectors = np.random.default_rng(0).standard_normal((50, 20)).astype(np.float32)
    stored = encode(vectors, "int8")
    assert stored.scales is not None
    assert (np.abs(decode(stored, slice(None)) - vectors) <= stored.scales[:, None] * 0.5001).all()


def test_a_memory_mapped_file_is_searched(tmp_path: Any) -> None:
    vectors = np.random.default_rng(0).standard_normal((90, 6)).astype(np.float32)
    np.save(tmp_path / "vectors.npy", vectors)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    mask = np.arange(90) % 5 == 0
    for asked in (None, mask):
        [found] = ExactEngine(mapped).search(vectors[:1], asked, 9)
        assert found.rows.tolist() == brute_force(vectors, vectors[0], asked, 9).rows.tolist()


def test_bad_vectors_are_errors() -> None:
    good = np.ones((3, 2), np.float32)
    query = good[:1]
    with refused(ShapeMismatch, "float64", (3, 2)):
        ExactEngine(np.ones((3, 2)))
    with refused(ShapeMismatch, "int8", (3, 2)):
        ExactEngine(np.ones((3, 2), np.int8))
    with refused(ShapeMismatch, (3,), "float32", (3, 2)):
        ExactEngine(good, np.ones(3, np.float32))
    with refused(BadInput, "rows 0 to 2", "NaN or infinity"):
        ExactEngine(np.array([[1, 1], [1, np.inf], [1, 1]], np.float16)).search(query, None, 1)
    with refused(BadInput, "2.0e+60"):
        ExactEngine(good * np.float32(1e30)).search(query * np.float32(1e30), None, 1)
    with refused(BadInput, "'float8'", "float16"):
        encode(good, "float8")  # type: ignore[arg-type]


@pytest.mark.parametrize("k", [3, 400])
@pytest.mark.parametrize("queries", [1, 3, EINSUM_MAX_QUERIES + 1])
def test_rows_that_are_shared_among_cores_are_found_alike(
    k: int, queries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(5)
    vectors = random.standard_normal((3_000, 8)).astype(np.float32)
    asked, mask = random.standard_normal((queries, 8)).astype(np.float32), random.random(3_000) < 0.3
    alone = ExactEngine(vectors).search(asked, mask, k)
    monkeypatch.setattr("retrieval.engines.exact.MIN_NUMBERS_PER_CORE", 8)
    monkeypatch.setattr("retrieval.engines.side_by_side.cores", lambda: 3)
    shared = ExactEngine(vectors).search(asked, mask, k)
    for one, other in zip(alone, shared, strict=True):
        assert (one.rows.tolist(), one.scores.tolist()) == (other.rows.tolist(), other.scores.tolist())
