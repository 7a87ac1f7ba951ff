"""A request moves the weight of the policy and the floor within the bundle's bounds; the answer says what it used."""

from __future__ import annotations

from collections.abc import Callable
from operator import mul
from typing import Any

import httpx
import pytest

from serving.engine import Engine
from serving.http.problems import Problem
from serving.schemas import Answer, ExplainReply
from tests.serving.conftest import OBJECTIVE

ASKED = {"search": {"query": "nurse", "k": 100}, "recommend": {"k": 100}}


@pytest.fixture(params=["search", "recommend"])
def surface(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ask(client: httpx.Client, someone: Callable[[], str], surface: str) -> Any:
    """Posts a request with an objective and returns the answer."""

    member_id = someone()  # whom no other test shows the same jobs until a rule demotes them

    def post(**objective: float) -> Answer:
        body = ASKED[surface] | {"member_id": member_id} | ({"objective": objective} if objective else {})
        answer = client.post(f"/v1/{surface}", json=body)
        assert answer.status_code == 200, answer.text
        return Answer.model_validate_json(answer.content)

    return post


def matches(answer: Answer) -> list[float]:
    found = [result.good_match for result in answer.results]
    return [good for good in found if good is not None]


def test_an_answer_says_by_what_it_was_put_in_order(ask: Any) -> None:
    used = ask().objective
    assert (used.order, used.weight, used.floor, used.why) == ("blend", 0.0, 0.0, OBJECTIVE.why)
    assert ask(weight=2.0).objective.weight == 2.0


def test_jobs_under_the_floor_come_after_all_that_reach_it_and_none_is_lost(ask: Any) -> None:
    without = ask()
    floor = sorted(matches(without))[len(matches(without)) // 2]
    assert matches(without) != sorted(matches(without), key=lambda good: good < floor), "else this proves nothing"
    answer = ask(floor=floor)
    assert answer.objective.floor == floor
    reached = [good >= floor for good in matches(answer)]
    assert reached == sorted(reached, reverse=True) and sum(reached) <= answer.objective.passed
    assert {result.job_id for result in answer.results} == {result.job_id for result in without.results}
    for part in (True, False):
        kept = [r.job_id for r in without.results if (r.good_match >= floor) == part]
        assert [r.job_id for r in answer.results if (r.good_match >= floor) == part] == kept
    scores = [result.score for result in answer.results]
    assert scores == sorted(scores, reverse=True)


def test_a_floor_that_no_job_reaches_changes_nothing_and_says_so(ask: Any) -> None:
    highest = max(matches(ask()))
    if highest < OBJECTIVE.floors[1]:
        answer = ask(floor=OBJECTIVE.floors[1])
        assert answer.objective.passed == 0
        assert [r.job_id for r in answer.results] == [r.job_id for r in ask().results]


def test_the_policys_weight_moves_good_matches_up(ask: Any) -> None:
    first, weighed = (matches(ask(weight=weight)) for weight in OBJECTIVE.weights)
    places = range(len(first), 0, -1)
    assert sorted(first) == pytest.approx(sorted(weighed))
    assert sum(map(mul, places, weighed)) > sum(map(mul, places, first))


@pytest.mark.parametrize(
    ("name", "value", "bounds"),
    [("floor", 0.9, "0 to 0.8"), ("floor", -0.1, "0 to 0.8"), ("weight", 2.5, "0 to 2"), ("weight", -1.0, "0 to 2")],
)
def test_a_value_outside_the_bounds_is_refused_with_field_value_and_bounds(
    client: httpx.Client, surface: str, name: str, value: float, bounds: str
) -> None:
    answer = client.post(f"/v1/{surface}", json=ASKED[surface] | {"objective": {name: value}})
    assert answer.status_code == 422
    problem = Problem.model_validate(answer.json())
    assert (problem.reason, problem.field) == ("bad_input", f"objective.{name}")
    assert f"{value:g}" in problem.message and bounds in problem.message


@pytest.mark.parametrize("objective", [{"floors": 0.2}, {"floor": "high"}, {"floor": [0.1]}, 0.3, {"order": "blend"}])
def test_an_objective_that_is_none_is_refused_by_its_field(client: httpx.Client, objective: Any) -> None:
    answer = client.post("/v1/recommend", json={"objective": objective})
    assert answer.status_code == 422
    assert (Problem.model_validate(answer.json()).field or "").startswith("objective")


def test_an_explanation_is_of_the_order_that_was_asked_for(client: httpx.Client, ask: Any, shared: Any) -> None:
    answer = ask(weight=1.5)
    engine: Engine = shared[0]
    assert engine.servable.manifest.blend is not None
    first = answer.results[0]
    reply = client.get(f"/v1/explain/{answer.request_id}/{first.job_id}")
    found = ExplainReply.model_validate_json(reply.content)
    assert found.objective == answer.objective and found.good_match == first.good_match
    assert sum(found.explanation.contributions.values()) == pytest.approx(first.score, abs=1e-5)
