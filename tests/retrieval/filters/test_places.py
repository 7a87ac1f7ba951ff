"""A query names a place only where the words after "in" are places of the index, all of them."""

from __future__ import annotations

import pytest

from contracts.arrow import to_table
from contracts.records import Job
from retrieval.filters.attributes import build_attributes
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
