"""The five requests that crashed the nearest peer (NVIDIA-Merlin/systems#207), over a real socket."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from contracts.activity import Activity
from contracts.records import Event
from contracts.workspace import Workspace
from serving.engine import Engine

PATHS = {"/v1/recommend": {}, "/v1/search": {"query": "nurse"}}


def ask(client: httpx.Client, path: str = "/v1/recommend", **body: Any) -> dict[str, Any]:
    answer = client.post(path, json={**PATHS[path], **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("path", PATHS)
def test_a_member_who_is_not_in_the_store_is_answered(client: httpx.Client, path: str) -> None:
    found = ask(client, path, member_id="nobody-knows-me", k=5)
    assert found["member_known"] is False
    assert len(found["results"]) == 5
    assert found["degraded"] == []


def test_minus_one_is_an_id_like_any_other(client: httpx.Client) -> None:
    found = ask(client, member_id="-1", exclude=["-1"], k=5)
    assert found["member_known"] is False
    assert len(found["results"]) == 5
    assert "-1" not in {result["job_id"] for result in found["results"]}


@pytest.mark.parametrize("path", PATHS)
def test_more_jobs_asked_for_than_the_index_holds_gives_each_that_may_be_shown_once(
    shared: tuple[Engine, str], client: httpx.Client, path: str, member_ids: list[str]
) -> None:
    index = shared[0].servable.index
    found = ask(client, path, member_id=member_ids[-1], k=500)
    ids = [result["job_id"] for result in found["results"]]
    assert 0 < len(ids) < 500
    assert len(set(ids)) == len(ids)
    assert set(ids) <= set(index.ids)


def test_a_job_that_only_the_store_holds_is_passed_over(
    engine: Engine, served: httpx.Client, member_ids: list[str]
) -> None:
    """An activity that names a job which the index has lost since."""
    member_id = member_ids[0]
    gone = Event(id="e-gone", time=datetime.now(UTC), member_id=member_id, job_id="a-job-of-yesterday", action="view")
    engine.servable.members.fold({member_id: lambda _: Activity().add(gone, "Job, Company, Town")})
    found = ask(served, member_id=member_id, k=5)
    assert found["member_known"] is True
    assert len(found["results"]) == 5
    assert found["degraded"] == []


def test_jobs_and_a_member_that_the_store_lacks_are_answered_and_acted_on(
    workspace: Workspace, engine: Engine, served: httpx.Client
) -> None:
    """Jobs of the index whose rows are gone from the tables, and a member whom the store never held."""
    for table in (workspace.records / "jobs", workspace.features / "job_text", workspace.features / "job_stats"):
        shutil.rmtree(table)
    found = ask(served, member_id="only-the-client-knows-me", k=5)
    assert (found["member_known"], len(found["results"]), found["degraded"]) == (False, 5, [])
    applied = found["results"][0]["job_id"]
    event = {"member_id": "only-the-client-knows-me", "job_id": applied, "action": "apply"}
    assert served.post("/v1/events", json=event).json()["accepted"] == 1
    again = ask(served, member_id="only-the-client-knows-me", k=5)
    assert (again["member_known"], len(again["results"]), again["degraded"]) == (True, 5, [])
    assert applied not in {result["job_id"] for result in again["results"]}


def test_fewer_candidates_than_asked_are_all_given(shared: tuple[Engine, str], client: httpx.Client) -> None:
    everything = ask(client, k=500)["results"]
    company = everything[0]["company"]
    of_company = [result["job_id"] for result in everything if result["company"] == company]
    found = ask(client, k=100, filter={"all": [{"attribute": "company", "any_of": [company]}]})
    assert sorted(result["job_id"] for result in found["results"]) == sorted(of_company)


def test_no_candidate_at_all_is_an_empty_answer(client: httpx.Client) -> None:
    found = ask(client, filter={"all": [{"attribute": "company", "any_of": ["No Such Company"]}]})
    assert found["results"] == []
    assert found["degraded"] == []
