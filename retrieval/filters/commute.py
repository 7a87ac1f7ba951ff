"""How far a job is from a person: kilometres, miles, and in which tier of a way to work that lies."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from contracts.text.places import read_towns
from contracts.values import FrozenModel
from retrieval.filters.distance import KM_OF_MILE, distances_km

Point = tuple[float, float]
"""Latitude and longitude in degrees."""
Tier = Literal["remote", "nearby", "commute", "long_commute", "away"]
TIERS_KM: tuple[tuple[Tier, float], ...] = (("nearby", 10.0), ("commute", 40.0), ("long_commute", 80.0))
"""Tier -> the farthest that still lies in it, as the crow flies."""


class Distance(FrozenModel):
    """From the request's place to the nearest of a job's."""

    km: float | None = Field(description="Kilometres as the crow flies; null where one of the two is not known.")
    miles: float | None
    commute: Tier = Field(
        description="`remote`; else `nearby` up to 10 km, `commute` up to 40, `long_commute` up to 80, `away` beyond."
    )


def point_of(location: str, home: str) -> Point | None:
    """Where a person is; None where their location names no town that is known, or several.

    Args:
        location: As text, "City, Region".
        home: As `contracts.text.places` has it.
    """
    points = _points(location, home)
    return points[0] if len(points) == 1 else None


def distance(location: str, workplace: str | None, point: Point | None, home: str) -> Distance | None:
    """The distance of a job; None where nobody can say and it is not remote."""
    points = _points(location, home) if point else ()
    km = float(np.nanmin(distances_km(*point, np.array(points)))) if point and points else None
    if km is None and workplace != "remote":
        return None
    rounded = None if km is None else (round(km, 1), round(km / KM_OF_MILE, 1))
    return Distance(
        km=rounded[0] if rounded else None,
        miles=rounded[1] if rounded else None,
        commute="remote" if workplace == "remote" else tier_of(km or 0.0),
    )


def tier_of(km: float) -> Tier:
    """The tier of a distance."""
    return next((name for name, most in TIERS_KM if km <= most), "away")


def _points(location: str, home: str) -> tuple[Point, ...]:
    towns = (town for _, town in read_towns(location, home))
    return tuple(dict.fromkeys((town.latitude, town.longitude) for town in towns if town))
