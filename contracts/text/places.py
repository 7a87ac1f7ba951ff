"""Places as members and jobs write them, "City, Region[, Country]", read in one way by the index and by the judge.

A single name is a region where it is one in the table below, as "Texas" is. Any other single name is taken as a city
and as its own region, so that "London" is found by either; so are names that are both, such as New York.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_REGIONS = frozenset(
    name.strip()
    for name in """
    alabama, alaska, arizona, arkansas, california, colorado, connecticut, delaware, florida, georgia, hawaii, idaho,
    illinois, indiana, iowa, kansas, kentucky, louisiana, maine, maryland, massachusetts, michigan, minnesota,
    mississippi, missouri, montana, nebraska, nevada, new hampshire, new jersey, new mexico, north carolina,
    north dakota, ohio, oklahoma, oregon, pennsylvania, rhode island, south carolina, south dakota, tennessee, texas,
    utah, vermont, virginia, west virginia, wisconsin, wyoming,
    al, ak, az, ar, ca, co, ct, de, fl, ga, hi, id, il, in, ia, ks, ky, me, md, ma, mi, mn, ms, mo, mt, ne, nv, nh,
    nj, nm, ny, nc, nd, oh, ok, or, pa, ri, sc, sd, tn, tx, ut, vt, va, wa, wv, wi, wy,
    alberta, british columbia, manitoba, new brunswick, nova scotia, ontario, saskatchewan,
    england, scotland, wales, northern ireland, bavaria, catalonia,
    argentina, australia, austria, belgium, brazil, canada, chile, china, colombia, denmark, finland, france, germany,
    greece, india, indonesia, ireland, israel, italy, japan, malaysia, mexico, netherlands, new zealand, norway, peru,
    philippines, poland, portugal, romania, spain, sweden, switzerland, turkey, uk, united kingdom, united states, usa,
    vietnam
    """.replace("\n", " ").split(",")
)
"""Names of states, provinces and countries that no large city bears, case-folded."""

PLACE_CHARS = 200
"""At the end of a query: where a place is looked for. Unbounded, a query of nothing but "in" takes its square."""
_IN_PLACE = re.compile(r"\b(?:in|near|around) ([^,]+(?:,[^,]+)?)$", re.IGNORECASE)


class Place(NamedTuple):
    """place: "austin, texas", since names of cities repeat; city: "austin"; region: "texas". Empty: not known."""

    place: str
    city: str
    region: str

    def shares_city(self, other: Place) -> bool:
        """Both name one city; a region decides between cities of one name where both give it."""
        lone = self.region == self.city or other.region == other.city
        return self.city != "" and self.city == other.city and (lone or self.region == other.region)

    def shares_region(self, other: Place) -> bool:
        """The other lies in this place's region, or is it."""
        return self.region != "" and self.region in (other.region, other.city)


@lru_cache(maxsize=50_000)
def read_place(location: str) -> Place:
    """The place that "City, Region[, Country]" names; of a single name see the head of this module."""
    parts = [part for part in map(folded, location.split(",")) if part]
    if not parts:
        return Place("", "", "")
    if len(parts) == 1:
        name = parts[0]
        return Place(name, "" if name in _REGIONS else name, name)
    return Place(", ".join(parts[:2]), parts[0], parts[1])


def is_region(name: str) -> bool:
    """Whether a name is that of a state, a province or a country, and of no large city."""
    return folded(name) in _REGIONS


def split_place(query: str) -> tuple[str, str]:
    """(what is looked for, where) of a query that ends in "in", "near" or "around" and one or two names.

    The place is empty where it does not end so. Whether the names are a place is for the caller to tell.
    """
    match = _IN_PLACE.search(query, max(0, len(query) - PLACE_CHARS))
    if not match:
        return query.strip(), ""
    return query[: match.start()].strip(), match[1].strip()


def folded(text: str) -> str:
    """A name as it is compared: case-folded, with single spaces."""
    return " ".join(text.casefold().split())
