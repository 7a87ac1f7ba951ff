"""Level, way of working and employment in an advert's title and sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Literal, NamedTuple

from contracts.reading.spellings import spelled
from contracts.records import SENIORITY_LADDER
from contracts.text.adverts.cues import NOTHING, labels, values
from contracts.text.adverts.denials import denied
from contracts.text.adverts.phrases import Phrase, Phrases
from contracts.text.adverts.sections import Sentence

Field = Literal["seniority", "workplace", "employment"]
FIELDS: tuple[Field, ...] = ("seniority", "workplace", "employment")

_KINDS_OF_FULL_TIME = frozenset({"contract", "temporary", "internship"})
"""Employment that full time is a way of: a full-time contract is a contract."""
_HOURS = frozenset({"full_time", "part_time"})
_LABELLED_WORDS = 4
_LABEL_CHARS = 60


class Said(NamedTuple):
    """field and value of a phrase; sure: it is of the job, and no hint alone."""

    field: Field
    value: str
    sure: bool


def title_says(title: list[str], field: Field) -> str | None:
    """The value of a field that the words of a title name; of several levels the highest, of other fields' none."""
    found = {hit.value for hit in values("titles", field).find(title)} - {NOTHING}
    return max(found, key=SENIORITY_LADDER.index, default=None) if field == "seniority" else _one(found, field)


def fields_told(sentences: Iterable[Sentence], wanted: Iterable[Field], language: Callable[[], str]) -> dict[str, str]:
    """The values of fields that an advert says: behind a label, else in its sentences, else by hints that agree.

    Args:
        sentences: Of the description.
        wanted: The fields.
        language: Of the advert; asked only where something may be denied.
    """
    wanted = set(wanted)
    labelled: dict[Field, str] = {}
    found: dict[tuple[Field, bool], set[str]] = {}
    for sentence in sentences:
        if ":" in sentence.text:
            for field, value in _labelled(sentence.text):
                labelled.setdefault(field, value)
        hits = {hit.value for hit in _phrases().find(sentence.words) if hit.value.field in wanted}
        if hits:
            taken_back = denied(sentence.text, sentence.words, _phrases(), language)
            hits -= taken_back
        for said in hits:
            found.setdefault((said.field, said.sure and sentence.kind != "other"), set()).add(said.value)
    hours = {said for (field, _), values in found.items() if field == "employment" for said in values} & _HOURS
    if hours == _HOURS:  # "full-time/part-time job", or benefits of full-time employees
        for values in found.values():
            values -= _HOURS
    told: dict[str, str] = {}
    for field in wanted:
        readings = (labelled.get(field), *(_one(found.get((field, sure), set()), field) for sure in (True, False)))
        if reading := next(filter(None, readings), None):
            told[field] = reading
    return told


def _one(found: set[str], field: Field) -> str | None:
    """The one value that an advert means by all that it says; None where they contradict each other."""
    if field == "workplace" and "hybrid" in found:
        return "hybrid"
    if field == "employment" and found & _KINDS_OF_FULL_TIME:
        found = found - {"full_time"}
    return next(iter(found)) if len(found) == 1 else None


def _labelled(text: str) -> Iterator[tuple[Field, str]]:
    """(field, value) behind the labels of a sentence, as "Type of hire: Contract" or "Location: Remote"."""
    at = text.find(":")
    while at >= 0:
        label = labels().before(text, at)
        field: Field | None = _SPELLED_BY.get(label or "")
        if field:
            behind = text[at + 1 : at + 1 + _LABEL_CHARS].replace(";", " ; ").split()[:_LABELLED_WORDS]
            readings = (spelled(field, " ".join(behind[:size])) for size in range(len(behind), 0, -1))
            value = next(filter(None, readings), None)
            if value and (label != "location" or value != "onsite"):
                yield field, value
        at = text.find(":", at + 1)


_SPELLED_BY: Mapping[str, Field] = {field: field for field in FIELDS} | {"location": "workplace"}


@cache
def _phrases() -> Phrases[Said]:
    found: dict[Phrase, Said] = {}
    for field in FIELDS:
        for part in ("hints", "says"):
            for phrase, value in values(part, field).values.items():
                if value != NOTHING:
                    found[phrase] = Said(field, value, part == "says")
    return Phrases(found)
