"""Every estimator against a market whose true value is counted: right in the mean where its assumption holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.estimators import logged, policies, with_probabilities
from contracts.errors import BadInput
from replay.estimators.estimate import Adder, DifferenceAdder, bucket_sums, requests_needed
from replay.estimators.estimators import ESTIMATORS, difference_columns, difference_value
from simulator.lists import KINDS, Drawing, Drawn, Market, People
from tests.make import refused

MOST = 3.0


def in_the_mean(market: Market, name: str, model: float) -> float:
    """An estimator's value where every list of every kind of member is logged as often as it is shown."""
    logging, target = policies(market)
    kinds, lists = map(np.ravel, np.indices((KINDS, len(market.lists))))
    everything = with_probabilities(
        market,
        Drawn(kinds, kinds, lists, market.means[kinds, lists], market.openings[kinds, lists]),
        logging,
        target,
        model,
    )
    estimator = ESTIMATORS[name]()
    shown = logging.prod(axis=2)[kinds, lists]
    return float(estimator.value(shown @ estimator.columns(everything)))


FREE = "without replacement"


@pytest.mark.parametrize(
    ("name", "people", "drawing", "model"),
    [
        ("ips", "whole list", FREE, 0.6),
        ("snips", "whole list", FREE, 0.6),
        ("dr", "whole list", FREE, 0.6),
        ("dm", "whole list", FREE, 1.0),
        ("shrunk_dr", "whole list", FREE, 1.0),
        ("switch_dr", "whole list", FREE, 1.0),
        ("rips", "cascade", FREE, 0.6),
        ("cascade_dr", "cascade", FREE, 0.6),
        ("iips", "alone", FREE, 0.6),
        ("pi", "alone", "independent", 0.6),
        ("mips", "family", FREE, 0.6),
        ("offcem", "family", FREE, 0.6),
        ("cips", "clicks", FREE, 0.6),
    ],
)
def test_an_estimator_is_right_where_what_it_assumes_holds(
    name: str, people: People, drawing: Drawing, model: float
) -> None:
    market = Market(people, drawing, seed=1)
    assert in_the_mean(market, name, model) == pytest.approx(market.value(policies(market)[1]), rel=1e-9)


@pytest.mark.parametrize(
    ("name", "people", "model"),
    [
        ("dm", "alone", 0.6),
        ("iips", "cascade", 1.0),
        ("rips", "whole list", 1.0),
        ("cascade_dr", "whole list", 0.6),
        ("mips", "alone", 1.0),
        ("pi", "alone", 1.0),
    ],
)
def test_an_estimator_is_wrong_where_what_it_assumes_fails(name: str, people: People, model: float) -> None:
    market = Market(people, seed=1)
    assert abs(in_the_mean(market, name, model) - market.value(policies(market)[1])) > 1e-3


def test_a_difference_of_two_policies_is_right_in_the_mean() -> None:
    market = Market("whole list", seed=1)
    logging, first = policies(market)
    second = market.policy(2.0, market.attraction)
    kinds, lists = map(np.ravel, np.indices((KINDS, len(market.lists))))
    everything = Drawn(kinds, kinds, lists, market.means[kinds, lists], market.openings[kinds, lists])
    one, other = (with_probabilities(market, everything, logging, target, 1.0) for target in (first, second))
    sums = logging.prod(axis=2)[kinds, lists] @ difference_columns(one, other)
    assert difference_value(sums) == pytest.approx(market.value(first) - market.value(second), rel=1e-9)


def test_a_difference_is_estimated_from_one_log_alone() -> None:
    market = Market("alone", seed=1)
    logging, first = policies(market)
    one, other = (logged(market, logging, first, 400, seed, 1.0) for seed in (1, 2))
    adder = DifferenceAdder()
    with refused(BadInput, where="other"):
        adder.add(one, other)
    adder.add(one, one)
    found = adder.result()
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_the_variate_of_a_difference_takes_the_level_of_rewards_out() -> None:
    """Where every list brings the same, no two policies differ, and no draw makes them."""
    market = Market("alone", seed=1)
    logging, first = policies(market)
    drawn = market.draw(logging, 500, seed=3)
    same = replace(drawn, rewards=np.ones_like(drawn.rewards), clicks=np.ones_like(drawn.rewards))
    one, other = (
        with_probabilities(market, same, logging, target, 1.0)
        for target in (first, market.policy(2.0, market.attraction))
    )
    assert difference_value(difference_columns(one, other).sum(axis=0)) == pytest.approx(0, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(ESTIMATORS)), st.lists(st.integers(1, 60), min_size=1, max_size=4), st.integers(0, 99))
def test_parts_added_up_elsewhere_are_the_whole(name: str, sizes: list[int], seed: int) -> None:
    market = Market("cascade", seed=2)
    logging, target = policies(market)
    lists = logged(market, logging, target, sum(sizes), seed, 1.0)
    whole = Adder(ESTIMATORS[name](), MOST)
    whole.add(lists)
    merged = Adder(ESTIMATORS[name](), MOST)
    for rows in np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1]):
        part = Adder(ESTIMATORS[name](), MOST)
        part.add(lists.take(rows))
        merged.merge(part)
    one, other = whole.result(), merged.result()
    numbers = slice(0, 6)
    assert np.array(other[numbers], float) == pytest.approx(np.array(one[numbers], float), rel=1e-9, nan_ok=True)
    assert other.verdict == one.verdict


def test_match_counts_the_requests_that_both_policies_answer_alike() -> None:
    market = Market("whole list", seed=1)
    logging = market.policy(0.0, market.attraction)
    best = (market.policy(200.0, market.attraction) > 0.5).astype(float)
    drawn = market.draw(logging, 30_000, seed=1)
    adder = Adder(ESTIMATORS["match"](), MOST)
    adder.add(with_probabilities(market, drawn, logging, best, 1.0))
    found = adder.result()
    assert found.low <= market.value(best) <= found.high


def test_a_members_requests_are_resampled_together() -> None:
    columns = np.ones((6, 2))
    sums = bucket_sums(np.array([7, 7, 7, 8, 8, 9]), columns)
    assert sorted(sums[sums[:, 1] > 0, 1].tolist()) == [1, 2, 3]


def test_requests_that_a_gain_needs_grow_with_the_square_of_its_inverse() -> None:
    market = Market("alone", seed=1)
    logging, target = policies(market)
    adder = Adder(ESTIMATORS["snips"](), MOST)
    adder.add(logged(market, logging, target, 2_000, 1, 1.0))
    found = adder.result()
    assert requests_needed(found, 0.01) == pytest.approx(4 * requests_needed(found, 0.02), rel=1e-3)
    with refused(BadInput, 0, where="gain"):
        requests_needed(found, 0.0)
