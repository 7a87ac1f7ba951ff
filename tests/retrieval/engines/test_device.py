"""The scan on a PyTorch device, here the CPU: whatever the device, the engine's answers are those of NumPy."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from contracts.activity import Activity
from contracts.errors import BadInput, ShapeMismatch
from contracts.workspace import Workspace
from retrieval.engines import device
from retrieval.engines.device import DeviceEngine, DeviceVectors, check_device, exact_engine
from retrieval.engines.exact import MAX_QUERIES_PER_SCAN, ExactEngine
from retrieval.engines.vectors import DTYPES, StoredVectors, encode
from retrieval.filters.filters import Filter
from retrieval.index.build import build_index
from retrieval.index.job_index import JobIndex
from retrieval.request import build_request
from tests.make import refused
from tests.retrieval.conftest import NOW, write_workspace

CPU = "cpu"


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "BLOCK_ROWS", 100)


@given(
    n=st.sampled_from([0, 1, 7, 350]),
    dim=st.sampled_from([1, 33]),
    dtype=st.sampled_from(DTYPES),
    whole=st.booleans(),
    share=st.sampled_from([0.0, 0.01, 0.3, 0.9, 1.0, None]),
    plan=st.sampled_from([None, "mask", "gather"]),
    k=st.sampled_from([1, 5, 100, 1_000_000]),
    queries=st.sampled_from([1, 2, MAX_QUERIES_PER_SCAN + 1]),
    seed=st.integers(0, 10_000),
)
@pytest.mark.usefixtures("small_blocks")
def test_a_device_finds_the_rows_and_scores_of_the_exact_engine(
    n: int, dim: int, dtype: Any, whole: bool, share: float | None, plan: Any, k: int, queries: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    vectors: np.ndarray = random.standard_normal((n + queries, dim)) * 10.0 ** random.integers(-3, 4)
    if whole:  # many ties
        vectors = random.integers(-2, 3, (n + queries, dim))
    stored = encode(vectors[:n].astype(np.float32)[random.integers(0, n, n) if n else []], dtype)
    asked = vectors[n:].astype(np.float32)
    mask = None if share is None else random.random(n) < share
    expected = ExactEngine(*stored).search(asked, mask, k, plan=plan)
    for found, hits in zip(exact_engine(stored, CPU).search(asked, mask, k, plan=plan), expected, strict=True):
        np.testing.assert_array_equal(found.rows, hits.rows)
        np.testing.assert_array_equal(found.scores, hits.scores)
        assert found.rows.dtype == np.int32 and found.scores.dtype == np.float32


def test_what_the_device_mistakes_within_its_error_is_put_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that differ in the last bits of float32 alone, scored as badly as the bound allows."""
    random = np.random.default_rng(0)
    vectors = np.float32(1) + (random.integers(0, 4, (500, 8)) * 2.0**-20).astype(np.float32)
    engine = exact_engine(StoredVectors(vectors), CPU)
    assert isinstance(engine, DeviceEngine)
    query = np.ones((1, 8), np.float32)
    expected = ExactEngine(vectors).search(query, None, 10)[0]
    assert len(np.unique(expected.scores)) > 1
    off, decoded = 0.9 * engine._error_bound(query[0]), DeviceVectors.decoded
    signs = torch.from_numpy(random.choice([-1.0, 1.0], (500, 1)).astype(np.float32))
    monkeypatch.setattr(DeviceVectors, "decoded", lambda held, rows: decoded(held, rows) + signs[rows] * off / 8)
    found = engine.search(query, None, 10)[0]
    assert found.rows.tolist() == expected.rows.tolist() and found.scores.tolist() == expected.scores.tolist()


def test_an_index_answers_from_a_device_as_from_numpy(market: Workspace) -> None:
    vector = np.random.default_rng(0).standard_normal(8).astype(np.float32)
    request = build_request("", Activity(), "nurse", "", Filter(), NOW)
    expected, found = (JobIndex.load(market.index, on).search(request, vector) for on in (None, CPU))
    assert (found.ids, found.rows.tolist()) == (expected.ids, expected.rows.tolist())


def test_a_device_is_for_the_exact_engine_alone(tmp_path: Any) -> None:
    folder = build_index(write_workspace(tmp_path), engine="faiss")
    with refused(BadInput, "'cpu'", "faiss", where=folder):
        JobIndex.load(folder, CPU)


@pytest.mark.parametrize("name", ["cuda:99", "a gpu", "mps", "meta"])
def test_a_device_that_is_not_there_is_an_error_with_a_cure(name: str) -> None:
    with refused(BadInput, repr(name)):
        check_device(name)


def test_a_device_without_pytorch_is_an_error_with_a_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with refused(BadInput, "'cuda'", "pip install torch"):
        check_device("cuda")


@pytest.fixture
def less_precision() -> Iterator[None]:
    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_float32_matmul_precision("highest")


@pytest.mark.usefixtures("less_precision")
def test_lower_precision_is_refused_rather_than_rows_missed() -> None:
    engine = exact_engine(StoredVectors(np.ones((9, 2), np.float32)), CPU)
    with refused(BadInput, "float32", 'set_float32_matmul_precision("highest")'):
        engine.search(np.ones((1, 2), np.float32), None, 1)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("dtype", ["float32", "int8"])
@pytest.mark.parametrize(
    "around", [lambda: torch.autocast("cpu", dtype=torch.bfloat16), lambda: default_dtype(torch.bfloat16)]
)
def test_the_scan_is_float32_whatever_the_program_around_it_asks_for(dtype: Any, around: Any) -> None:
    random = np.random.default_rng(0)
    stored = encode(random.standard_normal((20_000, 64)).astype(np.float32), dtype)
    asked = random.standard_normal((20, 64)).astype(np.float32)
    expected = ExactEngine(*stored).search(asked, None, 1_000)
    with around():
        found = exact_engine(stored, CPU).search(asked, None, 1_000)
    assert [hits.rows.tolist() for hits in found] == [hits.rows.tolist() for hits in expected]


def test_scores_that_find_no_room_are_an_error_with_a_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "topk", full)
    with refused(BadInput, "9 rows", where=CPU):
        exact_engine(StoredVectors(np.ones((9, 2), np.float32)), CPU).search(np.ones((1, 2), np.float32), None, 1)


def test_vectors_too_large_for_the_device_is_an_error_with_a_cure() -> None:
    huge = StoredVectors(np.broadcast_to(np.float32(1), (2**40, 1_024)))
    with refused(BadInput, f"{2**40:,}", 2**22, "float16", where=CPU):
        DeviceVectors.copy_of(huge, CPU)


@pytest.mark.parametrize("vectors", [np.ones((3, 2)), np.ones(3, np.float32)])
def test_vectors_that_do_not_fit_are_told_as_without_a_device(vectors: np.ndarray) -> None:
    with pytest.raises(ShapeMismatch):
        exact_engine(StoredVectors(vectors), CPU)
