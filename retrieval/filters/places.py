"""Places that a text names, as the jobs' attributes know them: "Austin, Texas, Denver"."""

from __future__ import annotations

from typing import NamedTuple

from contracts.text.place_names import folded
from contracts.text.places import canonical, read_places
from retrieval.filters.attributes import AttributeTable


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
        here = [(name, _held_name(name, parts[at], attributes)) for name in kinds]
        places += here
        unknown += [] if here else [parts[at]]
        at += 1
    return Named(tuple(places), tuple(unknown))


def _held_name(attribute: str, name: str, attributes: AttributeTable) -> str:
    """The name by which jobs hold a place: the one that is compared or, where that is a namesake at home, its own."""
    compared = canonical(attribute, name, attributes.home)
    return compared if attributes.is_held(attribute, compared) else name
