"""Members nearest to a vector: those of a scan of all, without those who are left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.members import MemberVectors

_RNG = np.random.default_rng(0)
MEMBERS = MemberVectors([f"m{i}" for i in range(40)], _RNG.normal(size=(40, 4)).astype(np.float32), ())


@given(
    k=st.integers(1, 60),
    without=st.frozensets(st.integers(0, 45).map(lambda i: f"m{i}"), max_size=46),
    seed=st.integers(0, 9),
)
def test_the_nearest_are_those_of_a_scan(k: int, without: frozenset[str], seed: int) -> None:
    vector = np.random.default_rng(seed).normal(size=4).astype(np.float32)
    scores = MEMBERS.vectors @ vector
    kept = [row for row in range(40) if MEMBERS.ids[row] not in without]
    expected = sorted(kept, key=lambda row: (-scores[row], row))[:k]
    found = MEMBERS.nearest(vector, k, without)
    assert found.rows.tolist() == expected
    assert found.scores == pytest.approx(scores[expected])


def test_where_all_are_left_out_nobody_is_near() -> None:
    assert len(MEMBERS.nearest(np.ones(4), 5, frozenset(MEMBERS.ids)).rows) == 0
