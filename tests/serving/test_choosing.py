"""What a request asks of its list: threshold, sort, diversity, caps, hidden companies, facets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from serving.engine import Engine

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(client: httpx.Client) -> Ask:
    def asked(**body: Any) -> dict[str, Any]:
        answer = client.post("/v1/search", json={"query": "nurse", "k": 100, "location": "Austin, Texas"} | body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return asked


def ids(answer: dict[str, Any]) -> list[str]:
    return [result["job_id"] for result in answer["results"]]


def test_a_threshold_leaves_out_what_lies_below_and_keeps_the_order(ask: Ask) -> None:
    whole = ask()
    goods = sorted(result["good_match"] for result in whole["results"])
    least = goods[len(goods) // 2]
    assert goods[0] < least
    answer = ask(min_good_match=least)
    assert ids(answer) == [result["job_id"] for result in whole["results"] if result["good_match"] >= least]


def test_a_threshold_that_nobody_can_say_leaves_out_nothing_and_says_so(
    engine: Engine, served: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = engine.servable.index.items
    monkeypatch.setattr(engine.servable.index, "items", lambda rows: items(rows)[:, :1])
    answer = served.post("/v1/search", json={"query": "nurse", "min_good_match": 0.9}).json()
    assert len(answer["results"]) == 20 and answer["degraded"] == ["student"]
    assert any("min_good_match" in note for note in answer["notes"])


@pytest.mark.parametrize(
    ("sort", "key", "sign"),
    [
        ("date", lambda result: result["posted_at"], -1),
        ("distance", lambda result: result["distance"] and result["distance"]["km"], 1),
    ],
)
def test_a_sort_is_strict_and_keeps_all_that_was_found(ask: Ask, sort: str, key: Any, sign: int) -> None:
    answer = ask(sort=sort)
    assert answer["sort"] == sort
    keys = [key(result) for result in answer["results"]]
    known = [value for value in keys if value is not None]
    assert known == sorted(known, reverse=sign < 0) and len(set(known)) > 3
    assert keys == known + [None] * (len(keys) - len(known))
    assert set(ids(answer)) == set(ids(ask())) or len(keys) == 100


def test_a_sort_by_pay_compares_years(ask: Ask, shared: tuple[Engine, str]) -> None:
    index = shared[0].servable.index
    rows = index.rows(ids(ask(sort="pay")))
    pay = [max(index.attributes.pay_in(name)[row] for name in ("salary_min", "salary_max")) for row in rows]
    known = [value for value in pay if value == value]
    assert known == sorted(known, reverse=True) and len(set(known)) > 3


def test_a_sort_by_distance_from_nowhere_says_so_and_sorts_nothing(ask: Ask) -> None:
    answer, plain = ask(sort="distance", location="Springfield"), ask(location="Springfield")
    assert any("location" in note for note in answer["notes"])
    assert ids(answer) == ids(plain)


def test_of_a_company_no_more_than_asked_for(ask: Ask) -> None:
    assert max(Counter(result["company"] for result in ask()["results"]).values()) > 1
    answer = ask(per_company=1)
    assert max(Counter(result["company"] for result in answer["results"] if result["company"]).values()) == 1


def test_hidden_companies_are_in_no_list_whatever_their_case(ask: Ask) -> None:
    hidden = ask()["results"][0]["company"]
    answer = ask(hide_companies=[hidden.upper(), "No Such Company"])
    assert hidden not in {result["company"] for result in answer["results"]} and answer["results"]
    assert answer["notes"] == ask()["notes"]


def test_diversity_moves_jobs_and_loses_none(ask: Ask) -> None:
    plain, moved = ask(k=150), ask(k=150, diversity=0.9)
    assert set(ids(plain)) == set(ids(moved)) and ids(plain) != ids(moved)
    assert ids(ask(k=150, diversity=0.0)) == ids(plain)


def test_facets_count_the_jobs_that_their_clauses_leave(client: httpx.Client) -> None:
    asked = {"k": 500, "facets": ["workplace", "posted_at"]}
    answer = client.post("/v1/recommend", json=asked).json()
    assert set(answer["facets"]) == {"workplace", "posted_at"}
    for value in answer["facets"]["workplace"]:
        body = {"k": 1, "filter": {"all": [value["clause"]]}, "facets": ["workplace"]}
        again = client.post("/v1/recommend", json=body).json()
        assert again["facets"]["workplace"] == answer["facets"]["workplace"]  # without its own clause
        assert again["results"][0]["workplace"] == value["value"]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"facets": ["shoe_size"]}, 400, "facets"),
        ({"sort": "colour"}, 422, "sort"),
        ({"per_company": 0}, 422, "per_company"),
        ({"diversity": 1.5}, 422, "diversity"),
        ({"min_good_match": True}, 422, "min_good_match"),
        ({"hide_companies": [""]}, 422, "hide_companies.0"),
        ({"k": True}, 422, "k"),
        ({"k": "5"}, 422, "k"),
        ({"location": 0}, 422, "location"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_field(
    client: httpx.Client, body: dict[str, Any], status: int, field: str
) -> None:
    answer = client.post("/v1/recommend", json=body)
    assert (answer.status_code, answer.json()["field"]) == (status, field)
