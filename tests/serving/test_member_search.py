"""Members for a job: scored as in their own lists, without those who answered it, and without a word of theirs."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import numpy as np
import pytest

from contracts.erased import note_erased, readmit
from contracts.match import COMPARISONS
from contracts.workspace import Workspace
from ranking.match import encode_titles
from ranking.rank import bins_read
from ranking.reasons import MEMBER_FINDINGS, member_reasons
from retrieval.filters.filters import Filter
from retrieval.members import MemberVectors
from retrieval.request import build_request
from serving.config import ServeConfig
from serving.engine import Engine
from serving.http.run import running


@pytest.fixture(scope="module")
def recruiting(market: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, httpx.Client]]:
    """The market with vectors of its members."""
    from beam_jobs import embed

    root = tmp_path_factory.mktemp("recruiting") / "market"
    shutil.copytree(market.root, root)
    embed.run(["--workspace", str(root), "--tables", "members"])
    engine = Engine(Workspace(root), ServeConfig(deadline=60))
    with running(engine) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield engine, client


def post(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/v1/candidates", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_member_has_the_score_that_the_job_has_in_their_own_list(recruiting: tuple[Engine, httpx.Client]) -> None:
    engine, client = recruiting
    servable, job_id = engine.servable, engine.servable.index.ids[0]
    answer = post(client, job_id=job_id, k=5)
    scores = [result["score"] for result in answer["results"]]
    assert len(scores) == 5 and scores == sorted(scores, reverse=True) and answer["degraded"] == []
    first = answer["results"][0]
    member = servable.members.read(first["member_id"])
    request = build_request(
        member.text,
        member.activity,
        "",
        member.location,
        Filter(),
        datetime.now(UTC),
        percentiles=servable.verbalizer.percentiles,
    )
    rows = servable.index.rows([job_id])
    bins = bins_read(servable.index, servable.scorer, request, rows, encode_titles(servable.encoder, request))
    logits = servable.scorer.logits(servable.scorer.prefix(request.request_text), servable.index.items(rows), bins)
    assert first["score"] == pytest.approx(float(logits[0, servable.scorer.tasks.index("relevance")]), abs=1e-5)


def test_nothing_of_a_members_text_is_in_an_answer(recruiting: tuple[Engine, httpx.Client]) -> None:
    engine, client = recruiting
    answer = post(client, job_id=engine.servable.index.ids[1], k=20)
    said = {sentence for result in answer["results"] for sentence in result["why"]}
    assert said <= {sentence for of in MEMBER_FINDINGS.values() for sentence in of}
    known = {"rank", "member_id", "score", "scores", "good_match", "why"}
    assert all(set(result) == known for result in answer["results"])


def test_who_applied_or_dismissed_and_who_is_excluded_is_left_out(recruiting: tuple[Engine, httpx.Client]) -> None:
    engine, client = recruiting
    job_id = engine.servable.index.ids[2]
    first, second, third = (result["member_id"] for result in post(client, job_id=job_id, k=3)["results"])
    events = [
        {"member_id": first, "job_id": job_id, "action": "apply"},
        {"member_id": second, "job_id": job_id, "action": "dismiss"},
    ]
    assert client.post("/v1/events", json=events).json()["accepted"] == 2
    left = [result["member_id"] for result in post(client, job_id=job_id, k=100, exclude=[third])["results"]]
    assert left and not {first, second, third} & set(left)


def test_who_was_erased_is_no_candidate_while_tables_and_store_still_have_them(
    recruiting: tuple[Engine, httpx.Client],
) -> None:
    engine, client = recruiting
    body = {"job_id": engine.servable.index.ids[0], "k": 5}
    first = client.post("/v1/candidates", json=body).json()
    erased = first["results"][0]["member_id"]
    note_erased(engine.workspace, [erased], datetime.now(UTC))
    after = client.post("/v1/candidates", json=body).json()
    readmit(engine.workspace, erased)
    assert erased not in [member["member_id"] for member in after["results"]] and after["results"]
    assert after["near"] == first["near"] - 1


def test_a_threshold_and_an_unknown_job(recruiting: tuple[Engine, httpx.Client]) -> None:
    engine, client = recruiting
    job_id = engine.servable.index.ids[3]
    goods = sorted(result["good_match"] for result in post(client, job_id=job_id)["results"])
    kept = post(client, job_id=job_id, min_good_match=goods[-3])["results"]
    assert 0 < len(kept) < len(goods) and all(result["good_match"] >= goods[-3] for result in kept)
    assert client.post("/v1/candidates", json={"job_id": "nobody"}).status_code == 404


def test_without_the_feature_store_nobody_is_shown(
    recruiting: tuple[Engine, httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, client = recruiting
    monkeypatch.setattr(engine.servable.members, "read", None)
    answer = post(client, job_id=engine.servable.index.ids[0])
    assert (answer["results"], answer["degraded"]) == ([], ["features"])


def test_scores_that_are_no_numbers_put_nobody_in_a_list(
    recruiting: tuple[Engine, httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, client = recruiting
    tasks = len(engine.servable.scorer.tasks)
    monkeypatch.setattr(engine.servable.scorer, "logits", lambda *_: np.full((1, tasks), np.nan, np.float32))
    answer = post(client, job_id=engine.servable.index.ids[0])
    assert (answer["results"], answer["degraded"]) == ([], ["student"])


def test_a_bundle_without_what_members_are_ordered_by_is_named(
    recruiting: tuple[Engine, httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, client = recruiting
    manifest = engine.servable.manifest.model_copy(update={"tasks": ("apply", "view")})
    monkeypatch.setattr(engine._current, "_servable", replace(engine.servable, manifest=manifest))
    reply = client.post("/v1/candidates", json={"job_id": engine.servable.index.ids[0]})
    assert (reply.status_code, reply.json()["reason"]) == (503, "no_relevance")
    assert manifest.version in reply.json()["message"]


def test_where_the_scan_fails_nobody_is_shown_and_the_answer_says_so(
    recruiting: tuple[Engine, httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, client = recruiting
    monkeypatch.setattr(MemberVectors, "nearest", None)
    answer = post(client, job_id=engine.servable.index.ids[0])
    assert (answer["results"], answer["near"], answer["degraded"]) == ([], 0, ["retrieval"])


def test_while_changed_vectors_are_read_others_are_answered_from_those_before(
    recruiting: tuple[Engine, httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, client = recruiting
    job_id = engine.servable.index.ids[0]
    before = [result["member_id"] for result in post(client, job_id=job_id)["results"]]
    load, begun, go_on, read = MemberVectors.load, threading.Event(), threading.Event(), list[str]()

    def slow(workspace: Workspace, encoder_version: str) -> MemberVectors:
        read.append(encoder_version)
        begun.set()
        assert go_on.wait(60)
        return load(workspace, encoder_version)

    monkeypatch.setattr("serving.member_search.table_state", lambda folder: (("another", 1),))
    monkeypatch.setattr(MemberVectors, "load", slow)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(post, client, job_id=job_id)
        assert begun.wait(60)
        assert [result["member_id"] for result in post(client, job_id=job_id)["results"]] == before
        go_on.set()
        assert [result["member_id"] for result in first.result()["results"]] == before
    assert len(read) == 1


def test_without_vectors_of_members_it_says_which_command_makes_them(client: httpx.Client, shared: Any) -> None:
    answer = client.post("/v1/candidates", json={"job_id": shared[0].servable.index.ids[0]})
    assert answer.status_code == 503 and "rolecall embed" in answer.json()["message"]


def test_every_bin_of_a_comparison_has_its_sentence_or_none() -> None:
    bins = {comparison.name: len(comparison.bins) for comparison in COMPARISONS}
    assert {name: len(said) for name, said in MEMBER_FINDINGS.items()} == {name: bins[name] for name in MEMBER_FINDINGS}
    private = {"wished_work", "wished_title", "pay", "workplace"}
    assert not private & set(MEMBER_FINDINGS)
    match = np.zeros(len(COMPARISONS), np.uint8)
    assert member_reasons(match) == ()
    match[[comparison.name for comparison in COMPARISONS].index("own_work")] = 4
    assert member_reasons(match) == ("does work of the job's kind",)
