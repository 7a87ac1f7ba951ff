"""The HTTP contract: what is documented is what is answered, and what is wrong is said in one line."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.engine import Engine
from serving.http.problems import Problem
from serving.schemas import Answer, ExplainReply, RecommendRequest, SearchRequest

JSON = {"content-type": "application/json"}


def refused(answer: httpx.Response, *statuses: int) -> Problem:
    assert answer.status_code in statuses, answer.text
    return Problem.model_validate(answer.json())


# --- bad input ---


def test_a_filter_on_an_unknown_attribute_names_the_known_ones(client: httpx.Client) -> None:
    problem = refused(client.post("/v1/recommend", json={"filter": {"all": [any_of("shoe_size", "9")]}}), 400)
    assert problem.reason == "unknown_attribute"
    assert "shoe_size" in problem.message and "company" in problem.message


def test_an_unknown_attribute_inside_an_either_is_found_too(client: httpx.Client) -> None:
    clause = {"either": [any_of("company", "A"), any_of("shoe_size", "9")]}
    refused(client.post("/v1/recommend", json={"filter": {"all": [clause]}}), 400)


def any_of(attribute: str, *values: str) -> dict[str, Any]:
    return {"attribute": attribute, "any_of": list(values)}


def test_a_profile_with_ten_thousand_skills_is_refused_with_the_limit(client: httpx.Client) -> None:
    body = {"profile": {"skills": [f"skill {i}" for i in range(10_000)]}}
    problem = refused(client.post("/v1/recommend", json=body), 422)
    assert problem.field == "profile.skills"
    assert "500" in problem.message


def test_a_distance_from_no_one_town_is_refused_and_one_from_a_town_is_kept(client: httpx.Client) -> None:
    def near(place: str) -> dict[str, Any]:
        return {"k": 5, "filter": {"all": [{"within": {"place": place, "km": 1}}, any_of("city", "No Such Town")]}}

    problem = refused(client.post("/v1/recommend", json=near("Springfield")), 422)
    assert "springfield, illinois" in problem.message and problem.field == "filter.within.place"
    answer = client.post("/v1/recommend", json=near("Tokyo")).json()
    assert answer["results"] == []
    assert answer["notes"][-1] == "no job has city 'No Such Town'"


def test_a_filter_with_ten_thousand_skills_is_refused_with_the_limit(client: httpx.Client) -> None:
    body = {"filter": {"all": [any_of("skills", *map(str, range(10_000)))]}}
    problem = refused(client.post("/v1/recommend", json=body), 422)
    assert "1,000" in problem.message


@pytest.mark.parametrize(
    "body",
    [
        {"k": 0},
        {"k": -1},
        {"k": 501},
        {"k": "many"},
        {"k": None},
        {"exclude": "j1"},
        {"exclude": ["j"] * 1_001},
        {"member_id": {"id": 1}},
        {"member_id": "m" * 201},
        {"profile": {"name": "A"}},
        {"profile": []},
        {"kk": 5},
        {"profile": {"positions": [{"title": "A", "start": "1850-01-01"}]}},
        {"filter": {"all": "company"}},
        {"filter": {"all": [{"attribute": "company"}]}},
        {"filter": {"all": [{"attribute": "salary_max"}]}},
        {"filter": {"all": [any_of("company", "A")] * 101}},
        {"location": "x" * 201},
        [],
        "nurse",
        7,
        None,
    ],
)
def test_a_value_out_of_bounds_is_refused_with_a_reason(client: httpx.Client, body: Any) -> None:
    problem = refused(client.post("/v1/recommend", json=body), 422)
    assert problem.reason == "bad_input"
    assert len(problem.message) < 300


@pytest.mark.parametrize("query", ["", "   ", "\u200b\x07", "<b></b>", "x" * 2_001, None])
def test_a_search_for_nothing_or_for_too_much_is_refused(client: httpx.Client, query: str | None) -> None:
    assert refused(client.post("/v1/search", json={"query": query}), 422).field == "query"


@pytest.mark.parametrize(
    "body", [b"{", b"\xff\xfe\x00", b"[" * 100_000, b'{"k": 1e}', b"nurse", b'{"k": ' + b"9" * 5_000]
)
def test_a_body_that_is_no_json_is_refused(client: httpx.Client, body: bytes) -> None:
    assert refused(client.post("/v1/search", content=body, headers=JSON), 400).reason == "malformed_json"


def test_an_empty_body_is_refused(client: httpx.Client) -> None:
    refused(client.post("/v1/search", content=b"", headers=JSON), 422)


def in_pieces() -> Iterator[bytes]:
    yield b'{"query": "'
    for _ in range(200):
        yield b"x" * 10_000


@pytest.mark.parametrize("body", [b" " * 2_000_000, in_pieces()], ids=["stated", "chunked"])
def test_a_body_over_a_megabyte_is_refused_however_it_is_sent(client: httpx.Client, body: Any) -> None:
    problem = refused(client.post("/v1/search", content=body, headers=JSON), 413)
    assert problem.reason == "body_too_large"


def test_a_refusal_does_not_repeat_what_was_sent(client: httpx.Client) -> None:
    answer = client.post("/v1/recommend", json={"profile": {"seniority": "a secret of mine"}})
    assert "secret" not in answer.text


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/nothing", 404), ("GET", "/v1/search", 405)])
def test_a_wrong_path_or_method_is_refused_as_a_problem(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    refused(client.request(method, path), status)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_json_whatever_makes_a_500(client: httpx.Client, body: Any) -> None:
    for path in ("/v1/recommend", "/v1/search", "/v1/events"):
        answer = client.post(path, content=json.dumps(body), headers=JSON)
        assert answer.status_code < 500, answer.text


@given(st.text(max_size=300))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_query_whatever_degrades_a_search(client: httpx.Client, query: str) -> None:
    answer = client.post("/v1/search", content=json.dumps({"query": query, "k": 1}), headers=JSON)
    assert answer.status_code == 422 or answer.json()["degraded"] == []


YEARS = ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", 1e300, -1e300, 10**30]


@pytest.mark.parametrize("time", YEARS)
def test_a_time_beyond_the_calendar_is_refused(client: httpx.Client, shared: tuple[Engine, str], time: object) -> None:
    position = {"title": "Nurse", "start": time}
    refused(client.post("/v1/recommend", json={"profile": {"positions": [position]}}), 422)
    event = {"member_id": "m", "job_id": shared[0].servable.index.ids[0], "action": "view", "time": time}
    refused(client.post("/v1/events", json=event), 422)
    answer = client.post("/v1/events", json=[event])
    assert (answer.status_code, answer.json()["rejected"]) == (200, 1)


# --- answers ---


def test_every_documented_example_is_answered(client: httpx.Client) -> None:
    for path, model in (("/v1/recommend", RecommendRequest), ("/v1/search", SearchRequest)):
        for example in model.model_json_schema()["examples"]:
            Answer.model_validate_json(client.post(path, json=example).raise_for_status().content)


def test_results_carry_probabilities_of_calibrated_tasks_and_what_found_them(
    shared: tuple[Engine, str], client: httpx.Client, member_ids: list[str]
) -> None:
    manifest = shared[0].servable.manifest
    answer = Answer.model_validate_json(client.post("/v1/recommend", json={"member_id": member_ids[-1]}).content)
    assert answer.bundle_version == manifest.version
    assert [result.rank for result in answer.results] == list(range(1, 21))
    assert answer.uncalibrated == ("hire",)
    scores = [result.score for result in answer.results]
    assert scores == sorted(scores, reverse=True)
    for result in answer.results:
        assert set(result.scores) == set(manifest.tasks) - {"hire"}, "a raw sigmoid is no probability"
        assert all(0 <= probability <= 1 for probability in result.scores.values())
        assert set(result.found_by) <= {"dense", "recent", "terms", "popular"} and result.found_by
        assert result.why


def test_every_stage_is_timed(client: httpx.Client, member_ids: list[str]) -> None:
    timings = client.post("/v1/recommend", json={"member_id": member_ids[-1]}).json()["timings_ms"]
    assert set(timings) == {"features", "encoder", "retrieval", "student", "rules", "total"}
    assert sum(t for name, t in timings.items() if name != "total") <= timings["total"]


def test_a_filter_holds_for_every_result(client: httpx.Client) -> None:
    remote = any_of("workplace", "remote")
    results = client.post("/v1/recommend", json={"k": 50, "filter": {"all": [remote]}}).json()["results"]
    assert results and {result["workplace"] for result in results} == {"remote"}
    company = results[0]["company"]
    body = {"k": 50, "filter": {"all": [remote, {**any_of("company", company), "not": True}]}}
    others = client.post("/v1/recommend", json=body).json()["results"]
    assert {r["job_id"] for r in others} == {r["job_id"] for r in results if r["company"] != company}
    assert others


def test_someone_new_is_ranked_for_by_what_they_say_of_themselves(client: httpx.Client) -> None:
    nurse, driver = (
        client.post("/v1/recommend", json={"profile": {"headline": headline, "skills": [skill]}, "k": 10}).json()
        for headline, skill in (("Registered nurse", "patient care"), ("Truck driver", "logistics"))
    )
    assert nurse["results"][0]["scores"] and not nurse["degraded"] and nurse["member_known"] is False
    assert [r["job_id"] for r in nurse["results"]] != [r["job_id"] for r in driver["results"]]


def test_an_inline_profile_reads_as_the_same_bytes_as_the_stored_member(
    shared: tuple[Engine, str], client: httpx.Client, market: Any, member_ids: list[str]
) -> None:
    from contracts.arrow import to_records
    from contracts.records import Member
    from contracts.tables import latest, read_table
    from serving.schemas import Profile, profile_text

    engine = shared[0]
    table = latest(read_table(market.records / "members"), "id", "updated_at")
    member = next(m for m in to_records(table, Member) if m.id == member_ids[-1])
    profile = Profile.model_validate_json(member.model_dump_json(exclude={"id", "updated_at"}))
    text, location = profile_text(profile, engine.servable.verbalizer)
    stored = engine.servable.members.read(member.id)
    assert (text, location) == (stored.text, stored.location)


def test_without_id_or_profile_the_answer_is_what_is_popular_near_the_place(
    shared: tuple[Engine, str], client: httpx.Client
) -> None:
    place = client.post("/v1/recommend", json={"k": 500}).json()["results"][-1]["location"]
    answer = client.post("/v1/recommend", json={"k": 1, "location": place}).json()
    assert answer["results"][0]["location"] == place
    assert answer["degraded"] == []


def test_a_job_of_an_answer_can_be_explained(client: httpx.Client, member_ids: list[str]) -> None:
    answer = client.post("/v1/recommend", json={"member_id": member_ids[-1], "k": 5}).json()
    third = answer["results"][2]
    reply = client.get(f"/v1/explain/{answer['request_id']}/{third['job_id']}")
    found = ExplainReply.model_validate_json(reply.content)
    assert (found.rank, found.score) == (3, third["score"])
    assert sum(found.explanation.contributions.values()) == pytest.approx(third["score"], abs=1e-5)


@pytest.mark.parametrize("path", ["nothing/nowhere", "nothing/-1", "%20/%00"])
def test_a_job_of_no_recent_answer_cannot_be_explained(client: httpx.Client, path: str) -> None:
    assert refused(client.get(f"/v1/explain/{path}"), 404).reason == "unknown_answer"


# --- operation ---


def test_healthz_and_readyz_say_what_is_served(shared: tuple[Engine, str], client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz").json()
    index = shared[0].servable.index
    assert (ready["status"], ready["index_version"], ready["jobs"]) == ("ready", index.version, len(index))


def test_metrics_count_requests_and_time_every_stage(client: httpx.Client, member_ids: list[str]) -> None:
    client.post("/v1/recommend", json={"member_id": member_ids[-1]})
    client.post("/v1/recommend", json={"k": 0})
    text = client.get("/metrics").text
    for stage in ("features", "encoder", "retrieval", "student", "rules"):
        assert f'rolecall_stage_seconds_bucket{{le="0.05",stage="{stage}"}}' in text
    assert 'rolecall_requests_total{path="/v1/recommend",status="200"}' in text
    assert 'rolecall_requests_total{path="/v1/recommend",status="422"}' in text
    assert "rolecall_jobs{" in text
    assert all(line.startswith(("#", "rolecall_", "process_")) for line in text.splitlines())


def test_metrics_count_a_bug_as_a_500(engine: Engine, served: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(engine, "prepare", broken)
    once = {"connection": "close"}  # the server closes it after a bug, maybe under the next request
    assert refused(served.post("/v1/recommend", json={}, headers=once), 500).reason == "internal"
    text = served.get("/metrics").text
    assert 'rolecall_requests_total{path="/v1/recommend",status="500"} 1.0' in text
    assert 'status="0"' not in text


def test_the_openapi_document_is_whole(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.")
    assert {
        "/v1/recommend",
        "/v1/search",
        "/v1/similar",
        "/v1/surfaces/{name}",
        "/v1/next",
        "/v1/rerank",
        "/v1/candidates",
        "/v1/events",
        "/v1/explain/{request_id}/{job_id}",
        "/v1/members/{member_id}",
        "/healthz",
        "/v1/suggestions",
        "/v1/admin/versions",
        "/v1/admin/swap",
        "/v1/admin/rollback",
        "/readyz",
        "/metrics",
    } == set(document["paths"])
    for reference in references(document):
        assert resolve(document, reference)
    for path in document["paths"].values():
        for operation in path.values():
            assert operation["summary"] and operation["responses"]


def test_the_bodies_that_a_requests_own_thread_checks_are_documented(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    for path, model in (("/v1/recommend", RecommendRequest), ("/v1/search", SearchRequest)):
        body = document["paths"][path]["post"]["requestBody"]
        schema = body["content"]["application/json"]["schema"]
        found = resolve(document, schema["$ref"]) if "$ref" in schema else schema
        assert body["required"] is True
        assert found["properties"].keys() == model.model_json_schema()["properties"].keys()
        assert found["examples"] == model.model_json_schema()["examples"]


def test_a_request_that_takes_long_to_check_keeps_nobody_waiting(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text of a profile is cleaned as it is checked: here that waits for an answer of the event loop."""
    answered = threading.Event()

    def validate(cls: type, posted: Any) -> RecommendRequest:
        assert answered.wait(30)
        return RecommendRequest()

    monkeypatch.setattr(RecommendRequest, "model_validate", classmethod(validate))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(client.post, "/v1/recommend", json={})
        time.sleep(0.2)
        assert not slow.done()
        assert client.get("/healthz").status_code == 200
        answered.set()
        assert slow.result().status_code == 200


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(document: Any, reference: str) -> Any:
    node = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def test_the_api_page_is_served(client: httpx.Client) -> None:
    assert client.get("/", follow_redirects=True).status_code == 200
