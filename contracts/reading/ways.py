"""Ways of working in what adverts give as a place, "Austin, TX (Hybrid)" or "Remote - US". They are no towns."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any

from contracts.reading.spellings import is_missing, spelling_key, vocabulary

_BRACKETS = re.compile(r"\s*[(\[]([^()\[\]]*)[)\]]")
_PARTS = re.compile(r"\s+[-–—]+\s+|\s*[,;|:/\n]\s*|(?<=\w)[-–—]\s+|\s+(?:or|oder|ou)\s+")
_BEHIND = re.compile(r"(.*?)\s*[(\[]([^()\[\]]*)[)\]]\s*$", re.DOTALL)
_LEADING = re.compile(
    r"(?:fully |100% )?"
    r"(remote|hybrid|anywhere|remoto|h[ií]brido|hybride|télétravail|teletrabajo|homeoffice|home office)"
    r"\s+(?:(?:in|within|from|across|en|em|dans)\s+)?(?:the\s+)?(?=\w)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]+")
_ONLY = re.compile(r"\s+(?:only|based)$", re.IGNORECASE)


def without_ways(location: str) -> str:
    """A location without the ways of working in it: "US" of "Remote - US only", nothing of "Anywhere"."""
    return _read(location)[0]


def way_of_working(location: str) -> str | None:
    """The way of working that a location names, remote where it names several; None where it names none."""
    ways = _read(location)[1]
    return next((way for way in ("remote", "hybrid", "onsite") if way in ways), None)


def fill_way(value: dict[str, Any]) -> dict[str, Any]:
    """A job's raw fields with the way of working that its location names, where no field of its own does."""
    location = value.get("location")
    if isinstance(location, list | tuple) and all(isinstance(place, str) for place in location):
        location = "; ".join(location)
    given = value.get("workplace")
    if not isinstance(location, str) or not location or (given and not (isinstance(given, str) and is_missing(given))):
        return value
    way = way_of_working(location)
    return value | {"workplace": way} if way else value


@cache
def _way_words() -> frozenset[str]:
    """The words of all spellings of ways of working: most locations hold none of them."""
    return frozenset(word for spelling in vocabulary("workplace") for word in spelling.split())


@lru_cache(maxsize=50_000)
def _read(location: str) -> tuple[str, frozenset[str]]:
    words = location.casefold() if location.isascii() else spelling_key(location)
    if _way_words().isdisjoint(_WORD.findall(words)):
        return location, frozenset()
    known = vocabulary("workplace")
    ways: set[str] = set()

    def is_way(text: str) -> bool:
        way = known.get(spelling_key(text))
        ways.update({way} if way else ())
        return way is not None

    def bracket(match: re.Match[str]) -> str:
        return "" if is_way(match[1]) else match[0]

    behind = _BEHIND.match(location)
    if behind and is_way(behind[1]):  # "Remote (US)"
        location = behind[2]
    text = _BRACKETS.sub(bracket, location)
    kept: list[str] = []
    at, separator = 0, ""
    for end in [*_PARTS.finditer(text), None]:
        part = text[at : end.start() if end else len(text)]
        if not is_way(part):
            leading = _LEADING.match(part)
            if leading and is_way(leading[1]):
                part = part[leading.end() :]
            kept += [separator if kept else "", _ONLY.sub("", part) if ways else part]
            separator = ""
        if end:
            separator = separator if separator.strip() in (";", "|", "/") else end[0]
            at = end.end()
    return ("".join(kept).strip() if ways else location), frozenset(ways)
