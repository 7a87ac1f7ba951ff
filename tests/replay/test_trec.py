"""Runs and qrels: ties count against the system, in every evaluator, and any id survives the file."""

from __future__ import annotations

from pathlib import Path

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import BadInput
from replay.trec import decode, order_against, strictly_falling, write_qrels, write_run
from tests.make import refused

MOST = float(np.float32(1e30))
FLOATS = st.floats(-MOST, MOST, width=32, allow_subnormal=False)
IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


def test_among_equal_scores_the_relevant_job_comes_last() -> None:
    order = order_against(np.array([1.0, 2.0, 2.0, 2.0]), np.array([3, 1, 0, 2]))
    assert order.tolist() == [2, 1, 3, 0]


def test_scores_that_differ_only_beyond_float32_are_a_tie() -> None:
    assert order_against(np.array([1.0 + 1e-12, 1.0]), np.array([1, 0])).tolist() == [1, 0]


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 2)), min_size=1, max_size=30), st.integers(1, 30))
def test_a_cut_order_is_the_start_of_the_whole_one(pairs: list[tuple[int, int]], depth: int) -> None:
    scores, gains = np.array(pairs, np.float32).T
    whole, cut = order_against(scores, gains), order_against(scores, gains, depth)
    assert len(cut) == min(depth, len(pairs))
    assert np.array_equal(scores[cut], scores[whole[:depth]])
    assert np.array_equal(gains[cut], gains[whole[:depth]])


def test_a_nan_score_is_refused() -> None:
    with refused(BadInput, "1 of 2 scores", "NaN"):
        order_against(np.array([np.nan, 1.0]), np.zeros(2))


@given(st.lists(FLOATS, max_size=50))
def test_written_scores_fall_strictly(values: list[float]) -> None:
    made = strictly_falling(np.sort(np.array(values, np.float32))[::-1])
    assert made.dtype == np.float32
    assert (np.diff(made) < 0).all()


@given(st.lists(FLOATS.filter(lambda x: x == 0 or abs(x) > 1e-30), unique=True, max_size=50))
def test_scores_without_ties_are_written_as_they_are(values: list[float]) -> None:
    scores = np.sort(np.array(values, np.float32))[::-1]
    assert np.array_equal(strictly_falling(scores), scores)


@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 3)), min_size=1, max_size=12))
def test_a_run_scores_the_worst_of_all_orders_that_its_ties_allow(pairs: list[tuple[int, int]]) -> None:
    scores, gains = np.array(pairs, np.float32).T
    order = order_against(scores, gains)
    names = [f"j{i}" for i in range(len(pairs))]
    qrels = [ir_measures.Qrel("q", name, int(gain)) for name, gain in zip(names, gains, strict=True)]
    fallen = strictly_falling(scores[order])
    run = [ir_measures.ScoredDoc("q", names[row], float(s)) for row, s in zip(order, fallen, strict=True)]
    worst = sum(gain / np.log2(i + 2) for i, gain in enumerate(gains[np.lexsort((gains, -scores))][:10]))
    ideal = sum(gain / np.log2(i + 2) for i, gain in enumerate(np.sort(gains)[::-1][:10]))
    found = ir_measures.calc_aggregate([ir_measures.nDCG @ 10], qrels, run)[ir_measures.nDCG @ 10]
    assert found == pytest.approx(worst / ideal if ideal else 0.0)


@given(IDS, IDS)
def test_any_id_survives_a_run_and_a_qrels_file(
    tmp_path_factory: pytest.TempPathFactory, request_id: str, job: str
) -> None:
    folder = tmp_path_factory.mktemp("trec")
    write_run(folder / "a.run", {request_id: ([job], np.array([0.25], np.float32))}, "tag")
    write_qrels(folder / "a.qrels", {request_id: {job: 2}})
    (scored,) = ir_measures.read_trec_run(str(folder / "a.run"))
    (judged,) = ir_measures.read_trec_qrels(str(folder / "a.qrels"))
    assert (decode(scored.query_id), decode(scored.doc_id), scored.score) == (request_id, job, 0.25)
    assert (decode(judged.query_id), decode(judged.doc_id), judged.relevance) == (request_id, job, 2)


def test_a_run_file_is_trec_with_ranks_and_exact_float32_scores(tmp_path: Path) -> None:
    scores = np.array([0.1, 0.1], np.float32)
    write_run(tmp_path / "r.run", {"q 1": (["a", "b"], strictly_falling(scores))}, "bm25")
    first, second = (tmp_path / "r.run").read_text().splitlines()
    assert first == "q%201 Q0 a 1 0.100000001 bm25"
    assert second.startswith("q%201 Q0 b 2 0.0999999")
    assert np.float32(second.split()[4]) < np.float32(first.split()[4])
