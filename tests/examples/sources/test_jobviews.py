"""The job-views layout: jobs from views, members in versions that never know more than their time."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.errors import MissingColumn
from contracts.records import Event, Job, Member
from sources import Reject, open_source
from tests.make import refused

TIMES = ["Created.At", "Updated.At"]
PLACE = ["City", "State.Name", "State.Code"]
VIEW_HEADER = ["Applicant.ID", "Job.ID", "Title", "Position", "Company", *PLACE, "Industry", "View.Start", "View.End"]
VIEW_HEADER += ["View.Duration", *TIMES]
EXPERIENCE_HEADER = ["Applicant.ID", "Position.Name", "Employer.Name", *PLACE, "Start.Date", "End.Date"]
EXPERIENCE_HEADER += ["Job.Description", "Salary", "Can.Contact.Employer", *TIMES]
WISH_HEADER = ["Applicant.ID", "Position.Of.Interest", *TIMES]
FIRST_DAY = datetime(2014, 11, 6, tzinfo=UTC)


def _view(
    member: str, job: str, start: str, company: str = "Cafe", city: str = "Oakland", state: str = "CA"
) -> list[str]:
    title = f"Barista @ {company}"
    start = f"{start} UTC"
    return [member, job, title, "Barista", company, city, "California", state, "NA", start, "NA", "NA", start, start]


def _position(member: str, title: str, start: str, end: str, created: str, city: str = "NA") -> list[str]:
    at = f"{created} UTC"
    return [member, title, "Shop", city, "NA", "CA" if city != "NA" else "NA", start, end, "NA", "10", "NA", at, at]


@pytest.fixture
def job_views(tmp_path: Path, write_csv: Callable) -> Path:
    write_csv(
        tmp_path / "Job_Views.csv",
        [
            VIEW_HEADER,
            _view("1", "10", "2014-11-08 09:00:00"),
            _view("1", "10", "2014-11-07 09:00:00"),
            _view("2", "10", "2014-11-06 11:15:51", company="NA", city="Berkeley"),
            _view("2", "11", "2014-11-09 10:00:00"),
            _view("3", "11", "yesterday"),
            ["only", "three", "cells"],
        ],
    )
    write_csv(
        tmp_path / "Experience.csv",
        [
            EXPERIENCE_HEADER,
            _position("1", "Cook", "2010-01-01", "2012-01-01", "2014-10-01 00:00:00"),
            _position("1", "Server", "2013-01-01", "", "2014-11-20 12:00:00", city="Fresno"),
            _position("4", "Clerk", "0113-11-17", "NA", "2014-10-01 00:00:00"),
        ],
    )
    write_csv(
        tmp_path / "Positions_Of_Interest.csv",
        [
            WISH_HEADER,
            ["1", "Bartender", "2014-08-14 15:56:42 UTC", "2015-02-26 20:35:12 UTC"],
            ["1", "Host", "2014-11-10 08:00:00 UTC", "2015-02-26 20:35:12 UTC"],
        ],
    )
    return tmp_path


def _good(rows: list) -> list:
    return [row for row in rows if not isinstance(row, Reject)]


def test_a_job_is_what_most_of_its_views_say(job_views: Path, read: Callable) -> None:
    jobs = {job.id: job for job in _good(read(job_views, "jobs"))}
    assert jobs["10"] == Job(id="10", title="Barista", company="Cafe", location="Oakland, CA", updated_at=FIRST_DAY)
    assert set(jobs) == {"10", "11"}


def test_a_job_tells_nothing_of_when_it_was_viewed(job_views: Path, read: Callable) -> None:
    assert {(j.updated_at, j.posted_at, j.expires_at) for j in _good(read(job_views, "jobs"))} == {
        (FIRST_DAY, None, None)
    }


def test_the_first_of_repeated_views_is_the_event(job_views: Path, read: Callable) -> None:
    events = [e for e in read(job_views, "events") if isinstance(e, Event)]
    assert [(e.member_id, e.job_id, e.time.isoformat()) for e in events] == [
        ("2", "10", "2014-11-06T11:15:51+00:00"),
        ("1", "10", "2014-11-07T09:00:00+00:00"),
        ("2", "11", "2014-11-09T10:00:00+00:00"),
    ]
    assert {(e.action, e.surface) for e in events} == {("view", "recommendation")}
    assert len({e.request_id for e in events}) == len(events)


def test_rows_that_make_no_event_are_set_aside_with_their_reason(job_views: Path, read: Callable) -> None:
    rejects = [row for row in read(job_views, "events") if isinstance(row, Reject)]
    assert sorted((r.reason, r.row) for r in rejects) == [
        ("bad_date", 5),
        ("repeated_view", 1),
        ("wrong_column_count", 6),
    ]
    assert "only,three,cells" in {r.raw for r in rejects}


def test_a_member_is_not_known_before_the_day_a_wish_or_position_was_entered(job_views: Path, read: Callable) -> None:
    versions = [m for m in _good(read(job_views, "members")) if m.id == "1"]
    assert [(m.updated_at, m.preferences.titles, [p.title for p in m.positions]) for m in versions] == [
        (FIRST_DAY, ("Bartender",), ["Cook"]),
        (datetime(2014, 11, 10, 8, tzinfo=UTC), ("Bartender", "Host"), ["Cook"]),
        (datetime(2014, 11, 20, 12, tzinfo=UTC), ("Bartender", "Host"), ["Server", "Cook"]),
    ]
    assert [(m.headline, m.location) for m in versions] == [("Cook", ""), ("Cook", ""), ("Server", "Fresno, CA")]


def test_a_member_who_only_views_has_a_record(job_views: Path, read: Callable) -> None:
    assert Member(id="2", updated_at=FIRST_DAY) in read(job_views, "members")


def test_an_impossible_date_is_left_out_and_said_but_the_position_stays(job_views: Path, read: Callable) -> None:
    rows = read(job_views, "members")
    (member,) = [m for m in _good(rows) if m.id == "4"]
    (reject,) = [r for r in rows if isinstance(r, Reject)]
    assert [(p.title, p.start) for p in member.positions] == [("Clerk", None)]
    assert reject.reason == "unusable_date"
    assert "0113-11-17" in reject.detail


def test_the_other_two_files_may_be_absent(job_views: Path, read: Callable) -> None:
    (job_views / "Experience.csv").unlink()
    (job_views / "Positions_Of_Interest.csv").unlink()
    assert {m.id for m in _good(read(job_views, "members"))} == {"1", "2"}


def test_a_missing_column_is_named(tmp_path: Path, write_csv: Callable, read: Callable) -> None:
    write_csv(tmp_path / "Job_Views.csv", [["Applicant.ID", "Job.ID", "Title"], ["1", "2", "Nurse"]])
    with refused(MissingColumn, "View.Start", "Applicant.ID, Job.ID, Title", where="Job_Views.csv"):
        read(tmp_path, "events")


@pytest.mark.parametrize("name", ["Experience.csv", "Positions_Of_Interest.csv"])
def test_a_missing_column_of_any_file_is_said_before_any_is_read(
    job_views: Path, write_csv: Callable, name: str
) -> None:
    write_csv(job_views / name, [["Applicant.ID"], ["1"]])
    with refused(MissingColumn, "Created.At", "Applicant.ID", where=name):
        open_source(job_views).shards("jobs")


def _all(folder: Path, read: Callable) -> tuple[list, list]:
    rows = [row for table in ("members", "jobs", "events") for row in read(folder, table)]
    return _good(rows), [row for row in rows if isinstance(row, Reject)]


def test_of_a_10_mb_cell_in_any_file_nothing_else_is_lost(job_views: Path, read: Callable, write_csv: Callable) -> None:
    good, bad = _all(job_views, read)
    long = "x" * 10_000_000
    day = "2014-11-09 10:00:00"
    view, position = _view("2", "10", day), _position("1", "Cook", "2010-01-01", "", day)
    for name, cells, column in (
        ("Job_Views.csv", view, 3),
        ("Experience.csv", position, EXPERIENCE_HEADER.index("Job.Description")),
        ("Positions_Of_Interest.csv", ["1", "", f"{day} UTC", f"{day} UTC"], 1),
    ):
        with (job_views / name).open("a", newline="") as file:
            csv.writer(file).writerow([*cells[:column], long, *cells[column + 1 :]])
    good_after, bad_after = _all(job_views, read)
    assert good_after == good
    new = [row for row in bad_after if row not in bad]
    assert [(row.reason, long in row.raw) for row in new] == [("text_too_long", True)] * 3


@pytest.mark.parametrize("start", ["9999-12-31 23:59:59-12:00", "0001-01-01 00:00:00+10:00", "0113-11-17 09:00:00"])
def test_an_impossible_time_of_one_view_is_set_aside_alone(job_views: Path, read: Callable, start: str) -> None:
    good, _ = _all(job_views, read)
    with (job_views / "Job_Views.csv").open("a", newline="") as file:
        csv.writer(file).writerow(_view("1", "11", start))
    good_after, bad = _all(job_views, read)
    assert good_after == good
    assert [row.reason for row in bad if row.row == 7] == ["bad_date"]


def test_an_empty_file_is_a_reject(job_views: Path, read: Callable) -> None:
    (job_views / "Experience.csv").write_text("")
    rejects = [row for row in read(job_views, "members") if isinstance(row, Reject)]
    assert [(row.reason, row.row) for row in rejects] == [("unreadable_file", 0)]
