"""The place in an advert's title or sentences: "Location: Warren, MI", "Nurse - Austin, TX"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from contracts.reading.ways import way_of_working
from contracts.text.adverts.cues import labels
from contracts.text.adverts.sections import Sentence
from contracts.text.places import is_region

_NAME = r"[^\W\d_a-zß-öø-ÿ][\w.'’-]*"
_CITY = rf"{_NAME}(?:[ -](?:(?:of|de|do|da|del|la|am|an der|sur|le|upon)\s)?{_NAME}){{0,3}}"
_CITY_REGION = re.compile(rf"({_CITY}),?\s+({_NAME}(?:\s{_NAME}){{0,2}})")
_IN_CITY_REGION = re.compile(
    rf"\b(?:in|near|at|à|en|em)\s(?:the\s|downtown\s|our\s)?({_CITY}),?\s+({_NAME}(?:\s{_NAME}){{0,2}})"
)
_LONE = re.compile(rf"({_CITY})\s*(?=$|[.,;|(•]|\s[-–—]\s)")
_BEFORE_IN_TITLE = re.compile(r"(?:\b(?:in|In|IN|near|à|en|em|a)\s|[-–—,(|@:/]\s?)$")
_BEFORE_CHARS = 16
_VALUE_CHARS = 80


def place_told(title: str, sentences: Iterable[Sentence]) -> str | None:
    """The place that an advert names: behind a label, else in its title, else the one that its sentences lie "in"."""
    told: dict[str, None] = {}
    for sentence in sentences:
        if ":" in sentence.text and (place := _labelled(sentence.text)):
            return place
        if sentence.kind != "other":
            places = (_place(match) for match in _IN_CITY_REGION.finditer(sentence.text))
            told |= dict.fromkeys(place for place in places if place)
    of_title = next(_of_title(title), None)
    return of_title or (next(iter(told)) if len(told) == 1 else None)


def _labelled(text: str) -> str | None:
    at = text.find(":")
    while at >= 0:
        if labels().before(text, at) == "location":
            value = text[at + 1 : at + 1 + _VALUE_CHARS].lstrip()
            match = _CITY_REGION.match(value)
            if match and (place := _place(match)):
                return place
            lone = _LONE.match(value)
            if lone and len(lone[1]) > 2 and not way_of_working(lone[1]):
                return lone[1].rstrip(".")
        at = text.find(":", at + 1)
    return None


def _of_title(title: str) -> Iterator[str]:
    """The cities with a known region that stand behind a word or mark."""
    for match in _CITY_REGION.finditer(title):
        for start in _starts(match):
            if _BEFORE_IN_TITLE.search(title[max(0, start - _BEFORE_CHARS) : start]):
                if place := _place(match, start):
                    yield place
                break


def _starts(match: re.Match[str]) -> Iterator[int]:
    """Where the name of the city may begin: "Data Analyst - New York" holds a city from "New" on."""
    yield match.start()
    yield from (match.start() + gap.end() for gap in re.finditer(r"[ -]", match[1]))


def _place(match: re.Match[str], start: int | None = None) -> str | None:
    """ "City, Region" of a match, whose region is the longest that is known: "MI" of "MI Pay Rate"."""
    city = match.string[match.start(1) if start is None else start : match.end(1)]
    if is_region(city):  # "Virginia, North Carolina"
        return None
    parts = match[2].split()
    has_comma = match.string[match.end(1)] == ","
    for size in range(len(parts), 0, -1):
        region = " ".join(parts[:size]).rstrip(".")
        if is_region(region) and (region.isupper() if len(region) == 2 else has_comma):
            return f"{city}, {region}"
    return None
