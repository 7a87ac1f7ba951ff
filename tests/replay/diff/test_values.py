"""What two runs would have brought, by propensities: right where the log supports it, refused where it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from contracts.errors import BadInput
from replay.diff.results import Value
from replay.diff.values import agreement, values
from replay.runs.folder import RunFolder
from simulator.market import LOGGED_BY
from tests.make import refused

MakeRun = Callable[..., RunFolder]
JOBS, N = 4, 3_000
WORTH = np.array([0.8, 0.4, 0.2, 0.1])
"""Chance that each job is opened, wherever it stands."""


def logged(seed: int, n: int = N) -> list[dict[str, Any]]:
    """Each list holds two of four jobs, drawn evenly: a job stands at a place with 1/4, given the first with 1/3."""
    rng = np.random.default_rng(seed)
    rows = []
    for request in range(n):
        for place, job in enumerate(rng.permutation(JOBS)[:2].tolist(), start=1):
            view = int(rng.random() < WORTH[job])
            rows.append({"request": request, "job": f"j{job}", "position": place, "view": view})
    return rows


def runs(
    make_run: MakeRun, rows: list[dict[str, Any]], conditional: bool = False, **about: Any
) -> tuple[RunFolder, RunFolder]:
    """The first run shows jobs 3 and 2, the second jobs 0 and 1."""
    n = max(row["request"] for row in rows) + 1
    made = []
    for name, order in (("a", ["j3", "j2"]), ("b", ["j0", "j1"])):
        of = [
            {
                "propensity": (1 / 3 if conditional and row["position"] == 2 else 0.25),
                "rank": order.index(row["job"]) + 1 if row["job"] in order else 0,
                **row,
            }
            for row in rows
        ]
        by = LOGGED_BY if conditional else "bundle/index"
        made.append(make_run(name, [0.5] * n, shown=of, logged_by=by, **about))
    return made[0], made[1]


def of(found: tuple[Value, ...], estimator: str, places: int, reward: str = "view") -> Value:
    return next(one for one in found if (one.estimator, one.places, one.reward) == (estimator, places, reward))


@pytest.mark.parametrize(("conditional", "estimator"), [(False, "iips"), (True, "rips")])
def test_values_and_their_difference_are_those_of_the_market(
    make_run: MakeRun, conditional: bool, estimator: str
) -> None:
    found, why = values(*runs(make_run, logged(0), conditional))
    assert not why
    first = of(found, "ips", 1)
    assert first.difference.low is not None and first.difference.high is not None
    assert first.difference.low < WORTH[0] - WORTH[3] < first.difference.high
    whole = of(found, estimator, 10)
    truth = WORTH[:2].sum() - WORTH[2:].sum()
    assert whole.difference.low is not None and whole.difference.high is not None
    assert whole.difference.low < truth < whole.difference.high
    assert whole.second.value == pytest.approx(WORTH[:2].sum(), rel=0.15)
    assert whole.first.value is not None and whole.second.value is not None
    assert whole.difference.value == pytest.approx(whole.second.value - whole.first.value)
    assert agreement(found)["view", 1] == "more"


def test_marginal_propensities_are_not_read_as_given_the_jobs_above(make_run: MakeRun) -> None:
    marginal, _ = values(*runs(make_run, logged(1)))
    assert {one.estimator for one in marginal} == {"ips", "snips", "iips"}


def test_a_log_without_propensities_estimates_nothing_and_says_why(make_run: MakeRun) -> None:
    rows = [row | {"propensity": None} for row in logged(2, 50)]
    found, why = values(*runs(make_run, rows))
    assert found == () and "explore" in why


@pytest.mark.parametrize("propensity", [0.0, 1.5, -0.1, float("nan")])
def test_a_propensity_that_is_no_probability_names_request_and_job(make_run: MakeRun, propensity: float) -> None:
    rows = logged(3, 50)
    rows[7]["propensity"] = propensity
    with refused(BadInput, f"{propensity:g}", where=f"request r{rows[7]['request']}, job {rows[7]['job']}"):
        values(*runs(make_run, rows))


def test_a_deterministic_log_is_refused(make_run: MakeRun) -> None:
    rows = [row | {"propensity": 1.0} for row in logged(4, 200)]
    found, _ = values(*runs(make_run, rows))
    assert all(one.difference.value is None and one.difference.verdict == "do not use" for one in found)
    assert agreement(found)["view", 1] == "none may be believed"


def test_a_log_that_lacks_what_would_be_shown_is_not_believed(make_run: MakeRun) -> None:
    rows = [row for row in logged(5) if row["job"] not in ("j0", "j1")]
    whole = {row["request"] for row in rows if row["position"] == 1} & {
        row["request"] for row in rows if row["position"] == 2
    }
    renamed = {request: i for i, request in enumerate(sorted(whole))}
    rows = [row | {"request": renamed[row["request"]]} for row in rows if row["request"] in whole]
    found, _ = values(*runs(make_run, rows))
    assert all(one.second.verdict == "do not use" for one in found if one.places == 1)


def test_rewards_that_are_all_zero_are_a_value_of_zero(make_run: MakeRun) -> None:
    found, _ = values(*runs(make_run, [row | {"view": 0} for row in logged(6)]))
    one = of(found, "ips", 1)
    assert one.first.value == one.second.value == one.difference.value == 0 and one.needed is None


def test_lists_without_a_whole_beginning_are_left_out(make_run: MakeRun) -> None:
    rows = logged(7, 400)
    for row in rows:
        if row["request"] < 100 and row["position"] == 1:
            row["propensity"] = None
    found, _ = values(*runs(make_run, rows))
    assert {one.requests for one in found} == {300}


def test_a_log_of_one_member_has_a_value_and_no_interval(make_run: MakeRun) -> None:
    rows = logged(8, 500)
    found, _ = values(*runs(make_run, rows, members=["m"] * 500))
    one = of(found, "ips", 1)
    assert one.difference.value is not None and one.difference.low is None and one.difference.high is None


def test_a_re_ranking_is_not_estimated(make_run: MakeRun) -> None:
    found, why = values(*runs(make_run, logged(9, 50), rank_only=True))
    assert found == () and "--rank-only" in why
