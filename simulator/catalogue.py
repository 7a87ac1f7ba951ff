"""The words and the structure of a simulated market: occupations, how related they are, cities, companies.

Rolecall's own catalogue is `catalogue.yaml`, and in another language its occupations in the words of `languages/`;
another may come as JSON (`Catalogue.from_json`), such as the larger one that examples/sources/onet.py makes of O*NET's
files. Knows no randomness.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from contracts.documents import read_yaml
from contracts.errors import UnreadableFile
from contracts.records import SENIORITY_LADDER
from contracts.validation import first_line
from simulator.phrases import LANGUAGE, Phrases, english, read_language

NEAR, SAME_FAMILY = 0.7, 0.4
"""Relatedness of occupations that are named as near, and of others in one family; 1 to itself, else 0."""


class City(NamedTuple):
    """weight: its relative size, from which members and jobs are drawn."""

    name: str
    region: str
    weight: float


class Intent(NamedTuple):
    """The target of a search. relatedness: (occupations,) float32; city: index, or -1 where none is named."""

    relatedness: np.ndarray
    city: int


@dataclass(frozen=True)
class Occupation:
    """One kind of work. lowest, highest: rungs of the seniority ladder; related: other occupation's id -> (0, 1)."""

    id: str
    family: str
    titles: tuple[str, ...]
    skills: tuple[str, ...]
    tasks: tuple[str, ...]
    industries: tuple[str, ...]
    education: tuple[str, str]
    pay: float
    lowest: int
    highest: int
    remote: float
    related: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Occupations, cities and company names. attribution: to be shown with what is drawn from it; may be empty."""

    name: str
    occupations: tuple[Occupation, ...]
    cities: tuple[City, ...]
    companies: tuple[str, ...]
    attribution: str = ""
    phrases: Phrases = field(default_factory=english)

    @classmethod
    def own(cls, language: str = LANGUAGE) -> Self:
        """Rolecall's own catalogue in a language: all of its occupations in English, in others those that have words.

        Raises:
            BadInput: There are no words of that language.
        """
        words = read_language(language)
        raw = read_yaml(resources.files("simulator").joinpath("catalogue.yaml").read_text("utf-8"), "catalogue.yaml")
        near: dict[str, set[str]] = defaultdict(set)
        for family in raw["families"].values():
            for name, body in family["occupations"].items():
                for other in body["near"]:
                    near[name].add(other)
                    near[other].add(name)
        occupations = []
        for family_name, family in raw["families"].items():
            for name, body in family["occupations"].items():
                related = {other: SAME_FAMILY for other in family["occupations"] if other != name}
                related |= {other: NEAR for other in sorted(near[name])}
                lowest, highest = (SENIORITY_LADDER.index(level) for level in body["levels"])
                occupations.append(
                    Occupation(
                        id=name,
                        family=family_name,
                        titles=tuple(body["titles"]),
                        skills=tuple(dict.fromkeys(body["skills"] + family["skills"])),
                        tasks=tuple(body["tasks"]),
                        industries=tuple(family["industries"]),
                        education=tuple(family["education"]),
                        pay=body["pay"],
                        lowest=lowest,
                        highest=highest,
                        remote=body["remote"],
                        related=related,
                    )
                )
        if language != LANGUAGE:
            occupations = _in_other_words(occupations, words)
            raw = words
        phrases = Phrases.read(words["phrases"])
        return cls("rolecall", tuple(occupations), _cities(raw), _companies(raw), phrases=phrases)

    @cached_property
    def relatedness(self) -> np.ndarray:
        """(occupations, occupations) float32 in [0, 1]; 1 on the diagonal."""
        index = {occupation.id: i for i, occupation in enumerate(self.occupations)}
        matrix = np.eye(len(index), dtype=np.float32)
        for i, occupation in enumerate(self.occupations):
            for other, value in occupation.related.items():
                matrix[i, index[other]] = value
        return matrix

    @cached_property
    def skills(self) -> tuple[str, ...]:
        """All skills, each once; a skill's number is its place here."""
        return tuple(dict.fromkeys(skill for occupation in self.occupations for skill in occupation.skills))

    @cached_property
    def regions(self) -> np.ndarray:
        """(cities,) int16: the number of each city's region."""
        names = {region: i for i, region in enumerate(dict.fromkeys(city.region for city in self.cities))}
        return np.array([names[city.region] for city in self.cities], np.int16)

    def intent(self, query: str) -> Intent:
        """The occupations and the city that a query of the simulated market asks for; unknown words: all zero, -1.

        A query is a title or a skill, perhaps with a word of seniority before it and "in <city>" after it. A title
        means its occupation; a skill means all occupations that use it.
        """
        return _intent(self, query)

    def to_json(self) -> str:
        """All of it, for `from_json`."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The catalogue in a file that `to_json` made.

        Raises:
            UnreadableFile: There is no such file, or it is no catalogue.
        """
        try:
            return cls.from_json(path.read_text("utf-8"))
        except (OSError, ValueError, TypeError, KeyError) as error:
            cure = "make it as examples/sources/onet.py does"
            raise UnreadableFile(f"it is no catalogue: {first_line(error)}", where=str(path), cure=cure) from error

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The catalogue that `to_json` wrote, or another program in its form."""
        raw = json.loads(text)
        raw["occupations"] = tuple(Occupation(**_tuples(o)) for o in raw["occupations"])
        raw["cities"] = tuple(City(*city) for city in raw["cities"])
        if "phrases" in raw:
            raw["phrases"] = Phrases.read(raw["phrases"])
        return cls(**_tuples(raw))

    @cached_property
    def _titles(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for i, occupation in enumerate(self.occupations):
            for title in occupation.titles:
                found[title.casefold()].append(i)
        for i, occupation in enumerate(self.occupations):
            for skill in occupation.skills:
                if skill.casefold() not in found or i not in found[skill.casefold()]:
                    found[skill.casefold()].append(i)
        return found

    @cached_property
    def _places(self) -> dict[str, int]:
        return {city.name.casefold(): i for i, city in enumerate(self.cities)}


@lru_cache(maxsize=100_000)
def _intent(catalogue: Catalogue, query: str) -> Intent:
    asked, place = catalogue.phrases.split_place(query.casefold().strip())
    city = catalogue._places.get(place, -1)
    asked = asked if city >= 0 else query.casefold().strip()
    found = catalogue._titles.get(asked)
    if found is None and (stripped := catalogue.phrases.without_level(asked)) != asked:
        found = catalogue._titles.get(stripped)
    if found is None:
        return Intent(np.zeros(len(catalogue.occupations), np.float32), city)
    return Intent(catalogue.relatedness[found].max(axis=0), city)


def _tuples(body: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in body.items()}


def _in_other_words(occupations: Sequence[Occupation], words: Mapping[str, Any]) -> list[Occupation]:
    """The occupations that a language has words for, in these words, with how related they are."""
    spoken = words["occupations"]
    found = []
    for one in occupations:
        if one.id not in spoken:
            continue
        own, family = spoken[one.id], words["families"][one.family]
        found.append(
            replace(
                one,
                titles=tuple(own["titles"]),
                skills=tuple(dict.fromkeys(own["skills"] + family["skills"])),
                tasks=tuple(own["tasks"]),
                industries=tuple(family["industries"]),
                education=tuple(family["education"]),
                pay=round(one.pay * words["pay"]),
                related={other: value for other, value in one.related.items() if other in spoken},
            )
        )
    return found


def _cities(raw: Mapping[str, Any]) -> tuple[City, ...]:
    return tuple(City(name, region, weight) for region, found in raw["cities"].items() for name, weight in found)


def _companies(raw: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(f"{first} {last}" for last in raw["companies"]["last"] for first in raw["companies"]["first"])
