from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import BadInput
from retrieval.candidates import Candidates
from retrieval.engines.hits import NO_HITS, Hits
from retrieval.merge import Order, linear_scores, merge
from retrieval.sources.source import by_place
from tests.make import refused


def hits(*rows: int) -> Hits:
    return Hits(np.array(rows, np.int32), -np.arange(len(rows), dtype=np.float32))


lists = st.lists(st.lists(st.integers(0, 30), unique=True).map(lambda rows: hits(*rows)), min_size=1, max_size=4)


def places(found: list[Hits]) -> Order:
    """The order by the sum of each row's places."""
    return lambda rows, _: np.sum([by_place(rows, one) for one in found], axis=0)


@given(lists, st.integers(1, 40))
def test_the_best_by_the_order_come_with_the_scores_of_their_lists(found: list[Hits], k: int) -> None:
    shares = [1 / len(found)] * len(found)
    expected: dict[int, float] = {}
    for one in found:
        for rank, row in enumerate(one.rows.tolist()):
            expected[row] = expected.get(row, 0) + 1 - rank / len(one.rows)
    rows, fused, scores = merge(found, shares, k, places(found))
    assert len(rows) == min(k, len(expected)) == len(set(rows.tolist()))
    np.testing.assert_allclose(fused, [expected[row] for row in rows], rtol=1e-5)
    assert (np.diff(fused) <= 0).all()
    for i, row in enumerate(rows):
        for column, one in enumerate(found):
            place = np.flatnonzero(one.rows == row)
            got = scores[i, column]
            assert got == one.scores[place[0]] if len(place) else np.isnan(got)


@given(lists, st.integers(1, 40), st.booleans())
def test_each_list_keeps_its_share_of_places(found: list[Hits], k: int, learned: bool) -> None:
    shares = [1 / len(found)] * len(found)
    weights = [(0.0, -1.0), *[(1.0, 1.0)] * (len(found) - 1)]
    order = (lambda _, scores: linear_scores(scores, weights)) if learned else places(found)
    rows = set(merge(found, shares, k, order)[0].tolist())
    for one, share in zip(found, shares, strict=True):
        assert rows >= set(one.rows[: int(share * k)].tolist())


@given(lists, st.lists(st.tuples(st.floats(-2, 2), st.floats(-2, 2)), min_size=4, max_size=4))
def test_learned_weights_order_what_places_would(found: list[Hits], weights: list) -> None:
    """The same jobs with the same scores where there is room for all, in the order of their weighted sums."""
    shares, weights = [1 / len(found)] * len(found), weights[: len(found)]
    plain, _, told = merge(found, shares, 100, places(found))
    rows, fused, scores = merge(found, shares, 100, lambda _, scores: linear_scores(scores, weights))
    assert sorted(rows.tolist()) == sorted(plain.tolist())
    assert (np.diff(fused) <= 0).all()
    np.testing.assert_allclose(fused, linear_scores(scores, weights), rtol=1e-5, atol=1e-6)
    place = {row: i for i, row in enumerate(plain.tolist())}
    np.testing.assert_array_equal(scores, told[[place[row] for row in rows.tolist()]])


def test_a_small_share_is_kept_where_another_list_would_fill_all() -> None:
    found = [hits(*range(100)), hits(200, 201)]
    rows, _, _ = merge(found, [0.8, 0.1], 10, lambda rows, _: -rows.astype(np.float64))
    assert 200 in rows and 201 not in rows


def test_nothing_found_is_nothing_merged() -> None:
    rows, fused, scores = merge([NO_HITS, NO_HITS], [0.5, 0.5], 10, places([NO_HITS, NO_HITS]))
    assert rows.shape == fused.shape == (0,) and scores.shape == (0, 2)


def test_shares_above_one_and_no_places_are_errors() -> None:
    for shares, k, whole in (([0.9, 0.2], 5, 1.1), ([0.5, 0.2], 0, 0.7)):
        with refused(BadInput, f"k is {k}", whole):
            merge([NO_HITS, NO_HITS], shares, k, places([]))


def test_a_candidate_names_its_sources() -> None:
    scores = np.array([[0.5, np.nan], [0.0, 1.0]], np.float32)
    both = Candidates(np.arange(2), ["a", "b"], ("dense", "terms"), scores, np.ones(2), np.ones(2))
    assert both.found_by(0) == ("dense",) and both.found_by(1) == ("dense", "terms")


@given(lists, st.integers(1, 40), st.sets(st.integers(0, 200)))
def test_what_is_put_down_comes_after_all_others_in_its_own_order(found: list[Hits], k: int, low: set[int]) -> None:
    down = np.zeros(1 + max((int(h.rows.max(initial=0)) for h in found), default=0), dtype=bool)
    down[[row for row in low if row < len(down)]] = True
    shares = [0.5 / len(found)] * len(found)
    plain, _, _ = merge(found, shares, 10_000, places(found))
    rows, fused, _ = merge(found, shares, 10_000, places(found), down)
    assert rows.tolist() == sorted(plain.tolist(), key=lambda row: bool(down[row]))
    assert (np.diff(fused) <= 0).all()
    first, _, _ = merge(found, shares, k, places(found), down)
    assert down[first].sum() == max(0, min(k, len(rows)) - int((~down[rows]).sum()))
