"""Where the jobs of a board are, as the gazetteer understands their places, and what was assumed of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from contracts.text.places import countries, home_country, read_towns

NAMED = 5
"""Names that a sentence gives as examples."""


class Whereabouts(NamedTuple):
    """home: the board's own country, or empty; kinds: jobs by what their place is; assumed: sentences."""

    home: str
    kinds: Counter[str]
    assumed: list[str]


def whereabouts(locations: Mapping[str, int]) -> Whereabouts:
    """What is understood of places.

    Args:
        locations: As written -> jobs.
    """
    by_country: Counter[str] = Counter()
    for location, jobs in locations.items():
        by_country.update(dict.fromkeys(countries(location), jobs))
    home = home_country(by_country)
    kinds: Counter[str] = Counter()
    at_home: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    for location, jobs in locations.items():
        found = read_towns(location, home)
        if not found:
            kinds["none"] += jobs
        elif any(town for _, town in found):
            kinds["a known town"] += jobs
        elif all(not place.city for place, _ in found):
            kinds["a region or country"] += jobs
        else:
            kinds["a name that is no one town's"] += jobs
            unknown.update({place.place: jobs for place, town in found if not town})
        if found != read_towns(location):
            at_home.update({f"{location!r} as {place.place!r}": jobs for place, _ in found})
    return Whereabouts(home, kinds, [*_told(home, at_home), *_not_told(unknown)])


def _told(home: str, at_home: Counter[str]) -> list[str]:
    if not at_home:
        return []
    return [
        f"{at_home.total():,} jobs name a place that may be several; it is read in {home}, where most jobs "
        f"are: {_examples(at_home)}"
    ]


def _not_told(unknown: Counter[str]) -> list[str]:
    if not unknown:
        return []
    return [
        f"{unknown.total():,} jobs name a place of no town that is known, or of several; it stays as it is, and is "
        f"within no distance: {_examples(unknown)}"
    ]


def _examples(names: Counter[str]) -> str:
    return "; ".join(f"{name} ({jobs:,})" for name, jobs in names.most_common(NAMED))
