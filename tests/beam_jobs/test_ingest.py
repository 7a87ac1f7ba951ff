from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beam_jobs import ingest, verbalize
from beam_jobs.deduplicate import RowHashes
from beam_jobs.loads import read_loads, undo
from contracts.arrow import to_records
from contracts.errors import BadInput, MissingColumn, NotWritten, TooManyRejects, UnknownSource, UnreadableFile
from contracts.reading.times import TimeReading, saved_reading
from contracts.records import RECORDS, Event
from contracts.tables import latest, parts, read_table, write_part
from contracts.workspace import Workspace
from examples.sources import jobviews, onet  # noqa: F401  # they register themselves
from serving.event_log import EventLog
from serving.metrics import Metrics
from sources.validate import validate
from tests.make import refused

MEMBER = {"id": "m9", "headline": "driver", "updated_at": "2024-01-01T00:00:00Z"}
JOB = {"id": "j9", "title": "Driver", "updated_at": "2024-01-02T00:00:00Z"}
EVENT = {"id": "e9", "time": "2024-02-01T00:00:00Z", "member_id": "m0", "job_id": "j0", "action": "view"}
ANY_SHARE = ("--max-reject-share", "1")
TWO_PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")


def ids(workspace: Workspace, table: str) -> list[str]:
    folder = workspace.records / table
    return sorted(read_table(folder, ["id"])["id"].to_pylist()) if parts(folder) else []


def quarantined(workspace: Workspace) -> list[dict]:
    return read_table(workspace.quarantine).to_pylist() if parts(workspace.quarantine) else []


def test_good_rows_become_records(raw, take_in, workspace):
    counts = take_in()
    assert (counts.read, counts.written, counts.quarantined) == (12, 12, 0)
    for table, rows in raw.good.items():
        stored = read_table(workspace.records / table)
        wanted = {RECORDS[table].model_validate(row) for row in rows}
        assert set(to_records(stored, RECORDS[table])) == wanted
        assert len(set(stored["row_hash"].to_pylist())) == len(rows)


BAD_ROWS = {
    "wrong type": ("jobs", JOB | {"hidden": "none of your business"}, "wrong_type"),
    "missing field": ("jobs", {"id": "j9", "company": "Driver Ltd"}, "missing_field"),
    "empty text": ("jobs", JOB | {"title": "  "}, "empty_title"),
    "10 MB title": ("jobs", JOB | {"title": "x" * 10_000_000}, "text_too_long"),
    "date in the future": ("members", MEMBER | {"updated_at": "2999-01-01T00:00:00Z"}, "date_in_future"),
    "date before 1900": ("jobs", JOB | {"updated_at": "1776-07-04T00:00:00Z"}, "date_before_1900"),
    "no date": ("events", EVENT | {"time": "yesterday"}, "bad_date"),
    "unknown job": ("events", EVENT | {"job_id": "nothing"}, "unknown_job"),
    "duplicate member": ("members", MEMBER | {"id": "m0"}, "duplicate_id"),
    "duplicate job": ("jobs", JOB | {"id": "j0"}, "duplicate_id"),
    "duplicate event": ("events", EVENT | {"id": "e0", "action": "apply"}, "duplicate_id"),
    "time past the calendar": ("events", EVENT | {"time": "9999-12-31T23:59:59-12:00"}, "bad_date"),
    "unknown action": ("events", EVENT | {"action": "wave"}, "unknown_value"),
}


@pytest.mark.parametrize(("table", "row", "reason"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_bad_row_is_quarantined_and_nothing_else_is_lost(raw, take_in, workspace, table, row, reason):
    raw.add(table, row)
    counts = take_in(*ANY_SHARE)
    (found,) = quarantined(workspace)
    assert (found["table"], found["row"], found["reason"]) == (table, len(raw.good[table]) + 1, reason)
    assert found["source"] == str(raw.path / table / "a.jsonl")
    assert found["detail"]
    assert all(str(value)[:1_000] in found["raw"] for value in row.values() if isinstance(value, str))
    assert (counts.written, counts.quarantined) == (12, 1)
    for name, rows in raw.good.items():
        assert ids(workspace, name) == sorted(good["id"] for good in rows)


def test_whole_raw_text_of_a_10_mb_row_is_kept(raw, take_in, workspace):
    raw.add("jobs", JOB | {"title": "x" * 10_000_000})
    take_in(*ANY_SHARE)
    assert len(quarantined(workspace)[0]["raw"]) > 10_000_000


def test_an_odd_optional_cell_is_left_empty_counted_and_told_and_its_events_stay(raw, take_in, workspace, caplog):
    raw.add("jobs", JOB | {"employment": "FULL_TIME", "workplace": "moon"}, JOB | {"id": "j8", "workplace": "moon"})
    raw.add("members", MEMBER | {"positions": [{"title": "Nurse", "start": 2015, "end": "Present"}]})
    with caplog.at_level("INFO", "rolecall"):
        counts = take_in()
    assert (counts.written, counts.quarantined) == (15, 0)
    jobs = {job.id: job for job in to_records(read_table(workspace.records / "jobs"), RECORDS["jobs"])}
    assert (jobs["j9"].employment, jobs["j9"].workplace) == ("full_time", None)
    assert "jobs: workplace 'moon': unknown_value, left empty: 2 rows, first a.jsonl row" in caplog.text


def test_the_workspace_remembers_how_times_were_read(raw, take_in, workspace):
    raw.add("jobs", JOB | {"expires_at": "2030-01-01", "posted_at": "03/04/2024"})
    take_in("--zone", "America/New_York", "--dates", "day_first")
    assert saved_reading(workspace.reading) == TimeReading(zone="America/New_York", dates="day_first")
    jobs = {job.id: job for job in to_records(read_table(workspace.records / "jobs"), RECORDS["jobs"])}
    assert jobs["j9"].posted_at.isoformat() == "2024-04-03T04:00:00+00:00"
    assert jobs["j9"].expires_at.isoformat() == "2030-01-02T04:59:59.999999+00:00"


def test_html_and_control_characters_are_cleaned_and_kept(raw, take_in, workspace):
    raw.add("jobs", JOB | {"description": "<p>Drive\x00 a &amp; b</p><script>alert(1)</script>\u202e"})
    take_in()
    jobs = {job.id: job for job in to_records(read_table(workspace.records / "jobs"), RECORDS["jobs"])}
    assert jobs["j9"].description == "Drive a & b"


def test_missing_column_is_an_error_before_anything_is_written(raw, take_in, workspace):
    pq.write_table(pa.table({"id": ["j1"], "updated_at": ["2024-01-01"]}), raw.path / "jobs" / "b.parquet")
    with refused(MissingColumn, "title"):
        take_in()
    assert not workspace.root.exists()


@pytest.mark.parametrize("name", ["Experience.csv", "Positions_Of_Interest.csv"])
def test_missing_column_of_a_file_beside_is_an_error_before_anything_is_written(tmp_path, workspace, name):
    (tmp_path / "Job_Views.csv").write_text("Applicant.ID,Job.ID,Title,View.Start\n1,2,Nurse,2014-11-08 09:00:00 UTC\n")
    (tmp_path / name).write_text("Applicant.ID\n1\n")
    with refused(MissingColumn, "Created.At"):
        ingest.run(["--workspace", str(workspace.root), "--source", str(tmp_path)])
    assert not workspace.root.exists()


def log_of_the_service(workspace: Workspace, *events: dict) -> list[str]:
    """The flags that take in what the service logs of these events."""
    workspace.root.mkdir(parents=True, exist_ok=True)
    log = EventLog(workspace, Metrics())
    log.log_events([Event.model_validate(event) for event in events])
    log.close()
    return ["--workspace", str(workspace.root), "--source", str(workspace.logs)]


def test_log_of_the_service_is_taken_in_beside_the_records_that_are_there(take_in, workspace):
    take_in()
    flags = log_of_the_service(workspace, EVENT, EVENT | {"id": "e10", "job_id": "nothing"})
    anonymous = workspace.logs / "anonymous" / "2024-02-01.jsonl"
    anonymous.parent.mkdir()
    search = {"id": "e11", "query": "nurse", "request_id": "r", "position": 1, "action": "impression"}
    anonymous.write_text(json.dumps(EVENT | search | {"member_id": ""}))
    counts = ingest.run(flags)  # one in three does not fit, and stops nothing
    assert (counts.read, counts.written, counts.quarantined) == (3, 2, 1)
    assert ids(workspace, "events") == ["e0", "e1", "e11", "e2", "e9"]
    assert [row["reason"] for row in quarantined(workspace)] == ["unknown_job"]


def test_log_of_the_service_without_any_jobs_is_an_error(workspace):
    with refused(UnknownSource, "events", "jobs"):
        ingest.run(log_of_the_service(workspace, EVENT))


def test_folder_without_data_is_an_error(tmp_path, workspace):
    with refused(UnknownSource, tmp_path):
        ingest.run(["--workspace", str(workspace.root), "--source", str(tmp_path)])


def half_written(path: Path) -> bytes:
    """Write the first half of a Parquet file; returns the whole."""
    pq.write_table(pa.Table.from_pylist([MEMBER]), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return whole


def test_half_written_parquet_is_quarantined_and_other_files_are_read(raw, take_in, workspace):
    path = raw.path / "members" / "b.parquet"
    half_written(path)
    take_in(*ANY_SHARE)
    (found,) = quarantined(workspace)
    assert (found["reason"], found["source"], found["row"]) == ("unreadable_file", str(path), 0)
    assert ids(workspace, "members") == ["m0", "m1", "m2", "m3"]


def test_corrected_file_leaves_the_quarantine(raw, take_in, workspace):
    path = raw.path / "members" / "b.parquet"
    whole = half_written(path)
    take_in(*ANY_SHARE)
    path.write_bytes(whole)
    counts = take_in()
    assert quarantined(workspace) == []
    assert (counts.written, ids(workspace, "members")[-1]) == (1, "m9")


def test_identical_rows_are_counted_as_duplicates(raw, take_in, workspace):
    raw.add("members", raw.good["members"][0])
    raw.add("jobs", raw.good["jobs"][0] | {"title": "<b>Nurse 0</b>"})  # the same record in another dress
    counts = take_in()
    assert (counts.written, counts.duplicates, counts.quarantined) == (12, 2, 0)


def test_first_of_two_contradicting_rows_is_kept(raw, take_in, workspace):
    raw.add("jobs", raw.good["jobs"][0] | {"title": "Pilot"})
    take_in(*ANY_SHARE)
    titles = read_table(workspace.records / "jobs").to_pylist()
    assert [job["title"] for job in titles if job["id"] == "j0"] == ["Nurse 0"]


def titles_of(workspace: Workspace, id_: str) -> list[str]:
    """The titles of a job's versions, oldest first."""
    jobs = read_table(workspace.records / "jobs").sort_by("updated_at").to_pylist()
    return [job["title"] for job in jobs if job["id"] == id_]


def test_an_edit_under_the_same_time_is_a_version_from_its_load_on(raw, take_in, workspace):
    take_in()
    edited = raw.good["jobs"][0] | {"title": "Pilot"}
    for again, (row, titles) in enumerate(
        [(edited, ["Nurse 0", "Pilot"]), (raw.good["jobs"][0], ["Nurse 0", "Pilot", "Nurse 0"])], start=1
    ):
        raw.write("jobs", [row, *raw.good["jobs"][1:]])
        counts = take_in()
        assert (counts.written, counts.quarantined, titles_of(workspace, "j0")) == (1, 0, titles)
        assert len(set(read_table(workspace.records / "jobs")["row_hash"].to_pylist())) == 5 + again
        assert take_in().written == 0


def test_rows_without_a_time_count_from_their_load_on_and_an_edit_from_its_own(take_in, raw, workspace):
    rows = [{name: job[name] for name in ("id", "title")} for job in raw.good["jobs"]]
    raw.write("jobs", rows)
    take_in("--now", "2024-06-01")
    raw.write("jobs", [rows[0] | {"title": "Pilot"}, *rows[1:]])
    assert take_in("--now", "2024-06-02").written == 1
    times = read_table(workspace.records / "jobs").sort_by("updated_at")["updated_at"].to_pylist()
    assert [time.day for time in times] == [1, 1, 1, 1, 1, 2]


def test_a_row_that_contradicts_one_of_its_own_file_stays_a_contradiction(raw, take_in, workspace):
    raw.add("jobs", raw.good["jobs"][0] | {"title": "Pilot"})
    for _ in range(2):
        assert take_in(*ANY_SHARE).quarantined == 1
    assert titles_of(workspace, "j0") == ["Nurse 0"]


def open_jobs(workspace: Workspace) -> list[str]:
    return sorted(
        job["id"]
        for job in latest(read_table(workspace.records / "jobs"), "id", "updated_at").to_pylist()
        if not job["hidden"]
    )


def test_a_snapshot_closes_what_it_does_not_name_and_opens_it_again(raw, take_in, workspace):
    take_in()
    raw.write("jobs", [*raw.good["jobs"][:3], JOB, JOB | {"id": "j4", "title": ""}])  # j4 does not fit, but is there
    take_in(*ANY_SHARE, "--snapshot")
    assert open_jobs(workspace) == ["j0", "j1", "j2", "j4", "j9"]
    raw.write("jobs", [*raw.good["jobs"], JOB])
    take_in("--snapshot")
    assert open_jobs(workspace) == ["j0", "j1", "j2", "j3", "j4", "j9"]


def test_the_quarantine_is_there_also_where_nothing_is_set_aside(raw, take_in, workspace):
    """`dvc commit` wants every output of a stage."""
    take_in()
    assert workspace.quarantine.is_dir() and not parts(workspace.quarantine)


def test_a_snapshot_beside_a_file_that_is_not_read_closes_nothing(raw, take_in, workspace, caplog):
    take_in()
    raw.write("jobs", raw.good["jobs"][:4])
    (raw.path / "archive.csv").write_text("id,title\n1,Cook\n")
    take_in("--snapshot")
    assert "archive.csv" in caplog.text and len(open_jobs(workspace)) == 5


def test_a_snapshot_of_half_a_file_closes_nothing(raw, take_in, workspace):
    take_in()
    raw.write("jobs", raw.good["jobs"][:1])
    with refused(BadInput, "4 of 5 open jobs", "--most-closed"):
        take_in("--snapshot")
    raw.write("jobs", raw.good["jobs"][:4])
    half_written(raw.path / "jobs" / "b.parquet")
    take_in(*ANY_SHARE, "--snapshot")
    assert len(open_jobs(workspace)) == 5


def test_a_simulated_market_and_real_records_are_never_mixed(raw, take_in, workspace, raw_market, tmp_path):
    take_in()
    before = read_table(workspace.records / "jobs").num_rows
    with refused(BadInput, "a simulated market", "real records"):
        ingest.run(["--workspace", str(workspace.root), "--source", str(raw_market)])
    assert read_table(workspace.records / "jobs").num_rows == before
    simulated = Workspace(tmp_path / "simulated")
    ingest.run(["--workspace", str(simulated.root), "--source", str(raw_market), "--now", "2026-06-01"])
    with refused(BadInput, "real records", "a simulated market"):
        ingest.run(["--workspace", str(simulated.root), "--source", str(raw.path)])


def test_a_load_is_undone_with_its_text_and_what_it_shared_can_be_taken_in_again(raw, take_in, workspace):
    take_in()
    verbalize.run(["--workspace", str(workspace.root)])
    raw.write("jobs", [raw.good["jobs"][0] | {"title": "Pilot"}, *raw.good["jobs"][1:], JOB])
    raw.add("events", EVENT | {"member_id": "m9"})
    take_in()
    verbalize.run(["--workspace", str(workspace.root)])
    first, second = read_loads(workspace)
    assert (first.written, second.written) == ({"members": 4, "jobs": 5, "events": 3}, {"jobs": 2, "events": 1})
    assert undo(workspace, second.id).removed == {"jobs": 2, "events": 1}
    assert (titles_of(workspace, "j0"), ids(workspace, "events")) == (["Nurse 0"], ["e0", "e1", "e2"])
    texts = read_table(workspace.features / "job_text")
    assert (texts.num_rows, "Pilot" in str(texts["text"].to_pylist())) == (5, False)
    assert take_in().written == 3  # its files are read again
    undone = undo(workspace, first.id)
    assert (undone.removed["jobs"], undone.again) == (5, (raw.path,))
    take_in()
    assert open_jobs(workspace) == ["j0", "j1", "j2", "j3", "j4", "j9"]
    with refused(BadInput, "'no-such'"):
        undo(workspace, "no-such")


def test_later_version_of_a_job_is_kept_beside_the_first(raw, take_in, workspace):
    raw.add("jobs", raw.good["jobs"][0] | {"title": "Pilot", "updated_at": "2024-03-01T00:00:00Z"})
    take_in()
    assert ids(workspace, "jobs").count("j0") == 2


def test_first_of_two_events_that_contradict_each_other_is_kept_and_the_other_set_aside(raw, take_in, workspace):
    raw.add("events", raw.good["events"][0] | {"action": "apply"})
    counts = take_in(*ANY_SHARE)
    actions = {event["id"]: event["action"] for event in read_table(workspace.records / "events").to_pylist()}
    assert (counts.duplicates, actions["e0"]) == (0, "view")
    (found,) = quarantined(workspace)
    assert (found["reason"], json.loads(found["raw"])["action"]) == ("duplicate_id", "apply")
    assert "id of its own" in found["detail"]


def test_event_that_is_given_twice_is_a_duplicate(raw, take_in):
    again = raw.good["events"][0] | {"time": "2024-02-01T01:00:00+01:00"}  # the same moment in another dress
    raw.add("events", again)
    counts = take_in()
    assert (counts.written, counts.duplicates, counts.quarantined) == (12, 1, 0)


def test_event_that_contradicts_an_earlier_run_is_quarantined_and_one_that_agrees_is_a_duplicate(
    raw, take_in, workspace
):
    take_in()
    contradicting, agreeing = raw.good["events"][0] | {"action": "apply"}, raw.good["events"][1] | {"member_id": " m1 "}
    raw.write("events", [contradicting, agreeing, EVENT], "b.jsonl")
    counts = take_in(*ANY_SHARE)
    assert (counts.written, counts.duplicates, counts.quarantined) == (1, 1, 1)
    assert [json.loads(row["raw"])["id"] for row in quarantined(workspace)] == ["e0"]


def test_event_is_taken_in_once_its_job_is_known(raw, take_in, workspace):
    raw.add("events", EVENT | {"job_id": "j9"})
    take_in(*ANY_SHARE)
    assert "e9" not in ids(workspace, "events")
    raw.write("jobs", [JOB], "b.jsonl")
    take_in()
    assert "e9" in ids(workspace, "events")
    assert quarantined(workspace) == []


def test_events_of_nobody_among_the_members_are_kept(raw, take_in, workspace):
    raw.add("events", EVENT | {"member_id": "session-1"}, {**EVENT, "id": "e10", "member_id": None})
    counts = take_in()
    assert (counts.written, counts.quarantined) == (14, 0)
    assert {"e9", "e10"} <= set(ids(workspace, "events"))


def test_second_run_on_the_same_data_skips_everything(take_in, workspace):
    first = take_in()
    before = {path: path.stat().st_mtime_ns for path in workspace.root.rglob("*.parquet")}
    second = take_in()
    assert (second.read, second.written, second.skipped) == (first.read, 0, first.written)
    assert {path: path.stat().st_mtime_ns for path in workspace.root.rglob("*.parquet")} == before


def test_unchanged_file_is_not_opened_again(raw, take_in, workspace, monkeypatch):
    take_in()
    monkeypatch.setattr("beam_jobs.ingest.run_pipeline", lambda *_: pytest.fail("a pipeline was started"))
    assert take_in().skipped == 12


def test_only_the_changed_rows_of_a_file_are_written(raw, take_in, workspace):
    take_in()
    changed = raw.good["members"][0] | {"headline": "pilot", "updated_at": "2024-05-01T00:00:00Z"}
    raw.write("members", [changed, *raw.good["members"][1:]])
    counts = take_in()
    assert (counts.written, counts.skipped) == (1, 11)
    assert ids(workspace, "members").count("m0") == 2


def test_too_many_rejects_fail_after_the_quarantine_is_written(raw, take_in, workspace):
    raw.add("jobs", JOB | {"title": ""})
    with refused(TooManyRejects, "1 of 6 rows", "16.7%", "empty_title"):
        take_in()
    assert len(quarantined(workspace)) == 1
    assert ids(workspace, "jobs") == ["j0", "j1", "j2", "j3", "j4"]


def test_rejects_within_the_stated_share_do_not_fail(raw, take_in):
    raw.add("jobs", JOB | {"title": ""})
    assert take_in("--max-reject-share", "0.17").quarantined == 1


KINDS = st.sampled_from(["good", "again", "bad", "contradiction", "unparsable"])


@settings(max_examples=8, deadline=None)
@given(kinds=st.lists(KINDS, max_size=30))
def test_every_row_read_is_accounted_for(tmp_path_factory, kinds):
    folder, workspace = tmp_path_factory.mktemp("raw"), Workspace(tmp_path_factory.mktemp("workspace"))
    first = JOB | {"id": "first"}
    makers = {
        "good": lambda i: json.dumps(JOB | {"id": f"j{i}"}),
        "again": lambda i: json.dumps(first),
        "bad": lambda i: json.dumps(JOB | {"id": f"j{i}", "title": ""}),
        "contradiction": lambda i: json.dumps(first | {"title": f"Pilot {i}"}),
        "unparsable": lambda i: '{"id": "never clos',
    }
    (folder / "jobs.jsonl").write_text("\n".join([json.dumps(first), *(makers[k](i) for i, k in enumerate(kinds))]))
    flags = ["--workspace", str(workspace.root), "--source", str(folder), *ANY_SHARE]
    for counts in (ingest.run(flags), ingest.run(flags)):
        assert counts.read == len(kinds) + 1
        assert counts.read == counts.written + counts.skipped + counts.duplicates + counts.quarantined
        assert (
            counts.quarantined == len(quarantined(workspace)) == len(kinds) - kinds.count("good") - kinds.count("again")
        )
        assert ids(workspace, "jobs") == sorted(["first", *(f"j{i}" for i, kind in enumerate(kinds) if kind == "good")])


def bad_rows_of_every_kind(raw) -> Path:
    for table in raw.good:
        bad = [row for of, row, _ in BAD_ROWS.values() if of == table]
        again = [raw.good[table][0], raw.good[table][1] | {"id": f" {raw.good[table][1]['id']} "}]
        raw.add(table, *bad, *again, *again)
    raw.write("events", [EVENT | {"id": "e20", "member_id": "nobody", "job_id": "nothing"}], "b.jsonl")
    half_written(raw.path / "members" / "b.parquet")
    grade = {"job_id": "j0", "grade": 3, "grader": "g", "policy_version": "1", "time": "2024-02-01T00:00:00Z"}
    known, unknown = grade | {"query": "nurse"}, grade | {"member_id": "nobody"}
    raw.write("grades", [known, known, known | {"grade": 2}, unknown, grade | {"query": "q", "job_id": "nothing"}])
    return raw.path


def bad_lines_of_onet(raw) -> Path:
    folder = raw.path.parent / "onet"
    folder.mkdir()
    code, related = "O*NET-SOC Code", "Related O*NET-SOC Code\tRelatedness Tier\tIndex"
    (folder / "Occupation Data.txt").write_text(f"{code}\tTitle\tDescription\n1\tCooks\tCook.\n2\n3\t\tNo title.\n")
    (folder / "Job Zones.txt").write_text(f"{code}\tJob Zone\n1\t6\n2\tn/a\n")
    (folder / "Related Occupations.txt").write_text(f"{code}\t{related}\n1\t2\tSupplemental\t1\n1\t1\tFar\t2\n1\n")
    return folder


def bad_lines_of_job_views(raw) -> Path:
    folder = raw.path.parent / "views"
    folder.mkdir()
    lines = ["1,2,Nurse,2014-11-08 09:00:00 UTC"] * 2 + ["1,3,Nurse,never", "1,4", "1,5,,2014-11-08 09:00:00 UTC"]
    (folder / "Job_Views.csv").write_text("\n".join(["Applicant.ID,Job.ID,Title,View.Start", *lines]) + "\n")
    return folder


@pytest.mark.parametrize("bad", [bad_rows_of_every_kind, bad_lines_of_onet, bad_lines_of_job_views])
def test_validate_says_what_ingest_then_does(raw, workspace, bad):
    folder = bad(raw)
    report = validate(folder, datetime.now(UTC))
    counts = ingest.run(["--workspace", str(workspace.root), "--source", str(folder), *ANY_SHARE])
    assert not report.ok
    said, done = report.tables, quarantined(workspace)
    assert {t: Counter(one.rejects) for t, one in said.items()} == {
        t: Counter(row["reason"] for row in done if row["table"] == t) for t in said
    }
    assert {t: one.accepted for t, one in said.items()} == {
        t: read_table(workspace.records / t).num_rows if parts(workspace.records / t) else 0 for t in said
    }
    assert (sum(one.rows for one in said.values()), sum(one.repeated for one in said.values())) == (
        counts.read,
        counts.duplicates,
    )


def test_two_processes_make_the_same_tables(raw, workspace, take_in, tmp_path, monkeypatch):
    raw.write("members", [MEMBER | {"id": f"n{i}"} for i in range(50)], "b.jsonl")
    raw.add("jobs", raw.good["jobs"][0], JOB | {"title": ""})
    monkeypatch.setattr(ingest, "BUCKET_BYTES", 1_000)
    counts = take_in(*ANY_SHARE)
    other = Workspace(tmp_path / "other")
    flags = ["--workspace", str(other.root), "--source", str(raw.path), *ANY_SHARE, *TWO_PROCESSES]
    assert replace(ingest.run(flags), seconds=0) == replace(counts, seconds=0)
    for table in raw.good:
        one, two = (read_table(w.records / table).sort_by("id") for w in (workspace, other))
        assert one.equals(two)
    assert [row | {"time": 0} for row in quarantined(workspace)] == [row | {"time": 0} for row in quarantined(other)]


def test_run_that_was_broken_off_is_finished_without_duplicates(raw, take_in, workspace, monkeypatch):
    raw.write("jobs", [JOB | {"id": f"j{i}"} for i in range(200)])
    monkeypatch.setattr(ingest, "BUCKET_BYTES", 2_000)
    written = []

    def write_two_parts(*args):
        if len(written) == 2:
            raise OSError("no space left on device")
        written.append(write_part(*args))

    monkeypatch.setattr(ingest, "write_part", write_two_parts)
    with pytest.raises(OSError, match="no space left"):
        take_in()
    monkeypatch.setattr(ingest, "write_part", write_part)
    counts = take_in()
    assert counts.skipped > 0
    assert ids(workspace, "jobs") == sorted(f"j{i}" for i in range(200))


def test_typed_error_in_a_worker_comes_back_as_itself(tmp_path, workspace):
    (tmp_path / "Job_Views.csv").write_text("Applicant.ID,Job.ID,Title,View.Start\n1,2,Nurse,never\n")
    with pytest.raises(UnreadableFile) as caught:
        ingest.run(["--workspace", str(workspace.root), "--source", str(tmp_path)])
    assert "while running" not in str(caught.value)
    assert "it holds no view that can be read" in str(caught.value)


def test_typed_error_in_another_process_comes_back_as_itself(tmp_path, workspace):
    (tmp_path / "Job_Views.csv").write_text("Applicant.ID,Job.ID,Title,View.Start\n1,2,Nurse,never\n")
    with pytest.raises(UnreadableFile) as caught:
        ingest.run(["--workspace", str(workspace.root), "--source", str(tmp_path), *TWO_PROCESSES])
    assert "while running" not in str(caught.value)
    assert "it holds no view that can be read" in str(caught.value)


def test_unknown_runner_is_a_clear_error(take_in):
    with refused(BadInput, "'SparklingRunner'"):
        take_in("--runner", "SparklingRunner")


def test_unknown_flag_is_a_clear_error(take_in):
    with refused(BadInput, "--max-reject-shares=1"):
        take_in("--max-reject-shares=1")


def test_runs_as_a_program_and_ends_with_the_exit_code_of_its_error(raw, workspace):
    raw.add("jobs", JOB | {"title": ""})
    command = [sys.executable, "-m", "beam_jobs.ingest", "--workspace", str(workspace.root), "--source", str(raw.path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(ingest.__file__).parent.parent)
    assert done.returncode == TooManyRejects.exit_code
    assert "jobs: 1 of 6 rows (16.7%) do not fit" in done.stderr.splitlines()[-1]


@given(st.lists(st.text("0123456789abcdef", min_size=32, max_size=32), max_size=40), st.data())
def test_row_hashes_contain_what_was_stored_and_nothing_else(tmp_path_factory, hashes, data):
    folder = tmp_path_factory.mktemp("records")
    stored = data.draw(st.lists(st.sampled_from(hashes), unique=True)) if hashes else []
    write_part(folder, pa.table({"row_hash": pa.array(stored, pa.string())}))
    found = RowHashes(folder).contains(hashes)
    upper = Counter(one[:16] for one in stored)
    for one, there in zip(hashes, found, strict=True):
        assert not there or one in stored
        assert there or one not in stored or upper[one[:16]] > 1


def test_a_bundle_that_is_done_again_after_its_worker_died_loses_no_row(raw, take_in, workspace, monkeypatch):
    """The first attempt at each bucket dies when it has written one of its parts."""
    monkeypatch.setattr("beam_jobs.ingest.PART_ROWS", 2)
    process, write, died = ingest.WriteRecords.process, ingest.write_part, []

    def dies(*args):
        write(*args)
        raise SystemError("the worker died")

    def again(self, element, listed):
        with monkeypatch.context() as patched, pytest.raises(SystemError):
            patched.setattr("beam_jobs.ingest.write_part", dies)
            list(process(self, element, listed))
        died.append(element[0])
        yield from process(self, element, listed)

    monkeypatch.setattr("beam_jobs.ingest.WriteRecords.process", again)
    take_in()
    assert {name.partition("/")[0] for name in died} == set(raw.good)
    for table, rows in raw.good.items():
        assert ids(workspace, table) == sorted(row["id"] for row in rows)
    monkeypatch.undo()
    assert take_in().written == 0


def test_rows_of_the_load_itself_are_none_of_an_earlier_one(take_in, workspace):
    """Else what a worker checks again, when others have written already, would be skipped."""
    take_in()
    (load,) = read_loads(workspace)
    hashes = read_table(workspace.records / "jobs", ["row_hash"])["row_hash"].to_pylist()
    assert RowHashes(workspace.records / "jobs").contains(hashes).all()
    assert not RowHashes(workspace.records / "jobs", load.id).contains(hashes).any()


@pytest.mark.parametrize("place", ["beam_jobs.spill.pa.ipc.new_file", "contracts.tables.pq.write_table"])
def test_a_full_disk_is_said_by_a_worker_and_the_next_run_takes_the_rest_in(
    raw, take_in, workspace, monkeypatch, place
):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(place, full)
        with pytest.raises(NotWritten, match="No space left"):
            take_in()
    assert not parts(workspace.records / "jobs")
    assert take_in().written == sum(map(len, raw.good.values()))
