"""Names of places are read as the jobs of a table have them."""

from __future__ import annotations

import numpy as np

from contracts.arrow import to_table
from contracts.records import Job
from retrieval.filters.attributes import build_attributes, job_attributes
from retrieval.filters.filters import parse_filter
from retrieval.filters.places import named_places
from tests.retrieval.conftest import job

PLACES = (
    "Denver, Colorado, United States",
    "Austin, Texas",
    "New York, New York",
    "Springfield, Ohio",
    "Springfield, Maine",
    "Remote",
)
TABLE = build_attributes(to_table([job(f"j{i}", "Nurse", location=place) for i, place in enumerate(PLACES)], Job))


def test_parts_that_no_job_has_are_told() -> None:
    named = named_places("Denver, Colorado, Atlantis, Texas", TABLE)
    assert named.places == (("place", "denver, colorado"), ("region", "texas")) and named.unknown == ("atlantis",)


def test_each_of_a_jobs_places_finds_it_however_it_is_written() -> None:
    table = build_attributes(
        to_table(
            [
                Job(id="j", title="Nurse", updated_at="2026-05-01", location="San Francisco, CA; New York, NY"),
                Job(id="k", title="Nurse", updated_at="2026-05-01", location="São Paulo, SP, Brasil"),
                Job(id="l", title="Nurse", updated_at="2026-05-01", location="Remote"),
            ],
            Job,
        )
    )
    for attribute, value, rows in (
        ("city", "New York", [0]),
        ("city", "san francisco", [0]),
        ("city", "San Francisco, California", [0]),
        ("region", "CA", [0]),
        ("region", "New York", [0]),
        ("place", "San Francisco, CA", [0]),
        ("place", "New York, NY, USA", [0]),
        ("country", "US", [0]),
        ("country", "Brazil", [1]),
        ("city", "Sao Paulo", [1]),
        ("city", "Sa\u0303o PAULO", [1]),
        ("city", "Remote", []),
        ("workplace", "remote", [2]),
    ):
        assert np.flatnonzero(table.holds_any(attribute, (value,))).tolist() == rows, (attribute, value)
        assert table.is_held(attribute, value) == bool(rows)
    later = Job(id="m", title="Nurse", updated_at="2026-05-01", location="Boston; Austin, TX")
    added = table.appended([job_attributes(later.model_dump())])
    assert added.holds_any("region", ("Texas",)).tolist() == [False, False, False, True]
    assert added.holds_any("city", ("Boston",)).tolist() == [False, False, False, True]


def test_pay_is_within_a_range_in_one_currency() -> None:
    def job(i: int, **pay: object) -> Job:
        return Job.model_validate({"id": f"j{i}", "title": "Cook", "updated_at": "2026-05-01"} | pay)

    yen, dollars = {"salary_max": 3_000_000, "currency": "JPY"}, {"salary_max": 50_000}
    hourly = {"salary_max": 25, "salary_period": "hour"}
    jobs = [job(i, **pay) for i, pay in enumerate((yen, dollars, hourly, {"salary_max": 25}, {}))]
    table = build_attributes(to_table(jobs, Job))
    assert table.within("salary_max", 40_000, None).tolist() == [False, True, True, False, False]
    assert table.within("salary_max", 40_000, None, "JPY").tolist() == [True, False, False, False, False]
    asked = {"all": [{"attribute": "salary_max", "at_least": 2_000_000, "currency": "¥"}]}
    assert parse_filter(asked).mask(table).tolist() == [True, False, False, False, False]
