"""Preselection by sign bits, as the benchmark measures it."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.signs import build_signs, preselected, random_directions
from retrieval.engines.exact import ExactEngine
from retrieval.engines.vectors import StoredVectors


def test_preselection_scores_the_stated_number_of_rows_and_no_other() -> None:
    """The best row by inner product has no sign in common with the query: only its length makes it the best."""
    vectors = np.array([[1, 0.1], [1, 0], [0.9, 0.1], [50, 200], [1, -0.1]], np.float32)
    query = np.array([[1, 0.02]], np.float32)
    engine, signs = ExactEngine(vectors), build_signs(StoredVectors(vectors))
    assert 3 not in preselected(engine, signs, query, None, 4, 4)[0].rows
    assert preselected(engine, signs, query, None, 4, 5)[0].rows[0] == 3


@pytest.mark.parametrize("share", [None, 0.3])
def test_preselection_that_keeps_all_that_passes_is_exact(share: float | None) -> None:
    random = np.random.default_rng(0)
    vectors, queries = random.standard_normal((60, 5)).astype(np.float32), random.standard_normal((9, 5))
    mask = None if share is None else random.random(60) < share
    engine, signs = ExactEngine(vectors), build_signs(StoredVectors(vectors), bits=64)
    hits = preselected(engine, signs, queries.astype(np.float32), mask, 7, 60)
    expected = engine.search(queries, mask, 7)
    assert [one.rows.tolist() for one in hits] == [one.rows.tolist() for one in expected]


def test_agreement_counts_equal_signs() -> None:
    vectors = np.random.default_rng(0).standard_normal((40, 10)).astype(np.float32)
    signs = build_signs(StoredVectors(vectors), bits=128)
    side = vectors @ random_directions(10, 128) > 0
    expected = (side == side[7]).sum(axis=1)
    np.testing.assert_array_equal(signs.agreement(vectors[7]), expected)
    np.testing.assert_array_equal(signs.agreement(vectors[7], np.array([3, 30])), expected[[3, 30]])
