"""The towns of the world of 5,000 people and more, by any of their names: where they lie.

Data of GeoNames (geonames.org, CC BY 4.0), in two files that `runs/build_gazetteer.py` writes and that the package
carries, so that a name is read alike by the batch, the service and the replay. Read on first use.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(__file__).parent / "towns"
TOWNS, TOWN_NAMES = "towns.parquet", "names.parquet"
CLEAR = 5
"""A town of a name is meant where it has so many times the weight of any other of that name."""
PAGE = 64
_MARKS = str.maketrans(dict.fromkeys("-.'’`", " "))


class Town(NamedTuple):
    """One town, as it is found by one of its names. name, region and country are folded; region is the country where
    it is not known. weight: its people, a fifth of them where it is found by another than its first name."""

    name: str
    region: str
    country: str
    latitude: float
    longitude: float
    weight: float


def towns_named(name: str) -> tuple[Town, ...]:
    """The towns that have a folded name among theirs, the weightiest first."""
    return _named(name_key(name))


def chief_town(towns: Sequence[Town]) -> Town | None:
    """The one of several that is meant where nothing else is said; None where that is not clear.

    Args:
        towns: Of `towns_named`, in that order.
    """
    if not towns:
        return None
    first = towns[0]
    others = (town.weight for town in towns[1:] if town[:3] != first[:3])
    return first if first.weight >= CLEAR * max(others, default=0) else None


def name_key(name: str) -> str:
    """What a folded name is looked up by: "st. louis" and "st louis" are one, and so are hyphens and spaces."""
    return " ".join(name.translate(_MARKS).split())


class _Columns(NamedTuple):
    """The two files as Arrow has them, for 360,000 Python texts take a second to make.

    Attributes:
        names: Ascending; a name of several towns stands once for each.
        towns: The row of each name's town.
        pages: The first name of each page of `PAGE` names.
        fields: Of each town as `Town` has them, but that degrees are thousandths and the weight is the people.
    """

    names: pa.StringArray
    towns: pa.Int32Array
    pages: list[str]
    fields: list[pa.Array]


@cache
def _columns() -> _Columns:
    names = pq.read_table(FOLDER / TOWN_NAMES).combine_chunks()
    towns = pq.read_table(FOLDER / TOWNS).combine_chunks()
    by_name = names["name"].chunk(0)
    pages = by_name.take(pa.array(range(0, len(by_name), PAGE))).to_pylist()
    return _Columns(by_name, names["town"].chunk(0), pages, [column.chunk(0) for column in towns.columns])


@lru_cache(maxsize=50_000)
def _named(key: str) -> tuple[Town, ...]:
    columns = _columns()
    first = max(0, bisect_left(columns.pages, key) - 1) * PAGE
    size = bisect_right(columns.pages, key) * PAGE - first
    names = columns.names.slice(first, size).to_pylist()
    found = (columns.towns[first + at].as_py() for at in range(bisect_left(names, key), bisect_right(names, key)))
    towns = (_town([field[row].as_py() for field in columns.fields], key) for row in found)
    return tuple(sorted(towns, key=lambda town: (-town.weight, town)))


def _town(row: Sequence[Any], key: str) -> Town:
    name, region, country, latitude, longitude, people = row
    weight = people / (1 if name_key(name) == key else CLEAR)
    return Town(name, region, country, latitude / 1_000, longitude / 1_000, weight)
