"""One member online: read, push, read again; on SQLite and on a real Redis server."""

from __future__ import annotations

import sqlite3
import threading
import time
from datetime import timedelta

import pyarrow as pa
import pytest

from contracts.activity import KNOWN_AFTER, Activity
from contracts.arrow import TIME
from contracts.errors import BadInput, BundleMismatch, NotAFeatureRepo
from contracts.features import CREATED_TIME, EVENT_TIME, MEMBER_ACTIVITY, MEMBER_ENCODING, MEMBER_KEY, VIEWS
from contracts.tables import read_table, write_part
from contracts.workspace import Workspace
from feature_repo import definitions
from feature_repo import pushed as pushed_rows
from feature_repo.online import MemberRow, OnlineMembers
from feature_repo.store import apply, check_service, materialize, open_store
from tests.feature_repo.conftest import SERVICE, day, put_activity, put_bundle, put_text, viewed
from tests.make import refused


@pytest.fixture
def members(applied: Workspace) -> OnlineMembers:
    materialize(applied)
    return OnlineMembers(applied, SERVICE)


def push(members: OnlineMembers, member_id: str, activity: Activity) -> None:
    members.fold({member_id: lambda _: activity})


def test_a_member_is_read_as_materialised(members: OnlineMembers) -> None:
    expected = MemberRow(True, "a nurse", "1-test", "Austin, Texas", viewed("j1", 1))
    assert members.read("ann") == expected


def test_a_member_without_activity_is_known(members: OnlineMembers) -> None:
    row = members.read("bob")
    assert row.known
    assert row.activity.entries == ()


def test_an_unknown_member_is_no_error(members: OnlineMembers) -> None:
    assert members.read("nobody") == MemberRow(known=False)


def test_a_push_is_what_the_next_read_sees(members: OnlineMembers) -> None:
    after = viewed("j2", 2, members.read("ann").activity)
    push(members, "ann", after)
    assert members.read("ann").activity == after
    assert members.read("ann").text == "a nurse"


def test_a_push_makes_an_unknown_member_known(members: OnlineMembers) -> None:
    push(members, "new", viewed("j1", 2))
    assert members.read("new").known


def test_a_pushed_row_joins_the_history(members: OnlineMembers, applied: Workspace) -> None:
    after = viewed("j2", 2, members.read("ann").activity)
    push(members, "ann", after)
    members.close()
    assert after.to_json() in read_table(applied.features / MEMBER_ACTIVITY)["activity"].to_pylist()


def test_loading_again_does_not_undo_a_push(members: OnlineMembers, applied: Workspace) -> None:
    late = viewed("j2", 0.5, members.read("ann").activity)  # older than what the store holds
    push(members, "ann", late)
    materialize(applied)  # the history does not have the push yet
    assert members.read("ann").activity == late
    members.close()
    materialize(applied)
    assert OnlineMembers(applied, SERVICE).read("ann").activity == late


def test_loading_again_replaces_a_push_by_what_happened_since(members: OnlineMembers, applied: Workspace) -> None:
    push(members, "ann", viewed("j2", 2))
    put_activity(applied, ("ann", "j1", 3, 3))
    materialize(applied)
    assert members.read("ann").activity == viewed("j1", 3)


def test_text_written_anew_replaces_text_of_the_same_time(applied: Workspace) -> None:
    materialize(applied)
    put_text(applied, "member_text", ("ann", "a registered nurse", 0, 5))
    materialize(applied)
    assert OnlineMembers(applied, SERVICE).read("ann").text == "a registered nurse"


def test_a_pushed_row_holds_from_just_after_its_newest_event_whichever_came_last(
    members: OnlineMembers, applied: Workspace
) -> None:
    push(members, "ann", viewed("j2", 2))
    late = viewed("j3", 0.5, members.read("ann").activity)
    push(members, "ann", late)
    push(members, "new", viewed("j1", 0.5))
    members.close()
    rows = read_table(applied.features / MEMBER_ACTIVITY).to_pylist()
    holds = {(row["member_id"], row["activity"]): row["event_timestamp"] for row in rows}
    just_after = timedelta(milliseconds=1) + KNOWN_AFTER  # an entry's time is cut to the millisecond
    assert holds["ann", viewed("j2", 2).to_json()] == day(2) + just_after
    assert holds["ann", late.to_json()] == day(2) + just_after
    assert holds["new", viewed("j1", 0.5).to_json()] == day(0.5) + just_after


def test_a_pushed_row_joins_the_history_without_another_push(
    members: OnlineMembers, applied: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushed_rows, "HISTORY_SECONDS", 0.05)
    pushed = viewed("j2", 2)
    push(members, "ann", pushed)
    until = time.monotonic() + 10
    while pushed.to_json() not in read_table(applied.features / MEMBER_ACTIVITY)["activity"].to_pylist():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_pushed_rows_wait_while_the_disk_does_not_take_them(
    members: OnlineMembers, applied: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    push(members, "ann", viewed("j2", 2))
    with monkeypatch.context() as broken:
        broken.setattr(pushed_rows, "write_part", full)
        members._history.write()
    push(members, "bob", viewed("j1", 2))
    members.close()
    found = read_table(applied.features / MEMBER_ACTIVITY)["member_id"].to_pylist()
    assert sorted(found) == ["ann", "ann", "bob"]


def test_what_is_pushed_while_the_store_is_closed_joins_the_history(
    members: OnlineMembers, applied: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = members._let_go

    def pushing() -> None:  # a post that is in flight
        push(members, "ann", viewed("j2", 2))
        let_go()

    monkeypatch.setattr(members, "_let_go", pushing)
    members.close()
    members._history.add(
        [{**row, "member_id": "late"} for row in read_table(applied.features / MEMBER_ACTIVITY).to_pylist()[:1]]
    )
    found = read_table(applied.features / MEMBER_ACTIVITY)["member_id"].to_pylist()
    assert sorted(found) == ["ann", "ann", "late"]


def test_rows_that_are_lost_at_the_end_are_said_to_be(
    members: OnlineMembers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("no such type")

    push(members, "ann", viewed("j2", 2))
    monkeypatch.setattr(pushed_rows, "write_part", broken)
    members.close()
    assert "1 pushed rows are lost" in caplog.text


def test_closing_lets_go_of_the_connections(members: OnlineMembers) -> None:
    push(members, "ann", viewed("j2", 2))
    held = list(members._rows._opened)  # type: ignore[attr-defined]
    members.close()
    for connection in held:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.execute("SELECT 1")


def test_threads_read_whole_rows_while_others_push(members: OnlineMembers) -> None:
    failures: list[str] = []
    pushed = [viewed(f"j{number}", 2) for number in range(20)]

    def read() -> None:
        for _ in range(100):
            row = members.read("ann")
            if row.text != "a nurse" or row.activity not in (viewed("j1", 1), *pushed):
                failures.append(repr(row))

    def push_all() -> None:
        for activity in pushed:
            push(members, "ann", activity)

    threads = [threading.Thread(target=work) for work in (read, read, push_all, push_all)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert members.read("ann").activity == pushed[-1]


def test_the_newest_values_up_to_the_end_are_loaded(applied: Workspace) -> None:
    put_text(applied, "member_text", ("ann", "a head nurse", 5, 5))
    put_activity(applied, ("ann", "j2", 6, 6))
    materialize(applied, end=day(5))
    row = OnlineMembers(applied, SERVICE).read("ann")
    assert (row.text, row.activity) == ("a head nurse", viewed("j1", 1))


def test_job_views_are_not_online(applied: Workspace) -> None:
    online = {view.name for view in open_store(applied).list_feature_views() if view.online}
    assert online == {"member_text", "member_activity", "member_encoding"}


def test_a_bundle_that_came_later_has_its_service_after_apply(applied: Workspace) -> None:
    put_bundle(applied, "v2")
    with refused(BundleMismatch, "student_v2"):
        check_service(open_store(applied), "student_v2", "v2")
    apply(applied)
    assert "student_v2" in {service.name for service in open_store(applied).list_feature_services()}
    check_service(open_store(applied), "student_v2", "v2")


def test_an_unknown_feature_service_is_a_bundle_mismatch(applied: Workspace) -> None:
    with refused(BundleMismatch, "student_v9", "rolecall features materialize"):
        OnlineMembers(applied, "student_v9", "v9")


def test_a_folder_that_is_no_feature_repository(tmp_path) -> None:
    with refused(NotAFeatureRepo, "feature_store.yaml", "rolecall features apply"):
        open_store(Workspace(tmp_path))


@pytest.mark.parametrize("text", ["", "- a\n- list", "project: [", "project: rolecall\nonline_store: {type: nonsense}"])
def test_a_configuration_that_feast_cannot_read(tmp_path, text: str) -> None:
    workspace = Workspace(tmp_path)
    workspace.feature_repo.mkdir()
    (workspace.feature_repo / "feature_store.yaml").write_text(text)
    with refused(NotAFeatureRepo, "feature_store.yaml"):
        open_store(workspace)


def test_redis_holds_what_is_materialised_and_pushed(workspace: Workspace, live_redis: str) -> None:
    apply(workspace, profile="redis")
    materialize(workspace)
    members = OnlineMembers(workspace, SERVICE)
    assert members.read("ann") == MemberRow(True, "a nurse", "1-test", "Austin, Texas", viewed("j1", 1))
    assert not members.read("nobody").known
    late = viewed("j2", 0.5, members.read("ann").activity)
    push(members, "ann", late)
    assert members.read("ann").activity == late
    again = viewed("j3", 0.5, late)  # of the same moment
    push(members, "ann", again)
    assert members.read("ann").activity == again
    materialize(workspace)  # the history does not have the pushes yet
    assert members.read("ann").activity == again
    put_text(workspace, "member_text", ("ann", "a nurse of old", 0, 5))
    materialize(workspace)
    assert members.read("ann").text == "a nurse of old"
    members.close()


@pytest.mark.parametrize("address", [None, "redis://localhost:6379"])
def test_redis_needs_an_address_as_feast_reads_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    if address:
        monkeypatch.setenv("REDIS_URL", address)
    with refused(BadInput, "REDIS_URL", "host:port"):
        apply(workspace, profile="redis")


def test_a_repository_keeps_its_profile_unless_another_is_asked_for(workspace: Workspace, live_redis: str) -> None:
    config = workspace.feature_repo / "feature_store.yaml"

    def applied_with(profile: str | None) -> str:
        apply(workspace, profile=profile)
        materialize(workspace)
        return config.read_text()

    assert "type: sqlite" in applied_with(None)
    assert "REDIS_URL" in applied_with("redis")
    assert "REDIS_URL" in applied_with(None)
    assert "type: sqlite" in applied_with("embedded")


def put_encoding(workspace: Workspace, member: str, value: bytes, number: float) -> None:
    times = pa.array([day(number)], TIME)
    table = {MEMBER_KEY: [member], "encoding": pa.array([value], pa.binary()), EVENT_TIME: times, CREATED_TIME: times}
    write_part(workspace.features / MEMBER_ENCODING, pa.table(table))


def test_an_encoding_is_read_with_the_other_features_and_goes_with_them(applied: Workspace) -> None:
    put_encoding(applied, "ann", b"\x00\xff older", 1)
    put_encoding(applied, "ann", b"\x00\xff newer", 2)
    materialize(applied)
    members = OnlineMembers(applied, SERVICE)
    assert [row.encoding for row in members.read_many(["ann", "bob"])] == [b"\x00\xff newer", b""]
    assert members.read("ann").text == "a nurse"
    members.erase("ann")
    assert members.read("ann") == MemberRow(known=False)


def test_an_encoding_is_read_from_redis_too(workspace: Workspace, live_redis: str) -> None:
    apply(workspace, profile="redis")
    put_encoding(workspace, "ann", b"\x00\xff", 1)
    materialize(workspace)
    members = OnlineMembers(workspace, SERVICE)
    assert [row.encoding for row in members.read_many(["ann", "bob"])] == [b"\x00\xff", b""]
    members.erase("ann")
    assert members.read("ann") == MemberRow(known=False)


def test_a_repository_of_before_there_were_encodings_is_read_without(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.delitem(VIEWS, MEMBER_ENCODING)
        before.setattr(definitions, "ONLINE", ("member_text", "member_activity"))
        apply(workspace)
        materialize(workspace)
    members = OnlineMembers(workspace, SERVICE)
    assert members.read("ann").text == "a nurse"
    push(members, "ann", viewed("j2", 2))
    apply(workspace)
    put_encoding(workspace, "ann", b"\x00\xff", 1)
    materialize(workspace)
    assert OnlineMembers(workspace, SERVICE).read("ann").encoding == b"\x00\xff"
    members.erase("ann")  # by a service that was started before there was the view
    assert OnlineMembers(workspace, SERVICE).read("ann") == MemberRow(known=False)
