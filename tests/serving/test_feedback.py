"""What a member says is wrong changes their own next answers, and a rule that acts on an answer is named in it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from contracts.records import Event
from contracts.workspace import Workspace
from ranking.rank import as_retrieved
from serving.config import ServeConfig
from serving.engine import Engine
from serving.http.run import running
from serving.log_files import read_day
from serving.schemas import RecommendRequest

Someone = Callable[[], str]


def recommend(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/v1/recommend", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def job_ids(answer: dict[str, Any]) -> list[str]:
    return [result["job_id"] for result in answer["results"]]


@contextmanager
def serving(workspace: Workspace, *rules: dict[str, Any]) -> Iterator[httpx.Client]:
    """A service under these rules, which the workspace names."""
    about = {"reason": "other", "enabled": True, "surfaces": ["search", "recommendation"], "because": "so"}
    written = [{"name": f"rule{i}"} | about | one for i, one in enumerate(rules)]
    workspace.rules.write_text(json.dumps({"rules": written}))
    with running(Engine(workspace, ServeConfig(deadline=60))) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def test_a_company_that_is_called_bad_is_hidden_from_that_member_alone(client: httpx.Client, someone: Someone) -> None:
    member_id, other = someone(), someone()
    first = recommend(client, member_id=member_id, k=500)
    company, count = Counter(result["company"] for result in first["results"]).most_common(1)[0]
    assert count > 1
    job_id = next(result["job_id"] for result in first["results"] if result["company"] == company)
    event = {"request_id": first["request_id"], "job_id": job_id, "action": "dismiss", "reason": "bad_company"}
    assert client.post("/v1/events", json=event).json()["accepted"] == 1
    second = recommend(client, member_id=member_id, k=500)
    assert company not in {result["company"] for result in second["results"]}
    assert second["removed"] == {"bad_company": count - 1}
    assert company in {result["company"] for result in recommend(client, member_id=other, k=500)["results"]}
    assert 'rolecall_rule_jobs_total{action="remove",rule="bad_company"}' in client.get("/metrics").text


def test_a_dismissal_for_another_reason_hides_the_job_alone(client: httpx.Client, someone: Someone) -> None:
    member_id = someone()
    first = recommend(client, member_id=member_id, k=500)
    event = {"request_id": first["request_id"], "job_id": job_ids(first)[0], "action": "dismiss", "reason": "too_far"}
    client.post("/v1/events", json=event)
    second = recommend(client, member_id=member_id, k=500)
    assert set(job_ids(first)) - set(job_ids(second)) == {job_ids(first)[0]} and second["removed"] == {}


def test_a_dismissed_job_stays_away_after_many_other_events(client: httpx.Client, someone: Someone) -> None:
    member_id = someone()
    first, *others = job_ids(recommend(client, member_id=member_id, k=40))
    done = [{"member_id": member_id, "job_id": first, "action": "dismiss"}]
    done += [{"member_id": member_id, "job_id": job_id, "action": "view"} for job_id in others]
    client.post("/v1/events", json=done)
    assert first not in job_ids(recommend(client, member_id=member_id, k=500))


@pytest.mark.parametrize("wrong", [{"action": "dismiss", "reason": "boring"}, {"action": "view", "reason": "too_far"}])
def test_a_reason_that_does_not_fit_is_rejected(client: httpx.Client, someone: Someone, wrong: dict[str, str]) -> None:
    job_id = job_ids(recommend(client, k=1))[0]
    answer = client.post("/v1/events", json=[{"member_id": someone(), "job_id": job_id, **wrong}]).json()
    assert (answer["accepted"], answer["reasons"][0]["reason"]) == (0, "bad_event")
    assert wrong["reason"] in answer["reasons"][0]["message"] or "reason" in answer["reasons"][0]["message"]


def test_reasons_and_sources_are_logged_as_events(workspace: Workspace, member_ids: list[str]) -> None:
    with serving(workspace) as client:
        answer = recommend(client, member_id=member_ids[0], k=3)
        event = {"request_id": answer["request_id"], "job_id": job_ids(answer)[0], "action": "dismiss"}
        client.post("/v1/events", json=event | {"reason": "closed"})
    events = [Event.model_validate(row) for row in read_day(workspace, datetime.now(UTC))]
    assert [event.reason for event in events if event.action == "dismiss"] == ["closed"]
    shown = [event.found_by.split(",") for event in events if event.action == "impression"]
    assert shown == [result["found_by"] for result in answer["results"]]


def test_a_demoted_job_comes_last_and_says_so_everywhere(workspace: Workspace) -> None:
    apart = {"name": "wrong_occupation", "action": "demote", "when": {"title": {}}}
    with serving(workspace, apart) as client:
        answer = client.post("/v1/search", json={"query": "registered nurse", "k": 500}).json()
        said = ["demoted by rule wrong_occupation" in result["why"] for result in answer["results"]]
        assert said == sorted(said) and 0 < sum(said) < len(said)
        nurse = ["nurse" in result["title"].lower() for result in answer["results"]]
        assert not any(down and fits for down, fits in zip(said, nurse, strict=True))
        scores = [result["score"] for result in answer["results"]]
        assert scores == sorted(scores, reverse=True)
        for result in (answer["results"][0], answer["results"][-1]):
            explained = client.get(f"/v1/explain/{answer['request_id']}/{result['job_id']}").json()["explanation"]
            down = result is answer["results"][-1]
            assert explained["demoted_by"] == (["wrong_occupation"] if down else [])
            assert ("Demoted by rule wrong_occupation." in explained["words"]) == down
        assert 'rolecall_rule_jobs_total{action="demote",rule="wrong_occupation"}' in client.get("/metrics").text


def test_what_is_demoted_stays_last_where_the_student_is_down(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.answering.rank", lambda *_: as_retrieved(None))  # type: ignore[arg-type]
    with serving(workspace, {"action": "demote", "when": {"title": {}}}) as client:
        answer = client.post("/v1/search", json={"query": "registered nurse", "k": 500}).json()
        assert "student" in answer["degraded"]
        said = ["demoted by rule rule0" in result["why"] for result in answer["results"]]
        assert said == sorted(said) and 0 < sum(said) < len(said)


def test_what_a_rule_removes_is_counted_in_the_answer(workspace: Workspace) -> None:
    with serving(workspace) as client:
        every = set(job_ids(client.post("/v1/search", json={"query": "nurse", "k": 500}).json()))
    with serving(workspace, {"action": "remove", "when": {"title": {}}}) as client:
        answer = client.post("/v1/search", json={"query": "nurse", "k": 500}).json()
    assert len(every) - len(answer["results"]) == answer["removed"]["rule0"] > 0
    assert len(answer["rules_version"]) == 12


def test_jobs_shown_often_and_not_opened_come_last_also_after_a_restart(
    workspace: Workspace, member_ids: list[str]
) -> None:
    rule = {"name": "seen_before", "action": "demote", "when": {"seen": {"times": 2, "days": 1}}}
    member_id = member_ids[0]
    with serving(workspace, rule) as client:
        first, second = (job_ids(recommend(client, member_id=member_id, k=5)) for _ in range(2))
        assert first == second
        third = recommend(client, member_id=member_id, k=5)
        assert not set(first) & set(job_ids(third))
        opened = {"member_id": member_id, "job_id": first[0], "action": "save"}
        client.post("/v1/events", json=opened)
        assert first[0] not in _demoted(recommend(client, member_id=member_id, k=500))
        assert set(first[1:]) <= _demoted(recommend(client, member_id=member_id, k=500))
        assert not _demoted(recommend(client, member_id=member_ids[1], k=500))
    with serving(workspace, rule) as client:
        assert set(first[1:]) <= _demoted(recommend(client, member_id=member_id, k=500))


def _demoted(answer: dict[str, Any]) -> set[str]:
    return {one["job_id"] for one in answer["results"] if "demoted by rule seen_before" in one["why"]}


def test_the_built_in_rules_leave_an_answer_as_it_is(workspace: Workspace, member_ids: list[str]) -> None:
    with serving(workspace) as client:
        plain = job_ids(recommend(client, member_id=member_ids[0], k=100))
    workspace.rules.unlink()
    engine = Engine(workspace, ServeConfig(deadline=60))
    assert [one.job_id for one in engine.recommend(RecommendRequest(member_id=member_ids[0], k=100)).results] == plain
    engine.close()
