from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from retrieval.config import RECOMMEND_SHARES, Diversity, Learned, RetrievalConfig


def shares(**given: float) -> dict[str, float]:
    return dict.fromkeys(RECOMMEND_SHARES, 0.0) | given


def test_a_source_without_a_share_is_not_asked():
    config = RetrievalConfig(recommend=shares(dense=0.5, links=0.1))
    assert config.shares("") == {"dense": 0.5, "links": 0.1}
    assert "links" in config.sources and "links" not in RetrievalConfig().sources


def test_a_query_is_asked_by_its_own_shares():
    config = RetrievalConfig(recommend=shares(dense=1.0))
    assert config.shares("nurse") == RetrievalConfig().shares("nurse") != config.shares("")


@pytest.mark.parametrize(
    ("given", "kind", "value"),
    [
        ({"dense": 0.9, "terms": 0.2}, "value_error", "1.1"),
        ({"links": 0.0}, "value_error", "0"),
        ({"dense": -0.1}, "greater_than_equal", "0"),
        ({"dense": float("nan")}, "finite_number", ""),
    ],
)
def test_shares_that_leave_no_room_are_refused(given: dict[str, float], kind: str, value: str):
    with pytest.raises(ValidationError) as raised:
        RetrievalConfig(recommend=shares(**given))
    [error] = raised.value.errors()
    assert (error["type"], error["loc"][0]) == (kind, "recommend") and value in error["msg"]


@pytest.mark.parametrize(
    "given",
    [
        {"recommend": {"words": 0.1}},
        {"learned": {"recommend": {"words": [1.0, 1.0]}}},
        {"learned": {"recommend": {"dense": [1.0]}}},
        {"duplicates": 0},
        {"diversity": {"most": 0}},
        {"diversty": {"most": 2}},
    ],
)
def test_a_knob_that_is_not_there_or_says_nothing_is_refused(given: dict):
    with pytest.raises(ValidationError):
        RetrievalConfig.model_validate(given)


@given(st.floats(0, 0.5), st.floats(0.01, 1), st.integers(1, 9))
def test_what_is_written_is_read_again(share: float, above: float, most: int):
    config = RetrievalConfig(
        recommend=shares(dense=0.5, links=share),
        learned=Learned(search={"links": (share, -above)}),
        duplicates=above,
        diversity=Diversity(most=most),
    )
    assert RetrievalConfig.model_validate_json(config.model_dump_json()) == config
