"""A body whose values are of other JSON types than the API's schema states is refused by its field."""

from __future__ import annotations

from typing import Any

import pytest

from serving.http.json_types import misfit
from serving.schemas import JobsRequest, RecommendRequest, SearchRequest


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"profile": {"headline": 0}}, ("profile", "headline")),
        ({"profile": {"location": ["Austin"]}}, ("profile", "location")),
        ({"profile": {"positions": [{"title": "Nurse"}, {"title": True}]}}, ("profile", "positions", 1, "title")),
        ({"profile": {"preferences": {"salary_min": "90000"}}}, ("profile", "preferences", "salary_min")),
        ({"k": True}, ("k",)),
        ({"k": "5"}, ("k",)),
        ({"filter": []}, ("filter",)),
        ([], ()),
    ],
)
def test_a_value_of_another_type_is_named(body: Any, at: tuple[str | int, ...]) -> None:
    found = misfit(RecommendRequest, body)
    assert found is not None and found[0] == at


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"k": 5.0, "profile": None, "objective": {"floor": 0}},
        {"profile": {"headline": "Nurse", "preferences": {"salary_min": 90_000.5}, "seniority": None}},
        {"filter": {"all": [{"attribute": "salary_max", "at_least": 5}, {"within": {"place": "Austin, TX", "km": 5}}]}},
        {"filter": {"all": [{"either": [{"attribute": "city", "any_of": ["Austin"], "not": True}]}]}},
        {"unknown": 5},
    ],
)
def test_what_fits_is_left_to_the_model(body: Any) -> None:
    assert misfit(RecommendRequest, body) is None


def test_a_hostile_body_costs_no_depth() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for name in JobsRequest.model_fields:
        misfit(SearchRequest, {"query": "nurse", name: deep})
    assert misfit(SearchRequest, {"query": deep}) == (("query",), "a value of type string is wanted")
