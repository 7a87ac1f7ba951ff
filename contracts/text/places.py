"""Places as members and jobs write them, "City, Region[, Country]", read in one way by the index and by the judge.

A single name is a region where it is one in the tables below, as "Texas" is. Any other single name is taken as a city
and as its own region, so that "London" is found by either; so are names that are both, such as New York. A region and a
country have one name however they are written: "TX" is texas, "USA" united states. A job may be in several places.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from contracts.reading.ways import without_ways

MAX_PLACES = 1_000
"""Of one job; what stands behind them is not read."""

_STATES = {
    "al": "alabama", "ak": "alaska", "az": "arizona", "ar": "arkansas", "ca": "california", "co": "colorado",
    "ct": "connecticut", "de": "delaware", "dc": "district of columbia", "fl": "florida", "ga": "georgia",
    "hi": "hawaii", "id": "idaho", "il": "illinois", "in": "indiana", "ia": "iowa", "ks": "kansas", "ky": "kentucky",
    "la": "louisiana", "me": "maine", "md": "maryland", "ma": "massachusetts", "mi": "michigan", "mn": "minnesota",
    "ms": "mississippi", "mo": "missouri", "mt": "montana", "ne": "nebraska", "nv": "nevada", "nh": "new hampshire",
    "nj": "new jersey", "nm": "new mexico", "ny": "new york", "nc": "north carolina", "nd": "north dakota",
    "oh": "ohio", "ok": "oklahoma", "or": "oregon", "pa": "pennsylvania", "pr": "puerto rico", "ri": "rhode island",
    "sc": "south carolina", "sd": "south dakota", "tn": "tennessee", "tx": "texas", "ut": "utah", "vt": "vermont",
    "va": "virginia", "wa": "washington", "wv": "west virginia", "wi": "wisconsin", "wy": "wyoming",
}  # fmt: skip
_PROVINCES = {
    "ab": "alberta", "bc": "british columbia", "mb": "manitoba", "nb": "new brunswick",
    "nl": "newfoundland and labrador", "ns": "nova scotia", "on": "ontario", "pe": "prince edward island",
    "qc": "quebec", "sk": "saskatchewan",
}  # fmt: skip
_NATIONS = {
    "england": "united kingdom", "scotland": "united kingdom", "wales": "united kingdom",
    "northern ireland": "united kingdom", "bavaria": "germany", "catalonia": "spain",
}  # fmt: skip
_CITIES_TOO = {"new york", "washington", "quebec", "ontario", "la", "district of columbia"}
"""Regions that a large city bears the name of: alone they are taken for the city."""
_COUNTRIES = """
    argentina, australia, austria, belgium, brazil, bulgaria, canada, chile, china, colombia, croatia, czechia, denmark,
    egypt, estonia, finland, france, germany, greece, hungary, india, indonesia, ireland, israel, italy, japan, kenya,
    latvia, lithuania, malaysia, mexico, morocco, netherlands, new zealand, nigeria, norway, pakistan, peru,
    philippines, poland, portugal, romania, saudi arabia, serbia, slovakia, slovenia, south africa, south korea, spain,
    sweden, switzerland, taiwan, thailand, turkey, ukraine, united arab emirates, united kingdom, united states, vietnam
""".replace("\n", " ").split(",")
_COUNTRY = {name.strip(): name.strip() for name in _COUNTRIES} | {
    "us": "united states", "usa": "united states", "u.s.": "united states", "u.s.a.": "united states",
    "united states of america": "united states", "america": "united states", "estados unidos": "united states",
    "uk": "united kingdom", "u.k.": "united kingdom", "gb": "united kingdom", "great britain": "united kingdom",
    "deutschland": "germany", "osterreich": "austria", "schweiz": "switzerland", "suisse": "switzerland",
    "svizzera": "switzerland", "espana": "spain", "italia": "italy", "brasil": "brazil", "nederland": "netherlands",
    "the netherlands": "netherlands", "holland": "netherlands", "belgie": "belgium", "belgique": "belgium",
    "danmark": "denmark", "sverige": "sweden", "norge": "norway", "suomi": "finland", "polska": "poland",
    "czech republic": "czechia", "eire": "ireland", "republic of ireland": "ireland", "turkiye": "turkey",
    "uae": "united arab emirates", "korea": "south korea", "viet nam": "vietnam",
}  # fmt: skip
"""Names of countries, folded -> the one that stands for all of a country's."""
_CODES = {
    "ar": "argentina", "au": "australia", "at": "austria", "be": "belgium", "br": "brazil", "ca": "canada",
    "ch": "switzerland", "cl": "chile", "cn": "china", "co": "colombia", "cz": "czechia", "de": "germany",
    "dk": "denmark", "es": "spain", "fi": "finland", "fr": "france", "gr": "greece", "hu": "hungary", "id": "indonesia",
    "ie": "ireland", "il": "israel", "in": "india", "it": "italy", "jp": "japan", "kr": "south korea", "ma": "morocco",
    "mx": "mexico", "my": "malaysia", "ng": "nigeria", "nl": "netherlands", "no": "norway", "nz": "new zealand",
    "pe": "peru", "ph": "philippines", "pk": "pakistan", "pl": "poland", "pt": "portugal", "ro": "romania",
    "sa": "saudi arabia", "se": "sweden", "th": "thailand", "tr": "turkey", "tw": "taiwan", "ua": "ukraine",
    "ae": "united arab emirates", "vn": "vietnam", "za": "south africa", "sg": "singapore",
}  # fmt: skip
"""ISO 3166 codes of countries, read as such where only a country can stand: many are those of states too."""
_ABBREVIATED = _STATES | _PROVINCES
_REGION_COUNTRY = (
    dict.fromkeys(_STATES.values(), "united states") | dict.fromkeys(_PROVINCES.values(), "canada") | _NATIONS
)
_CITY_NAMES = {
    "nyc": "new york", "new york city": "new york", "sf": "san francisco", "munchen": "munich", "koln": "cologne",
    "wien": "vienna", "praha": "prague", "roma": "rome", "milano": "milan", "lisboa": "lisbon", "warszawa": "warsaw",
    "geneve": "geneva", "nurnberg": "nuremberg", "bruxelles": "brussels", "kobenhavn": "copenhagen",
}  # fmt: skip
"""Other names of large cities, folded -> their English one."""

PLACE_CHARS = 200
"""At the end of a query: where a place is looked for. Unbounded, a query of nothing but "in" takes its square."""
_IN_PLACE = re.compile(r"\b(?:in|near|around) ([^,]+(?:,[^,]+)?)$", re.IGNORECASE)
_APART = re.compile(r"\s*[;|\n•·]\s*|\s+/\s+|(?<=\w{3})/(?=\w{3})|\s+(?:or|oder|ou)\s+")  # "OR" is Oregon
_AND = re.compile(r"(?<=, )([^,]+?)\s+(?:and|&|und|et|y)\s+", re.IGNORECASE)
_POST_CODE = re.compile(r"(?:^|(?<=\s))\d{4,}(?:-\d+)?(?=\s|$)")
_ACCENTS = re.compile("[\u0300-\u036f]")


class Place(NamedTuple):
    """place: "austin, texas", since names of cities repeat; city: "austin"; region: "texas"; country: "united states",
    where it is given or the region tells. Empty: not known."""

    place: str
    city: str
    region: str
    country: str = ""

    def shares_city(self, other: Place) -> bool:
        """Both name one city; a region decides between cities of one name where both give it."""
        lone = self.region == self.city or other.region == other.city
        return self.city != "" and self.city == other.city and (lone or self.region == other.region)

    def shares_region(self, other: Place) -> bool:
        """The other lies in this place's region, or is it; a place that is a country is the region of all in it."""
        whole = self.is_country or other.is_country
        return self.region != "" and (
            self.region in (other.region, other.city) or (whole and self.country == other.country)
        )

    @property
    def is_country(self) -> bool:
        """It names no more than a country."""
        return self.city == "" and self.region == self.country != ""


NOWHERE = Place("", "", "")


def read_places(location: str) -> tuple[Place, ...]:
    """The places that a location names, each once, `MAX_PLACES` at most: "Austin, TX; Remote" names one."""
    return _read(location)


def read_place(location: str) -> Place:
    """The first place of a location; of a single name see the head of this module."""
    return next(iter(_read(location)), NOWHERE)


def canonical(attribute: str, name: str) -> str:
    """A name as it is compared: that of a place, a region or a country is one however it is written.

    Args:
        attribute: "place", "city", "region" and "country" are read as such; any other is folded.
        name: As data or a filter give it.
    """
    if attribute == "place":
        return read_place(name).place or folded(name)
    if attribute == "region":
        return read_place(name).region if "," in name else _region(folded(name))
    if attribute == "country":
        return _country(folded(name))
    return _city(folded(name)) if attribute == "city" else folded(name)


def is_region(name: str) -> bool:
    """Whether a name is that of a state, a province or a country, and of no large city."""
    name = folded(name)
    return (name in _ABBREVIATED or name in _REGION_COUNTRY or name in _COUNTRY) and name not in _CITIES_TOO


def split_place(query: str) -> tuple[str, str]:
    """(what is looked for, where) of a query that ends in "in", "near" or "around" and one or two names.

    The place is empty where it does not end so. Whether the names are a place is for the caller to tell.
    """
    match = _IN_PLACE.search(query, max(0, len(query) - PLACE_CHARS))
    if not match:
        return query.strip(), ""
    return query[: match.start()].strip(), match[1].strip()


def folded(text: str) -> str:
    """A name as it is compared: without case and accents, in one composition, with single spaces."""
    plain = text.casefold()
    if not plain.isascii():
        bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", plain)).casefold()
        plain = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFKD", bare)))
    return " ".join(plain.split())


@lru_cache(maxsize=50_000)
def _read(location: str) -> tuple[Place, ...]:
    found: dict[Place, None] = {}
    for text in _APART.split(without_ways(location)):
        for one in _AND.sub(r"\1;", text).split(";") if "," in text else [text]:
            parts = [part for part in (folded(_POST_CODE.sub("", part)) for part in one.split(",")) if part]
            for place in _of_parts(parts):
                found.setdefault(place)
        if len(found) >= MAX_PLACES:
            break
    return tuple(found)[:MAX_PLACES]


def _of_parts(parts: list[str]) -> list[Place]:
    """The places of the names between commas: one, or several where each is followed by its region."""
    if len(parts) >= 4 and is_region(parts[1]) and is_region(parts[3]) and not is_region(parts[2]):
        return [_of_names(parts[:2]), *_of_parts(parts[2:])]
    return [_of_names(parts)] if parts else []


def _of_names(names: list[str]) -> Place:
    first, second, third = (*names[:3], "", "")[:3]
    if not second:
        region = _region(first)
        if is_region(first):
            return Place(region, "", region, _country_of(region))
        city = _city(first)
        return Place(city, city, city)
    if is_region(first) and _country(second) in _COUNTRY and not third:  # "Texas, USA"
        region = _region(first)
        return Place(region, "", region, _country(second))
    city, region = _city(first), _region(second)
    return Place(f"{city}, {region}", city, region, _country(third) if third else _country_of(region))


def _region(name: str) -> str:
    return _ABBREVIATED.get(name) or _COUNTRY.get(name, name)


def _country(name: str) -> str:
    return _COUNTRY.get(name) or _CODES.get(name, name)


def _country_of(region: str) -> str:
    """The country that a region lies in, or is."""
    return _REGION_COUNTRY.get(region) or (region if region in _COUNTRY else "")


def _city(name: str) -> str:
    return _CITY_NAMES.get(name, name)
