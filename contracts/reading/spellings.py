"""How data spell the values of a vocabulary, from one file a language (`languages/`) that people edit."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib import resources
from typing import NamedTuple

from pydantic import Field

from contracts.documents import parse
from contracts.errors import BadInput
from contracts.values import FrozenModel

Spellings = Mapping[str, tuple[str, ...]]
_Months = tuple[tuple[str, ...], ...]

PERMANENT, FULL_TIME = "permanent", "full_time"
"""A contract without end says nothing of its hours; it is taken for full time where nothing else is said."""
_NO_WORDS = " \t\r\n\xa0-–—_.…?!*/\\|#·•,:;'\"`()<>[]{}"
"""Marks that stand around a word for nothing, "(blank)" or "<NA>", or for nothing themselves."""
_APART = re.compile(r"[,;/|()&+•\n]| [-–—] | (?:or|oder|o|ou|and|und|y|et|e) ", re.IGNORECASE)


class Language(FrozenModel):
    """A file of `languages/`; its English one says what the fields are."""

    employment: Spellings = Field(default_factory=dict)
    workplace: Spellings = Field(default_factory=dict)
    seniority: Spellings = Field(default_factory=dict)
    salary_period: Spellings = Field(default_factory=dict)
    other_period: tuple[str, ...] = ()
    months: _Months = Field((), max_length=12)
    date_words: tuple[str, ...] = ()
    open_end: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    at_least: tuple[str, ...] = ()
    at_most: tuple[str, ...] = ()


def spelled(field: str, text: str) -> str | None:
    """The value of a field that a text spells; None where no language knows it, or its parts spell several values.

    Args:
        field: "employment", "workplace", "seniority" or "salary_period".
        text: Any characters; of "Vollzeit (m/w/d)" the part that is known counts.
    """
    known = vocabulary(field)
    whole = known.get(spelling_key(text))
    if whole is not None:
        return FULL_TIME if whole == PERMANENT else whole
    values = {known.get(spelling_key(part)) for part in _APART.split(text)} - {None}
    if len(values) > 1:
        values -= {PERMANENT}
    value = values.pop() if len(values) == 1 else None
    return FULL_TIME if value == PERMANENT else value


def is_spelled(field: str, text: str) -> bool:
    """Whether a text is one of the words of a list: "open_end", "closed", "date_words", "other_period", "at_least" or
    "at_most"."""
    return spelling_key(text) in vocabulary(field)


def is_missing(text: str) -> bool:
    """Whether a cell gives nothing: it is blank, has marks alone ("-", "..."), or is a word for nothing, as "N/A",
    "(blank)", "null" and a spreadsheet's "#REF!" are. The one place that says so, whatever the field."""
    words, starts, errors, longest = _words_for_nothing()
    if len(text) > longest or (text[:3].casefold() not in starts and text[:1] not in _NO_WORDS):
        return False  # nearly all of them
    plain = text.strip(_NO_WORDS).casefold()
    if not plain or plain in words or (plain[:3] in starts and spelling_key(plain) in words):
        return True
    return text[:1] == "#" and text.strip().casefold() in errors


class _Nothing(NamedTuple):
    """The words of `missing`: as they are written and as `spelling_key` has them, their first three characters by which
    most cells are told at once, a spreadsheet's errors, and how long a cell that holds one may be."""

    words: frozenset[str]
    starts: frozenset[str]
    errors: frozenset[str]
    longest: int


@cache
def _words_for_nothing() -> _Nothing:
    listed = [word for language in languages().values() for word in language.missing]
    errors = frozenset(word.casefold() for word in listed if word.startswith("#"))
    written = {word.strip(_NO_WORDS).casefold() for word in listed if not word.startswith("#")}
    plain = frozenset(written | {spelling_key(word) for word in written})
    return _Nothing(plain, frozenset(word[:3] for word in plain), errors, 2 * max(map(len, plain)))


def month_of(word: str) -> int | None:
    """1 to 12 for the name of a month."""
    number = vocabulary("months").get(spelling_key(word))
    return int(number) if number else None


@cache
def vocabulary(field: str) -> Mapping[str, str]:
    """`spelling_key` of each spelling of a field -> its value, over all languages.

    Raises:
        BadInput: A file is broken, or two give one spelling two values.
    """
    found: dict[str, str] = {}
    for name, language in languages().items():
        for value, spellings in _values(field, language):
            for text in (value, *spellings):
                key = spelling_key(text)
                if found.setdefault(key, value) != value:
                    what = f"{field}: {text!r} stands for {found[key]} and for {value}"
                    raise BadInput(what, where=name, cure="a spelling stands for one value of its field")
    return found


def _values(field: str, language: Language) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Value -> its spellings, of one field of a language."""
    listed = getattr(language, field)
    if field == "months":
        return [(str(number), names) for number, names in enumerate(listed, 1)]
    return listed.items() if isinstance(listed, Mapping) else [(field, listed)]


@cache
def languages() -> Mapping[str, Language]:
    """The files of `languages/` by name. Raises BadInput where one is broken."""
    folder = resources.files("contracts.reading").joinpath("languages")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    return {file.name: parse(file.read_text("utf-8"), Language, file.name)[0] for file in files}


@lru_cache(maxsize=10_000)
def spelling_key(text: str) -> str:
    """A spelling as it is compared: without case, accents and punctuation, words one space apart."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    letters = ("" if unicodedata.combining(c) else c if c.isalnum() else " " for c in plain)
    return " ".join("".join(letters).split())
