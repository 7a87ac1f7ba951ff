from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from typing import Any, get_args

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.errors import BadInput, IndexMismatch, NotWritten
from retrieval.config import IndexConfig
from retrieval.engines import faiss_engine
from retrieval.engines.config import FaissConfig, Kind
from retrieval.engines.exact import ExactEngine
from retrieval.engines.faiss_engine import FaissEngine, build_faiss
from tests.make import refused

KINDS: tuple[Kind, ...] = get_args(Kind)
N, DIM = 6_000, 12
SMALL: dict[Kind, FaissConfig] = {
    "flat": FaissConfig(kind="flat"),
    "ivf": FaissConfig(kind="ivf", lists=40, nprobe=4),
    "hnsw": FaissConfig(kind="hnsw", m=8, ef_search=32),
    "sq8": FaissConfig(kind="sq8", lists=40, nprobe=4),
    "pq": FaissConfig(kind="pq", lists=40, nprobe=4, m=6),
}
"""Knobs with which a search at this size goes through the index, and not straight to the exact engine."""


@cache
def vectors() -> np.ndarray:
    """Unit vectors; every tenth stands twice."""
    made = np.random.default_rng(0).standard_normal((N, DIM)).astype(np.float32)
    made[::10] = made[1::10]
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@cache
def built(kind: Kind) -> FaissEngine:
    return build_faiss(vectors(), SMALL[kind])


@cache
def exact() -> ExactEngine:
    return ExactEngine(vectors())


@given(
    kind=st.sampled_from(KINDS),
    share=st.sampled_from([0.0, 0.001, 0.05, 0.15, 0.5, 0.95, 1.0, None]),
    k=st.sampled_from([1, 7, 60, 900, 100_000]),
    queries=st.integers(1, 3),
    clustered=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_whatever_the_kind_rows_pass_once_with_their_exact_scores_and_are_as_many_as_there_are(
    kind: Kind, share: float | None, k: int, queries: int, clustered: bool, seed: int
) -> None:
    random = np.random.default_rng(seed)
    asked = random.standard_normal((queries, DIM)).astype(np.float32)
    mask = None if share is None else random.random(N) < share
    if mask is not None and clustered:  # what passes lies in one direction
        mask = np.argsort(np.argsort(vectors() @ random.standard_normal(DIM))) < share * N
    passing = N if mask is None else int(mask.sum())
    for query, hits in zip(asked, built(kind).search(asked, mask, k), strict=True):
        assert len(hits.rows) == min(k, passing) == len(set(hits.rows.tolist()))
        assert mask is None or mask[hits.rows].all()
        expected = exact().best_of(query, np.sort(hits.rows), k)
        np.testing.assert_array_equal(hits.rows, expected.rows)
        np.testing.assert_array_equal(hits.scores, expected.scores)
        assert hits.rows.dtype == np.int32 and hits.scores.dtype == np.float32


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, None])
def test_each_kind_goes_through_its_index_and_finds_most(
    kind: Kind, share: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(1)
    mask = None if share is None else random.random(N) < share
    asked = random.standard_normal((20, DIM)).astype(np.float32)
    expected = exact().search(asked, mask, 20)
    config = {"kind": kind, "ef_search": 64} if kind == "hnsw" else {"kind": kind}
    knobs = SMALL[kind].model_dump() | config | ({"nprobe": 10} if kind in ("ivf", "sq8", "pq") else {})
    engine = FaissEngine(built(kind)._index, vectors(), FaissConfig(**knobs))
    monkeypatch.setattr(engine._exact, "search", lambda *_: pytest.fail("the exact engine answered"))
    found = engine.search(asked, mask, 20)
    recall = np.mean([np.isin(e.rows, f.rows).mean() for f, e in zip(found, expected, strict=True)])
    assert recall > 0.85


def test_flat_finds_what_exact_search_finds() -> None:
    random = np.random.default_rng(2)
    asked = random.standard_normal((5, DIM)).astype(np.float32)
    for mask in (None, random.random(N) < 0.4):
        for found, expected in zip(built("flat").search(asked, mask, 30), exact().search(asked, mask, 30), strict=True):
            np.testing.assert_array_equal(found.scores, expected.scores)


def test_more_lists_are_probed_the_fewer_rows_pass() -> None:
    """Else a filter would leave few rows in the lists that are looked into, and recall would fall with it."""
    engine = build_faiss(vectors(), FaissConfig(kind="ivf", lists=60, nprobe=6))
    assert [engine._probed(share) for share in (1, 0.5, 0.2, 0.01)] == [6, 12, 30, 60]


@pytest.mark.parametrize("kind", ["ivf", "pq"])
def test_a_filter_that_passes_only_far_rows_does_not_starve_the_answer(kind: Kind) -> None:
    query = vectors()[:1]
    likeness = vectors() @ query[0]
    mask = likeness < np.median(likeness)  # the lists that are probed hold few of these
    [found] = built(kind).search(query, mask, 1_500)
    assert len(found.rows) == 1_500 and mask[found.rows].all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_index_finds_as_before(kind: Kind, tmp_path: Path) -> None:
    built(kind).save(tmp_path / "faiss.index")
    again = FaissEngine.load(tmp_path / "faiss.index", vectors(), SMALL[kind])
    mask = np.arange(N) % 2 == 0
    for asked in (None, mask):
        found, expected = again.search(vectors()[:1], asked, 9), built(kind).search(vectors()[:1], asked, 9)
        assert found[0].rows.tolist() == expected[0].rows.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_without_vectors_finds_nothing(kind: Kind) -> None:
    engine = build_faiss(np.zeros((0, DIM), np.float32), FaissConfig(kind=kind))
    assert len(engine.search(np.ones((1, DIM), np.float32), None, 5)[0].rows) == 0


def test_the_kind_follows_the_size_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faiss_engine, "FLAT_UP_TO", 500)
    assert isinstance(build_faiss(vectors()[:500])._index, faiss.IndexFlat)
    assert isinstance(build_faiss(vectors()[:501])._index, faiss.IndexIVFFlat)


def test_knobs_that_do_not_fit_the_vectors_are_told_with_a_cure() -> None:
    with refused(BadInput, "9,000", "6,000", where="index.faiss.lists"):
        build_faiss(vectors(), FaissConfig(kind="ivf", lists=9_000))
    with refused(BadInput, "5 bytes", "divisor of 12", where="index.faiss.m"):
        build_faiss(vectors(), FaissConfig(kind="pq", m=5))
    with refused(BadInput, 256, 200, "kind: flat", where="index.faiss.kind"):
        build_faiss(vectors()[:200], FaissConfig(kind="pq"))


@pytest.mark.parametrize(
    ("knobs", "kind", "field"),
    [
        ({"kind": "flat", "nprobe": 8}, "value_error", "nprobe"),
        ({"kind": "ivf", "ef_search": 128}, "value_error", "ef_search"),
        ({"m": 16}, "value_error", "m"),
        ({"kind": "sq9"}, "literal_error", "kind"),
        ({"kind": "pq", "nprobes": 8}, "extra_forbidden", "nprobes"),
        ({"kind": "ivf", "nprobe": 0}, "greater_than_equal", "nprobe"),
    ],
)
def test_a_knob_that_would_do_nothing_is_refused(knobs: dict[str, Any], kind: str, field: str) -> None:
    with pytest.raises(ValidationError) as raised:
        FaissConfig(**knobs)
    [error] = raised.value.errors()
    assert error["type"] == kind and field in (*error["loc"], error["msg"].removeprefix("Value error, ").split()[0])


def test_knobs_of_faiss_need_the_engine_faiss() -> None:
    with pytest.raises(ValidationError) as raised:
        IndexConfig(faiss=FaissConfig(kind="hnsw"))
    assert [error["type"] for error in raised.value.errors()] == ["value_error"]
    config = IndexConfig(engine="faiss", faiss=FaissConfig(kind="pq", m=8))
    assert IndexConfig.model_validate_json(config.model_dump_json()) == config


class Recorded:
    """Stands for the GPU's copy of an index: this FAISS has no GPU."""

    def __init__(self, index: Any) -> None:
        self.index, self.asked = index, 0

    def search(self, queries: np.ndarray, k: int) -> Any:
        self.asked += 1
        return self.index.search(queries, k)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
    monkeypatch.setattr(faiss, "StandardGpuResources", lambda: None, raising=False)
    monkeypatch.setattr(faiss, "index_cpu_to_gpu", lambda resources, device, index: Recorded(index), raising=False)


def test_a_gpu_answers_what_it_can_and_the_cpu_the_rest(gpu: None, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    engine = FaissEngine(built("ivf")._index, vectors(), SMALL["ivf"])
    assert "with a filter or for more than 2,048 rows run on the CPU" in caplog.text
    query, mask = vectors()[:1], np.arange(N) % 2 == 0
    for asked, k, answered in ((None, 5, 1), (mask, 5, 1), (None, 3_000, 1), (np.ones(N, bool), 5, 2)):
        [found] = engine.search(query, asked, k)
        assert engine._gpu.asked == answered and len(found.rows) == k


def test_a_kind_that_no_gpu_takes_stays_on_the_cpu_and_says_so(gpu: None, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert FaissEngine(built("hnsw")._index, vectors(), SMALL["hnsw"])._gpu is None
    assert "IndexHNSWFlat is searched on the CPU" in caplog.text


def test_a_gpu_that_refuses_an_index_is_not_used(
    gpu: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("bytes per code 7 not supported\nat GpuIndexIVFPQ.cu")

    monkeypatch.setattr(faiss, "index_cpu_to_gpu", refuse, raising=False)
    engine = FaissEngine(built("pq")._index, vectors(), SMALL["pq"])
    assert "the GPU refused: bytes per code 7 not supported" in caplog.text
    assert len(engine.search(vectors()[:1], None, 5)[0].rows) == 5


def test_a_graph_of_single_neighbours_is_refused_since_faiss_crashes_on_it() -> None:
    with pytest.raises(ValidationError) as raised:
        FaissConfig(kind="hnsw", m=1)
    [error] = raised.value.errors()
    assert error["type"] == "value_error" and "m is 1" in error["msg"]
    assert FaissConfig(kind="pq", m=1).m == 1


def test_an_index_of_other_vectors_is_refused() -> None:
    for other in (vectors()[:-1], vectors()[:, :-1]):
        with refused(IndexMismatch, "6,000", "width 12", other.shape):
            FaissEngine(built("flat")._index, other)


def test_an_index_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "no such folder" / "faiss.index"
    with refused(NotWritten, "No such file", where=path):
        built("flat").save(path)


@pytest.mark.parametrize("kind", KINDS)
def test_queries_of_nan_are_refused_and_those_of_zeros_score_zero(kind: Kind) -> None:
    query = np.zeros((1, DIM), np.float32)
    for mask in (None, np.arange(N) % 2 == 0):
        [found] = built(kind).search(query, mask, 5)
        assert len(set(found.rows)) == 5 and found.scores.tolist() == [0] * 5
    with refused(BadInput, "query", "NaN"):
        built(kind).search(query * np.float32("nan"), None, 5)
