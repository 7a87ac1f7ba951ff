"""A scan of bytes settles to the rows and scores of the exact engine without it, whatever vectors and filter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from contracts.errors import IndexMismatch
from retrieval.engines.codes import ByteCodes, byte_codes
from retrieval.engines.exact import ExactEngine
from retrieval.engines.hits import Hits
from retrieval.index import build
from retrieval.index.job_index import JobIndex
from retrieval.index.manifest import CODES
from tests.make import refused, replace_part
from tests.retrieval.conftest import JOBS, write_workspace

NUMBERS = st.floats(-1, 1, width=16)


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)).astype(np.float32)


def same(found: list[Hits], expected: list[Hits]) -> bool:
    return all(
        np.array_equal(a.rows, b.rows) and np.array_equal(a.scores, b.scores)
        for a, b in zip(found, expected, strict=True)
    )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_rows_and_scores_are_those_without_codes(data: st.DataObject) -> None:
    n, dim, q = data.draw(st.integers(1, 120)), data.draw(st.sampled_from([3, 16, 32])), data.draw(st.integers(1, 3))
    vectors = data.draw(arrays(np.float32, (n, dim), elements=NUMBERS))
    queries = data.draw(arrays(np.float32, (q, dim), elements=NUMBERS))
    mask = data.draw(st.none() | arrays(np.bool_, n))
    k = data.draw(st.integers(1, 12))
    found = ExactEngine(vectors, codes=byte_codes(vectors)).search(queries, mask, k, plan="mask")
    assert same(found, ExactEngine(vectors).search(queries, mask, k))


@pytest.mark.parametrize("share", [None, 0.9, 0.1])
@pytest.mark.parametrize("spread", [3.0, 1.0])
def test_many_unit_vectors_are_settled_by_the_codes_alone(
    spread: float, share: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As wide and asked for as many as a service's; spread: how unlike they are."""
    rng = np.random.default_rng(0)
    vectors = unit(np.ones((1, 384)) / np.sqrt(384) + spread * unit(rng.standard_normal((40_000, 384))))
    vectors[7::100] = vectors[7]  # equal vectors tie
    mask = None if share is None else rng.random(len(vectors)) < share
    expected = ExactEngine(vectors).search(vectors[:2], mask, 500)
    engine = ExactEngine(vectors, codes=byte_codes(vectors))
    monkeypatch.setattr(ExactEngine, "_scanned", None)  # a scan in float32 would be an error
    assert same(engine.search(vectors[:2], mask, 500, plan="mask"), expected)


def test_where_the_codes_do_not_tell_rows_apart_all_are_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = unit(np.ones((3_000, 16)) + np.random.default_rng(0).normal(0, 1e-4, (3_000, 16)))
    expected = ExactEngine(vectors).search(vectors[:2], None, 5)
    engine, scanned, scan = ExactEngine(vectors, codes=byte_codes(vectors)), [], ExactEngine._scanned
    monkeypatch.setattr(ExactEngine, "_scanned", lambda *given: scanned.append(len(given[1])) or scan(*given))
    assert same(engine.search(vectors[:2], None, 5), expected)
    assert scanned == [2], "both at once"


def test_codes_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    vectors = unit(np.random.default_rng(1).standard_normal((500, 32)))
    codes = byte_codes(vectors)
    codes.save(tmp_path / "codes")
    read = ByteCodes.load(tmp_path / "codes")
    wanted, found = codes.look(vectors[3], None, 20), read.look(vectors[3], None, 20)
    assert np.array_equal(wanted.rows, found.rows) and wanted.others == found.others > -1


def test_an_index_of_many_rows_holds_its_vectors_as_bytes_and_refuses_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "LEAST_ROWS", len(JOBS))
    folder = build.build_index(write_workspace(tmp_path))
    assert len(ByteCodes.load(folder / CODES)) == len(JobIndex.load(folder))
    part = folder / CODES / "codes.faiss"
    replace_part(part, part.read_bytes()[:-1] + b"\x00")
    with refused(IndexMismatch, "not as it was built", where=part):
        JobIndex.load(folder)


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, st.tuples(st.integers(1, 40), st.integers(1, 16)), elements=NUMBERS))
def test_codes_bound_the_largest_number_without_reading_the_vectors(vectors: np.ndarray) -> None:
    assert byte_codes(vectors).max_absolute >= float(np.abs(vectors).max())
