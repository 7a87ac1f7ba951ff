"""Point-in-time joins over folders of parts: what was known then, whatever the parts and the ties."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.activity import Activity
from contracts.arrow import TIME
from contracts.errors import BadInput, UnreadableFile
from contracts.features import CREATED_TIME, EVENT_TIME, MEMBER_ACTIVITY
from contracts.tables import parts, read_table, write_part
from contracts.workspace import Workspace
from tests.feature_repo.conftest import day, put_activity, put_bundle, put_text
from tests.make import refused

Row = tuple[str, int, int, int]
"""(member, hour it holds from, hour it was known, part)"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A feature store whose activity table each test writes anew."""
    from feature_repo.store import apply, open_store

    workspace = Workspace(tmp_path_factory.mktemp("offline"))
    put_text(workspace, "job_text", ("j1", "Nurse wanted", 0, 0))
    put_bundle(workspace)
    apply(workspace)
    return open_store(workspace)


def write_history(store: Any, rows: list[Row]) -> Path:
    """The activity table made of `rows` alone; a row's text is its number."""
    folder = store.repo_path.parent / "features" / MEMBER_ACTIVITY
    shutil.rmtree(folder, ignore_errors=True)
    for part in {row[3] for row in rows}:
        mine = [(number, row) for number, row in enumerate(rows) if row[3] == part]
        table = {
            "member_id": [row[0] for _, row in mine],
            "activity": ["{}"] * len(mine),
            "activity_text": [str(number) for number, _ in mine],
            EVENT_TIME: pa.array([day(row[1] / 24) for _, row in mine], TIME),
            CREATED_TIME: pa.array([day(row[2] / 24) for _, row in mine], TIME),
        }
        write_part(folder, pa.table(table), f"{part}")
    return folder


def join(store: Any, asked: list[tuple[str, int]], known_then: bool = True) -> list[str | None]:
    frame = pd.DataFrame(
        {"member_id": [member for member, _ in asked], EVENT_TIME: [day(hour / 24) for _, hour in asked]}
    )
    found = store.get_historical_features(
        frame, features=[f"{MEMBER_ACTIVITY}:activity_text"], filter_by_created_timestamp=known_then
    )
    return found.to_arrow()["activity_text"].to_pylist()


def as_of(rows: list[Row], member: str, hour: int, known_then: bool) -> str | None:
    """The same by looking at every row: the newest event, then what was known last, then the later part and row."""
    seen = [
        (row[1], row[2], row[3], number)
        for number, row in enumerate(rows)
        if row[0] == member and row[1] <= hour and (row[2] <= hour or not known_then)
    ]
    return str(max(seen)[3]) if seen else None


hours = st.integers(0, 6)
members = st.sampled_from(["ann", "bob", "cleo"])
histories = st.lists(st.tuples(members, hours, hours, st.integers(0, 3)), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(rows=histories, asked=st.lists(st.tuples(members, hours), min_size=1, max_size=10), known_then=st.booleans())
def test_join_gives_what_was_known_then(store, rows: list[Row], asked: list[tuple[str, int]], known_then: bool) -> None:
    write_history(store, rows)
    assert join(store, asked, known_then) == [as_of(rows, member, hour, known_then) for member, hour in asked]


def test_many_rows_in_many_parts_join_as_one_by_one(store) -> None:
    rows = [(f"m{i % 50}", i * 37 % 400, i * 37 % 400 + (i % 3) * 60, i % 7) for i in range(2_000)]
    asked = [(f"m{i % 55}", i * 53 % 500) for i in range(1_000)]
    write_history(store, rows)
    assert join(store, asked) == [as_of(rows, member, hour, True) for member, hour in asked]


def test_a_value_filled_in_later_is_not_seen_earlier(store) -> None:
    write_history(store, [("ann", 1, 1, 0), ("ann", 2, 100, 1)])
    assert join(store, [("ann", 50), ("ann", 100)]) == ["0", "1"]


def test_rows_that_share_key_and_time_are_all_answered(store) -> None:
    write_history(store, [("ann", 1, 1, 0)])
    assert join(store, [("ann", 2), ("ann", 2), ("bob", 2)]) == ["0", "0", None]


def test_a_table_that_is_not_written_yet_is_empty(store) -> None:
    folder = write_history(store, [("ann", 1, 1, 0)])
    shutil.rmtree(folder)
    assert join(store, [("ann", 2)]) == [None]


def test_a_view_that_expires_hides_what_is_too_old(store) -> None:
    from feature_repo.offline import PartsOfflineStore

    write_history(store, [("ann", 1, 1, 0)])
    view = store.get_feature_view(MEMBER_ACTIVITY)
    view.ttl = timedelta(hours=2)
    asked = pd.DataFrame({"member_id": ["ann", "ann"], EVENT_TIME: [day(3 / 24), day(4 / 24)]})
    found = PartsOfflineStore.get_historical_features(
        store.config, [view], [f"{MEMBER_ACTIVITY}:activity_text"], asked, store.registry, store.project
    )
    assert found.to_arrow()["activity_text"].to_pylist() == ["0", None]


def test_a_broken_part_is_named(store) -> None:
    folder = write_history(store, [("ann", 1, 1, 0)])
    (folder / "part-broken.parquet").write_bytes(b"half a fi")
    with refused(UnreadableFile, "part-broken.parquet"):
        join(store, [("ann", 2)])


def test_a_join_without_times_is_refused(store) -> None:
    with refused(BadInput, "event_timestamp"):
        store.get_historical_features(
            pd.DataFrame({"member_id": ["ann"]}), features=[f"{MEMBER_ACTIVITY}:activity_text"]
        )


def test_a_push_through_feast_appends_a_part(store) -> None:
    from feast.data_source import PushMode

    from contracts.features import ACTIVITY_PUSH

    folder = write_history(store, [("ann", 1, 1, 0), ("bob", 1, 1, 1)])
    row = {"member_id": "ann", "activity": Activity().to_json(), "activity_text": "pushed"}
    frame = pd.DataFrame([row | {EVENT_TIME: day(1), CREATED_TIME: day(1)}])
    store.push(ACTIVITY_PUSH, frame, to=PushMode.ONLINE_AND_OFFLINE)
    assert len(parts(folder)) == 3
    assert sorted(read_table(folder)["activity_text"].to_pylist()) == ["0", "1", "pushed"]


def test_activity_after_a_late_row_is_the_newest(store) -> None:
    """The newest by the time it holds from, not the one that was written last."""
    workspace = Workspace(store.repo_path.parent)
    shutil.rmtree(workspace.features / MEMBER_ACTIVITY)
    put_activity(workspace, ("ann", "j2", 5, 5))
    put_activity(workspace, ("ann", "j1", 1, 9))
    assert join(store, [("ann", 24 * 10)]) == ["viewed: j2 in Austin"]
