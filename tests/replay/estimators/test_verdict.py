"""When an estimate must not be believed, and what a log must not hold."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.estimators import certain_log, deterministic, logged
from contracts.errors import BadInput
from replay.estimators.estimate import Adder, Bets, Estimate
from replay.estimators.estimators import ESTIMATORS
from replay.estimators.logged import LoggedLists
from simulator.lists import Market
from tests.make import refused

MOST = 3.0
MARKET = Market("alone", seed=1)
CALM = MARKET.policy(1.0, MARKET.attraction)


def lists_of(logging: np.ndarray, target: np.ndarray, requests: int = 3_000, seed: int = 1) -> LoggedLists:
    return logged(MARKET, logging, target, requests, seed, 1.0)


def estimated(lists: LoggedLists, name: str = "ips") -> Estimate:
    adder = Adder(ESTIMATORS[name](), MOST)
    adder.add(lists)
    return adder.result()


def test_a_log_with_support_is_trusted() -> None:
    assert estimated(lists_of(CALM, MARKET.policy(2.0, MARKET.attraction))).verdict.says == "trust"


@pytest.mark.parametrize("name", sorted(name for name, kind in ESTIMATORS.items() if kind.random))
def test_a_deterministic_log_tells_nothing_of_other_lists(name: str) -> None:
    best = (MARKET.policy(200.0, MARKET.attraction) > 0.5).astype(float)
    lists = lists_of(best, best)
    ones = np.ones_like(lists.logging)
    found = estimated(replace(lists, logging=ones, logging_at=ones, logging_family=ones), name)
    assert math.isnan(found.value) and found.verdict.refuses and "explore" in found.verdict.reasons[0]


def test_a_model_answers_for_a_deterministic_log() -> None:
    best = (MARKET.policy(200.0, MARKET.attraction) > 0.5).astype(float)
    assert not math.isnan(estimated(lists_of(best, best), "dm").value)


@pytest.mark.parametrize("name", ["cips", "cdr"])
def test_clicks_tell_of_a_deterministic_log_what_another_order_of_its_jobs_brings(name: str) -> None:
    market = Market("clicks", seed=1)
    shown, turned, others = deterministic(market)
    found = estimated(certain_log(market, shown, turned, 3_000, 1, 0.6), name)
    assert found.verdict.says == "trust" and found.low <= market.value(turned) <= found.high
    assert abs(market.value(turned) - market.value(shown)) > 0.03
    assert estimated(certain_log(market, shown, others, 3_000, 1, 0.6), name).verdict.says == "do not use"


def test_what_was_not_opened_brings_nothing() -> None:
    lists = lists_of(CALM, CALM)
    with refused(BadInput, "not opened", where="clicks"):
        replace(lists, clicks=np.zeros_like(lists.rewards))


@pytest.mark.parametrize("name", ["ips", "snips", "dr", "rips"])
def test_a_policy_that_shows_what_the_log_hardly_shows_is_flagged(name: str) -> None:
    logging, target = MARKET.policy(12.0, MARKET.attraction), MARKET.policy(12.0, -MARKET.attraction)
    found = [estimated(lists_of(logging, target, 1_000, seed), name).verdict for seed in range(20)]
    assert all(verdict.says == "do not use" for verdict in found)


def test_stated_overlap_is_held_against_its_limit() -> None:
    lists = lists_of(CALM, CALM)
    half = replace(lists, support=np.full(len(lists), 0.5))
    assert "50%" in estimated(half).verdict.reasons[0]
    assert estimated(replace(lists, support=np.ones(len(lists)))).verdict.says == "trust"


def test_few_requests_worth_are_taken_with_caution_and_very_few_not_at_all() -> None:
    assert estimated(lists_of(CALM, CALM, 500)).verdict.says == "caution"
    assert estimated(lists_of(CALM, CALM, 50)).verdict.says == "do not use"


def test_one_member_tells_nothing_of_others() -> None:
    lists = lists_of(CALM, CALM, 200)
    found = estimated(replace(lists, members=np.zeros(len(lists), np.int64)))
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_an_empty_log_is_refused() -> None:
    adder = Adder(ESTIMATORS["ips"](), MOST)
    assert adder.result().verdict.reasons == ("no request was logged",)
    adder.add(lists_of(CALM, CALM).take(np.arange(0)))
    assert adder.result().verdict.refuses


@pytest.mark.parametrize(
    ("value", "said"), [(0.0, "0 at place 2"), (1.5, "1.5"), (-0.1, "-0.1"), (np.nan, "no number")]
)
def test_a_probability_that_cannot_be_is_refused_with_its_place(value: float, said: str) -> None:
    lists = lists_of(CALM, CALM, 10)
    wrong = lists.logging.copy()
    wrong[3, 1] = value
    with refused(BadInput, said, where="logging"):
        replace(lists, logging=wrong)


def test_rows_of_another_number_are_refused() -> None:
    lists = lists_of(CALM, CALM, 10)
    with refused(BadInput, (10, 3), (3, 3), where="rewards"):
        replace(lists, members=lists.members[:3])


def test_a_field_that_is_needed_is_named() -> None:
    lists = replace(lists_of(CALM, CALM, 10), target_at=None)
    with refused(BadInput, "iips", where="target_at"):
        estimated(lists, "iips")


def test_a_reward_above_the_stated_most_is_refused() -> None:
    lists = lists_of(CALM, CALM, 10)
    with refused(BadInput, "0 to 3", where="rewards"):
        estimated(replace(lists, rewards=lists.rewards + 3, clicks=None))


def test_all_rewards_of_zero_are_a_value_of_zero() -> None:
    lists = lists_of(CALM, CALM)
    assert estimated(replace(lists, rewards=lists.rewards * 0)).value == 0


def test_bets_hold_for_weights_with_a_heavy_tail() -> None:
    """One in fifty requests has weight 50, as an interval by the normal law does not expect of few of them."""
    missed = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        weight = np.where(rng.uniform(size=120) < 0.02, 50.0, 0.0)
        reward = (rng.uniform(size=120) < 0.3).astype(float)
        bets = Bets()
        bets.add(weight * reward, weight * (1 - reward))
        low, high = bets.interval(0.05)
        missed += not low <= 0.3 <= high
    assert missed <= 5
