"""`validate` says all that is wrong with a folder at once."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from sources.validate import Report, validate

GOOD_JOB = {"id": "j1", "title": "Nurse", "updated_at": "2025-05-01"}
GOOD_MEMBER = {"id": "m1", "updated_at": "2025-05-01"}
GOOD_EVENT = {"id": "e1", "time": "2025-05-02", "member_id": "m1", "job_id": "j1", "action": "view"}


def _write(folder: Path, **tables: list[dict]) -> Path:
    for name, rows in tables.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def dirty(tmp_path: Path, now: datetime) -> Report:
    folder = _write(
        tmp_path,
        jobs=[
            GOOD_JOB,
            GOOD_JOB,
            {**GOOD_JOB, "updated_at": "2025-05-03"},
            {"id": "j2"},
            {**GOOD_JOB, "title": "Pilot"},
        ],
        members=[GOOD_MEMBER],
        events=[
            GOOD_EVENT,
            {**GOOD_EVENT, "id": "e2", "job_id": "gone"},
            {**GOOD_EVENT, "id": "e3", "member_id": "who"},
        ],
    )
    return validate(folder, now)


def test_good_data_is_ok(tmp_path: Path, now: datetime) -> None:
    report = validate(_write(tmp_path, jobs=[GOOD_JOB], members=[GOOD_MEMBER], events=[GOOD_EVENT]), now)
    assert report.ok
    assert report.lines()[-1] == "ok"


def test_rejects_are_counted_by_reason_with_a_first_example(dirty: Report) -> None:
    assert dirty.tables["jobs"].rejects == {"missing_field": 1, "duplicate_id": 1}
    assert dirty.tables["jobs"].examples["missing_field"].startswith("jobs.jsonl row 4: title")


def test_the_same_row_again_is_counted_and_not_set_aside(tmp_path: Path, now: datetime) -> None:
    report = validate(_write(tmp_path, jobs=[GOOD_JOB, GOOD_JOB]), now)
    assert report.ok
    assert (report.tables["jobs"].accepted, report.tables["jobs"].repeated) == (1, 1)


def test_a_later_version_of_a_job_is_no_duplicate_but_a_contradiction_is(dirty: Report) -> None:
    jobs = dirty.tables["jobs"]
    assert (jobs.accepted, jobs.repeated, jobs.rejects["duplicate_id"]) == (2, 1, 1)
    assert jobs.examples["duplicate_id"].startswith("jobs.jsonl row 5: an earlier row has its id")


def test_events_of_unknown_jobs_are_set_aside_and_those_of_strangers_are_not(dirty: Report) -> None:
    events = dirty.tables["events"]
    assert events.rejects == {"unknown_job": 1}
    assert (events.strangers, events.accepted) == (1, 2)


def test_rows_without_updated_at_fit_and_are_counted(tmp_path: Path, now: datetime) -> None:
    (tmp_path / "jobs.csv").write_text("id,title\nj1,Nurse\nj2,Cook\n")
    report = validate(tmp_path, now)
    assert report.ok
    assert report.tables["jobs"].without_time == 2
    assert any("2 rows say no updated_at" in line for line in report.lines())


def test_the_range_of_dates_is_given(dirty: Report) -> None:
    assert dirty.tables["jobs"].first.startswith("2025-05-01")
    assert dirty.tables["jobs"].last.startswith("2025-05-03")


def test_the_report_is_plain_data_and_not_ok(dirty: Report) -> None:
    assert json.loads(json.dumps(dirty.as_dict()))["ok"] is False
    assert any("missing_field: 1 rows" in line for line in dirty.lines())
