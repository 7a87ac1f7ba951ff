"""Mixes of retrieval sources that are compared, and which of them is chosen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.measures import Estimate
from replay.shares import Mix, _ranked, mixes
from retrieval.config import RECOMMEND_SHARES, RetrievalConfig

SHARES = st.dictionaries(st.sampled_from(list(RECOMMEND_SHARES)), st.floats(0, 0.2), min_size=5)


@given(SHARES)
def test_mixes_keep_their_sum_and_begin_with_the_configured_one(shares: dict[str, float]) -> None:
    tried = list(mixes(shares))
    assert tried[0] == shares
    for mix in tried[1:]:
        assert sum(mix.values()) == pytest.approx(sum(shares.values()), abs=1e-3)
    for mix in mixes(RECOMMEND_SHARES):
        RetrievalConfig(recommend=mix)


def mix(name: float, found: float, low: float) -> Mix:
    return Mix({"dense": name}, found, Estimate(found - 0.5, low, 1.0, 9))


def test_another_mix_is_chosen_where_it_finds_more_for_certain() -> None:
    own, lucky, sure, surer = mix(0.1, 0.5, 0.0), mix(0.2, 0.9, -0.1), mix(0.3, 0.6, 0.01), mix(0.4, 0.7, 0.02)
    assert _ranked([own, lucky])[0] is own
    assert _ranked([own, lucky, sure, surer]) == [surer, own, lucky, sure]
