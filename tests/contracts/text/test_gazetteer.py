"""The towns of the world, by any of their names."""

from itertools import pairwise

import pyarrow.parquet as pq
import pytest

from contracts.text.gazetteer import FOLDER, TOWN_NAMES, TOWNS, chief_town, name_key, towns_named
from contracts.text.place_names import place_names


@pytest.mark.parametrize("name", ["munich", "munchen", "muenchen", "мюнхен"])
def test_a_town_is_found_by_each_of_its_names(name: str) -> None:
    town = chief_town(towns_named(name))
    assert town is not None
    assert town[:3] == ("munich", "bavaria", "germany")
    assert (town.latitude, town.longitude) == pytest.approx((48.137, 11.575), abs=0.01)


def test_every_name_in_the_file_is_found_whatever_page_it_is_on() -> None:
    table = pq.read_table(FOLDER / TOWN_NAMES)
    names = table["name"].to_pylist()
    assert all(one <= other for one, other in pairwise(names))
    for at in [*range(0, len(names), 4_999), *range(60, 70), 0, len(names) - 1]:
        assert len(towns_named(names[at])) == names.count(names[at])
    assert towns_named("") == towns_named("no town has this name") == towns_named("\U0010ffff") == ()


def test_a_first_name_outweighs_another_name_of_a_town_as_large() -> None:
    towns = towns_named("st louis")  # Saint-Louis in Senegal has nearly as many people
    assert {town.country for town in towns} == {"united states", "senegal", "france"}
    chief = chief_town(towns)
    assert chief is not None
    assert chief.region == "missouri"


def test_no_town_is_the_chief_one_of_many_like_it() -> None:
    assert len(towns_named("springfield")) > 3
    assert chief_town(towns_named("springfield")) is None
    assert chief_town(()) is None


def test_towns_lie_in_the_countries_and_regions_that_people_edit() -> None:
    towns = pq.read_table(FOLDER / TOWNS, columns=["region", "country"]).to_pandas().drop_duplicates()
    assert set(towns["country"]) <= set(place_names().countries.values())
    held = set(zip(towns["region"], towns["country"], strict=True))
    known = {place for places in place_names().regions.values() for place in places}
    assert known <= held


def test_marks_do_not_tell_names_apart() -> None:
    assert name_key("winston-salem") == name_key("winston salem")
    assert name_key("st. john's") == "st john s"
