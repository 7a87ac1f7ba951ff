"""A job record as the words of its fields."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

import pyarrow as pa

from contracts.records import Job
from contracts.text.language import language_of
from contracts.text.verbalizer import job_title
from contracts.text.words import LANGUAGE, split_words
from retrieval.words.config import FieldWeights

FIELD_END = ""
"""Stands after each field among a document's words: no phrase reaches across it."""


def job_languages(jobs: pa.Table) -> list[str]:
    """The language of each job record (Arrow), by the name of its Snowball stemmer: that of title and description."""
    return [language_of(f"{job['title']}. {job['description']}") for job in jobs.select(_TOLD_BY).to_pylist()]


def job_words(
    jobs: pa.Table, weights: FieldWeights | None = None, languages: Sequence[str] | None = None
) -> Iterable[list[str]]:
    """The words of each job record (Arrow), fields repeated by their weight, each of them and each skill ended.

    languages: `job_languages` of the jobs; None: all are English.
    """
    fields = {name: weight for name, weight in (weights or FieldWeights()).model_dump().items() if weight}
    columns = ["title", *(name for name in fields if name != "title")]
    for job, language in zip(jobs.select(columns).to_pylist(), languages or repeat(LANGUAGE), strict=False):
        words: list[str] = []
        for name, weight in fields.items():
            value = _title(job) if name == "title" else job[name] or ""
            texts = [value] if isinstance(value, str) else value
            split = [list(split_words(text, language)) for text in texts]
            words += [word for field in split if field for word in (*field, FIELD_END)] * weight
        yield words


_TOLD_BY = ("title", "description")


def _title(job: dict[str, Any]) -> str:
    return job_title(Job.model_construct(**job))
