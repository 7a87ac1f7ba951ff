"""A ranking arranged: what leaves it, what moves, and what never moves past what."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contracts.bundle import Manifest, Objective
from ranking.arrange import by_key, diversified, good_enough
from ranking.rank import Ranked, Scored
from retrieval.candidates import Candidates


def ranked(good: Sequence[float], n: int, floor: float = 0.0, demoted: Sequence[int] = ()) -> Ranked:
    """n jobs in the order of their rows, the first of which the student scored."""
    rows = np.arange(n, dtype=np.int32)
    scores = np.zeros((n, 1), np.float32)
    fused = np.linspace(1, 0, n).astype(np.float32)
    candidates = Candidates(
        rows, [f"j{row}" for row in rows], ("dense",), scores, fused, fused, demoted={row: ("r",) for row in demoted}
    )
    scored = Scored(Manifest.model_construct(), np.zeros((len(good), 1)), Objective(floor=floor), good=np.array(good))
    return Ranked(rows, fused.astype(np.float64), candidates, np.arange(n), scored)


def test_a_threshold_leaves_those_that_are_known_to_reach_it() -> None:
    of = ranked([0.9, 0.2, 0.5], 5)
    assert good_enough(of, 0.5).tolist() == [0, 2]
    assert good_enough(of, 0.0).tolist() == [0, 1, 2, 3, 4]


def test_a_key_orders_with_the_unknown_last_and_the_demoted_after_all() -> None:
    of = ranked([0.5] * 5, 5, demoted=[1])
    keys = np.array([1.0, 9.0, np.nan, 3.0, 1.0])
    assert by_key(of, np.arange(5), keys).tolist() == [3, 0, 4, 2, 1]


def test_two_alike_jobs_do_not_stand_together_where_diversity_weighs() -> None:
    vectors = np.eye(3, dtype=np.float32)[[0, 0, 1, 2]]
    of = ranked([0.5] * 4, 4)
    assert diversified(of, np.arange(4), vectors, 0.0, 4).tolist() == [0, 1, 2, 3]
    assert diversified(of, np.arange(4), vectors, 0.7, 4).tolist() == [0, 2, 3, 1]


@given(st.integers(1, 40), st.floats(0, 1), st.floats(0, 0.99), st.integers(0, 50), st.randoms(use_true_random=False))
def test_diversity_moves_no_job_into_another_part_and_loses_none(
    n: int, weight: float, floor: float, most: int, random: object
) -> None:
    rng = np.random.default_rng(random.getrandbits(32))  # type: ignore[attr-defined]
    m = int(rng.integers(0, n + 1))
    good = rng.random(m)
    good = good[np.argsort(good < floor, kind="stable")]
    down = list(range(n - int(rng.integers(0, n - m + 1)), n))
    of = ranked(good.tolist(), n, floor, down)
    vectors = rng.normal(size=(n, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    order = diversified(of, np.arange(n), vectors, weight, most)
    assert sorted(order.tolist()) == list(range(n))
    part = np.array([3 if i in down else 2 if i >= m else int(good[i] < floor) for i in range(n)])
    assert (np.diff(part[order]) >= 0).all()
    assert order[0] == 0  # nothing stands before the first
