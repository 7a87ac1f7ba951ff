"""Places as members and jobs write them, read in one way by the index, the match and the judge.

A town that the gazetteer knows has one name however it is written: "München", "Munich, Germany" and "Munich (BY)" are
"munich, bavaria" in Germany. What a part behind it means is told by the town: "DE" is Delaware behind Wilmington and
Germany behind Berlin. A name that several towns bear and nothing decides between, and a name that nobody knows, stay as
they are written: such a name is taken as a city and as its own region, and any parts behind it as region and country.
A job may be in several places.

`home` is a board's own country: of an ambiguous name alone it decides which is meant. Empty: nothing is assumed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from contracts.reading.ways import without_ways
from contracts.text.gazetteer import Town, chief_town, towns_named
from contracts.text.place_names import folded, place_names

MAX_PLACES = 1_000
"""Of one job; what stands behind them is not read."""
PLACE_CHARS = 200
"""At the end of a query: where a place is looked for. Unbounded, a query of nothing but "in" takes its square."""
_IN_PLACE = re.compile(r"\b(?:in|near|around) ([^,]+(?:,[^,]+)?)$", re.IGNORECASE)
_APART = re.compile(r"\s*[;|\n•·]\s*|\s+/\s+|\s+(?:or|oder|ou)\s+")  # "OR" is Oregon
_SLASH = re.compile(r"[^,;/|()]{1,60}(?:/[^,;/|()]{1,60})+")
_SHORTEST = 3
"""Letters of a name, between slashes without spaces: "Rio de Janeiro/RJ" is one place."""
_AND = re.compile(r"(?<=, )([^,]+?)\s+(?:and|&|und|et|y)\s+", re.IGNORECASE)
_POST_CODE = re.compile(
    r"(?:^|(?<=\s))(?:[A-Z]{1,3}-\d{3,6}|\d{4} ?[A-Z]{2}(?=$|\s+\D{3})"  # D-80331, 1012 AB Amsterdam
    r"|〒?\d{4,}(?:-\d+)?|〒?\d{2,3}-\d{3,4}|\d{3} \d{2}"  # 78701-1234, 01-234, 150-0001, 110 00
    r"|(?i:[a-z]{1,2}\d[a-z\d]?(?: ?\d[a-z]{2})?)(?=$)|(?i:[a-z]\d[a-z] ?\d[a-z]\d))(?=\s|$)"  # EC2A 4NE, V6B 1A1
)
"""As countries write them, apart from a town's name: behind it or before."""
_DISTRICT = re.compile(r" \d{1,2}(?:\.|er?|eme|de)?$")
_DASH = re.compile(r"\s+[-–—]\s+|(?<=\b[A-Za-z]{2})-(?=\w{2})|/(?=[A-Za-z]{2}\b)")
_CJK = re.compile("[\u3005\u4e00-\u9fff\uac00-\ud7a3]")
_CJK_PART = re.compile("(?:都|道|府|県|省|自治区|特別市|広域市)(?=.)")
_RUN_CHARS = 40
"""Of an address without commas, that are looked at."""
_WARD = ("区", "區", "구")
_KOREAN_END = re.compile("(?:특별자치|특별|광역)?시$")
_BRACKETS = re.compile(r"\s*[(\[]([^()\[\]]*)[)\]]")
_NUMBER = re.compile(r"\d+[ab]?")
_AREA = re.compile(r"(?:greater )?(.+?)(?: (?:metropolitan|metro|bay))? area|greater (.+)")


class Place(NamedTuple):
    """place: "austin, texas", since names of cities repeat; city: "austin"; region: "texas"; country: "united states",
    where it is known. Empty: not known."""

    place: str
    city: str
    region: str
    country: str = ""

    def shares_city(self, other: Place) -> bool:
        """Both name one city; region and country decide between cities of one name where both give them."""
        lone = self.place == self.city or other.place == other.city
        abroad = self.country != other.country and "" not in (self.country, other.country)
        return self.city != "" and self.city == other.city and not abroad and (lone or self.region == other.region)

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


def read_places(location: str, home: str = "") -> tuple[Place, ...]:
    """The places that a location names, each once, `MAX_PLACES` at most: "Austin, TX; Remote" names one."""
    return tuple(place for place, _ in _read(location, home))


def read_place(location: str, home: str = "") -> Place:
    """The first place of a location; of a single name see the head of this module."""
    return next(iter(read_places(location, home)), NOWHERE)


def read_towns(location: str, home: str = "") -> tuple[tuple[Place, Town | None], ...]:
    """The places of a location, each with the town of the gazetteer that it is, where it is one and that is clear."""
    return _read(location, home)


def countries(location: str) -> frozenset[str]:
    """The countries that the places of a location are known to lie in."""
    return frozenset(place.country for place in read_places(location)) - {""}


def home_country(counts: Mapping[str, int]) -> str:
    """A board's own country: that of more than half of its jobs, of those whose country is known; else none.

    Args:
        counts: Jobs by country.
    """
    country = max(counts, key=lambda name: (counts[name], name), default="")
    return country if country and 2 * counts[country] > sum(counts.values()) else ""


def canonical(attribute: str, name: str, home: str = "") -> str:
    """A name as it is compared: that of a place, a region or a country is one however it is written.

    Args:
        attribute: "place", "city", "region" and "country" are read as such; any other is folded.
        name: As data or a filter give it.
        home: See the head of this module.
    """
    if attribute == "place":
        return read_place(name, home).place or folded(name)
    if attribute == "region":
        return read_place(name, home).region if "," in name else _region(folded(name), home)
    if attribute == "country":
        return place_names().country(folded(name)) or folded(name)
    return _city(folded(name), home) if attribute == "city" else folded(name)


def is_region(name: str) -> bool:
    """Whether a name is that of a state, a province or a country, and of no large city."""
    return _is_region(folded(name), "")


def split_place(query: str) -> tuple[str, str]:
    """(what is looked for, where) of a query that ends in "in", "near" or "around" and one or two names.

    The place is empty where it does not end so. Whether the names are a place is for the caller to tell.
    """
    match = _IN_PLACE.search(query, max(0, len(query) - PLACE_CHARS))
    if not match:
        return query.strip(), ""
    return query[: match.start()].strip(), match[1].strip()


_Read = tuple[Place, Town | None]


@lru_cache(maxsize=50_000)
def _read(location: str, home: str) -> tuple[_Read, ...]:
    found: dict[Place, Town | None] = {}
    for text in _APART.split(_SLASH.sub(lambda names: _of_slashes(names[0], home), without_ways(location))):
        for one in _AND.sub(r"\1;", text).split(";") if "," in text else [text]:
            for place, town in _of_text(one, home):
                found.setdefault(place, town)
        if len(found) >= MAX_PLACES:
            break
    return tuple(found.items())[:MAX_PLACES]


def _of_slashes(names: str, home: str) -> str:
    """The one name of "Frankfurt/Main" and "Bangalore/Bengaluru"; the two places of "Berlin/München"."""
    whole, parts = folded(names), {name: folded(name) for name in names.split("/")}
    if whole in place_names().towns or whole in place_names().regions or min(map(len, parts.values())) < _SHORTEST:
        return names
    found: dict[object, str] = {}
    for name, part in parts.items():
        town = _chief(part, home)
        found.setdefault(town[:3] if town else part, name)
    return ";".join(found.values())


def _of_text(text: str, home: str) -> list[_Read]:
    """The places between two separators: mostly one."""
    written = _parts(text)
    if not written:
        return []
    for parts in dict.fromkeys(_ways_to_read(written, text)):
        if known := _known(parts, home):
            return known
    if _CJK.search(text) and (run := _of_run(text, home)):
        return [run]
    parts = _parts(_BRACKETS.sub(_no_number, text)) or written
    return [(place, None) for place in _as_written(_no_streets(parts))]


def _ways_to_read(written: tuple[str, ...], text: str) -> Iterator[tuple[str, ...]]:
    """The names between commas: as written; with dashes and brackets as commas; without brackets; without streets;
    without the numbers of a town's districts."""
    yield written
    yield _parts(_DASH.sub(", ", _BRACKETS.sub(r", \1", text)))
    bare = _parts(_DASH.sub(", ", _BRACKETS.sub("", text)))
    yield bare
    yield _no_streets(bare)
    yield tuple(_DISTRICT.sub("", part) for part in _no_streets(bare))


def _no_streets(parts: tuple[str, ...]) -> tuple[str, ...]:
    """The parts that are no street, floor or building; all of them where no town would be left."""
    names = place_names()
    left = tuple(
        part
        for at, part in enumerate(parts)
        if at == len(parts) - 1
        or not (
            part.split(" ")[0] in names.street_heads
            or part.endswith(names.street_ends)
            or re.match(r"\d", part)
            or re.search(r"\s\d+\s?[a-z]?$", part)
        )
    )
    return parts if not left or _is_region(left[0], "") else left


def _of_run(text: str, home: str) -> _Read | None:
    """The town, or the region, that an address without commas begins with: 東京都港区, 서울 강남구."""
    name = folded(_POST_CODE.sub("", text))[:_RUN_CHARS]
    names = place_names()
    region = next((found for at in range(len(name), 1, -1) if (found := names.common.get(name[:at]))), None)
    ends = [0, *(end.end() for end in _CJK_PART.finditer(name)), *(end.end() for end in re.finditer(" ", name))]
    for start in reversed(ends):
        run = name[start:].split(" ")[0]
        for at in range(len(run), 1, -1):
            keys = () if run[:at].endswith(_WARD) else (run[:at], _KOREAN_END.sub("", run[:at]))
            towns = [town for key in keys for town in _bearers(key)]
            inside = [town for town in towns if region in (None, (town.region, town.country))]
            if town := chief_town(sorted(set(inside), key=lambda town: (-town.weight, town))):
                return _of_town(town)
    return (Place(region[0], "", *region), None) if region else None


def _parts(text: str) -> tuple[str, ...]:
    parts = (folded(_POST_CODE.sub("", part.strip())) for part in text.split(","))
    return tuple(part for part in parts if part and not _NUMBER.fullmatch(part))


def _no_number(bracket: re.Match[str]) -> str:
    """What stays of "(69)": a department, which says less than the town."""
    return "" if _NUMBER.fullmatch(bracket[1].strip()) else bracket[0]


def _known(parts: Sequence[str], home: str) -> list[_Read]:
    """The places of names between commas where the tables know what they are; none where they do not."""
    if len(parts) < 2:
        return _one(parts[0], home) if parts else []
    if len(parts) >= 4 and _is_region(parts[1], home) and _is_region(parts[3], home) and not _is_region(parts[2], home):
        first, others = _known(parts[:2], home), _known(parts[2:], home)
        return [*first, *others] if first and others else []
    town = _town(parts[0], parts[1:], home)
    if not town and _is_region(parts[0], home):  # "Germany, Berlin"
        town = _town(parts[-1], parts[:-1], home)
    if town:
        return [_of_town(town)]
    if region := _region_in(parts):
        return [(region, None)]
    each = [_one(part, home) for part in parts]
    there = {place.country for known in each for place, town in known if town}
    if len(there) == 1:  # what is unclear lies where the others do
        each = [known or _one(part, *there) for part, known in zip(parts, each, strict=True)]
    return [one for of_part in each for one in of_part] if all(one and one[0][1] for one in each) else []


def _one(name: str, home: str) -> list[_Read]:
    """Of a name alone, or of a town and its region or country without a comma between."""
    if alone := _region_alone(name, home):
        region, country = alone
        return [(Place(region, "", region, country), None)]
    town = _chief(name, home)
    words = name.split(" ")
    for at in range(len(words) - 1, max(0, len(words) - 4), -1):
        town = town or _town(" ".join(words[:at]), (" ".join(words[at:]),), home)
    return [_of_town(town)] if town else []


def _of_town(town: Town) -> _Read:
    return Place(f"{town.name}, {town.region}", town.name, town.region, town.country), town


def _bearers(name: str) -> list[Town]:
    """The towns of a name, and of the name that it is read as."""
    other = place_names().towns.get(name, name)
    if other == name and not towns_named(name) and (area := _AREA.fullmatch(name)):
        other = area[1] or area[2]
    towns = {town[:5]: town for key in (name, other) for town in reversed(towns_named(key))}
    return sorted(towns.values(), key=lambda town: (-town.weight, town))


def _chief(name: str, home: str) -> Town | None:
    """The town that a name alone means: one at home before any abroad."""
    towns = _bearers(name)
    return chief_town([town for town in towns if town.country == home]) or chief_town(towns)


def _town(name: str, behind: Sequence[str], home: str) -> Town | None:
    """The town of a name that the names behind it, of its region and country, decide for; those of neither say nothing.

    Behind a town of two countries a code is a state's before it is a country's, unless the country is home.
    """
    towns, names = _bearers(name), place_names()
    told = False
    for part in behind if towns else ():
        regions, country = names.regions.get(part, ()), names.country(part)
        in_region = [town for town in towns if (town.region, town.country) in regions or town.region == part]
        in_country = [town for town in towns if town.country == country]
        if not in_region and not in_country and (regions or country):
            return None
        at_home = [town for town in (*in_region, *in_country) if town.country == home]
        towns, told = at_home or in_region or in_country or towns, told or bool(in_region or in_country)
    return chief_town(sorted(set(towns), key=lambda town: (-town.weight, town))) if told else None


def _region_in(parts: Sequence[str]) -> Place | None:
    """ "Texas, USA" and "Germany, Bavaria"."""
    names = place_names()
    for name, behind in ((parts[0], parts[1]), (parts[1], parts[0])):
        country = names.country(behind)
        if len(parts) == 2 and country and (region := names.region(name, country)):
            return Place(region, "", region, country)
    return None


def _as_written(parts: Sequence[str]) -> list[Place]:
    """The places of names between commas that no table knows."""
    if len(parts) >= 4 and is_region(parts[1]) and is_region(parts[3]) and not is_region(parts[2]):
        return [*_as_written(parts[:2]), *_as_written(parts[2:])]
    first, second, third = (*parts[:3], "", "")[:3]
    city = place_names().towns.get(first, first)
    if not second:
        return [Place(city, city, city)]
    region, country = _region_named(second, "") or (second, "")
    if third:
        country = place_names().country(third) or third
        region = place_names().region(second, country) or region
    return [Place(f"{city}, {region}", city, region, country)]


def _is_region(name: str, home: str) -> bool:
    return _region_alone(name, home) is not None


def _region_alone(name: str, home: str) -> tuple[str, str] | None:
    """The region, or country, that a name alone stands for, and its country: one of home before any other."""
    names = place_names()
    if name in names.towns_too:
        return None
    if home and (names.country(name) == home or names.region(name, home)):
        return names.region(name, home) or home, home
    country = names.countries.get(name, "")
    region = names.common.get(name)
    if region and (town := _chief(name, home)) and town[1:3] == region and _is_called(town, name, region[0]):
        return None
    return region or ((country, country) if country else None)


def _is_called(town: Town, name: str, region: str) -> bool:
    """Whether a town, by one of its names, is what its region is called after: Wien, 東京都."""
    return town.name in (name, region) or region in place_names().towns_too


def _region(name: str, home: str) -> str:
    named = _region_named(name, home)
    return named[0] if named else name


def _region_named(name: str, home: str) -> tuple[str, str] | None:
    """`_region_alone` of a name that stands for no town, since it is behind one or a region is asked for."""
    names = place_names()
    country = names.countries.get(name, "")
    return _region_alone(name, home) or names.common.get(name) or ((country, country) if country else None)


def _city(name: str, home: str) -> str:
    town = _chief(name, home)
    return town.name if town else place_names().towns.get(name, name)
