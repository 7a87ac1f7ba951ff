from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from backfill import online
from backfill.lists import Lists, lists_of
from backfill.online import load_online, online_lists
from backfill.run import bring
from contracts.errors import BadInput, NotReady, OtherWriter
from contracts.lock import locked
from contracts.tables import latest, read_table, write_part
from contracts.workspace import Workspace
from feature_repo import pace
from feature_repo.guard import StoreDown
from feature_repo.online import erase_online, patient_rows
from feature_repo.store import apply, materialize
from serving.config import ServeConfig
from tests.make import refused

NOW = datetime.now(UTC).replace(microsecond=0)
FAST = 1e9


@pytest.fixture(params=["embedded", "redis"])
def stored(request: pytest.FixtureRequest, workspace: Workspace) -> Workspace:
    """A workspace with lists in use, and an online store of either profile."""
    if request.param == "redis":
        request.getfixturevalue("live_redis")
        apply(workspace, "redis")
        materialize(workspace)
    bring(workspace, Lists(ServeConfig(), k=3), NOW)
    return workspace


def test_the_store_gives_what_the_parts_hold_and_says_the_version(stored, member_ids):
    assert online_lists(stored, member_ids[0]) == ("", [])
    version, members = load_online(stored, FAST)
    assert members == len(member_ids)
    for member in member_ids[:5]:
        (there,) = lists_of(stored, member)
        name, [one] = online_lists(stored, member)
        assert name == version == one["version"] == there["version"]
        assert [job["job_id"] for job in one["jobs"]] == [job["job_id"] for job in there["jobs"]]
        assert [job["score"] for job in one["jobs"]] == [job["score"] for job in there["jobs"]]
    assert online_lists(stored, "nobody") == (version, [])
    erase_online(stored, [member_ids[0]])
    assert online_lists(stored, member_ids[0]) == (version, [])


def test_a_load_that_was_broken_off_changes_nothing_and_no_answer_is_a_mixture(stored, member_ids, monkeypatch):
    some = member_ids[::8]  # of every batch
    first, _ = load_online(stored, FAST)
    second = bring(stored, Lists(ServeConfig(), k=2), NOW + timedelta(minutes=1)).plan.version
    batches = online._batches

    def broken(version):
        yield next(batches(version))
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(online, "BATCH", 40)
        patched.setattr(online, "_batches", broken)
        with pytest.raises(KeyboardInterrupt):
            load_online(stored, FAST)
    assert {online_lists(stored, member)[0] for member in some} == {first}
    assert {one["version"] for member in some for one in online_lists(stored, member)[1]} == {first}
    assert load_online(stored, FAST) == (second, len(member_ids))
    assert {one["version"] for member in some for one in online_lists(stored, member)[1]} == {second}

    third = bring(stored, Lists(ServeConfig(), k=1), NOW + timedelta(minutes=2)).plan.version
    load_online(stored, FAST)
    with patient_rows(stored) as rows:
        rows.use_lists(second)
        assert rows.lists(member_ids[0])[0] == second and rows.lists(member_ids[0])[1], "the one before is kept"
        rows.use_lists(second)
        rows.use_lists(third)
        assert rows.lists(member_ids[0])[1], "also where one is used again"
        rows.use_lists(first)
        assert rows.lists(member_ids[0]) == (first, None), "older ones are gone"


def test_a_store_that_goes_down_is_a_typed_error_and_uses_what_it_used(stored, member_ids, monkeypatch):
    first, _ = load_online(stored, FAST)
    bring(stored, Lists(ServeConfig(), k=2), NOW + timedelta(minutes=1))
    with patient_rows(stored) as rows:
        kind, (failure,) = type(rows), rows.failures
    down = failure("Error 111 connecting to localhost:6379. Connection refused.")

    def put_lists(*_: object) -> None:
        raise down

    monkeypatch.setattr(kind, "put_lists", put_lists)
    with refused(StoreDown, "Connection refused", "see whether it runs", where=stored.feature_repo):
        load_online(stored, FAST)
    assert online_lists(stored, member_ids[0])[0] == first


def test_a_load_keeps_to_its_rate_and_to_one_at_a_time(workspace, member_ids, monkeypatch):
    with refused(NotReady, "rolecall lists make"):
        load_online(workspace)
    bring(workspace, Lists(ServeConfig(), k=1), NOW)
    waited: list[float] = []
    monkeypatch.setattr(pace, "monotonic", lambda: 0.0)
    monkeypatch.setattr(pace, "sleep", waited.append)
    _, members = load_online(workspace, 100)
    assert waited[-1] == pytest.approx(members / 100)
    monkeypatch.undo()
    with (
        locked(workspace.root / "lists" / ".loading", "lists into the online store"),
        refused(OtherWriter, "lists into"),
    ):
        load_online(workspace)
    with refused(BadInput, "0", where="rate"):
        load_online(workspace, 0)


@pytest.mark.parametrize("profile", ["embedded", "redis"])
def test_who_reads_while_features_are_loaded_has_one_version_of_a_member(
    request, workspace, member_ids, monkeypatch, profile
):
    """Of the rows that two loads write, each says its version in every field; a reader has all of one load."""
    if profile == "redis":
        request.getfixturevalue("live_redis")
    apply(workspace, profile)
    folder, at = workspace.features / "member_text", NOW + timedelta(hours=1)

    def told(number: int) -> None:
        rows = pl.DataFrame(latest(read_table(folder), "member_id", "event_timestamp"))
        said = {name: pl.lit(f"version {number}") for name in ("text", "text_version", "location")}
        times = {name: pl.lit(at + timedelta(minutes=number)) for name in ("event_timestamp", "created_timestamp")}
        table = rows.with_columns(**said, **times).select(rows.columns).to_arrow()
        write_part(folder, table.cast(read_table(folder).schema))

    told(1)
    materialize(workspace, end=at + timedelta(days=1), rate=FAST)
    told(2)
    monkeypatch.setattr(pace, "BATCH", 5)
    seen: set[str] = set()
    half = threading.Event()

    def wait(seconds: float) -> None:  # between two writes the reader looks, in place of time that passes
        half.set()
        looked.wait(60)
        looked.clear()

    looked = threading.Event()
    monkeypatch.setattr(pace, "sleep", wait)
    load = threading.Thread(target=materialize, args=(workspace, at + timedelta(days=1), 50.0), daemon=True)
    with patient_rows(workspace) as rows:  # open before the load begins, as a service is
        load.start()
        while load.is_alive():
            if not half.wait(0.1):
                continue
            half.clear()
            found = rows.read(member_ids)
            for member in found:
                assert len({member["text"], member["text_version"], member["location"]}) == 1
            seen.add(" ".join(sorted({member["text"] for member in found})))
            looked.set()
    assert "version 1 version 2" in seen, "the load was in its midst"
    with patient_rows(workspace) as rows:
        assert {member["text"] for member in rows.read(member_ids)} == {"version 2"}


def test_a_pace_makes_up_for_no_time_that_passed_and_is_a_number(monkeypatch):
    clock, waited = [0.0], []
    monkeypatch.setattr(pace, "monotonic", lambda: clock[0])
    monkeypatch.setattr(pace, "sleep", waited.append)
    kept = pace.Pace(10)
    kept.wrote(5)
    clock[0] = 100.0
    kept.wrote(5)
    kept.wrote(5)
    assert waited == pytest.approx([0.5, 0.0, 0.5])
    with refused(BadInput, "nan", where="rate"):
        pace.Pace(float("nan"))
