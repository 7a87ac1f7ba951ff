"""What must never be shown is not, even where the filter inside retrieval is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import numpy as np
import pytest

from contracts.tables import read_table
from serving.engine import Engine

EVERYTHING = {"k": 500}


@pytest.fixture
def unmasked(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A service whose index lets every job through."""
    everything = lambda index, *_: (np.ones(len(index), dtype=bool), {})  # noqa: E731
    monkeypatch.setattr("retrieval.index.searching.allowed", everything)
    return engine


@pytest.fixture
def unmasked_client(unmasked: Engine, served: httpx.Client) -> Iterator[httpx.Client]:
    yield served


def shown(client: httpx.Client, **body: object) -> set[str]:
    found = client.post("/v1/recommend", json={**EVERYTHING, **body}).json()
    return {result["job_id"] for result in found["results"]}


def expired(engine: Engine) -> set[str]:
    now = datetime.now(UTC)
    jobs = [engine.servable.index.display(row) for row in range(len(engine.servable.index))]
    return {job["id"] for job in jobs if job["expires_at"] is not None and job["expires_at"] <= now}


def test_an_expired_job_is_not_shown(shared: tuple[Engine, str], client: httpx.Client) -> None:
    gone = expired(shared[0])
    assert gone
    assert not gone & shown(client)


def test_an_expired_job_that_the_filter_lets_through_is_caught_at_the_last_step(
    unmasked: Engine, unmasked_client: httpx.Client
) -> None:
    assert not expired(unmasked) & shown(unmasked_client)
    assert 'rolecall_removed_last_total{rule="expired"}' in unmasked_client.get("/metrics").text


def test_the_last_step_is_idle_while_the_filter_works(engine: Engine, served: httpx.Client) -> None:
    shown(served)
    assert "rolecall_removed_last_total{" not in served.get("/metrics").text


def delete(engine: Engine, job_id: str) -> None:
    """As the feed does it."""
    now = datetime.now(UTC)
    engine._current.change(lambda loaded: replace(loaded, index=loaded.index.changed([], {job_id: now}, "1")))


def test_a_deleted_job_is_not_shown(engine: Engine, served: httpx.Client) -> None:
    job_id = next(iter(shown(served)))
    delete(engine, job_id)
    assert job_id not in shown(served)


def test_a_deleted_job_that_the_filter_lets_through_is_caught_at_the_last_step(
    unmasked: Engine, unmasked_client: httpx.Client
) -> None:
    job_id = next(iter(shown(unmasked_client)))
    delete(unmasked, job_id)
    assert job_id not in shown(unmasked_client)


def test_a_job_hidden_in_its_record_is_never_shown(shared: tuple[Engine, str], client: httpx.Client) -> None:
    index = shared[0].servable.index
    hidden = {index.ids[row] for row in range(len(index)) if index.display(row)["hidden"]}
    assert hidden
    assert not hidden & shown(client)


def test_an_excluded_job_is_not_shown(client: httpx.Client) -> None:
    job_id = next(iter(shown(client)))
    assert job_id not in shown(client, exclude=[job_id])


def test_an_excluded_job_that_the_filter_lets_through_is_caught_at_the_last_step(unmasked_client: httpx.Client) -> None:
    job_id = next(iter(shown(unmasked_client)))
    assert job_id not in shown(unmasked_client, exclude=[job_id])


def test_a_job_already_applied_to_is_not_shown(client: httpx.Client, market: object) -> None:
    events = read_table(market.records / "events", ["member_id", "job_id", "action"]).to_pylist()  # type: ignore[attr-defined]
    everybody = shown(client)
    member_id, job_id = next(
        (e["member_id"], e["job_id"]) for e in events if e["action"] == "apply" and e["job_id"] in everybody
    )
    assert job_id not in shown(client, member_id=member_id)


def test_a_job_applied_to_that_the_filter_lets_through_is_caught_at_the_last_step(
    unmasked_client: httpx.Client, someone: Callable[[], str]
) -> None:
    member_id, job_id = someone(), next(iter(shown(unmasked_client)))
    event = {"member_id": member_id, "job_id": job_id, "action": "apply"}
    assert unmasked_client.post("/v1/events", json=event).json()["accepted"] == 1
    assert job_id not in shown(unmasked_client, member_id=member_id)
