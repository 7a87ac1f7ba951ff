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
from retrieval.collection.live import Collection
from retrieval.collection.store import Store
from retrieval.engines import device
from retrieval.engines.device import DeviceEngine, DeviceRows, check_device, exact_engine
from retrieval.engines.exact import BATCH, ExactEngine
from retrieval.engines.signs import build_signs
from retrieval.engines.vectors import DTYPES, Stored, decode, encode
from retrieval.filters.filters import Filter
from retrieval.index.build import build_index
from retrieval.index.job_index import JobIndex
from retrieval.request import build_request
from tests.retrieval.conftest import NOW, write_workspace

CPU = "cpu"


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "DECODED", 100)


@given(
    n=st.sampled_from([0, 1, 7, 350]),
    dim=st.sampled_from([1, 33]),
    dtype=st.sampled_from(DTYPES),
    whole=st.booleans(),
    share=st.sampled_from([0.0, 0.01, 0.3, 0.9, 1.0, None]),
    plan=st.sampled_from([None, "mask", "gather"]),
    k=st.sampled_from([1, 5, 100, 1_000_000]),
    queries=st.sampled_from([1, 2, BATCH + 1]),
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
    engine = DeviceEngine(vectors, held=DeviceRows.of(Stored(vectors), CPU))
    query = np.ones((1, 8), np.float32)
    expected = ExactEngine(vectors).search(query, None, 10)[0]
    assert len(np.unique(expected.scores)) > 1
    off, decoded = 0.9 * engine._error(query[0]), DeviceRows.decoded
    signs = torch.from_numpy(random.choice([-1.0, 1.0], (500, 1)).astype(np.float32))
    monkeypatch.setattr(DeviceRows, "decoded", lambda held, rows: decoded(held, rows) + signs[rows] * off / 8)
    found = engine.search(query, None, 10)[0]
    assert found.rows.tolist() == expected.rows.tolist() and found.scores.tolist() == expected.scores.tolist()


def test_a_preselection_is_that_of_the_exact_engine() -> None:
    random = np.random.default_rng(0)
    vectors, query = random.standard_normal((400, 16)).astype(np.float32), np.ones((1, 16), np.float32)
    signs = build_signs(Stored(vectors), 128)
    held = DeviceRows.of(Stored(vectors), CPU)
    [found] = DeviceEngine(vectors, signs=signs, held=held).search(query, None, 5, preselect=50)
    [expected] = ExactEngine(vectors, signs=signs).search(query, None, 5, preselect=50)
    assert found.rows.tolist() == expected.rows.tolist()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.usefixtures("small_blocks")
def test_a_device_holds_what_was_upserted_and_what_is_left_of_it(dtype: Any) -> None:
    random = np.random.default_rng(0)
    jobs = Collection(4, dtype=dtype, capacity=500, device=CPU)
    for round in range(2):
        jobs.upsert([f"j{round}-{i}" for i in range(150)], random.standard_normal((150, 4)))
    check_held(jobs, 300)
    jobs.delete([f"j1-{i}" for i in range(149)])
    jobs.compact()
    check_held(jobs, 151)


def check_held(jobs: Collection, n: int) -> None:
    view = jobs._view
    assert view.arrays.held is not None and view.n == n
    np.testing.assert_array_equal(
        view.arrays.held.decoded(slice(0, n)).numpy(), decode(view.arrays.first(n), slice(None))
    )
    assert isinstance(view.engine, DeviceEngine) and len(view.engine.vectors) == n


def test_an_index_answers_from_a_device_as_from_numpy(market: Workspace) -> None:
    vector = np.random.default_rng(0).standard_normal(8).astype(np.float32)
    request = build_request("", Activity(), "nurse", "", Filter(), NOW)
    expected, found = (JobIndex.load(market.index, on).search(request, vector) for on in (None, CPU))
    assert (found.ids, found.rows.tolist()) == (expected.ids, expected.rows.tolist())


def test_a_device_is_for_the_exact_engine_alone(tmp_path: Any) -> None:
    folder = build_index(write_workspace(tmp_path), engine="faiss")
    with pytest.raises(BadInput, match=r"'cpu' for an index with engine faiss.*leave the device out"):
        JobIndex.load(folder, CPU)


@pytest.mark.parametrize("name", ["cuda:99", "a gpu", "mps", "meta"])
def test_a_device_that_is_not_there_is_an_error_with_a_cure(name: str) -> None:
    with pytest.raises(BadInput, match=f"no device '{name}' here.*leave the device out"):
        check_device(name)


def test_a_device_without_pytorch_is_an_error_with_a_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BadInput, match=r"needs PyTorch.*pip install torch"):
        Collection(4, device="cuda")


@pytest.fixture
def less_precision() -> Iterator[None]:
    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_float32_matmul_precision("highest")


@pytest.mark.usefixtures("less_precision")
def test_lower_precision_is_refused_rather_than_rows_missed() -> None:
    engine = exact_engine(Stored(np.ones((9, 2), np.float32)), CPU)
    with pytest.raises(BadInput, match=r"less precision.*highest"):
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
    with pytest.raises(BadInput, match=r"cpu: no room for the scores of 9 rows.*search on the CPU"):
        exact_engine(Stored(np.ones((9, 2), np.float32)), CPU).search(np.ones((1, 2), np.float32), None, 1)


def test_a_collection_too_large_for_the_device_is_an_error_with_a_cure() -> None:
    with pytest.raises(BadInput, match=r"cpu: no room for .* vectors of .* GiB.*float16"):
        DeviceRows.empty(2**40, 1_024, "float32", CPU)


@pytest.mark.parametrize("vectors", [np.ones((3, 2)), np.ones(3, np.float32)])
def test_vectors_that_do_not_fit_are_told_as_without_a_device(vectors: np.ndarray) -> None:
    with pytest.raises(ShapeMismatch):
        exact_engine(Stored(vectors), CPU)


def test_a_collection_of_inference_mode_may_change_later() -> None:
    with torch.inference_mode():
        jobs = Collection(2, device=CPU)
    jobs.upsert(["a"], [[1.0, 0.0]])
    assert jobs.search([1.0, 0.0])[0].ids == ["a"]


def test_a_store_that_cannot_have_its_device_leaves_no_folder_begun(tmp_path: Any) -> None:
    with pytest.raises(BadInput, match="no device"):
        Store(tmp_path, Collection(2), device="cuda:99")
    with Store(tmp_path, Collection(2, device=CPU)) as store:
        assert store.collection.device == CPU
