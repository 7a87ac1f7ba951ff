"""Names of countries, regions and towns that people edit (`places.yaml`), and how names of places are compared."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import NamedTuple

from contracts.documents import parse
from contracts.errors import BadInput
from contracts.values import FrozenModel

_Others = Mapping[str, tuple[str, ...]]
_ACCENTS = re.compile("[\u0300-\u036f]")
_STROKES = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h"})
_ANYWHERE = ("united states", "canada")
"""The codes of their regions are read wherever nothing else is known."""
_ALONE = ("us", "uk", "gb")
"""Codes of countries that stand for nothing else."""


class _File(FrozenModel):
    """`places.yaml`; a name -> what else is read as it."""

    towns: _Others
    towns_too: frozenset[str]
    street_heads: frozenset[str]
    street_ends: tuple[str, ...]
    countries: _Others
    regions: Mapping[str, _Others]


class PlaceNames(NamedTuple):
    """All names folded.

    Attributes:
        towns: Another name of a town -> the one that is compared.
        towns_too: Regions and countries that, alone, are taken for the town of their name.
        street_heads: First words of a street, a floor or a building.
        street_ends: How such names end.
        countries: A name -> the country's; codes of two letters are in `country_codes`.
        country_codes: ISO 3166 code -> the country's name.
        regions: A name or code -> the regions of that name, each with its country.
        common: A name, or a code of the United States or Canada -> the region that it stands for alone.
    """

    towns: Mapping[str, str]
    towns_too: frozenset[str]
    street_heads: frozenset[str]
    street_ends: tuple[str, ...]
    countries: Mapping[str, str]
    country_codes: Mapping[str, str]
    regions: Mapping[str, tuple[tuple[str, str], ...]]
    common: Mapping[str, tuple[str, str]]

    def country(self, name: str) -> str:
        """The country of a name or code; empty where it is none's."""
        return self.countries.get(name) or self.country_codes.get(name, "")

    def region(self, name: str, country: str) -> str:
        """The region of a country that has a name or code; empty where none has."""
        return next((region for region, of in self.regions.get(name, ()) if of == country), "")


@cache
def place_names() -> PlaceNames:
    """The names in `places.yaml`. Raises BadInput where the file is broken or one name stands for two countries."""
    text = resources.files("contracts.text").joinpath("places.yaml").read_text("utf-8")
    file, _ = parse(text, _File, "places.yaml")
    countries = dict(_each("countries", file.countries))
    codes = {name: country for name, country in countries.items() if len(name) == 2}
    regions: dict[str, list[tuple[str, str]]] = defaultdict(list)
    common: dict[str, tuple[str, str]] = {}
    for country, of_country in file.regions.items():
        for name, region in _each(f"regions.{country}", of_country):
            regions[name].append((region, country))
            if country in _ANYWHERE or ((len(name) > 3 or not name.isascii()) and name not in countries):
                common.setdefault(name, (region, country))
    return PlaceNames(
        dict(_each("towns", file.towns)),
        file.towns_too,
        file.street_heads,
        file.street_ends,
        {name: country for name, country in countries.items() if name not in codes or name in _ALONE},
        codes,
        {name: tuple(found) for name, found in regions.items()},
        common,
    )


def folded(text: str) -> str:
    """A name as it is compared: without case, accents and strokes, in one composition, with single spaces."""
    plain = text.casefold()
    if not plain.isascii():
        bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", plain)).casefold().translate(_STROKES)
        plain = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFKD", bare)))
    return " ".join(plain.split())


def _each(field: str, others: _Others) -> Iterator[tuple[str, str]]:
    """(a name, the one that it is read as). Raises BadInput where two are read as different ones."""
    seen: dict[str, str] = {}
    for name, also in others.items():
        for text in (name, *also):
            if folded(text) != text or seen.setdefault(text, name) != name:
                raise BadInput(
                    f"{text!r} is not folded, or stands for {seen.get(text, name)!r} too",
                    where=f"places.yaml: {field}.{name}",
                    cure="write it in lower case without accents, under one name",
                )
            yield text, name
