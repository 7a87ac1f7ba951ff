from __future__ import annotations

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.merging import METRICS, REFERENCE, _rows, ndcg, with_links
from retrieval.config import RECOMMEND_SHARES, SEARCH_SHARES, RetrievalConfig


@given(st.lists(st.integers(0, 3), min_size=1, max_size=14).filter(any))
def test_ndcg_is_that_of_ir_measures(gains: list[int]):
    qrels = [ir_measures.Qrel("q", f"j{i}", gain) for i, gain in enumerate(gains)]
    run = [ir_measures.ScoredDoc("q", f"j{i}", -float(i)) for i in range(len(gains))]
    expected = ir_measures.calc_aggregate([ir_measures.nDCG @ 10], qrels, run)[ir_measures.nDCG @ 10]
    shown = [*gains[:10], *[0] * (10 - len(gains[:10]))]
    assert ndcg(shown, [gain for gain in gains if gain]) == pytest.approx(expected)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.4])
def test_the_other_sources_share_what_the_links_leave_in_their_proportions(share: float):
    config = with_links(RetrievalConfig(), share)
    for found, own, mine in (
        (config.recommend, RECOMMEND_SHARES, share),
        (config.search, SEARCH_SHARES, share / 4),
    ):
        assert found["links"] == mine and sum(found.values()) == pytest.approx(sum(own.values()))
        ratios = {found[name] / own[name] for name in own if name != "links"}
        assert max(ratios) == pytest.approx(min(ratios))
    assert with_links(config, 0.0).recommend == pytest.approx(RECOMMEND_SHARES)


def test_each_way_is_set_against_the_one_without_links_request_by_request():
    random = np.random.default_rng(0)
    base = random.random((40, len(METRICS)))
    rows = list(_rows("all requests (40)", {REFERENCE: base, "links 0.1": base + 0.125}))
    apart = [row for row in rows if row["metric"].endswith(f" minus {REFERENCE}")]
    assert {row["system"] for row in apart} == {"links 0.1"} and len(apart) == len(METRICS)
    for row in apart:
        assert [row["value"], row["low"], row["high"]] == pytest.approx([0.125] * 3)
    assert [row["value"] for row in rows[: len(METRICS)]] == pytest.approx(base.mean(axis=0).tolist())
