"""A member's vectors read with their other features in place of being encoded: the same answer either way."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from beam_jobs import embed
from beam_jobs.encodings import asked_of
from contracts.features import MEMBER_ENCODING
from contracts.records import Event
from contracts.tables import latest, read_table
from contracts.workspace import Workspace
from feature_repo.store import materialize
from ranking.encoding import KEY_BYTES, encode_request
from ranking.match import encode_titles
from retrieval.encoder import TextEncoder
from serving.config import CacheConfig, ServeConfig
from serving.engine import Engine
from serving.schemas import JobsRequest, Profile, RecommendRequest, SearchRequest

NOW = datetime.now(UTC) + timedelta(minutes=10)
OUTCOMES = ("stored", "missing", "outdated", "asked")
NO_CACHES = ServeConfig(deadline=60, cache=CacheConfig(vectors_mb=0, prefixes_mb=0, scores_mb=0))


@pytest.fixture(scope="module")
def embedded(market: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy of the market whose members' encodings are in the online store. Nobody writes to it."""
    root = tmp_path_factory.mktemp("embedded") / "market"
    shutil.copytree(market.root, root)
    embed.run(["--workspace", str(root), "--tables", "members"])
    materialize(Workspace(root))
    return Workspace(root)


@pytest.fixture
def copied(embedded: Workspace, tmp_path: Any) -> Workspace:
    shutil.copytree(embedded.root, tmp_path / "copied")
    return Workspace(tmp_path / "copied")


@pytest.fixture(scope="module")
def stored(embedded: Workspace) -> Iterator[Engine]:
    engine = Engine(embedded, NO_CACHES)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def encoding(market: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The same market, whose members have no encoding."""
    root = tmp_path_factory.mktemp("encoding") / "market"
    shutil.copytree(market.root, root)
    engine = Engine(Workspace(root), NO_CACHES)
    yield engine
    engine.close()


def counts(engine: Engine) -> dict[str, float]:
    counter = engine.metrics.member_vectors
    return {name: counter.labels(name)._value.get() for name in OUTCOMES}


def came(engine: Engine, message: JobsRequest) -> tuple[list[tuple[Any, ...]], str]:
    """The answer's jobs with all that is said of them, and where its vectors came from."""
    before, surface = counts(engine), "search" if isinstance(message, SearchRequest) else "recommendation"
    answer = ask(engine, surface, message)
    [outcome] = [name for name, count in counts(engine).items() if count > before[name]]
    assert not answer.degraded
    return [(one.job_id, one.score, one.scores, one.found_by, one.why) for one in answer.results], outcome


def ask(engine: Engine, surface: str, message: JobsRequest) -> Any:
    answerer = replace(engine._answerer, at=NOW)  # how old a job is is part of its score
    return answerer.answer(engine.servable, engine.surfaces[surface], message, time.monotonic())[0]


def test_the_answer_is_that_which_the_encoder_gives(
    stored: Engine, encoding: Engine, member_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [came(encoding, RecommendRequest(member_id=member)) for member in member_ids[:8]]
    assert {outcome for _, outcome in wanted} == {"missing"}

    def refuse(*_: Any) -> np.ndarray:
        raise AssertionError("the encoder was asked")

    monkeypatch.setattr(TextEncoder, "plain", refuse)
    found = [came(stored, RecommendRequest(member_id=member)) for member in member_ids[:8]]
    assert {outcome for _, outcome in found} == {"stored"}
    assert [jobs for jobs, _ in found] == [jobs for jobs, _ in wanted]


def test_it_is_made_in_calls_of_its_own_and_alike_on_any_number_of_threads(embedded: Workspace) -> None:
    one, all_cores = (TextEncoder(embedded.encoder, threads) for threads in (1, None))
    texts = latest(read_table(embedded.features / "member_text"), "member_id", "event_timestamp")["text"].to_pylist()
    activity = "viewed: Night nurse, Acme, Boise"
    assert one.version.split("-")[1] == "int8"
    for request in [asked_of(text, activity) for text in texts[:4]]:
        found, again = encode_request(one, request), encode_request(all_cores, request)
        assert np.array_equal(found.vector, one.encode([request.request_text], "request")[0])
        assert np.array_equal(found.vector, again.vector)
        for mine, theirs, alone in zip(
            found.titles or (), again.titles or (), encode_titles(one, request), strict=True
        ):
            assert np.array_equal(mine, theirs) and np.array_equal(mine, alone)
        assert encode_request(one, request, with_titles=False).titles is None


def test_what_else_is_asked_is_encoded(stored: Engine, encoding: Engine, member_ids: list[str]) -> None:
    for message in (
        SearchRequest(member_id=member_ids[0], query="nurse"),
        RecommendRequest(member_id=member_ids[0], profile=Profile(headline="Truck driver")),
    ):
        (jobs, outcome), (wanted, _) = came(stored, message), came(encoding, message)
        assert outcome == "asked"
        assert jobs == wanted


def test_an_event_makes_it_outdated_and_the_next_run_makes_it_new(copied: Workspace, member_ids: list[str]) -> None:
    member, asked = member_ids[1], RecommendRequest(member_id=member_ids[1])
    engine = Engine(copied, NO_CACHES)
    try:
        assert came(engine, asked)[1] == "stored"
        job = engine.servable.index.ids[3]
        event = Event(id="new", time=NOW, member_id=member, job_id=job, action="view")
        activity = engine.servable.members.read(member).activity.add(event, "Pilot, Acme, Boise")
        engine.servable.members.fold({member: lambda _: activity})
        between, outcome = came(engine, asked)
        assert outcome == "outdated"
        engine.close()  # the pushed row joins the history
        embed.run(["--workspace", str(copied.root), "--tables", "members"])
        materialize(copied)
        engine = Engine(copied, NO_CACHES)
        assert came(engine, asked) == (between, "stored")
    finally:
        engine.close()


def test_one_made_by_another_encoder_is_outdated(copied: Workspace, member_ids: list[str]) -> None:
    engine = Engine(copied, NO_CACHES)
    try:
        wanted, _ = came(engine, RecommendRequest(member_id=member_ids[0]))
        engine.servable.encoder.version = "another"
        assert came(engine, RecommendRequest(member_id=member_ids[0])) == (wanted, "outdated")
    finally:
        engine.close()


def test_a_key_is_that_of_the_services_own_request(embedded: Workspace, stored: Engine, member_ids: list[str]) -> None:
    table = read_table(embedded.features / MEMBER_ENCODING)
    assert sorted(table["member_id"].to_pylist()) == member_ids
    for row in table.to_pylist()[:5]:
        assert stored.servable.members.read(row["member_id"]).encoding == row["encoding"]
        assert row["encoding"][:KEY_BYTES] == row["encoding_key"]
        assert row["encoder_version"] == stored.servable.encoder.version


def test_an_erased_member_has_none(copied: Workspace, member_ids: list[str]) -> None:
    engine = Engine(copied, NO_CACHES)
    try:
        assert engine.servable.members.read(member_ids[0]).encoding
        engine.servable.members.erase(member_ids[0])
        assert not engine.servable.members.read(member_ids[0]).encoding
        assert engine.servable.members.read(member_ids[1]).encoding
    finally:
        engine.close()
