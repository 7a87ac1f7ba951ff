"""The activity job: rows after each event, the same bytes as the online fold, and only what is new."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_jobs import activity
from contracts.activity import KNOWN_AFTER, Activity
from contracts.arrow import to_table
from contracts.errors import BadInput, NotReady, UnreadableFile
from contracts.features import CREATED_TIME, EVENT_TIME, JOB_STATS, MEMBER_ACTIVITY
from contracts.records import Event, Job
from contracts.tables import parts, read_table, write_part
from contracts.text.verbalizer import job_snippet
from contracts.workspace import Workspace
from tests.make import refused

START = datetime(2024, 1, 1, tzinfo=UTC)


def job(name: str, title: str, updated: float = -1) -> Job:
    return Job(id=name, title=title, company="Acme", location="Austin", updated_at=START + timedelta(days=updated))


JOBS = [job("j1", "Nurse"), job("j2", "Driver"), job("j3", "Cook")]


def event(number: int, day: float, member: str = "ann", job_id: str = "j1", action: str = "view") -> Event:
    time = START + timedelta(days=day)
    return Event(id=f"e{number:04d}", time=time, member_id=member, job_id=job_id, action=action)


def put(workspace: Workspace, events: Sequence[Event] = (), jobs: Sequence[Job] = ()) -> None:
    """Write records as ingest does, one part a call."""
    for table, found, record in (("events", events, Event), ("jobs", jobs, Job)):
        if found:
            rows = to_table(found, record)
            write_part(
                workspace.records / table, rows.append_column("row_hash", pa.array([f"{i}" for i in range(len(found))]))
            )


def fold(workspace: Workspace, *flags: str):
    return activity.run(["--workspace", str(workspace.root), *flags])


def rows(workspace: Workspace, view: str = MEMBER_ACTIVITY, **keys: str) -> list[dict]:
    found = [row for row in read_table(workspace.features / view).to_pylist() if keys.items() <= row.items()]
    return sorted(found, key=lambda row: (row[EVENT_TIME], row[CREATED_TIME]))


def online_fold(events: Sequence[Event], jobs: Sequence[Job] = JOBS) -> Activity:
    """As the service does it: one event after the other, as they come."""
    snippets = {job.id: job_snippet(job) for job in jobs}
    found = Activity()
    for one in events:
        found = found.add(one, snippets[one.job_id])
    return found


def test_a_row_after_each_event_but_impressions(workspace: Workspace) -> None:
    put(workspace, [event(1, 1), event(2, 2, action="impression"), event(3, 3, job_id="j2", action="apply")], JOBS)
    counts = fold(workspace)
    assert (counts.read, counts.written, counts.skipped) == (2, 2, 0)
    assert [row["activity_text"] for row in rows(workspace)] == [
        "viewed: Nurse, Acme, Austin",
        "applied: Driver, Acme, Austin | viewed: Nurse, Acme, Austin",
    ]


def test_a_row_holds_from_just_after_its_event(workspace: Workspace) -> None:
    put(workspace, [event(1, 1)], JOBS)
    fold(workspace)
    (row,) = rows(workspace)
    assert row[EVENT_TIME] == row[CREATED_TIME] == event(1, 1).time + KNOWN_AFTER


@settings(max_examples=8, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 40),
            st.sampled_from(["ann", "bob"]),
            st.sampled_from(["j1", "j2", "j3"]),
            st.sampled_from(["view", "apply", "save", "dismiss", "hire", "impression"]),
        ),
        min_size=1,
        max_size=60,
    )
)
def test_the_batch_fold_is_the_online_fold_to_the_byte(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[int, str, str, str]]
) -> None:
    workspace = Workspace(tmp_path_factory.mktemp("fold"))
    events = [event(i, hour / 24, *rest) for i, (hour, *rest) in enumerate(sorted(drawn, key=lambda one: one[0]))]
    put(workspace, events, JOBS)
    fold(workspace)
    for member in ("ann", "bob"):
        mine = [one for one in events if one.member_id == member and one.action != "impression"]
        if mine:
            expected = online_fold(mine)
            last = rows(workspace, member_id=member)[-1]
            assert (last["activity"], last["activity_text"]) == (expected.to_json(), expected.text())


def test_events_from_before_reasons_are_folded_beside_newer_ones(workspace: Workspace) -> None:
    put(workspace, jobs=JOBS)
    old = to_table([event(1, 1, action="dismiss")], Event).drop(["reason", "found_by"])
    write_part(workspace.records / "events", old.append_column("row_hash", pa.array(["1"])))
    why = event(2, 2, job_id="j2", action="dismiss").model_copy(update={"reason": "too_far"})
    put(workspace, [why])
    fold(workspace)
    assert Activity.from_json(rows(workspace)[-1]["activity"]).dismissed == (("j2", "too_far"), ("j1", ""))


def test_a_job_is_named_as_it_was_advertised_then(workspace: Workspace) -> None:
    put(workspace, [event(1, 1), event(2, 3)], [job("j1", "Nurse", 0), job("j1", "Head nurse", 2)])
    fold(workspace)
    assert [row["activity_text"] for row in rows(workspace)] == [
        "viewed: Nurse, Acme, Austin",
        "viewed: Head nurse, Acme, Austin; Nurse, Acme, Austin",
    ]


def test_statistics_after_each_view_and_apply(workspace: Workspace) -> None:
    put(workspace, [event(1, 1), event(2, 2, "bob"), event(3, 3, action="save"), event(4, 8.5, action="apply")], JOBS)
    fold(workspace)
    found = [
        tuple(row[name] for name in ("views_7d", "views_total", "applies_total")) for row in rows(workspace, JOB_STATS)
    ]
    assert found == [(1, 1, 0), (2, 2, 0), (1, 2, 1)]
    assert rows(workspace, JOB_STATS)[-1]["last_view"] == event(2, 2).time


def test_of_events_at_the_same_time_the_last_state_stays(workspace: Workspace) -> None:
    put(workspace, [event(1, 1), event(2, 1, job_id="j2"), event(3, 1, "bob")], JOBS)
    fold(workspace)
    (row,) = rows(workspace, member_id="ann")
    assert len(Activity.from_json(row["activity"]).entries) == 2
    (counts,) = rows(workspace, JOB_STATS, job_id="j1")
    assert counts["views_total"] == 2


def test_a_second_run_does_nothing(workspace: Workspace) -> None:
    put(workspace, [event(1, 1), event(2, 2)], JOBS)
    fold(workspace)
    before = parts(workspace.features / MEMBER_ACTIVITY)
    counts = fold(workspace)
    assert (counts.written, counts.skipped) == (0, 2)
    assert parts(workspace.features / MEMBER_ACTIVITY) == before


def test_new_events_write_only_their_own_rows(workspace: Workspace) -> None:
    put(workspace, [event(1, 1), event(2, 1, "bob", "j2")], JOBS)
    fold(workspace)
    put(workspace, [event(3, 2)])
    counts = fold(workspace)
    assert (counts.written, counts.skipped) == (1, 2)
    assert len(rows(workspace, member_id="ann")) == 2
    assert len(rows(workspace, member_id="bob")) == 1
    assert [row["views_total"] for row in rows(workspace, JOB_STATS, job_id="j1")] == [1, 2]


def test_a_later_run_is_known_from_then_on(workspace: Workspace) -> None:
    put(workspace, [event(1, 1)], JOBS)
    fold(workspace)
    put(workspace, [event(2, 2)])
    before = datetime.now(UTC)
    fold(workspace)
    assert rows(workspace)[-1][CREATED_TIME] >= before
    assert rows(workspace, JOB_STATS)[-1][CREATED_TIME] >= before


def test_an_event_that_came_late_corrects_what_came_after_it(workspace: Workspace) -> None:
    put(workspace, [event(1, 1), event(2, 3, job_id="j3")], JOBS)
    fold(workspace)
    put(workspace, [event(3, 2, job_id="j2")])
    fold(workspace)
    expected = online_fold([event(1, 1), event(3, 2, job_id="j2"), event(2, 3, job_id="j3")])
    assert rows(workspace)[-1]["activity"] == expected.to_json()
    assert [row[EVENT_TIME] - START for row in rows(workspace)] == [
        timedelta(days=day) + KNOWN_AFTER for day in (1, 2, 3, 3)
    ]


def test_records_made_anew_are_folded_anew(workspace: Workspace) -> None:
    put(workspace, [event(1, 1)], JOBS)
    fold(workspace)
    for path in parts(workspace.records / "events"):
        path.unlink()
    put(workspace, [event(2, 5)])
    fold(workspace)
    (row,) = rows(workspace)
    assert row[EVENT_TIME] == event(2, 5).time + KNOWN_AFTER


def test_what_a_broken_run_left_behind_goes(workspace: Workspace) -> None:
    put(workspace, [event(1, 1)], JOBS)
    folder = workspace.features / MEMBER_ACTIVITY
    left = write_part(folder, pa.table({"half": [1]}), "fold.0000-00000-000")
    pushed = write_part(folder, pa.table({"pushed": [1]}))
    fold(workspace)
    assert not left.exists()
    assert pushed.exists()


def test_many_buckets_give_the_same_rows(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = [event(i, i % 17 / 3, f"m{i % 7}", f"j{1 + i % 3}") for i in range(100)]
    other = Workspace(tmp_path / "other")
    for place in (workspace, other):
        put(place, events, JOBS)
    fold(workspace)
    monkeypatch.setattr(activity, "BUCKET_EVENTS", 10)
    monkeypatch.setattr(activity, "PART_ROWS", 3)
    fold(other)
    assert len(parts(other.features / MEMBER_ACTIVITY)) > len(parts(workspace.features / MEMBER_ACTIVITY))
    for view, key in ((MEMBER_ACTIVITY, "member_id"), (JOB_STATS, "job_id")):
        one, many = (
            pl.DataFrame(read_table(place.features / view)).sort(key, EVENT_TIME) for place in (workspace, other)
        )
        assert one.equals(many)


def test_two_processes_give_the_same_rows(workspace: Workspace, tmp_path: Path) -> None:
    other = Workspace(tmp_path / "other")
    for place in (workspace, other):
        put(place, [event(i, i, f"m{i % 3}") for i in range(12)], JOBS)
    fold(workspace)
    fold(other, "--direct_running_mode=multi_processing", "--direct_num_workers=2")
    assert rows(workspace) == rows(other)


def test_events_of_unknown_jobs_are_left_out_and_counted(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    put(workspace, [event(1, 1), event(2, 2, job_id="gone")], JOBS)
    with caplog.at_level("WARNING", "rolecall"):
        fold(workspace)
    assert "1 events of jobs that the records lack" in caplog.text
    assert len(rows(workspace)) == 1


def test_the_training_row_of_an_event_does_not_see_the_event(workspace: Workspace) -> None:
    from feature_repo.store import apply, open_store

    put(workspace, [event(1, 1), event(2, 2, job_id="j2")], JOBS)
    fold(workspace)
    write_part(workspace.features / "job_text", pa.table({"job_id": ["j1"]}))
    apply(workspace)
    asked = pl.DataFrame({"member_id": ["ann"] * 3, EVENT_TIME: [START + timedelta(days=d) for d in (1, 2, 2.01)]})
    found = open_store(workspace).get_historical_features(
        asked.to_pandas(), features=[f"{MEMBER_ACTIVITY}:activity_text"], filter_by_created_timestamp=True
    )
    assert found.to_arrow()["activity_text"].to_pylist() == [
        None,
        "viewed: Nurse, Acme, Austin",
        "viewed: Driver, Acme, Austin; Nurse, Acme, Austin",
    ]


def test_without_events_the_cure_is_named(workspace: Workspace) -> None:
    with refused(NotReady, "rolecall ingest"):
        fold(workspace)


@pytest.mark.parametrize("table", ["events", "jobs"])
def test_a_broken_part_is_named(workspace: Workspace, table: str) -> None:
    put(workspace, [event(1, 1)], JOBS)
    (workspace.records / table / "part-broken.parquet").write_bytes(b"half a fi")
    with refused(UnreadableFile, "part-broken.parquet"):
        fold(workspace)


def test_an_unknown_flag_is_refused(workspace: Workspace) -> None:
    with refused(BadInput, "--nonsense"):
        fold(workspace, "--nonsense")


def test_the_ledger_names_what_is_folded(workspace: Workspace) -> None:
    put(workspace, [event(1, 1), event(2, 2, action="impression")], JOBS)
    fold(workspace)
    ledger = json.loads((workspace.features / MEMBER_ACTIVITY / "_folded.json").read_text())
    assert list(ledger["events"].values()) == [1]


def test_ingested_events_are_folded(take_in: Callable, workspace: Workspace) -> None:
    take_in()
    assert fold(workspace).written == 3
