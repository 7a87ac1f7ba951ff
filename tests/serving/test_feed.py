"""A job that the feed tells of is in the next answer; a bad change stops no other, and no feed stops the service."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from contracts.encoder import Side
from contracts.errors import BadInput
from contracts.tables import read_table
from contracts.workspace import Workspace
from retrieval.index.build import build_index
from serving.config import ServeConfig
from serving.engine import Engine
from serving.feed import _PROBE_TEXT, MAX_TRIES, RUNNING
from serving.http.run import running
from sources import quarantine
from tests.make import change_file as write
from tests.make import refused


def upsert(job_id: str, title: str, **fields: Any) -> dict[str, Any]:
    return {"op": "upsert", "id": job_id, "time": datetime.now(UTC), "title": title, **fields}


def delete(job_id: str) -> dict[str, Any]:
    return {"op": "delete", "id": job_id, "time": datetime.now(UTC)}


def wait(done: Callable[[], Any]) -> None:
    until = time.monotonic() + 120
    while not done():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


@contextmanager
def service(workspace: Workspace, changes: str) -> Iterator[tuple[Engine, httpx.Client]]:
    engine = Engine(workspace, ServeConfig(deadline=60, changes=changes))
    with running(engine) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield engine, client


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    (tmp_path / "changes").mkdir()
    return tmp_path / "changes"


@pytest.fixture
def live(workspace: Workspace, feed: Path) -> Iterator[tuple[Engine, httpx.Client]]:
    with service(workspace, str(feed)) as found:
        yield found


def search(client: httpx.Client, query: str, **body: Any) -> dict[str, Any]:
    answer = client.post("/v1/search", json={"query": query, "k": 5, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def by_words(client: httpx.Client, query: str) -> dict[str, Any]:
    """The jobs that hold a word of the query: an untrained student may put any other before them."""
    results = search(client, query, k=500)["results"]
    return {result["job_id"]: result for result in results if "terms" in result["found_by"]}


def has_applied(client: httpx.Client, position: int | str) -> Callable[[], bool]:
    return lambda: client.get("/readyz").json()["index_version"].endswith(f"+{position}")


def test_a_job_that_the_feed_tells_of_is_found_ranked_changed_and_deleted(
    live: tuple[Engine, httpx.Client], feed: Path
) -> None:
    _, client = live
    jobs = client.get("/readyz").json()["jobs"]
    write(feed, 1, [upsert("new", "Xylophonist", location="Boise, Idaho", skills=["glockenspiel"])])
    wait(has_applied(client, 1))
    answer = search(client, "xylophonist", k=500)
    first = by_words(client, "xylophonist")["new"]
    assert first["location"] == "Boise, Idaho"
    assert first["scores"], "it has item tokens, and the student ranks it"
    assert {"terms", "dense"} <= set(first["found_by"]) and answer["degraded"] == []
    assert answer["index_version"].endswith("+1")
    only = search(client, "work", filter={"all": [{"attribute": "skills", "any_of": ["Glockenspiel"]}]})
    assert [result["job_id"] for result in only["results"]] == ["new"]
    assert client.get(f"/v1/explain/{answer['request_id']}/new").status_code == 200
    assert client.get("/readyz").json()["jobs"] == jobs + 1

    write(feed, 2, [upsert("new", "Bassoonist")])
    wait(has_applied(client, 2))
    assert by_words(client, "bassoonist")["new"]["title"] == "Bassoonist"
    assert by_words(client, "xylophonist") == {}

    write(feed, 3, [delete("new"), delete("never there")])
    wait(has_applied(client, 4))
    assert by_words(client, "bassoonist") == {}
    assert "new" not in [result["job_id"] for result in search(client, "work", k=500)["results"]]
    assert client.get("/readyz").json()["jobs"] == jobs
    text = client.get("/metrics").text
    assert 'rolecall_changes_total{outcome="applied"} 3.0' in text
    assert 'rolecall_changes_total{outcome="unknown"} 1.0' in text
    assert "rolecall_change_seconds_count 4.0" in text
    assert f'rolecall_feed_running{{feed="{feed}"}} 1.0' in text


def test_a_vector_and_tokens_made_while_serving_are_those_of_the_batch_jobs(
    live: tuple[Engine, httpx.Client], feed: Path, workspace: Workspace
) -> None:
    engine, client = live
    before = engine.servable.index
    job_id = before.ids[3]
    [record] = [row for row in read_table(workspace.records / "jobs").to_pylist() if row["id"] == job_id]
    del record["row_hash"]
    write(feed, 1, [{"op": "upsert", "time": datetime.now(UTC)} | record | {"updated_at": datetime.now(UTC)}])
    wait(has_applied(client, 1))
    after = engine.servable.index
    [old], [new] = before.rows([job_id]), after.rows([job_id])
    assert old != new
    # INT8 activations are scaled by what shares their batch.
    np.testing.assert_allclose(after.vectors[int(new)], before.vectors[int(old)], atol=1e-3)
    np.testing.assert_allclose(after.items(np.array([new])), before.items(np.array([old])), atol=5e-2)


def test_a_job_whose_text_stays_is_not_encoded_again(
    live: tuple[Engine, httpx.Client], feed: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, client = live
    read: list[str] = []
    for model in (engine.servable.encoder, engine.servable.item_encoder):
        encode = model.encode  # type: ignore[union-attr]
        heard = lambda texts, *kind, encode=encode: (read.extend(texts), encode(texts, *kind))[1]  # noqa: E731
        monkeypatch.setattr(model, "encode", heard)
    index = engine.servable.index
    job_id = index.ids[3]
    [record] = [row for row in read_table(workspace.records / "jobs").to_pylist() if row["id"] == job_id]
    now = datetime.now(UTC)
    told = record | {"op": "upsert", "time": now, "updated_at": now, "expires_at": now + timedelta(days=9)}
    del told["row_hash"]
    write(feed, 1, [told])
    wait(has_applied(client, 1))
    assert not any("title:" in text for text in read)
    after = engine.servable.index
    [row] = after.rows([job_id])
    assert after.display(int(row))["expires_at"] == now + timedelta(days=9)
    assert after.vectors[int(row)].tolist() == index.vectors[3].tolist()
    write(feed, 2, [told | {"title": "Xylophonist", "updated_at": datetime.now(UTC)}])
    wait(has_applied(client, 2))
    assert sum("title: Xylophonist" in text for text in read) == 2


def test_an_event_of_a_deleted_job_is_still_taken(live: tuple[Engine, httpx.Client], feed: Path) -> None:
    engine, client = live
    job_id = engine.servable.index.ids[0]
    write(feed, 1, [delete(job_id)])
    wait(has_applied(client, 1))
    event = {"member_id": "someone", "job_id": job_id, "action": "view"}
    assert client.post("/v1/events", json=event).json()["accepted"] == 1


def test_a_job_keeps_its_views_when_it_changes(live: tuple[Engine, httpx.Client], feed: Path) -> None:
    engine, client = live
    job_id = engine.servable.index.ids[0]
    client.post("/v1/events", json={"member_id": "someone", "job_id": job_id, "action": "view"})

    def views() -> int:
        index = engine.servable.index
        return int(index.activity.views(index.rows([job_id]), datetime.now(UTC), 30)[0])

    before = views()
    write(feed, 1, [upsert(job_id, "Xylophonist")])
    wait(has_applied(client, 1))
    assert views() == before > 0
    client.post("/v1/events", json={"member_id": "someone", "job_id": job_id, "action": "view"})
    assert views() == before, "one person counts once a day"


def test_a_bad_change_goes_to_the_quarantine_and_stops_no_other(
    live: tuple[Engine, httpx.Client], feed: Path, workspace: Workspace
) -> None:
    _, client = live
    path = write(feed, 1, [upsert("one", "Xylophonist"), upsert("two", ""), upsert("three", "Xylophonist")])
    wait(has_applied(client, 3))
    assert by_words(client, "xylophonist").keys() == {"one", "three"}
    assert quarantine.reasons(workspace.quarantine, "changes") == {"empty_title": 1}
    assert quarantine.sources(workspace.quarantine, "changes") == {str(path)}
    assert 'rolecall_changes_total{outcome="bad"} 1.0' in client.get("/metrics").text


def test_a_change_that_is_older_than_the_job_is_skipped(live: tuple[Engine, httpx.Client], feed: Path) -> None:
    engine, client = live
    index = engine.servable.index
    job_id = index.ids[0]
    old = index.jobs.version(job_id)[0] - timedelta(days=1)  # type: ignore[index]
    write(feed, 1, [upsert(job_id, "Xylophonist", updated_at=old), {"op": "delete", "id": job_id, "time": old}])
    wait(has_applied(client, 2))
    assert engine.servable.index.display(int(engine.servable.index.rows([job_id])[0])) == index.display(0)
    assert 'rolecall_changes_total{outcome="skipped"} 2.0' in client.get("/metrics").text


def test_a_gap_stops_the_feed_says_so_and_no_more(live: tuple[Engine, httpx.Client], feed: Path) -> None:
    _, client = live
    write(feed, 1, [upsert("one", "Xylophonist")])
    wait(has_applied(client, 1))
    write(feed, 3, [upsert("three", "Bassoonist")])
    wait(lambda: "missing_changes" in client.get("/readyz").json()["feed"])
    assert "change 2 is missing" in client.get("/readyz").json()["feed"]
    assert by_words(client, "xylophonist").keys() == {"one"}
    assert f'rolecall_feed_running{{feed="{feed}"}} 0.0' in client.get("/metrics").text
    write(feed, 2, [upsert("two", "Bassoonist")])
    wait(has_applied(client, 3))
    wait(lambda: client.get("/readyz").json()["feed"] == RUNNING)


def test_a_restart_loses_nothing(workspace: Workspace, feed: Path) -> None:
    write(feed, 1, [upsert("one", "Xylophonist"), delete("one"), upsert("two", "Xylophonist")])
    for _ in range(2):
        with service(workspace, str(feed)) as (engine, client):
            wait(has_applied(client, 3))
            assert engine.servable.index.rows(["one", "two"])[0] < 0 <= engine.servable.index.rows(["two"])[0]
            assert "rolecall_change_seconds_count 0.0" in client.get("/metrics").text, "these did not happen now"


def test_the_feed_goes_on_where_the_records_of_the_index_end(workspace: Workspace, feed: Path) -> None:
    build_index(workspace, workspace.bundle, position="2")
    write(feed, 2, [upsert("two", "Xylophonist"), upsert("three", "Xylophonist")])
    with service(workspace, str(feed)) as (engine, client):
        wait(has_applied(client, 3))
        assert engine.servable.index.rows(["two"])[0] < 0 <= engine.servable.index.rows(["three"])[0]


def test_a_job_that_a_model_fails_on_is_set_aside_and_the_others_are_applied(
    live: tuple[Engine, httpx.Client], feed: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, client = live
    items = engine.servable.item_encoder
    assert items is not None
    encode = items.encode

    def breaks(texts: Sequence[str]) -> np.ndarray:
        if any("Bassoonist" in text for text in texts):
            raise RuntimeError("a graph that fails")
        return encode(texts)

    monkeypatch.setattr(items, "encode", breaks)
    write(feed, 1, [upsert("one", "Xylophonist"), upsert("two", "Bassoonist"), upsert("three", "Xylophonist")])
    wait(has_applied(client, 3))
    wait(lambda: quarantine.reasons(workspace.quarantine, "changes") == {"not_encoded": 1})
    assert by_words(client, "xylophonist").keys() == {"one", "three"}


def test_vectors_that_are_not_finite_are_set_aside_and_the_others_are_applied(
    live: tuple[Engine, httpx.Client], feed: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, client = live
    encoder = engine.servable.encoder
    encode = encoder.encode

    def spoils(texts: Sequence[str], side: Side) -> np.ndarray:
        found = encode(texts, side)
        found[["Bassoonist" in text for text in texts]] = np.nan
        return found

    monkeypatch.setattr(encoder, "encode", spoils)
    write(feed, 1, [upsert("one", "Xylophonist"), upsert("two", "Bassoonist")])
    write(feed, 3, [upsert("three", "Bassoonist")])
    wait(has_applied(client, 3))
    wait(lambda: quarantine.reasons(workspace.quarantine, "changes") == {"not_encoded": 2})
    assert by_words(client, "xylophonist").keys() == {"one"}


@pytest.mark.parametrize("upserts", [1, 3])
def test_while_the_models_are_broken_the_feed_waits_and_deletes_are_applied(
    live: tuple[Engine, httpx.Client],
    feed: Path,
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    upserts: int,
) -> None:
    engine, client = live
    gone = engine.servable.index.ids[0]
    tried: list[int] = []

    def breaks(texts: Sequence[str]) -> np.ndarray:
        tried.append(len(texts))
        raise RuntimeError("out of memory")

    names = [f"new{i}" for i in range(upserts)]
    with monkeypatch.context() as broken:
        broken.setattr(engine.servable.item_encoder, "encode", breaks)
        write(feed, 1, [*(upsert(name, "Xylophonist") for name in names), delete(gone)])
        wait(lambda: client.get("/readyz").json()["feed"] == "internal: RuntimeError")
        wait(lambda: engine.servable.index.rows([gone])[0] < 0)
        tries = len(tried)
        wait(lambda: len(tried) > tries + 20)
        assert "+" not in engine.servable.index.version
    wait(has_applied(client, upserts + 1))
    wait(lambda: client.get("/readyz").json()["feed"] == RUNNING)
    assert by_words(client, "xylophonist").keys() == set(names)
    assert not workspace.quarantine.exists() or quarantine.reasons(workspace.quarantine, "changes") == {}


def test_a_model_that_recovers_while_a_job_is_tried_is_not_held_against_the_job(
    live: tuple[Engine, httpx.Client], feed: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, client = live
    items = engine.servable.item_encoder
    assert items is not None
    encode, failures = items.encode, 0

    def recovers(texts: Sequence[str]) -> np.ndarray:
        nonlocal failures
        if failures == 2 * MAX_TRIES:  # each time with the others, then alone
            return encode(texts)
        failures += list(texts) != [_PROBE_TEXT]
        raise RuntimeError("out of memory")

    monkeypatch.setattr(items, "encode", recovers)
    write(feed, 1, [upsert("new", "Xylophonist")])
    wait(has_applied(client, 1))
    assert by_words(client, "xylophonist").keys() == {"new"}
    assert not workspace.quarantine.exists() or quarantine.reasons(workspace.quarantine, "changes") == {}


def test_the_feed_is_read_from_where_the_records_of_another_index_end(workspace: Workspace, feed: Path) -> None:
    """Back to an index that is older than what is served, and on to one that is ahead of a gap in the feed."""
    old = workspace.index
    build_index(workspace, workspace.bundle, position="1")
    write(feed, 1, [upsert("one", "Xylophonist"), upsert("two", "Xylophonist")])
    with service(workspace, str(feed)) as (engine, client):
        wait(has_applied(client, 2))
        assert by_words(client, "xylophonist").keys() == {"two"}
        engine.swap(index=old)
        wait(lambda: by_words(client, "xylophonist").keys() == {"one", "two"})
        write(feed, 5, [upsert("five", "Bassoonist")])
        wait(lambda: "missing_changes" in client.get("/readyz").json()["feed"])
        engine.swap(index=build_index(workspace, workspace.bundle, position="4"))
        wait(has_applied(client, 5))
        wait(lambda: client.get("/readyz").json()["feed"] == RUNNING)
        assert by_words(client, "bassoonist").keys() == {"five"}


def test_a_full_disk_stops_neither_feed_nor_service(
    live: tuple[Engine, httpx.Client], feed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(quarantine, "add", full)
    _, client = live
    write(feed, 1, [upsert("one", ""), upsert("two", "Xylophonist")])
    wait(has_applied(client, 2))
    assert by_words(client, "xylophonist").keys() == {"two"}


def test_a_feed_that_is_not_there_is_told_at_the_start(workspace: Workspace) -> None:
    with refused(BadInput, "/nowhere/at/all", where="changes"):
        Engine(workspace, ServeConfig(changes="/nowhere/at/all"))


def test_without_a_feed_readyz_says_so(client: httpx.Client) -> None:
    assert client.get("/readyz").json()["feed"] == "none"


def test_a_job_of_a_redis_stream_is_found(workspace: Workspace, live_redis: str) -> None:
    import redis

    stream = redis.Redis.from_url(f"redis://{live_redis}")
    with service(workspace, f"redis://{live_redis}#jobs") as (_, client):
        entry = stream.xadd("jobs", {"op": "upsert", "id": "new", "job": json.dumps({"title": "Xylophonist"})})
        wait(has_applied(client, entry.decode()))
        assert by_words(client, "xylophonist").keys() == {"new"}


def test_a_redis_server_that_is_away_does_not_keep_the_service_from_answering(workspace: Workspace) -> None:
    with service(workspace, "redis://127.0.0.1:1#jobs") as (_, client):
        wait(lambda: "not_ready" in client.get("/readyz").json()["feed"])
        assert search(client, "nurse")["results"]


def test_an_advert_of_the_feed_is_read_as_one_of_a_load(live: tuple[Engine, httpx.Client], feed: Path) -> None:
    _, client = live
    write(feed, 1, [upsert("zz-read", "Senior Zymurgist", description="Location: Austin, TX. No remote work.")])
    wait(has_applied(client, 1))
    found = by_words(client, "zymurgist")["zz-read"]
    assert (found["seniority"], found["workplace"], found["location"]) == ("senior", "onsite", "Austin, TX")
    assert found["read_out"] == ["seniority", "workplace", "location"]
