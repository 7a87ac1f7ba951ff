"""The profile counts what the records hold, says what is possible, and names what would help most."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sources.profile import Profile
from sources.profile_page import charts, profile_lines, profile_page
from sources.validate import Report, validate

NOW = datetime(2026, 6, 1, tzinfo=UTC)
JOB = {
    "title": "Nurse",
    "company": "Mercy",
    "location": "Boise, ID",
    "updated_at": "2026-01-01",
    "description": "Nights.",
}
EVENT = {"member_id": "ada", "job_id": "a", "action": "view", "request_id": "r1"}


def profiled(folder: Path, **tables: list[dict[str, Any]]) -> tuple[Profile, Report]:
    for name, rows in tables.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    profile = Profile(NOW)
    return profile, validate(folder, NOW, taken=profile.add)


def test_a_changed_job_is_one_job_and_an_advert_twice_is_a_repeat(tmp_path: Path) -> None:
    profile, _ = profiled(
        tmp_path,
        jobs=[
            {**JOB, "id": "a"},
            {**JOB, "id": "a", "updated_at": "2026-02-01", "hidden": True},
            {**JOB, "id": "b", "title": "NURSE"},
            {
                **{**JOB, "id": "c", "title": "Koch", "salary_min": 20, "salary_period": "hour", "currency": "EUR"},
                "description": "Wir suchen einen Koch für unsere Küche, der auch am Wochenende arbeitet.",
            },
        ],
    )
    assert profile.jobs.languages == {"english": 3, "german": 1}
    assert (profile.jobs.open, len(profile.jobs.newest), profile.jobs.repeated) == (2, 3, 1)
    assert profile.jobs.pay == {"EUR a hour": 1}


def test_a_board_without_a_log_is_told_what_it_can_have(tmp_path: Path) -> None:
    profile, report = profiled(tmp_path, jobs=[{**JOB, "id": "a"}])
    possible = dict(profile.possible())
    assert possible["search"].startswith("yes: 1 of 1") and possible["learn view"].startswith("no")
    assert possible["links from hires"] == "no: no hire in the log"
    assert next(each.what for each in profile.mendings()) == "no events"
    assert any(line.startswith("mend 1: no events; add") for line in profile_lines(profile, report))


def test_events_before_their_members_record_are_the_first_thing_to_mend(tmp_path: Path) -> None:
    profile, _ = profiled(
        tmp_path,
        members=[{"id": "ada", "headline": "Nurse", "updated_at": "2026-05-01"}],
        jobs=[{**JOB, "id": "a"}],
        events=[
            {**EVENT, "id": "1", "time": "2026-02-01"},
            {**EVENT, "id": "2", "time": "2026-02-02", "action": "impression"},
        ],
    )
    assert profile.events.early == 2 and profile.events.of_member == {"ada": 1}
    assert "100% of the events lie before" in profile.mendings()[0].what


@pytest.mark.parametrize("evil", ["<script>alert(1)</script> Ltd", '"><img src=x>'])
def test_the_page_escapes_what_adverts_say(tmp_path: Path, evil: str) -> None:
    with (tmp_path / "jobs.csv").open("w") as file:
        writer = csv.writer(file)
        writer.writerows([["id", "title", "company", "updated_at"], ["a", "Nurse", evil, "2026-01-01"]])
    profile = Profile(NOW)
    report = validate(tmp_path, NOW, taken=profile.add)
    page = profile_page(profile, report)
    assert "<script>" not in page and "<img" not in page
    assert "What would help most" in page and "http" not in page
    assert {chart.title for chart in charts(profile)} >= {"jobs that say", "companies"}


def test_what_was_assumed_of_places_is_said(tmp_path: Path) -> None:
    places = [
        "Boise, ID",
        "Boise, Idaho",
        "Houston",
        "Cambridge",
        "Springfield",
        "Nowhere Whatsoever",
        "Remote",
        "Texas",
    ]
    jobs = [{**JOB, "id": f"j{i}", "title": f"t{i}", "location": place} for i, place in enumerate(places)]
    profile, report = profiled(tmp_path, jobs=jobs)
    told = [line for line in profile_lines(profile, report) if "place" in line]
    assert (
        "assumed or changed in places: 1 jobs name a place that may be several; it is read in united states, "
        "where most jobs are: 'Cambridge' as 'cambridge, massachusetts' (1)"
    ) in told
    assert any("springfield (1); nowhere whatsoever (1)" in line for line in told)
    assert any(
        line.startswith("places understood as: a known town 4") and "a region or country 1" in line for line in told
    )
    assert "cambridge, massachusetts" in profile_page(profile, report)
