"""A query names a place only where the words after "in" are places of the index, all of them."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.arrow import to_table
from contracts.records import Job
from retrieval.filters.attributes import build_attributes, job_attributes
from retrieval.filters.filters import parse_filter
from retrieval.filters.places import named_places, read_query
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


@pytest.mark.parametrize(
    ("query", "words", "found"),
    [
        ("nurse in Denver", "nurse", [("city", "denver")]),
        ("nurse IN  denver , COLORADO", "nurse", [("place", "denver, colorado")]),
        ("nurse in Texas", "nurse", [("region", "texas")]),
        ("nurse in New York", "nurse", [("city", "new york"), ("region", "new york")]),
        ("nurse in Springfield", "nurse", [("city", "springfield")]),
        ("developer in test in Austin, Denver", "developer in test", [("city", "austin"), ("city", "denver")]),
        ("in Denver", "", [("city", "denver")]),
    ],
)
def test_places_are_read(query: str, words: str, found: list[tuple[str, str]]) -> None:
    reading = read_query(query, TABLE)
    assert reading.words == words
    [clause] = reading.filter.clauses
    assert [(one.attribute, one.any_of) for one in clause.either] == [(name, (value,)) for name, value in found]  # type: ignore[union-attr]
    assert all(repr(value) in reading.place for _, value in found)


@pytest.mark.parametrize(
    "query",
    [
        "nurse",
        "engineer in training",
        "nurse in Denver hospital",
        "nurse in Denver, nights",
        "nurse in",
        "austin in a word",
        "begin Denver",
    ],
)
def test_any_other_query_is_taken_as_typed(query: str) -> None:
    reading = read_query(query, TABLE)
    assert (reading.words, bool(reading.filter), reading.place) == (query, False, "")


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
