"""Posted events: the next answer knows of them, once each, and a bad one stops no other."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from contracts.records import Event
from contracts.tables import parts, read_table
from contracts.workspace import Workspace
from feature_repo.store import materialize
from retrieval.index.build import build_index
from serving.engine import Engine
from serving.event_log import LogFailed
from serving.http.run import running
from serving.intake import CLOCK_SKEW
from serving.log_files import read_day
from serving.schemas import MAX_EVENTS

Someone = Callable[[], str]


def recommend(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/v1/recommend", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def post(client: httpx.Client, events: Any) -> dict[str, Any]:
    answer = client.post("/v1/events", json=events)
    assert answer.status_code == 200, answer.text
    return answer.json()


def job_ids(answer: dict[str, Any]) -> list[str]:
    return [result["job_id"] for result in answer["results"]]


@pytest.mark.parametrize("action", ["apply", "dismiss"])
def test_a_job_applied_to_or_dismissed_is_gone_from_the_next_answer(
    client: httpx.Client, someone: Someone, action: str
) -> None:
    member_id = someone()
    first = recommend(client, member_id=member_id)
    event = {"request_id": first["request_id"], "job_id": job_ids(first)[0], "action": action}
    assert post(client, event) == {"accepted": 1, "duplicates": 0, "rejected": 0, "reasons": [], "degraded": []}
    assert job_ids(first)[0] not in job_ids(recommend(client, member_id=member_id))


def test_a_view_changes_the_next_answer(client: httpx.Client, someone: Someone) -> None:
    member_id = someone()
    first = recommend(client, member_id=member_id, k=100)
    post(client, {"member_id": member_id, "job_id": job_ids(first)[-1], "action": "view"})
    second = recommend(client, member_id=member_id, k=100)
    assert job_ids(first) != job_ids(second)
    assert any("recent" in result["found_by"] for result in second["results"])


def test_a_member_whom_nobody_knew_is_known_after_their_first_event(client: httpx.Client) -> None:
    first = recommend(client, member_id="newcomer")
    post(client, {"member_id": "newcomer", "job_id": job_ids(first)[0], "action": "view"})
    second = recommend(client, member_id="newcomer")
    assert (first["member_known"], second["member_known"]) == (False, True)
    assert second["results"][0]["scores"]


def test_the_same_event_id_posted_twice_changes_nothing(
    shared: tuple[Engine, str], client: httpx.Client, someone: Someone
) -> None:
    member_id, index = someone(), shared[0].servable.index
    job_id = job_ids(recommend(client, member_id=member_id))[0]
    event = {"id": "posted-twice", "member_id": member_id, "job_id": job_id, "action": "view"}
    post(client, event)
    members, rows = shared[0].servable.members, index.rows([job_id])
    before = members.read(member_id).activity, index.activity.views(rows, datetime.now(UTC), 1).tolist()
    assert post(client, event)["duplicates"] == 1
    after = members.read(member_id).activity, index.activity.views(rows, datetime.now(UTC), 1).tolist()
    assert before == after


def test_an_event_id_is_remembered_over_a_restart(workspace: Workspace, someone: Someone) -> None:
    event = {"id": "before-the-restart", "member_id": someone(), "action": "view"}
    for expected in ({"accepted": 1, "duplicates": 0}, {"accepted": 0, "duplicates": 1}):
        engine = Engine(workspace)
        with running(engine) as url:
            answer = httpx.post(f"{url}/v1/events", json=event | {"job_id": engine.servable.index.ids[0]}).json()
        assert expected.items() <= answer.items()


def test_a_view_counts_for_the_job_at_once(shared: tuple[Engine, str], client: httpx.Client, someone: Someone) -> None:
    index = shared[0].servable.index
    rows = index.rows([index.ids[7]])
    before = index.activity.views(rows, datetime.now(UTC), 1)[0]
    post(client, {"member_id": someone(), "job_id": index.ids[7], "action": "view"})
    assert index.activity.views(rows, datetime.now(UTC), 1)[0] == before + 1


def test_a_batch_is_taken_in_event_by_event_with_a_reason_for_each_rejected(
    client: httpx.Client, shared: tuple[Engine, str], someone: Someone
) -> None:
    good = {"member_id": someone(), "job_id": shared[0].servable.index.ids[0], "action": "save"}
    late = (datetime.now(UTC) + CLOCK_SKEW + timedelta(minutes=1)).isoformat()
    found = post(
        client,
        [good, good | {"job_id": "nowhere"}, good | {"action": "buy"}, good | {"time": late}, 7, good | {"job_id": -1}],
    )
    assert (found["accepted"], found["rejected"]) == (1, 5)
    assert [(r["index"], r["reason"]) for r in found["reasons"]] == [
        (1, "unknown_job"),
        (2, "bad_event"),
        (3, "future"),
        (4, "bad_event"),
        (5, "unknown_job"),
    ]


def test_the_request_fills_in_what_an_event_leaves_out(
    workspace: Workspace, engine: Engine, served: httpx.Client, someone: Someone
) -> None:
    member_id = someone()
    found = served.post("/v1/search", json={"query": "driver", "member_id": member_id, "k": 3}).json()
    post(served, {"request_id": found["request_id"], "job_id": job_ids(found)[1], "action": "view"})
    entry = engine.servable.members.read(member_id).activity.entries[0]
    assert (entry.action, entry.job_id) == ("view", job_ids(found)[1])


def test_a_job_that_was_shown_is_taken_in_though_a_swap_has_left_it_out(
    workspace: Workspace, engine: Engine, served: httpx.Client, someone: Someone
) -> None:
    found = recommend(served, member_id=someone(), k=3)
    gone = job_ids(found)[0]
    for path in parts(workspace.records / "jobs"):
        table = pq.read_table(path)
        pq.write_table(table.filter(pc.not_equal(table["id"], gone)), path)
    engine.swap(index=build_index(workspace, workspace.bundle))
    assert engine.servable.index.rows([gone], ended=True)[0] < 0
    assert post(served, {"request_id": found["request_id"], "job_id": gone, "action": "apply"})["accepted"] == 1
    assert post(served, [{"job_id": gone, "action": "apply"}])["reasons"][0]["reason"] == "unknown_job"


def test_an_event_of_nobody_in_particular_is_taken_in(client: httpx.Client, shared: tuple[Engine, str]) -> None:
    found = post(client, {"request_id": "no-such", "job_id": shared[0].servable.index.ids[0], "action": "view"})
    assert (found["accepted"], found["reasons"]) == (1, [])


def test_popular_are_jobs_that_people_looked_at_not_programs(
    client: httpx.Client, shared: tuple[Engine, str], market: Workspace
) -> None:
    """A thousand views of a job by an id that no member has are one visit; two members' are two, however often each."""
    index = shared[0].servable.index
    at = datetime.now(UTC) - timedelta(days=8)

    def visits(job: int, *members: str) -> int:
        row, before = np.array([job], np.int32), at.replace(hour=0, minute=0, second=0)
        views = [
            {"id": uuid4().hex, "member_id": id_, "job_id": index.ids[job], "action": "view", "time": at.isoformat()}
            for id_ in members
            for _ in range(50)
        ]
        counted = int(index.activity.views(row, before + timedelta(days=1), 1)[0])
        assert post(client, views)["accepted"] == len(views)
        return int(index.activity.views(row, before + timedelta(days=1), 1)[0]) - counted

    one, other = read_table(market.records / "members", ["id"])["id"].to_pylist()[:2]
    assert visits(3, "bot-1", "bot-2") == 1
    assert visits(4, one, other, "bot-1") == 3


def test_events_of_one_member_posted_at_once_are_all_folded(
    client: httpx.Client, shared: tuple[Engine, str], someone: Someone
) -> None:
    engine, url = shared
    member_id, ids = someone(), engine.servable.index.ids[:12]
    with ThreadPoolExecutor(6) as pool:
        replies = pool.map(
            lambda job_id: httpx.post(
                f"{url}/v1/events", json={"member_id": member_id, "job_id": job_id, "action": "apply"}, timeout=60
            ).json()["accepted"],
            ids,
        )
    assert sum(replies) == 12
    assert set(engine.servable.members.read(member_id).activity.applied) >= set(ids)


def test_a_repost_while_the_first_may_still_fail_is_no_duplicate(
    engine: Engine, served: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log hangs over the first post, which fails after the second has come."""
    event = {"id": "posted-at-once", "member_id": "m", "job_id": engine.servable.index.ids[0], "action": "view"}
    first_waits, second_came, write = threading.Event(), threading.Event(), engine._log.log_events

    def done(events: Sequence[Event]) -> None:
        if first_waits.is_set():
            return write(events)
        first_waits.set()
        second_came.wait(60)
        raise LogFailed("the disk did not take it")

    monkeypatch.setattr(engine._log, "log_events", done)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(served.post, "/v1/events", json=event)
        first_waits.wait(60)
        second = post(served, event)
        second_came.set()
        assert first.result().status_code == 503
    assert (second["accepted"], second["duplicates"]) == (1, 0)
    assert post(served, event)["duplicates"] == 1


def test_an_id_twice_in_one_post_counts_once(client: httpx.Client, shared: tuple[Engine, str]) -> None:
    event = {"id": "twice-in-one", "member_id": "twice", "job_id": shared[0].servable.index.ids[0], "action": "view"}
    found = post(client, [event, event])
    assert (found["accepted"], found["duplicates"]) == (1, 1)


def test_loading_the_history_again_undoes_no_event(
    workspace: Workspace, engine: Engine, served: httpx.Client, member_ids: list[str]
) -> None:
    """Of a member who did something before: one event of now and one that came late."""
    member_id = member_ids[3]
    first = job_ids(recommend(served, member_id=member_id))
    late = (datetime.now(UTC) - timedelta(days=29)).isoformat()
    post(served, {"member_id": member_id, "job_id": first[0], "action": "apply", "time": late})
    post(served, {"member_id": member_id, "job_id": first[1], "action": "apply"})
    materialize(workspace)
    assert not {first[0], first[1]} & set(job_ids(recommend(served, member_id=member_id)))


def test_too_many_events_in_one_post_are_refused(client: httpx.Client) -> None:
    answer = client.post("/v1/events", json=[{}] * (MAX_EVENTS + 1))
    assert (answer.status_code, answer.json()["reason"]) == (422, "bad_input")


def test_a_body_that_holds_no_events_is_refused(client: httpx.Client) -> None:
    assert client.post("/v1/events", json="view").status_code == 422


def test_a_restart_remembers_late_events_and_counts_for_jobs(workspace: Workspace, someone: Someone) -> None:
    late = (datetime.now(UTC) - timedelta(days=3)).isoformat()
    counts = []
    for expected in (1, 0):
        engine = Engine(workspace)
        row, job_id = engine.servable.index.rows([engine.servable.index.ids[3]]), engine.servable.index.ids[3]
        with running(engine) as url:
            events = [
                {"id": "late", "time": late, "member_id": "m", "job_id": job_id, "action": "view"},
                {"id": "shown", "member_id": "m", "job_id": job_id, "action": "impression"},
                {"id": "now", "member_id": "m", "job_id": job_id, "action": "view"},
            ]
            answer = httpx.post(f"{url}/v1/events", json=events).json()
            counts.append(float(engine.servable.index.activity.views(row, datetime.now(UTC), 1)[0]))
        assert answer["accepted"] == 3 * expected and answer["duplicates"] == 3 - 3 * expected
    assert counts[0] == counts[1] > 0


def test_events_of_many_days_make_one_file_and_old_ones_are_refused(
    workspace: Workspace, engine: Engine, served: httpx.Client
) -> None:
    job_id, now = engine.servable.index.ids[0], datetime.now(UTC)
    events = [
        {"member_id": "m", "job_id": job_id, "action": "view", "time": (now - timedelta(days=days)).isoformat()}
        for days in (0, 1, 7, 29, 31, 4_000)
    ]
    answer = post(served, events)
    assert [reason["reason"] for reason in answer["reasons"]] == ["too_old", "too_old"]
    assert len(list((workspace.logs / "events").iterdir())) == 1


def test_what_the_service_knows_better_is_not_taken_from_a_client(
    workspace: Workspace, engine: Engine, served: httpx.Client, someone: Someone
) -> None:
    member_id = someone()
    found = served.post("/v1/search", json={"query": "driver", "member_id": member_id, "k": 3}).json()
    event = {"request_id": found["request_id"], "job_id": job_ids(found)[1], "action": "view"}
    lies = {"position": 10**30, "propensity": 1e300, "logged_by": "me/me", "found_by": "popular"}
    assert post(served, event | lies | {"id": "lied"})["accepted"] == 1
    post(served, {"id": "bare", "job_id": job_ids(found)[1], "action": "view", "member_id": member_id} | lies)
    engine.close()
    rows = {row["id"]: row for row in read_day(workspace, datetime.now(UTC))}
    versions = f"{found['bundle_version']}/{found['index_version']}"
    said = [
        (rows[id_]["position"], rows[id_]["propensity"], rows[id_]["logged_by"], rows[id_]["found_by"])
        for id_ in ("lied", "bare")
    ]
    assert said == [(2, None, versions, ""), (None, None, "", "")]


def test_an_answer_of_another_member_is_not_theirs(served: httpx.Client, someone: Someone) -> None:
    found = served.post("/v1/search", json={"query": "my illness", "member_id": someone(), "k": 3}).json()
    event = {"request_id": found["request_id"], "job_id": job_ids(found)[0], "action": "view", "member_id": "attacker"}
    answer = post(served, [event])
    assert [reason["reason"] for reason in answer["reasons"]] == ["not_their_request"]
    assert "illness" not in json.dumps(answer)
