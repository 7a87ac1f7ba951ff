"""The values of a member and those of a job that links join, read from their records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from contracts.records import Job
from contracts.text.places import canonical, read_places
from contracts.text.verbalizer import job_title
from contracts.text.words import content_words

Row = Mapping[str, Any]
"""A record as a dict: `model_dump()` of it, or a row of its Arrow table."""


class Value(NamedTuple):
    attribute: str
    value: str

    def __str__(self) -> str:
        return f"{self.attribute}={self.value}"


Values = frozenset[Value]
Read = Callable[[str], str]


def no_family(_: str) -> str:
    """The family of a title where none were learned."""
    return ""


def _position(member: Row, field: str) -> tuple[str, ...]:
    """A field of the newest position, which stands first."""
    return tuple(position[field] for position in (member["positions"] or ())[:1])


def _titles(member: Row) -> tuple[str, ...]:
    """What a member is called: their newest title, else their headline, and what they look for."""
    return (*(_position(member, "title") or (member["headline"],)), *(member["preferences"]["titles"] or ()))


def _homes(member: Row) -> tuple[str, ...]:
    return (member["location"], *(member["preferences"]["locations"] or ()))


_MEMBER: Mapping[str, Callable[[Row], Iterable[str | None]]] = {
    "title": lambda m: _position(m, "title") or (m["headline"],),
    "wish": lambda m: m["preferences"]["titles"] or (),
    "word": _titles,
    "family": _titles,
    "skills": lambda m: m["skills"] or (),
    "seniority": lambda m: (m["seniority"],),
    "industry": lambda m: [p["industry"] for p in m["positions"] or ()],
    "place": lambda m: [place.place for home in _homes(m) for place in read_places(home)],
    "region": lambda m: [place.region for home in _homes(m) for place in read_places(home)],
    "workplace": lambda m: m["preferences"]["workplace"] or (),
    "company": lambda m: _position(m, "company"),
    "degree": lambda m: [e["degree"] for e in m["education"] or ()],
}
_JOB: Mapping[str, Callable[[Row], Iterable[str | None]]] = {
    "title": lambda j: (job_title(Job.model_construct(**j)),),
    "word": lambda j: (job_title(Job.model_construct(**j)),),
    "family": lambda j: (job_title(Job.model_construct(**j)),),
    "skills": lambda j: j["skills"] or (),
    "seniority": lambda j: (j["seniority"],),
    "industry": lambda j: (j["industry"],),
    "place": lambda j: [place.place for place in read_places(j["location"])],
    "region": lambda j: [place.region for place in read_places(j["location"])],
    "workplace": lambda j: (j["workplace"],),
    "employment": lambda j: (j["employment"],),
    "company": lambda j: (j["company"],),
}
MEMBER_ATTRIBUTES, JOB_ATTRIBUTES = tuple(_MEMBER), tuple(_JOB)
TITLES = ("title", "wish", "word")
"""Attributes that are titles, and are read without their level words; of `word` each word of them is a value."""


def member_values(member: Row, title: Read, family: Read = no_family) -> Values:
    """All values of a `contracts.records.Member`.

    title: How a title is read (`Templates.title`); family: its family (`contracts.text.families.Families.of`).
    """
    return _values(member, _MEMBER, title, family)


def job_values(job: Row, title: Read, family: Read = no_family) -> Values:
    """All values of a `contracts.records.Job`."""
    return _values(job, _JOB, title, family)


def normal(attribute: str, value: str, title: Read, family: Read = no_family) -> Value:
    """A value as it is compared: folded, a place by its one name, a title without its level words or by its family."""
    if attribute == "family":
        return Value(attribute, family(value))
    return Value(attribute, title(value) if attribute in TITLES else canonical(attribute, value))


def _values(
    row: Row, readers: Mapping[str, Callable[[Row], Iterable[str | None]]], title: Read, family: Read
) -> Values:
    return frozenset(
        value
        for name, read in readers.items()
        for text in read(row)
        if text
        for value in _parted(normal(name, text, title, family))
        if value.value
    )


def _parted(value: Value) -> Iterable[Value]:
    if value.attribute != "word":
        return (value,)
    return (Value("word", word) for word in content_words(value.value))
