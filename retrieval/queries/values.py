"""Level, way of working, employment and recency in a query."""

from __future__ import annotations

from datetime import datetime, timedelta

from contracts.records import SENIORITY_LADDER
from contracts.text.adverts.cues import NOTHING
from retrieval.filters.filters import Filter, any_of, between, none_of
from retrieval.queries.chips import Chip, ChipField, ChipKind, Understood
from retrieval.queries.known import STATED, Known
from retrieval.queries.lexicon import FIELDS
from retrieval.queries.typed import Span, Typed

NEAR_RUNGS = 1
"""A job so many rungs of the ladder from the level that is asked for is not put behind the others."""
MOST_DAYS = 366
_SPELLED = {"onsite": "on site", "entry": "entry level"}


def spelled(value: str) -> str:
    """A value of an attribute in words."""
    return _SPELLED.get(value, value.replace("_", " "))


def read_values(typed: Typed, known: Known) -> None:
    """Read the phrases of level, way of working and employment; those behind a denial exclude."""
    for field in FIELDS:
        for span, value in typed.find(known.lexicon.fields[field]):
            if value == NOTHING:
                typed.keep(span)
                continue
            denial = denial_before(typed, span, known)
            if denial:
                whole = Span(denial.first, span.end)
                read = excluded(field, value, typed.slice(whole), typed.slice(span))  # type: ignore[arg-type]
                typed.take(whole, read, from_words=True, from_query=True)
                continue
            read = asked(field, value, typed.slice(span), known)
            typed.take(span, read, from_words=read.chip.kind == "filter", from_query=False)


def asked(field: str, value: str, text: str, known: Known) -> Understood:
    """That jobs of a value are asked for. A level demotes those further from it; see `STATED` for the others."""
    label = spelled(value)
    if field == "seniority":
        rung = SENIORITY_LADDER.index(value)
        far = [name for at, name in enumerate(SENIORITY_LADDER) if abs(at - rung) > NEAR_RUNGS]
        return Understood(_chip("seniority", "demotion", value, text, label), none_of("seniority", *far))
    kind = kind_of(field, known)
    return Understood(_chip(field, kind, value, text, label), any_of(field, value))  # type: ignore[arg-type]


def excluded(field: ChipField, value: str, text: str, phrase: str) -> Understood:
    """That jobs of a value are not wanted; of a level neither those whose title says it."""
    label = f"not {spelled(value)}"
    titled = phrase if field == "seniority" else ""
    return Understood(_chip(field, "exclusion", value, text, label, "-"), none_of(field, value), titled)


def read_recency(typed: Typed, known: Known, now: datetime) -> None:
    """Read the first phrase of recency: "this week", "last 3 days", "24 dernières heures"."""
    lexicon = known.lexicon
    found = typed.find(lexicon.recency)
    if found:
        span, days = found[0]
        _take_days(typed, span, float(days), known, now)
        return
    for unit, hours in typed.find(lexicon.units):
        last = typed.before(unit.first, lexicon.last)
        number = (last.first if last else unit.first) - 1
        if number < 0 or not typed.slice(Span(number, number + 1)).isdecimal() or typed.taken[number]:
            continue
        last = last or typed.before(number, lexicon.last)
        since = int(typed.slice(Span(number, number + 1))[:6]) * hours / 24
        if last and 0 < since <= MOST_DAYS:
            _take_days(typed, Span(min(number, last.first), unit.end), since, known, now)
            return


def denial_before(typed: Typed, span: Span, known: Known) -> Span | None:
    """The denial that takes back some tokens: "not", "ohne", "pas de"."""
    denial = typed.before(span.first, known.lexicon.denials, between=1)
    if denial is None:
        return None
    return None if any(kept.first <= denial.first < kept.end for kept, _ in typed.find(known.lexicon.kept)) else denial


def kind_of(field: str, known: Known) -> ChipKind:
    """Whether what is asked of a field filters, or demotes since too few jobs state it."""
    return "filter" if known.stated[field] >= STATED else "demotion"


def _take_days(typed: Typed, span: Span, days: float, known: Known, now: datetime) -> None:
    written = f"{days:g}"
    text = typed.slice(span)
    label = "posted in the last 24 hours" if days == 1 else f"posted in the last {written} days"
    chip = _chip("recency", kind_of("recency", known), written, text, label)
    since: Filter = between("posted_at", at_least=now - timedelta(days=days))
    typed.take(span, Understood(chip, since), from_words=True, from_query=True)


def _chip(field: ChipField, kind: ChipKind, value: str, text: str, label: str, sign: str = "") -> Chip:
    return Chip(id=f"{sign}{field}:{value}", text=text, field=field, kind=kind, value=value, label=label)
