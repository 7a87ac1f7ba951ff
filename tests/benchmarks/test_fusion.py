from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks.fusion import fit_fusion
from contracts.errors import BadInput
from retrieval.candidates import Candidates
from retrieval.config import Learned
from retrieval.merge import linear_scores
from tests.make import refused

LISTS, SIZE = 80, 12
scores = arrays(np.float32, (9, 3), elements=st.one_of(st.just(np.nan), st.floats(0, 1, width=32)))


def found(sources: tuple[str, ...], scores: np.ndarray) -> Candidates:
    n = len(scores)
    rows = np.arange(n, dtype=np.int32)
    return Candidates(rows, [f"j{row}" for row in rows], sources, scores.astype(np.float32), np.ones(n), np.ones(n))


def past(seed: int = 0) -> tuple[list[Candidates], list[np.ndarray]]:
    """Lists in which the job that `terms` puts first is the one; `popular` says nothing and misses half of the jobs."""
    random = np.random.default_rng(seed)
    lists, gains = [], []
    for _ in range(LISTS):
        table = np.column_stack([random.random(SIZE), random.random(SIZE) * 900])
        table[random.random(SIZE) < 0.5, 1] = np.nan
        lists.append(found(("terms", "popular"), table))
        gains.append((table[:, 0] == table[:, 0].max()).astype(float))
    return lists, gains


def test_the_source_that_people_went_by_weighs_most():
    lists, gains = past()
    weights = fit_fusion(lists, gains)
    assert set(weights) == {"terms", "popular"}
    assert weights["terms"][1] > 5 * max(abs(weights["popular"][0]), abs(weights["popular"][1]))
    first = [linear_scores(one.scores, [weights[name] for name in one.sources]).argmax() for one in lists]
    assert np.mean([gain[i] for i, gain in zip(first, gains, strict=True)]) > 0.95


def test_to_be_found_at_all_counts_by_itself():
    lists, _ = past()
    gains = [(~np.isnan(one.scores[:, 1])).astype(float) for one in lists]
    weights = fit_fusion(lists, gains)
    assert weights["popular"][0] > 1 and abs(weights["popular"][1]) < weights["popular"][0] / 2


def test_learned_weights_are_knobs_as_they_are():
    lists, gains = past()
    weights = fit_fusion(lists, gains)
    assert Learned.model_validate_json(Learned(recommend=weights).model_dump_json()).recommend == weights


@given(scores, st.sampled_from([1e-3, 0.5, 40.0]))
def test_a_sources_own_scale_moves_no_order(table: np.ndarray, scale: float):
    weights = [(0.3, 1.0), (-0.2, 2.0), (0.0, 0.7)]
    before = linear_scores(table, weights)
    after = linear_scores((table * np.float32([scale, 1, 1])).astype(np.float32), weights)
    np.testing.assert_allclose(before, after, atol=1e-4)


@given(scores)
def test_a_source_that_did_not_find_a_job_adds_nothing_to_it(table: np.ndarray):
    weights = [(0.3, 1.0), (-0.2, 2.0), (0.5, 0.7)]
    nowhere = np.full((1, 3), np.nan, np.float32)
    assert linear_scores(np.concatenate([table, nowhere]), weights)[-1] == 0


def test_nothing_to_learn_from_is_said():
    lists, gains = past()
    with refused(BadInput, "positive gain"):
        fit_fusion(lists, [gain * 0 for gain in gains])
    with refused(BadInput, "request", "log"):
        fit_fusion([], [])
