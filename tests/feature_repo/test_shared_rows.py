"""Several services on one online store lose no update; on SQLite and on a real Redis server."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from contracts.activity import Activity
from contracts.errors import NotAFeatureRepo
from contracts.workspace import Workspace
from feature_repo.config import StoreConfig
from feature_repo.guard import StoreDown
from feature_repo.online import OnlineMembers, erase_online
from feature_repo.store import apply, materialize, open_store
from tests.feature_repo.conftest import SERVICE, day, put_text, viewed
from tests.make import event, refused

PATIENT = StoreConfig(read_seconds=30, write_seconds=30)


@pytest.fixture(params=["embedded", "redis"])
def store(request: pytest.FixtureRequest, workspace: Workspace) -> Workspace:
    """A workspace whose online store is filled."""
    if request.param == "redis":
        request.getfixturevalue("live_redis")
    apply(workspace, profile=request.param)
    materialize(workspace)
    return workspace


@pytest.fixture
def two(store: Workspace) -> Iterator[tuple[OnlineMembers, OnlineMembers]]:
    """Two services' views of it."""
    pair = OnlineMembers(store, SERVICE, config=PATIENT), OnlineMembers(store, SERVICE, config=PATIENT)
    yield pair
    for members in pair:
        members.close()


def applied(members: OnlineMembers, member_id: str, job: str) -> None:
    done = event(f"e{job}", day(3), member_id, job, "apply")
    members.fold({member_id: lambda activity: activity.add(done, f"{job} in Austin")})


def test_of_updates_by_two_services_at_once_none_is_lost(two: tuple[OnlineMembers, OnlineMembers]) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: applied(two[n % 2], "ann", f"a{n}"), range(40)))
    for members in two:
        assert set(members.read("ann").activity.applied) == {f"a{n}" for n in range(40)}


def test_an_id_is_claimed_by_one_of_two_services(two: tuple[OnlineMembers, OnlineMembers]) -> None:
    ids = [f"e{n}" for n in range(50)]
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda members: members.claim(ids), two)
    assert first | second == set(ids) and not first & second
    assert two[0].claim(["e1", "new"]) == {"new"}


def test_news_of_one_service_reach_the_other_in_order(two: tuple[OnlineMembers, OnlineMembers]) -> None:
    two[0].publish([b"1", b"2"])
    two[1].publish([b"3"])
    news = two[1].news("")
    assert [entry for _, entry in news] == [b"1", b"2", b"3"]
    assert two[0].news(news[1][0]) == news[2:]
    assert [entry for _, entry in two[0].news("", most=2)] == [b"1", b"2"]


def test_what_is_folded_is_read_by_feast(store: Workspace, two: tuple[OnlineMembers, OnlineMembers]) -> None:
    applied(two[0], "ann", "j2")
    applied(two[0], "new", "j2")
    feast = open_store(store)
    answer = feast.get_online_features(
        feast.get_feature_service(SERVICE), [{"member_id": "ann"}, {"member_id": "new"}]
    ).to_dict()
    found = [Activity.from_json(text).applied for text in answer["activity"]]
    assert found == [("j2",), ("j2",)] and answer["text"] == ["a nurse", None]


def test_loading_while_members_act_undoes_nothing(store: Workspace, two: tuple[OnlineMembers, OnlineMembers]) -> None:
    with ThreadPoolExecutor(2) as pool:
        loading = pool.submit(lambda: [materialize(store) for _ in range(3)])
        for n in range(60):
            applied(two[0], "ann", f"a{n}")
        loading.result()
    assert len(two[1].read("ann").activity.applied) == 60


def test_a_late_event_is_kept_whatever_another_clock_said(two: tuple[OnlineMembers, OnlineMembers]) -> None:
    late = event("late", day(1) - timedelta(days=30), "ann", "j9", "apply")
    applied(two[0], "ann", "j2")
    two[1].fold({"ann": lambda activity: activity.add(late, "j9")})
    assert set(two[0].read("ann").activity.applied) == {"j2", "j9"}


def test_an_erased_member_is_nobody(two: tuple[OnlineMembers, OnlineMembers]) -> None:
    two[0].erase("ann")
    assert not two[1].read("ann").known and two[1].read("bob").known


def test_an_erased_member_leaves_the_store_without_a_service_and_no_row_waits_for_the_history(
    store: Workspace, two: tuple[OnlineMembers, OnlineMembers]
) -> None:
    applied(two[0], "ann", "j5")
    applied(two[0], "bob", "j5")
    two[0].erase("ann")
    assert {row["member_id"] for row in two[0]._history._waiting} == {"bob"}
    erase_online(store, ["bob", "nobody"])
    assert not two[1].read("bob").known


def test_a_workspace_without_a_store_has_nobody_to_erase(tmp_path: Path) -> None:
    erase_online(Workspace(tmp_path), ["ann"])


def test_many_members_are_read_in_one_call(store: Workspace) -> None:
    put_text(store, "member_text", *((f"m{n}", f"nurse {n}", 0.0, 0.0) for n in range(1_200)))
    materialize(store)
    members = OnlineMembers(store, SERVICE, config=PATIENT)
    rows = members.read_many([f"m{n}" for n in range(1_200)] + ["nobody", "m3"])
    assert [rows[0].text, rows[1_199].text, rows[1_200].known, rows[1_201].text] == [
        "nurse 0",
        "nurse 1199",
        False,
        "nurse 3",
    ]
    members.close()


def test_a_change_that_changes_nothing_writes_nothing(two: tuple[OnlineMembers, OnlineMembers]) -> None:
    two[0].fold({"ann": lambda activity: activity})
    assert two[0]._history._waiting == []
    two[0].fold({"ann": lambda activity: viewed("j2", 2, activity)})
    assert len(two[0]._history._waiting) == 1


HOLDS_THE_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("taken", flush=True)
sys.stdin.read()
"""


def test_a_file_that_another_process_locks_is_down_and_comes_back(applied_file: Path, applied: Workspace) -> None:
    members = OnlineMembers(applied, SERVICE, config=StoreConfig(probe_seconds=0.01))
    command = [sys.executable, "-c", HOLDS_THE_LOCK, str(applied_file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"taken\n"
        for _ in range(5):
            with pytest.raises((sqlite3.OperationalError, StoreDown)):
                members.fold({"ann": lambda activity: viewed("j2", 2, activity)})
            assert members.read("ann").known  # whoever only asks does not wait for it
        assert members.state == "open"
        holder.communicate(b"")
    _until(lambda: members.fold({"ann": lambda activity: viewed("j2", 2, activity)}))
    assert members.state == "closed"
    members.close()


@pytest.fixture
def applied_file(applied: Workspace) -> Path:
    materialize(applied)
    return applied.feature_repo / "data" / "online_store.db"


def _until(call: Callable[[], object]) -> None:
    """Call until the store takes it."""
    for _ in range(1_000):
        try:
            call()
            return
        except (StoreDown, sqlite3.OperationalError):
            time.sleep(0.02)
    raise AssertionError("it did not come back")


@pytest.mark.parametrize("content", [b"no database", b""])
def test_a_file_that_is_no_database_is_refused(applied: Workspace, applied_file: Path, content: bytes) -> None:
    for name in ("-wal", "-shm"):
        applied_file.with_name(applied_file.name + name).unlink(missing_ok=True)
    applied_file.write_bytes(content)
    with refused(NotAFeatureRepo, "online_store.db", "rolecall features materialize"):
        OnlineMembers(applied, SERVICE)
