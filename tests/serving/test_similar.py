"""Jobs like a job: not itself, nothing that is the same advert, found and ranked by its title and vector."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from serving.engine import Engine


def test_similar_jobs_are_others_and_are_not_logged(client: httpx.Client, shared: tuple[Engine, str]) -> None:
    index = shared[0].servable.index
    before = lines_logged(shared[0])
    for job_id in index.ids[:20]:
        row = index.rows([job_id])[0]
        answer = client.post("/v1/similar", json={"job_id": job_id, "k": 5})
        assert answer.status_code == 200, answer.text
        same = {index.ids[other] for other in range(len(index)) if index.groups[other] == index.groups[row]}
        found = [result["job_id"] for result in answer.json()["results"]]
        assert len(found) == 5 and not same & set(found)
        assert answer.json()["surface"] == "similar" and answer.json()["degraded"] == []
        assert all(result["scores"] for result in answer.json()["results"])
    assert lines_logged(shared[0]) == before


def lines_logged(engine: Engine) -> list[bytes]:
    return [line for line in engine.metrics.text().splitlines() if line.startswith(b"rolecall_log_lines_total")]


def test_the_job_is_what_a_similar_one_is_found_by(client: httpx.Client, shared: tuple[Engine, str]) -> None:
    ids = shared[0].servable.index.ids
    lists = [
        [result["job_id"] for result in client.post("/v1/similar", json={"job_id": job_id}).json()["results"]]
        for job_id in ids[:6]
    ]
    assert len({tuple(found) for found in lists}) > 3
    found_by = client.post("/v1/similar", json={"job_id": ids[0]}).json()["results"]
    assert {source for result in found_by for source in result["found_by"]} <= {"recent", "terms", "dense"}


def test_an_unknown_job_is_404_and_none_is_422(client: httpx.Client) -> None:
    answer = client.post("/v1/similar", json={"job_id": "nobody"})
    assert (answer.status_code, answer.json()["reason"]) == (404, "unknown_job")
    answer = client.post("/v1/similar", json={"k": 3})
    assert (answer.status_code, answer.json()["field"]) == (422, "job_id")


def test_what_a_member_applied_to_is_no_similar_job(
    client: httpx.Client, shared: tuple[Engine, str], someone: Callable[[], str]
) -> None:
    member, job_id = someone(), shared[0].servable.index.ids[3]
    first = client.post("/v1/similar", json={"job_id": job_id, "member_id": member, "k": 3}).json()["results"][0]
    event = {"member_id": member, "job_id": first["job_id"], "action": "apply"}
    assert client.post("/v1/events", json=event).json()["accepted"] == 1
    again = client.post("/v1/similar", json={"job_id": job_id, "member_id": member, "k": 50}).json()["results"]
    assert first["job_id"] not in [result["job_id"] for result in again]
