"""Do intervals of off-policy estimates hold the truth, and is a log that supports nothing found out?

    python -m benchmarks.estimators

Logs are drawn from a market of six jobs in which all lists can be counted, so that the true value of a policy is known
(`simulator.lists`; simulated). Each estimator meets 200 logs of 2,000 requests of about 1,000 members, in a market in
which what it assumes holds; models of rewards predict 60% of the truth, but for those that are assumed to be right.

- `coverage`: share of logs whose 95% interval (members resampled) holds the true value; of `safe` intervals likewise.
- `broken_overlap_flagged`: share of logs of a policy that puts the best jobs first and is asked about one that puts the
  worst first, of which the verdict is not to use the estimate.
- another order of the jobs of a deterministic log is asked about: only the estimators that look at clicks answer.
- `refused`: share of deterministic logs that are refused.
- the obvious rival, the mean reward of the log as it is, is a system too; `error` is the mean distance from the truth.

Low and high: 95% intervals of a share by Wilson, of an error by the normal law.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.stats import binomtest

from benchmarks import result_file
from replay.estimators.estimate import Adder, DifferenceAdder, Estimate
from replay.estimators.estimators import ESTIMATORS
from replay.estimators.logged import LoggedLists
from simulator.lists import FAMILIES, PLACES, Drawing, Drawn, Market, People

FREE: Drawing = "without replacement"
MODEL = 0.6
CASES: tuple[tuple[str, People, Drawing, float], ...] = (
    ("ips", "whole list", FREE, MODEL),
    ("snips", "whole list", FREE, MODEL),
    ("clipped_ips", "whole list", FREE, MODEL),
    ("dr", "whole list", FREE, MODEL),
    ("dm", "whole list", FREE, 1.0),
    ("switch_dr", "whole list", FREE, 1.0),
    ("shrunk_dr", "whole list", FREE, 1.0),
    ("rips", "cascade", FREE, MODEL),
    ("cascade_dr", "cascade", FREE, MODEL),
    ("iips", "alone", FREE, MODEL),
    ("pi", "alone", "independent", MODEL),
    ("mips", "family", FREE, MODEL),
    ("offcem", "family", FREE, MODEL),
    ("cips", "clicks", FREE, MODEL),
    ("cdr", "clicks", FREE, MODEL),
)
"""Estimator, what rewards depend on, how lists are drawn, and the share of the truth that the model predicts."""


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--runs", type=int, default=200, help="logs of each case")
    parser.add_argument("--requests", type=int, default=2_000, help="of a log")
    options = parser.parse_args(argv)
    rows: list[dict[str, Any]] = []
    for name, people, drawing, model in CASES:
        rows += covered(name, people, drawing, model, options.runs, options.requests)
    rows += differences(options.runs, options.requests)
    rows += reordered(options.runs, options.requests)
    for name in sorted(set(ESTIMATORS) - {"dm"}):
        rows += flagged(name, options.runs, options.requests)
    command = result_file.command_line("benchmarks.estimators")
    result_file.write("estimators", command, rows, simulated=True, publish=options.publish)


def covered(
    name: str, people: People, drawing: Drawing, model: float, runs: int, requests: int
) -> list[dict[str, Any]]:
    """How often an estimator's intervals hold the truth, and how far it and the log's own mean are from it."""
    market = Market(people, drawing, seed=1)
    logging, target = policies(market)
    truth, found, plain = market.value(target), [], []
    for seed in range(runs):
        lists = logged(market, logging, target, requests, seed, model)
        found.append(estimated(name, lists, seed))
        plain.append(float(lists.rewards.sum(axis=1).mean()))
    case = f"rewards of {people}, places {drawing}: {ESTIMATORS[name].assumes}"
    errors = np.abs([estimate.value - truth for estimate in found])
    return [
        share(case, name, "coverage", [estimate.low <= truth <= estimate.high for estimate in found]),
        share(
            case, f"{name}, safe", "coverage", [estimate.safe_low <= truth <= estimate.safe_high for estimate in found]
        ),
        error(case, name, errors),
        error(case, "mean of the log", np.abs(np.array(plain) - truth)),
    ]


def differences(runs: int, requests: int) -> list[dict[str, Any]]:
    """The same of the difference of two policies, beside the difference of two estimates."""
    market = Market("whole list", seed=1)
    logging, first = policies(market)
    second = market.policy(2.0, market.attraction)
    truth, found, two = market.value(first) - market.value(second), [], []
    for seed in range(runs):
        one, other = (logged(market, logging, target, requests, seed, MODEL) for target in (first, second))
        adder = DifferenceAdder()
        adder.add(one, other)
        found.append(adder.result(seed=seed))
        two.append(estimated("ips", one, seed).value - estimated("ips", other, seed).value)
    case = "the difference of two policies"
    return [
        share(case, "delta", "coverage", [estimate.low <= truth <= estimate.high for estimate in found]),
        error(case, "delta", np.abs([estimate.value - truth for estimate in found])),
        error(case, "two of ips", np.abs(np.array(two) - truth)),
    ]


def flagged(name: str, runs: int, requests: int) -> list[dict[str, Any]]:
    """How often a log that supports nothing is found out."""
    people: People = "alone" if ESTIMATORS[name].random else "clicks"
    market = Market(people, seed=1)
    shown, turned, others = deterministic(market)
    if not ESTIMATORS[name].random:
        broken = [estimated(name, certain_log(market, shown, others, requests, s, MODEL), s) for s in range(runs)]
        says = [estimate.verdict.says != "trust" for estimate in broken]
        return [share("jobs that a deterministic log never shows", name, "broken_overlap_flagged", says)]
    best, worst = market.policy(12.0, market.attraction), market.policy(12.0, -market.attraction)
    broken = [estimated(name, logged(market, best, worst, requests, s, MODEL), s) for s in range(runs)]
    says = [estimate.verdict.says != "trust" for estimate in broken]
    refused = [
        estimated(name, certain_log(market, shown, turned, requests, s, MODEL), s).verdict.refuses for s in range(runs)
    ]
    return [
        share("the other end of the list is asked about", name, "broken_overlap_flagged", says),
        share("a deterministic log", name, "refused", refused),
    ]


def reordered(runs: int, requests: int) -> list[dict[str, Any]]:
    """What is known of a deterministic log of which another order of the same jobs is asked about."""
    market = Market("clicks", seed=1)
    shown, turned, _ = deterministic(market)
    truth, case = market.value(turned), "another order of the jobs of a deterministic log"
    logs = [certain_log(market, shown, turned, requests, seed, MODEL) for seed in range(runs)]
    rows = []
    for name in ("cips", "cdr"):
        found = [estimated(name, lists, seed) for seed, lists in enumerate(logs)]
        rows.append(share(case, name, "coverage", [estimate.low <= truth <= estimate.high for estimate in found]))
        rows.append(error(case, name, np.abs([estimate.value - truth for estimate in found])))
    plain = [float(lists.rewards.sum(axis=1).mean()) for lists in logs]
    return [*rows, error(case, "mean of the log", np.abs(np.array(plain) - truth))]


def deterministic(market: Market) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three policies without chance: the best jobs first, the same jobs the other way round, and the other jobs."""
    first = market.attraction >= np.sort(market.attraction, axis=1)[:, [-PLACES]]
    scores = market.attraction, 10.0 * first - market.attraction, -market.attraction
    best, turned, others = (in_order(market, score) for score in scores)
    return best, turned, others


def in_order(market: Market, scores: np.ndarray) -> np.ndarray:
    """The policy that shows the jobs of the highest scores ((KINDS, JOBS) float64), as `Market.policy` gives them."""
    shown = np.argsort(-scores, axis=1)[:, :PLACES]
    return np.cumprod(market.lists[None] == shown[:, None], axis=2).astype(np.float64)


def certain_log(
    market: Market, shown: np.ndarray, target: np.ndarray, requests: int, seed: int, model: float
) -> LoggedLists:
    """A log of a policy without chance, in which each list has the probability 1."""
    lists = logged(market, shown, target, requests, seed, model)
    ones = np.ones_like(lists.logging)
    return replace(lists, logging=ones, logging_at=ones, logging_family=ones)


def policies(market: Market) -> tuple[np.ndarray, np.ndarray]:
    """One that draws nearly at random, and a greedier one that knows better."""
    noise = np.random.default_rng(5).standard_normal(market.attraction.shape)
    return market.policy(1.0, market.attraction + 0.3 * noise), market.policy(3.0, market.attraction)


def logged(
    market: Market, logging: np.ndarray, target: np.ndarray, requests: int, seed: int, model: float
) -> LoggedLists:
    return with_probabilities(market, market.draw(logging, requests, seed), logging, target, model)


def with_probabilities(
    market: Market, drawn: Drawn, logging: np.ndarray, target: np.ndarray, model: float
) -> LoggedLists:
    """A drawn log with everything that an estimator may need; the model of rewards is right where `model` is 1."""
    at = drawn.kinds, drawn.lists
    rest, before = market.rest(target)
    jobs = market.lists[drawn.lists]
    of_jobs = drawn.kinds[:, None], jobs
    opened, opened_then = market.opened(target), market.opened(logging)
    expected = (target.prod(axis=2)[:, :, None] * market.means).sum(axis=1)
    return LoggedLists(
        members=drawn.members,
        rewards=drawn.rewards,
        logging=logging[at],
        target=target[at],
        logging_at=market.at(logging)[at],
        target_at=market.at(target)[at],
        predicted=model * market.means[at],
        expected=model * expected[drawn.kinds],
        predicted_rest=model * rest[at],
        expected_rest=model * before[at],
        logging_family=market.at(logging, FAMILIES)[at],
        target_family=market.at(target, FAMILIES)[at],
        clicks=drawn.clicks,
        logging_click=opened_then[of_jobs],
        target_click=opened[of_jobs],
        target_clicks=opened.sum(axis=1)[drawn.kinds],
        predicted_of_click=model * market.once_opened[of_jobs],
        expected_of_clicks=model * (opened * market.once_opened).sum(axis=1)[drawn.kinds],
    )


def estimated(name: str, lists: LoggedLists, seed: int) -> Estimate:
    adder = Adder(ESTIMATORS[name](), most=float(PLACES))
    adder.add(lists)
    return adder.result(seed=seed)


def share(case: str, system: str, metric: str, hits: Sequence[bool]) -> dict[str, Any]:
    interval = binomtest(sum(hits), len(hits)).proportion_ci(method="wilson")
    value = {"value": float(np.mean(hits)), "low": float(interval.low), "high": float(interval.high)}
    return {"case": case, "system": system, "metric": metric, **value, "unit": ""}


def error(case: str, system: str, errors: np.ndarray) -> dict[str, Any]:
    half = 1.96 * float(errors.std()) / np.sqrt(len(errors))
    mean = float(errors.mean())
    value = {"value": mean, "low": mean - half, "high": mean + half}
    return {"case": case, "system": system, "metric": "error", **value, "unit": "reward"}


if __name__ == "__main__":
    main()
