"""How far apart two points of the earth are, and where a place that a filter names lies."""

from __future__ import annotations

import numpy as np

from contracts.errors import BadInput
from contracts.text.gazetteer import towns_named
from contracts.text.place_names import folded
from contracts.text.places import read_towns

EARTH_KM = 6_371.0088
"""Mean radius (IUGG). The earth taken for a ball is wrong by 0.6% at most."""
KM_OF_MILE = 1.609344
_SHOWN = 5


def distances_km(latitude: float, longitude: float, points: np.ndarray) -> np.ndarray:
    """(n,) float64 great-circle distances in kilometres of a point from others; NaN where one is NaN.

    Args:
        latitude: Degrees, as is the longitude.
        points: (n, 2) latitudes and longitudes in degrees.

    Source: the haversine formula.
    """
    here, there = np.radians([latitude, longitude]), np.radians(np.asarray(points, np.float64).reshape(-1, 2))
    half = np.sin((there - here) / 2) ** 2
    share = half[:, 0] + np.cos(here[0]) * np.cos(there[:, 0]) * half[:, 1]
    return 2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(share, 0, 1)))


def place_points(places: list[str]) -> np.ndarray:
    """(n, 2) float64 latitudes and longitudes of places as `Place.place` has them; NaN where it is not known."""
    points = np.full((len(places), 2), np.nan)
    for row, name in enumerate(places):
        town = next((town for _, town in read_towns(name)), None)
        if town:
            points[row] = town.latitude, town.longitude
    return points


def locate(name: str, home: str) -> tuple[float, float]:
    """Latitude and longitude of the town that a filter names.

    Args:
        name: Such as "Houston, TX".
        home: As `contracts.text.places` has it.

    Raises:
        BadInput: It names no town that is known, or several.
    """
    found = read_towns(name, home)
    town = found[0][1] if len(found) == 1 else None
    if town:
        return town.latitude, town.longitude
    cure = "name a town of 5,000 people or more with its region, such as 'Houston, TX', or give latitude and longitude"
    if len(found) > 1:
        problem = f"{name!r} names {len(found)} places"
    elif found and not found[0][0].city:
        problem = f"{name!r} is a region or country, from which nothing is near"
        cure = 'filter by the attribute "region" or "country", or ' + cure
    elif several := towns_named(folded(name.split(",")[0])):
        names = (f"{town.name}, {town.region}, {town.country}" for town in several[:_SHOWN])
        problem = f"{name!r} may be any of {len(several)}: {'; '.join(names)}"
    else:
        problem = f"nobody knows where {name!r} lies"
    raise BadInput(problem, where="filter.within.place", cure=cure)
