"""One reading of "City, Region[, Country]" serves the index and the judge."""

import pytest

from contracts.text.places import Place, read_place


@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("Austin, Texas", Place("austin, texas", "austin", "texas")),
        ("", Place("", "", "")),
        (" , ", Place("", "", "")),
        ("Texas", Place("texas", "", "texas")),
        ("London", Place("london", "london", "london")),
        ("New York", Place("new york", "new york", "new york")),
        ("Ulm,  BW , DE", Place("ulm, bw", "ulm", "bw")),
    ],
)
def test_a_location_is_a_place_in_a_region(location: str, place: Place) -> None:
    assert read_place(location) == place


@pytest.mark.parametrize(
    ("wished", "job", "city", "region"),
    [
        ("Austin, TX", "Austin, TX, USA", True, True),
        ("Austin", "Austin, TX", True, False),
        ("Texas", "Austin, Texas", False, True),
        ("Austin, MN", "Austin, TX", False, False),
        ("Texas", "Texas", False, True),
        ("New York", "New York, NY", True, False),
        ("", "", False, False),
    ],
)
def test_two_places_share_a_city_or_a_region(wished: str, job: str, city: bool, region: bool) -> None:
    there, here = read_place(job), read_place(wished)
    assert (there.shares_city(here), there.shares_region(here)) == (city, region)
