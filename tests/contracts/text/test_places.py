"""One reading of "City, Region[, Country]" serves the index and the judge."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.records import Job
from contracts.text.place_names import folded, place_names
from contracts.text.places import MAX_PLACES, Place, canonical, read_place, read_places
from tests.make import within

PIECES = ["Austin", "TX", "Texas", "USA", "New York", "Zürich", "Remote", "78701", "12 Foo St", "Wien", "東京都港区"]
PIECES += [", ", "; ", " - ", " (", ")", " or ", "/"]


@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("Austin, Texas", Place("austin, texas", "austin", "texas", "united states")),
        ("", Place("", "", "")),
        (" , ", Place("", "", "")),
        ("Texas", Place("texas", "", "texas", "united states")),
        ("TX", Place("texas", "", "texas", "united states")),
        ("Paris, France", Place("paris, ile-de-france", "paris", "ile-de-france", "france")),
        ("London", Place("london, england", "london", "england", "united kingdom")),
        ("New York", Place("new york, new york", "new york", "new york", "united states")),
        ("Ulm,  BW , DE", Place("ulm, baden-wurttemberg", "ulm", "baden-wurttemberg", "germany")),
        ("Erewhon", Place("erewhon", "erewhon", "erewhon")),
        ("Erewhon, XX, DE", Place("erewhon, xx", "erewhon", "xx", "germany")),
        ("Springfield", Place("springfield", "springfield", "springfield")),
        ("Springfield, USA", Place("springfield, united states", "springfield", "united states", "united states")),
    ],
)
def test_a_location_is_a_place_in_a_region(location: str, place: Place) -> None:
    assert read_place(location) == place


@pytest.mark.parametrize(
    ("wished", "job", "city", "region"),
    [
        ("Austin, TX", "Austin, TX, USA", True, True),
        ("Austin", "Austin, TX", True, True),
        ("Springfield", "Springfield, IL", True, False),
        ("Berlin", "Berlin, CT", False, False),
        ("Munich, Germany", "München (Bayern)", True, True),
        ("Texas", "Austin, Texas", False, True),
        ("Austin, MN", "Austin, TX", False, False),
        ("Texas", "Texas", False, True),
        ("New York", "New York, NY", True, True),
        ("New York", "Buffalo, NY", False, True),
        ("", "", False, False),
    ],
)
def test_two_places_share_a_city_or_a_region(wished: str, job: str, city: bool, region: bool) -> None:
    there, here = read_place(job), read_place(wished)
    assert (there.shares_city(here), there.shares_region(here)) == (city, region)


@pytest.mark.parametrize(
    ("location", "places"),
    [
        ("San Francisco, CA; New York, NY", ["san francisco, california", "new york, new york"]),
        ("San Francisco, CA | New York", ["san francisco, california", "new york, new york"]),
        ("San Francisco, CA, New York, NY", ["san francisco, california", "new york, new york"]),
        ("Dallas, TX and Austin, TX", ["dallas, texas", "austin, texas"]),
        ("Portland, OR or Seattle, WA", ["portland, oregon", "seattle, washington"]),
        ("Berlin/München", ["berlin, berlin", "munich, bavaria"]),
        ("Berlin, München, Hamburg", ["berlin, berlin", "munich, bavaria", "hamburg, hamburg"]),
        ("São Paulo, SP; SAO PAULO, sp; Sa\u0303o Paulo, SP; Sao Paulo - SP", ["sao paulo, sao paulo"]),
        ("10115 Berlin", ["berlin, berlin"]),
        ("Lyon (69)", ["lyon, auvergne-rhone-alpes"]),
        ("Germany, Berlin; Germany, Bavaria", ["berlin, berlin", "bavaria"]),
        ("US-TX-Houston; Houston TX; Greater Houston Area", ["houston, texas"]),
        ("Trinidad and Tobago", ["trinidad and tobago"]),
        ("Austin, TX 78701", ["austin, texas"]),
        ("Texas, USA", ["texas"]),
        ("Remote", []),
        ("Anywhere; Work from home", []),
        ("Remote - US only", ["united states"]),
        ("Remote (US)", ["united states"]),
        ("Austin, TX (Hybrid)", ["austin, texas"]),
        ("Hybrid in London", ["london, england"]),
        ("Austin, TX or Remote", ["austin, texas"]),
    ],
)
def test_a_location_names_each_of_its_places_and_no_way_of_working(location: str, places: list[str]) -> None:
    assert [place.place for place in read_places(location)] == places


@pytest.mark.parametrize(
    ("location", "workplace"),
    [("Remote", "remote"), ("Austin, TX (Hybrid)", "hybrid"), ("Austin; Remote", "remote"), ("Austin, TX", None)],
)
def test_a_job_is_worked_as_its_location_says_where_it_says_nothing_else(location: str, workplace: str) -> None:
    job = {"id": "j", "title": "Nurse", "updated_at": "2026-05-01", "location": location}
    assert Job.model_validate(job).workplace == workplace
    assert Job.model_validate(job | {"workplace": "On-site"}).workplace == "onsite"


def test_several_places_are_a_list_too() -> None:
    job = Job.model_validate(
        {"id": "j", "title": "Nurse", "updated_at": "2026-05-01", "location": ["Austin", "Boston"]}
    )
    assert [place.city for place in read_places(job.location)] == ["austin", "boston"]


def test_a_country_is_the_region_of_all_in_it() -> None:
    nation, town, abroad = map(read_place, ("USA", "Austin, TX", "Paris, France"))
    assert nation.shares_region(town) and town.shares_region(nation)
    assert not nation.shares_region(abroad) and not abroad.shares_region(town)


@pytest.mark.parametrize(
    ("location", "place", "country"),
    [
        ("Berlin, DE", "berlin, berlin", "germany"),
        ("Wilmington, DE", "wilmington, delaware", "united states"),
        ("TX", "texas", "united states"),
        ("Paris, TX", "paris, texas", "united states"),
        ("Paris", "paris, ile-de-france", "france"),
        ("München", "munich, bavaria", "germany"),
        ("Mu\u0308nchen", "munich, bavaria", "germany"),
        ("Munich", "munich, bavaria", "germany"),
        ("Muenchen", "munich, bavaria", "germany"),
        ("Cambridge, MA", "cambridge, massachusetts", "united states"),
        ("Cambridge, UK", "cambridge, england", "united kingdom"),
        ("Toronto, ON", "toronto, ontario", "canada"),
        ("London, CA", "london, ontario", "canada"),
        ("Perth, WA", "perth, western australia", "australia"),
        ("Hyderabad, IN", "hyderabad, telangana", "india"),
        ("Columbus, IN", "columbus, indiana", "united states"),
        ("Tbilisi, Georgia", "tbilisi, t'bilisi", "georgia"),
        ("Atlanta, Georgia", "atlanta, georgia", "united states"),
        ("Georgia", "georgia", "united states"),
        ("St Louis, MO", "st. louis, missouri", "united states"),
        ("東京", "tokyo, tokyo", "japan"),
        ("Roma", "rome, lazio", "italy"),
        ("Roma, TX", "roma, texas", "united states"),
        ("Frankfurt", "frankfurt am main, hesse", "germany"),
        ("Mexico", "mexico", "mexico"),
    ],
)
def test_a_code_and_a_name_mean_what_the_town_tells(location: str, place: str, country: str) -> None:
    read = read_place(location)
    assert (read.place, read.country) == (place, country)


@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("123 Main St, Austin, TX 78701", "austin, texas"),
        ("Suite 400, 12 King Street, Sydney NSW 2000", "sydney, new south wales"),
        ("Unter den Linden 5, 10117 Berlin", "berlin, berlin"),
        ("12 Foo St, Erewhon, TX", "erewhon, texas"),
        ("Area 51, NV", "area 51, nevada"),
        ("London EC2A 4NE", "london, england"),
        ("Manchester M1 1AE", "manchester, england"),
        ("Leeds, LS1 4AP", "leeds, england"),
        ("Vancouver, BC V6B 1A1", "vancouver, british columbia"),
        ("D-80331 München", "munich, bavaria"),
        ("A-1010 Wien", "vienna, vienna"),
        ("1012 AB Amsterdam", "amsterdam, north holland"),
        ("00-001 Warszawa", "warsaw, masovian voivodeship"),
        ("Dublin 2", "dublin, leinster"),
        ("Paris 15e", "paris, ile-de-france"),
        ("Praha 4", "prague, praha"),
        ("Mumbai (All Areas)", "mumbai, maharashtra"),
        ("Rio de Janeiro/RJ", "rio de janeiro, rio de janeiro"),
        ("Frankfurt/Main", "frankfurt am main, hesse"),
        ("Bangalore/Bengaluru", "bengaluru, karnataka"),
        ("Gent, Oost-Vlaanderen", "gent, flanders"),
        ("Amsterdam, Noord-Holland", "amsterdam, north holland"),
        ("Kraków, małopolskie", "krakow, lesser poland voivodeship"),
        ("Warszawa, Mazowieckie", "warsaw, masovian voivodeship"),
        ("łódzkie", "lodz voivodeship"),
        ("Łódź", "lodz, lodz voivodeship"),
        ("Stockholms län", "stockholm"),
        ("東京都港区", "tokyo, tokyo"),
        ("大阪府大阪市北区", "osaka, osaka"),
        ("神奈川県横浜市西区", "yokohama, kanagawa"),
        ("神奈川県愛甲郡", "kanagawa"),
        ("北京市朝阳区", "beijing, beijing"),
        ("广东省深圳市南山区", "shenzhen, guangdong"),
        ("서울 강남구", "seoul, seoul"),
        ("부산광역시 해운대구", "busan, busan"),
    ],
)
def test_what_stands_around_a_town_does_not_hide_it(location: str, place: str) -> None:
    assert [one.place for one in read_places(location)] == [place]


@pytest.mark.parametrize(
    ("name", "city", "region"),
    [
        ("Wien", "vienna", "vienna"),
        ("Genf", "geneva", "geneva"),
        ("Genève", "geneva", "geneva"),
        ("Luzern", "luzern", "lucerne"),
        ("St. Gallen", "sankt gallen", "st. gallen"),
        ("CH-8001 Zürich", "zurich", "zurich"),
        ("Luxemburg", "luxembourg", "luxembourg"),
        ("Utrecht", "utrecht", "utrecht"),
        ("東京都", "tokyo", "tokyo"),
        ("NY", "", "new york"),
        ("Oklahoma", "", "oklahoma"),
        ("Bayern", "", "bavaria"),
    ],
)
def test_a_town_that_its_region_is_called_after_is_the_town(name: str, city: str, region: str) -> None:
    place = read_place(name)
    assert (place.city, place.region) == (city, region)
    assert canonical("region", region) == region
    if "-" not in name:
        assert canonical("region", name) == region


def test_what_is_unclear_lies_where_the_others_of_a_list_do() -> None:
    found = read_places("Pune, Bangalore/Bengaluru, Hyderabad")
    assert [(place.city, place.country) for place in found] == [
        ("pune", "india"),
        ("bengaluru", "india"),
        ("hyderabad", "india"),
    ]


@pytest.mark.parametrize("hostile", ["東京", "a/", "12 ", "a b ", "ab,", "1012 AB "])
def test_a_location_of_any_length_is_read_in_time(hostile: str) -> None:
    with within(seconds=20):
        assert len(read_places(hostile * 20_000)) <= MAX_PLACES


@pytest.mark.parametrize(
    ("location", "home", "place"),
    [
        ("Cambridge", "", "cambridge"),
        ("Cambridge", "united states", "cambridge, massachusetts"),
        ("Cambridge", "united kingdom", "cambridge, england"),
        ("Birmingham", "united states", "birmingham, alabama"),
        ("Springfield", "united states", "springfield"),
        ("Paris", "united states", "paris, ile-de-france"),
        ("Richmond, CA", "", "richmond, california"),
        ("Richmond, CA", "canada", "richmond, british columbia"),
        ("DE", "united states", "delaware"),
        ("Remote - DE", "germany", "germany"),
        ("SP", "brazil", "sao paulo"),
        ("Georgia", "georgia", "georgia"),
    ],
)
def test_home_decides_what_is_ambiguous_and_nothing_else(location: str, home: str, place: str) -> None:
    assert read_place(location, home).place == place


@given(st.one_of(st.text(max_size=30), st.lists(st.sampled_from(PIECES), max_size=8).map("".join)))
def test_a_name_stays_as_it_is_once_it_is_compared(text: str) -> None:
    for place in read_places(text):
        for attribute in ("place", "region", "country"):
            name = getattr(place, attribute)
            if attribute == "place" and not place.city and name in place_names().towns_too:
                continue  # "NY" is the state; its name alone is the town
            assert canonical(attribute, name) == name
    assert folded(folded(text)) == folded(text)


def test_a_location_of_fifty_thousand_places_is_read_and_bounded() -> None:
    assert len(read_places("; ".join(f"Town {i}, TX" for i in range(50_000)))) == MAX_PLACES
