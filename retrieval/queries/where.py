"""Places and companies in a query, as the jobs of an index have them."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from contracts.text.place_names import folded
from contracts.text.places import read_places, read_towns
from retrieval.filters.attributes import AttributeTable
from retrieval.filters.filters import AnyOf, Circle, Clause, Condition, Either, Filter, Within
from retrieval.filters.places import named_places
from retrieval.index.job_index import JobIndex
from retrieval.queries.chips import Chip, Understood
from retrieval.queries.known import Known
from retrieval.queries.typed import Span, Typed
from retrieval.queries.values import denial_before

NEAR_KM = 50.0
LONGEST = 5
"""Words of a place or a company at most."""
TOWN = 50_000
"""People of a town that is read as a place though no job is there."""
BARE = 3
"""Words of a place at most that no word announces."""
SHORTEST = 4
"""Letters of a place that no word announces."""
MOSTLY = 0.5
"""A name without a word before it is a place, or a company, where at least so many of the jobs that hold it are its."""
_DISTANCE = re.compile(
    r"(?:\b(?:within|im umkreis von|umkreis|innerhalb von|a menos de|até|dans un rayon de|à moins de)\s+)?"
    r"(?<![\w.,])(\d{1,4})\s?(km|kilometers?|kilometres?|kilometern?|kil[oó]metros|quil[oô]metros|kilom[eè]tres|miles?|mi)\b",
    re.IGNORECASE,
)


class _Named(NamedTuple):
    """A place: conditions of which jobs must pass one, how it is called, and the town, region or country for an id."""

    ways: tuple[Condition, ...]
    label: str
    value: str


def read_where(typed: Typed, index: JobIndex, known: Known) -> None:
    """Read distances from places, places behind a word such as "in", companies behind one such as "at", then names
    that stand alone."""
    _read_distance(typed, index, known)
    for near, phrases in ((True, known.lexicon.near), (False, known.lexicon.inside)):
        for span, _ in reversed(typed.find(phrases)):
            _read_place_behind(typed, span, index, known, near)
    for span, _ in reversed(typed.find(known.lexicon.company)):
        for run in typed.runs(span.end, LONGEST):
            if _take_company(typed, Span(span.first, run.end), run, index, known):
                break
    _read_bare_place(typed, index)
    free = [at for at, taken in enumerate(typed.taken) if not taken]
    if free and len(free) == len(typed.spans):  # nothing but the name of a company
        whole = Span(0, len(typed.spans))
        if _is_mostly(index, whole, typed, "company", folded(typed.slice(whole))):
            _take_company(typed, whole, whole, index, known)


def _read_distance(typed: Typed, index: JobIndex, known: Known) -> None:
    match = _DISTANCE.search(typed.text)
    span = typed.overlapping(*match.span()) if match else None
    if not match or not span or int(match[1]) == 0:
        return
    at = next((found.end for found, _ in typed.find(known.lexicon.around) if found.first == span.end), span.end)
    unit = "miles" if match[2].lower().startswith("mi") else "km"
    for run in typed.runs(at, LONGEST):
        circle = _circle(typed.slice(run), index.attributes, {unit: float(match[1])})
        if circle:
            where, name = circle
            label = f"within {match[1]} {unit} of {name.title()}"
            chip = Chip(
                id=f"place:{name}", text=typed.slice(Span(span.first, run.end)), field="place", kind="filter",
                value=name, label=label,
            )  # fmt: skip
            read = Understood(chip, Filter(clauses=(Within(within=where),)))
            typed.take(Span(span.first, run.end), read, from_words=True, from_query=False)
            return


def _read_place_behind(typed: Typed, before: Span, index: JobIndex, known: Known, near: bool) -> None:
    """The longest run behind "in" that is one place or several."""
    for run in typed.runs(before.end, LONGEST):
        text = typed.slice(run)
        named = (_near(text, index.attributes) if near else None) or _held(text, index.attributes)
        named = named or _elsewhere(text, index.attributes)
        if named:
            _take_place(typed, Span(before.first, run.end), named, index.attributes, known)
            return


def _read_bare_place(typed: Typed, index: JobIndex) -> None:
    """A place at the end of the query, or of what stands before a comma or a condition."""
    ends = [
        at + 1
        for at in range(len(typed.spans))
        if not typed.taken[at] and (at + 1 == len(typed.spans) or typed.taken[at + 1] or typed.breaks(at + 1))
    ]
    for end in reversed(ends):
        for first in range(max(0, end - BARE), end):
            span = Span(first, end)
            text = typed.slice(span)
            if not typed.is_free(span) or len(text) < SHORTEST:
                continue
            named = _held(text, index.attributes)
            if named and _is_of_place(index, span, typed, named):
                _take_place(typed, span, named, index.attributes, None)
                return


def _take_place(typed: Typed, span: Span, named: _Named, attributes: AttributeTable, known: Known | None) -> None:
    denial = denial_before(typed, span, known) if known else None
    whole = Span(denial.first, span.end) if denial else span
    chip = Chip(
        id=f"{'-' if denial else ''}place:{named.value}",
        text=typed.slice(whole),
        field="place",
        kind="exclusion" if denial else "filter",
        value=named.value,
        label=f"not {named.label}" if denial else named.label,
    )
    clauses: tuple[Clause, ...] = (Either(either=(*named.ways, *_as_good(typed, named, attributes))),)
    if denial:
        clauses = tuple(one.model_copy(update={"negated": True}) for one in named.ways)
    typed.take(whole, Understood(chip, Filter(clauses=clauses)), from_words=True, from_query=bool(denial))


def _as_good(typed: Typed, named: _Named, attributes: AttributeTable) -> list[Condition]:
    """What is as good as being in a town: its surroundings and, where nothing is said of the way of working, remote."""
    towns = [one for one in named.ways if isinstance(one, AnyOf) and one.attribute in ("city", "place")]
    circles = [_circle(one.any_of[0], attributes, {"km": NEAR_KM}) for one in towns]
    near: list[Condition] = [Within(within=found[0]) for found in circles if found]
    if not any(read.chip.field == "workplace" for _, read in typed.found):
        near.append(AnyOf(attribute="workplace", any_of=("remote",)))
    return near


def _take_company(typed: Typed, span: Span, run: Span, index: JobIndex, known: Known) -> bool:
    name = folded(typed.slice(run))
    if not index.attributes.is_held("company", name):
        return False
    denial = denial_before(typed, span, known)
    whole = Span(denial.first, span.end) if denial else span
    chip = Chip(
        id=f"{'-' if denial else ''}company:{name}",
        text=typed.slice(whole),
        field="company",
        kind="exclusion" if denial else "filter",
        value=name,
        label=f"{'not ' if denial else ''}at {typed.slice(run)}",
    )
    clause = AnyOf(attribute="company", any_of=(name,), negated=bool(denial))
    typed.take(whole, Understood(chip, Filter(clauses=(clause,))), from_words=True, from_query=bool(denial))
    return True


def _held(text: str, attributes: AttributeTable) -> _Named | None:
    """The places that a text names and nothing else, where jobs are there."""
    named = named_places(text, attributes)
    places = named.places
    if not places or named.unknown:
        read = read_places(text, attributes.home)
        if len(read) != 1 or not attributes.is_held("place", read[0].place):
            return None
        places = (("place", read[0].place),)
    each = tuple(AnyOf(attribute=attribute, any_of=(value,)) for attribute, value in places)
    values = tuple(dict.fromkeys(value for _, value in places))
    return _Named(each, "in " + " or ".join(map(str.title, values)), "; ".join(values))


def _near(text: str, attributes: AttributeTable) -> _Named | None:
    found = _circle(text, attributes, {"km": NEAR_KM})
    return (
        _Named((Within(within=found[0]),), f"within {NEAR_KM:g} km of {found[1].title()}", found[1]) if found else None
    )


def _elsewhere(text: str, attributes: AttributeTable) -> _Named | None:
    """A large town that no job is in: those around it."""
    found = _circle(text, attributes, {"km": NEAR_KM}, TOWN)
    return (
        _Named((Within(within=found[0]),), f"within {NEAR_KM:g} km of {found[1].title()}", found[1]) if found else None
    )


def _circle(
    text: str, attributes: AttributeTable, size: dict[str, float], people: int = 0
) -> tuple[Circle, str] | None:
    """The circle around the one town that a text names, and the town; None where it names none or several."""
    read = read_towns(text, attributes.home)
    place, town = read[0] if len(read) == 1 else (None, None)
    if place is None or town is None or town.weight < people:
        return None
    return Circle(latitude=town.latitude, longitude=town.longitude, **size), place.place


def _is_of_place(index: JobIndex, span: Span, typed: Typed, named: _Named) -> bool:
    held = (one for one in named.ways if isinstance(one, AnyOf))
    return any(_is_mostly(index, span, typed, one.attribute, one.any_of[0]) for one in held)


def _is_mostly(index: JobIndex, span: Span, typed: Typed, attribute: str, value: str) -> bool:
    """Whether most of the jobs that hold some words have the value that they name."""
    name = " ".join(typed.words(span))
    rows = index.terms.rows(name)
    if not len(rows):  # "austin tx", which jobs write otherwise
        rows = index.terms.rows(" ".join(typed.words(Span(span.first, max(span.first + 1, span.end - 1)))))
    return bool(len(rows)) and float(np.mean(index.attributes.shared(attribute, (value,), rows))) >= MOSTLY
