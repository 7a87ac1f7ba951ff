"""Reads out of an advert what its fields do not say, and marks it as read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple, get_args

from contracts.records import Job, Told
from contracts.text.adverts.fields import FIELDS, fields_told, title_says
from contracts.text.adverts.pay import pay_told
from contracts.text.adverts.places import place_told
from contracts.text.adverts.sections import read_sentences
from contracts.text.adverts.skills import Gazetteer
from contracts.text.language import language_of
from contracts.text.words import words

TOLD: tuple[Told, ...] = get_args(Told)
PAY = ("salary_min", "salary_max", "currency", "salary_period")
"""The fields that are read together as "pay"."""


class Reading(NamedTuple):
    """What was read out of one advert.

    Attributes:
        values: Field of a job -> its value, of fields that were empty.
        told: What was read; "pay" stands for all fields of pay.
        held_back: Words of the text that name a skill and may mean something else there.
    """

    values: dict[str, Any]
    told: tuple[Told, ...]
    held_back: tuple[str, ...] = ()


def read_advert(job: Mapping[str, Any], skills: Gazetteer) -> Reading:
    """What title and description of a job say of its empty fields; a field that has a value is never read.

    Args:
        job: Its fields by name, as a record or a row of its table has them.
        skills: The names of skills.
    """
    missing = missing_fields(job)
    if not missing:
        return Reading({}, ())
    title, description = job["title"], job.get("description") or ""
    title_words = words(title)
    sentences = list(read_sentences(description))

    @cache
    def language() -> str:
        return language_of(f"{title}. {description}")

    values: dict[str, Any] = {}
    for field in FIELDS:
        if field in missing and (value := title_says(title_words, field)):
            values[field] = value
    asked = [field for field in FIELDS if field in missing and field not in values]
    if asked:
        values.update(fields_told(sentences, asked, language))
    if "location" in missing and (place := place_told(title, sentences)):
        values["location"] = place
    if "pay" in missing and (pay := pay_told(description, (sentence.text for sentence in sentences))):
        values |= {"salary_min": pay.low, "salary_max": pay.high, "salary_period": pay.period}
        if pay.currency and job.get("currency") in (None, "", _EMPTY["currency"]):
            values["currency"] = pay.currency
    held_back: tuple[str, ...] = ()
    if "skills" in missing:
        asking = [(title, title_words), *((one.text, one.words) for one in sentences if one.kind != "other")]
        found = skills.read(asking, language)
        held_back = found.held_back
        values |= {"skills": found.names} if found.names else {}
    told = tuple(field for field in TOLD if field in values or (field == "pay" and "salary_period" in values))
    return Reading(values, told, held_back)


def read_out(job: Job, skills: Gazetteer) -> Job:
    """A job with what its advert says of its empty fields, and with what was read marked; what was said stays."""
    said = as_said(dict(job))
    reading = read_advert(said, skills)
    return job.model_copy(update=said | reading.values | {"read_out": reading.told})


def as_said(job: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a job without what was read out of its advert."""
    told = job.get("read_out") or ()
    names = [name for field in told for name in (PAY if field == "pay" else (field,))]
    return {**job, **{name: _EMPTY[name] for name in names}, "read_out": ()}


_EMPTY = {name: Job.model_fields[name].get_default() for name in {*TOLD, *PAY} - {"pay"}}
"""What a job has in a field that it does not say."""


def missing_fields(job: Mapping[str, Any]) -> set[Told]:
    """What a job says nothing of."""
    paid = job.get("salary_min") is not None or job.get("salary_max") is not None
    return {field for field in TOLD if not (paid if field == "pay" else job.get(field))}
