"""The phrases by which a query states a condition, of the languages that an index has.

Level, way of working and employment are said as adverts say them (`contracts.text.adverts`), pay's bounds as data say
them (`contracts.reading`); `languages/` holds what only people who search say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any

from pydantic import Field

from contracts.documents import parse
from contracts.reading.spellings import vocabulary
from contracts.text.adverts import cues
from contracts.text.adverts.phrases import Phrase, Phrases, phrase_of
from contracts.text.words import LANGUAGE
from contracts.values import FrozenModel

Texts = tuple[str, ...]
FIELDS = ("employment", "workplace", "seniority")
"""Of an index, whose values a query names by phrases, in the order in which they take words."""
HOURS = {"hour": 1, "day": 24, "week": 7 * 24, "month": 31 * 24}


class QueryLanguage(FrozenModel):
    """A file of `languages/`; the head of the English one says what its parts are."""

    recency: Mapping[int, Texts] = Field(default_factory=dict)
    last: Texts = ()
    units: Mapping[str, Texts] = Field(default_factory=dict)
    inside: Texts = ()
    near: Texts = ()
    around: Texts = ()
    company: Texts = ()
    says: Mapping[str, Mapping[str, Texts]] = Field(default_factory=dict)
    plain: Texts = ()
    not_denials: Texts = ()
    but: Texts = ()
    fillers: Texts = ()


@dataclass(frozen=True)
class Lexicon:
    """Phrases of some languages.

    Attributes:
        fields: Field of `FIELDS` -> phrases and the value that each says; `NOTHING` of what looks like one.
        recency: Phrases -> days.
        last: What stands before a number of `units`, whose value is the unit's hours.
        units: See `last`.
        inside: What stands before a place.
        near: What stands before a place that need not be met exactly.
        around: What stands between a distance and a place.
        company: What stands before a company.
        denials: What takes back the words behind it.
        kept: What looks like a denial and is none.
        parting: Behind which a denial does not reach: "and", "but", what stands before a place.
        plain: What is taken as typed.
        fillers: What says nothing of the work.
        at_least: What stands before the least pay.
        at_most: What stands before the most pay.
    """

    fields: Mapping[str, Phrases[str]]
    recency: Phrases[int]
    last: Phrases[bool]
    units: Phrases[int]
    inside: Phrases[bool]
    near: Phrases[bool]
    around: Phrases[bool]
    company: Phrases[bool]
    denials: Phrases[bool]
    kept: Phrases[bool]
    parting: Phrases[bool]
    plain: Phrases[bool]
    fillers: Phrases[bool]
    at_least: Phrases[bool]
    at_most: Phrases[bool]

    @cached_property
    def words(self) -> frozenset[str]:
        """The words of all phrases (as `contracts.text.words.words` has them), which are no slips."""
        tables = [*self.fields.values(), *(part for part in vars(self).values() if isinstance(part, Phrases))]
        return frozenset(word for table in tables for phrase in table.values for word in phrase)


@cache
def query_languages() -> Mapping[str, QueryLanguage]:
    """Language -> its file. Raises BadInput where one is broken."""
    folder = resources.files("retrieval.queries").joinpath("languages")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    return {
        file.name.removesuffix(".yaml"): parse(file.read_text("utf-8"), QueryLanguage, file.name)[0] for file in files
    }


@cache
def lexicon_of(languages: tuple[str, ...]) -> Lexicon:
    """The phrases of some languages, and of English, which people type everywhere; the first to name one counts."""
    named = tuple(dict.fromkeys((*languages, LANGUAGE)))
    mine = [query_languages()[name] for name in named if name in query_languages()]
    adverts = [cues.languages()[name] for name in named if name in cues.languages()]
    no_denials = {phrase_of(text) for language in mine for text in language.not_denials}
    denials = _flags(text for language in adverts for text in language.denials.before)
    return Lexicon(
        fields={field: _without_denied(_field(field, adverts, mine), denials) for field in FIELDS},
        recency=_valued(
            (text, days) for language in mine for days, texts in language.recency.items() for text in texts
        ),
        last=_flags(text for language in mine for text in language.last),
        units=_valued(
            (text, HOURS[unit]) for language in mine for unit, texts in language.units.items() for text in texts
        ),
        inside=_flags(text for language in mine for text in language.inside),
        near=_flags(text for language in mine for text in language.near),
        around=_flags(text for language in mine for text in language.around),
        company=_flags(text for language in mine for text in language.company),
        denials=Phrases({phrase: True for phrase in denials.values if phrase not in no_denials}),
        kept=_flags(text for language in adverts for text in language.denials.kept),
        parting=_flags(
            text
            for one in (
                *(
                    part
                    for language in mine
                    for part in (language.but, language.inside, language.near, language.company)
                ),
                *(language.skills.joining for language in adverts),
            )
            for text in one
        ),
        plain=_flags(text for language in mine for text in language.plain),
        fillers=_flags(text for language in mine for text in language.fillers),
        at_least=_flags(vocabulary("at_least")),
        at_most=_flags(vocabulary("at_most")),
    )


def _field(field: str, adverts: Iterable[cues.AdvertLanguage], mine: Iterable[QueryLanguage]) -> Phrases[str]:
    """What is said in a query first, then what titles, sentences and hints of adverts say."""
    said: list[Any] = [language.says.get(field, {}) for language in mine]
    for part in ("titles", "says", "hints"):
        said += [getattr(language, part).get(field, {}) for language in adverts]
    return _valued((text, value) for of in said for value, texts in of.items() for text in texts)


def _without_denied(phrases: Phrases[str], denials: Phrases[bool]) -> Phrases[str]:
    """Phrases but those that deny another: "not remote" excludes what "remote" says, and asks for nothing."""

    def denies(phrase: Phrase) -> bool:
        return phrase[:1] in denials.values and any(phrase[start:] in phrases.values for start in (1, 2))

    return Phrases({phrase: value for phrase, value in phrases.values.items() if not denies(phrase)})


def _valued(pairs: Iterable[tuple[str, Any]]) -> Phrases[Any]:
    found: dict[Phrase, Any] = {}
    for text, value in pairs:
        found.setdefault(phrase_of(text), value)
    return Phrases(found)


def _flags(texts: Iterable[str]) -> Phrases[bool]:
    return _valued((text, True) for text in texts)
