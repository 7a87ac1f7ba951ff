"""Within a distance of a town: where jobs are is known by the gazetteer, whatever their places are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.arrow import to_table
from contracts.errors import BadInput
from contracts.records import Job
from retrieval.filters.attributes import AttributeTable, build_attributes, job_attributes
from retrieval.filters.distance import distances_km, place_points
from retrieval.filters.filters import Filter, parse_filter
from retrieval.filters.notes import filter_notes
from tests.make import refused
from tests.retrieval.conftest import job

PLACES = (
    "Houston, TX",
    "Houston",
    "Katy, Texas",  # 44 km from Houston
    "Galveston, TX; Dallas, TX",  # 77 and 362 km
    "Dallas, TX; Katy, TX",
    "Remote",
    "Texas",
    "Nowhere Whatsoever",
    "Cambridge",
)


def table(*places: str) -> AttributeTable:
    return build_attributes(to_table([job(f"j{i}", "Nurse", location=place) for i, place in enumerate(places)], Job))


TABLE = table(*PLACES)


def passed(value: dict[str, Any], of: AttributeTable = TABLE) -> list[int]:
    return np.flatnonzero(parse_filter({"all": [value]}).mask(of)).tolist()


@pytest.mark.parametrize(
    ("circle", "rows"),
    [
        ({"place": "Houston, TX", "km": 10}, [0, 1]),
        ({"place": "Houston", "km": 50}, [0, 1, 2, 4]),
        ({"place": "houston tx", "miles": 50}, [0, 1, 2, 3, 4]),
        ({"place": "Houston, TX", "km": 0}, [0, 1]),
        ({"latitude": 32.78, "longitude": -96.8, "km": 20}, [3, 4]),
        ({"place": "Boston, MA", "km": 10}, [8]),  # the board is in the United States, so this Cambridge is
    ],
)
def test_a_job_is_within_by_the_nearest_of_its_places(circle: dict[str, Any], rows: list[int]) -> None:
    assert passed({"within": circle}) == rows
    assert passed({"within": circle, "not": True}) == [row for row in range(len(PLACES)) if row not in rows]


def test_remote_jobs_are_asked_for_beside_a_distance() -> None:
    near = {"within": {"place": "Houston", "km": 10}}
    assert passed({"either": [near, {"attribute": "workplace", "any_of": ["remote"]}]}) == [0, 1, 5]


def test_jobs_that_come_later_are_found_by_their_distance_too() -> None:
    later = table("Dallas, TX", "Austin, TX")
    later = later.appended(
        [job_attributes(job("k", "Nurse", location=at).model_dump(), home=later.home) for at in PLACES]
    )
    assert passed({"within": {"place": "Houston", "km": 50}}, later) == [2, 3, 4, 6]
    assert passed({"within": {"place": "Boston, MA", "km": 10}}, later) == [10]


def test_where_a_later_place_lies_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[str] = []

    def counted(places: list[str]) -> np.ndarray:
        looked_up.extend(places)
        return place_points(places)

    monkeypatch.setattr("retrieval.filters.attributes.place_points", counted)
    later = table("Dallas, TX", "Austin, TX")
    for at in ("Houston", "Katy, Texas", "Houston", "Dallas, TX"):
        later = later.appended([job_attributes(job("k", "Nurse", location=at).model_dump(), home=later.home)])
    known = list(looked_up)
    assert passed({"within": {"place": "Houston", "km": 50}}, later) == [2, 3, 4]
    assert passed({"within": {"place": "Dallas", "km": 5}}, later) == [0, 5]
    assert looked_up == known and known.count("houston, texas") == 1


def test_a_table_keeps_where_its_places_lie(tmp_path: Path) -> None:
    TABLE.save(tmp_path)
    loaded = AttributeTable.load(tmp_path)
    assert loaded.home == "united states"
    np.testing.assert_allclose(loaded.distances(30, -95), TABLE.distances(30, -95))


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("Springfield", "springfield, missouri, united states"),
        ("Nowhere Whatsoever", "nobody knows where"),
        ("Texas", "region or country"),
        ("Dallas, TX; Austin, TX", "2 places"),
    ],
)
def test_a_place_that_is_no_one_town_is_refused(place: str, told: str) -> None:
    wanted = parse_filter({"all": [{"within": {"place": place, "km": 5}}]})
    for ask in (wanted.check, wanted.mask):
        with refused(BadInput, place, told, where="filter.within.place"):
            ask(TABLE)


@pytest.mark.parametrize(
    ("circle", "told"),
    [
        ({"place": "Houston"}, "needs km or miles"),
        ({"place": "Houston", "km": 5, "miles": 5}, "needs km or miles"),
        ({"km": 5}, "needs a place"),
        ({"latitude": 3, "km": 5}, "needs a place"),
        ({"place": "Houston", "latitude": 3, "longitude": 5, "km": 5}, "needs a place"),
        ({"latitude": 91, "longitude": 5, "km": 5}, "91"),
        ({"place": "Houston", "km": -1}, "-1"),
    ],
)
def test_a_circle_has_one_center_and_one_radius(circle: dict[str, Any], told: str) -> None:
    with refused(BadInput, told, where="filter.all.0.within"):
        parse_filter({"all": [{"within": circle}]})


def test_what_is_asked_for_in_vain_is_said() -> None:
    wanted = {"all": [{"attribute": "city", "any_of": ["Boise", "Houston, TX", "Dallas"]}]}
    wanted["all"] += [
        {"within": {"place": "Houston", "km": 5}},
        {"attribute": "region", "any_of": ["Texas", "Bavaria"]},
    ]
    assert filter_notes(parse_filter(wanted), TABLE) == (
        "no job has city 'Boise'",
        "of 3 jobs it is not known where they are, so none of them is within a distance",
        "no job has region 'Bavaria'",
    )
    assert filter_notes(Filter(), TABLE) == ()


def test_a_region_that_is_a_country_is_all_of_it() -> None:
    assert passed({"attribute": "region", "any_of": ["USA"]}) == [0, 1, 2, 3, 4, 6, 8]
    assert passed({"attribute": "country", "any_of": ["US"]}) == [0, 1, 2, 3, 4, 6, 8]


def test_a_board_has_a_home_where_most_of_its_jobs_are_in_one_country() -> None:
    assert table("Houston", "Munich", "Cambridge").home == ""
    half = table("Leeds", "London, UK", "Munich", "Cambridge")
    assert half.home == "united kingdom"
    assert half.is_held("place", "cambridge, england")


def test_distances_are_those_of_the_earth() -> None:
    points = place_points(["london, england", "new york, new york", "nowhere"])
    assert distances_km(48.8566, 2.3522, points) == pytest.approx([344, 5_837, np.nan], abs=5, nan_ok=True)


@given(*[st.tuples(st.floats(-90, 90), st.floats(-180, 180))] * 2)
def test_a_distance_is_symmetric_and_at_most_half_the_earth(one: tuple[float, float], two: tuple[float, float]) -> None:
    [there], [back] = distances_km(*one, np.array([two])), distances_km(*two, np.array([one]))
    assert there == pytest.approx(back, abs=1e-6)
    assert 0 <= there <= 20_016
