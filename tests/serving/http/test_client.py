"""The typed client against a real service over a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from rolecall_client import AsyncClient, AsyncEventBuffer, BadRequest, Client, EventBuffer, NotFound
from serving.engine import Engine


def test_a_member_asks_explains_and_posts(shared: tuple[Engine, str], someone: Callable[[], str]) -> None:
    member = someone()
    with Client(shared[1], timeout=60) as client:
        answer = client.recommend(member_id=member, k=3)
        first = answer["results"][0]
        assert [result["rank"] for result in answer["results"]] == [1, 2, 3]
        assert client.explain(answer["request_id"], first["job_id"])["rank"] == 1
        reply = client.events([{"request_id": answer["request_id"], "job_id": first["job_id"], "action": "apply"}])
        assert (reply["accepted"], reply["rejected"]) == (1, 0)
        again = client.search(query=first["title"], member_id=member, k=20)
        assert first["job_id"] not in [result["job_id"] for result in again["results"]]
        assert client.similar(job_id=first["job_id"], k=2)["results"]
        assert client.suggestions(query="nurse")["surface"] == "suggestions"
        assert client.ready()["status"] == "ready"


def test_the_asynchronous_client_answers_alike(shared: tuple[Engine, str], member_ids: list[str]) -> None:
    async def asked() -> tuple[Any, Any]:
        async with AsyncClient(shared[1], timeout=60) as client:
            answers = await asyncio.gather(*(client.recommend(member_id=member_ids[0], k=3) for _ in range(2)))
            return answers[0], await client.explain(answers[0]["request_id"], answers[0]["results"][0]["job_id"])

    with Client(shared[1], timeout=60) as client:
        one = client.recommend(member_id=member_ids[0], k=3)
    answer, explanation = asyncio.run(asked())
    assert [r["job_id"] for r in answer["results"]] == [r["job_id"] for r in one["results"]]
    assert explanation["rank"] == 1


def test_what_the_service_refuses_is_typed_and_named(shared: tuple[Engine, str]) -> None:
    with Client(shared[1], timeout=60) as client:
        with pytest.raises(BadRequest) as refused:
            client.recommend(k=0)
        assert (refused.value.status, refused.value.field) == (422, "k")
        assert refused.value.request_id and refused.value.request_id in str(refused.value)
        with pytest.raises(NotFound):
            client.explain("no/such", "job")
        with pytest.raises(BadRequest) as unknown:
            client.search(query="nurse", filter={"all": [{"attribute": "colour", "any_of": ["red"]}]})
        assert unknown.value.reason == "unknown_attribute"


def views(jobs: Sequence[str], member: str) -> list[Any]:
    return [{"job_id": job, "member_id": member, "action": "view"} for job in jobs]


def test_events_reach_the_service_in_batches(shared: tuple[Engine, str], someone: Callable[[], str]) -> None:
    member, lost = someone(), []
    with Client(shared[1], timeout=60) as client:
        jobs = [result["job_id"] for result in client.recommend(member_id=member, k=5)["results"]]
        with EventBuffer(client, max_post=2, lost=lambda events, why: lost.append((events, why))) as buffer:
            for event in views([*jobs, "no-such-job"], member):
                buffer.add(event)
    assert (buffer.counts.accepted, buffer.counts.rejected, buffer.counts.lost) == (len(jobs), 1, 0)
    [([rejected], why)] = lost
    assert rejected["job_id"] == "no-such-job" and why.startswith("unknown_job")


def test_the_asynchronous_buffer_posts_alike(shared: tuple[Engine, str], someone: Callable[[], str]) -> None:
    async def posted() -> int:
        member = someone()
        async with AsyncClient(shared[1], timeout=60) as client:
            jobs = [result["job_id"] for result in (await client.recommend(member_id=member, k=5))["results"]]
            async with AsyncEventBuffer(client, max_post=2) as buffer:
                for event in views(jobs, member):
                    buffer.add(event)
            return buffer.counts.accepted - len(jobs)

    assert asyncio.run(posted()) == 0
