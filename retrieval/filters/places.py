"""Places that a text names, as the jobs' attributes know them: "Austin, Texas, Denver", or "nurse in Denver"."""

from __future__ import annotations

import re
from typing import NamedTuple

from contracts.text.place_names import folded
from contracts.text.places import canonical, read_places
from retrieval.filters.attributes import AttributeTable
from retrieval.filters.filters import AnyOf, Either, Filter

_IN = re.compile(r"(?:^|.*\s)in\s+(?=\S)", re.IGNORECASE | re.DOTALL)
"""All up to the place that stands after the last "in"."""


class Named(NamedTuple):
    """found: (attribute, value) in the order of the text; unknown: parts that no job has as city or region."""

    places: tuple[tuple[str, str], ...]
    unknown: tuple[str, ...]


def named_places(text: str, attributes: AttributeTable) -> Named:
    """The places in "City, Region, City, ...". A name that is a city and a region, as New York, is both."""
    parts = [part for part in map(folded, text.split(",")) if part]
    places: list[tuple[str, str]] = []
    unknown: list[str] = []
    at = 0
    while at < len(parts):
        both = ", ".join(parts[at : at + 2])
        one = at + 1 < len(parts) and len(read_places(both, attributes.home)) == 1
        if one and attributes.is_held("place", both):
            places.append(("place", canonical("place", both, attributes.home)))
            at += 2
            continue
        kinds = [name for name in ("city", "region", "country") if attributes.is_held(name, parts[at])]
        kinds = [name for name in kinds if name != "country" or "region" not in kinds]
        here = [(name, canonical(name, parts[at], attributes.home)) for name in kinds]
        places += here
        unknown += [] if here else [parts[at]]
        at += 1
    return Named(tuple(places), tuple(unknown))


class Reading(NamedTuple):
    """How a query was understood. words: what is looked for; filter: where; place: the same in words, or empty."""

    words: str
    filter: Filter
    place: str


def read_query(query: str, attributes: AttributeTable) -> Reading:
    """A query whose words after the last "in" are places of the index, and nothing else, is taken to ask for these.

    Any other is taken as it was typed.
    """
    start = _IN.match(query)
    named = named_places(query[start.end() :], attributes) if start else Named((), ())
    if not start or not named.places or named.unknown:
        return Reading(query, Filter(), "")
    words = query[: start.end()].rstrip()[: -len("in")].strip()
    clause = Either(either=tuple(AnyOf(attribute=name, any_of=(value,)) for name, value in named.places))
    return Reading(words, Filter(clauses=(clause,)), " or ".join(f"{name} {value!r}" for name, value in named.places))
