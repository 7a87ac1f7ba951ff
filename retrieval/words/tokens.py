"""A job record as the words of its fields."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import pyarrow as pa

from contracts.records import Job
from contracts.text.verbalizer import job_title
from contracts.text.words import split_words
from retrieval.words.config import FieldWeights

DESCRIPTION_WORDS = 200
FIELD_END = ""
"""Stands after each field among a document's words: no phrase reaches across it."""


def job_words(jobs: pa.Table, weights: FieldWeights | None = None) -> Iterable[list[str]]:
    """The words of each job record (Arrow), fields repeated by their weight, each of them and each skill ended."""
    fields = {name: weight for name, weight in (weights or FieldWeights()).model_dump().items() if weight}
    columns = ["title", *(name for name in fields if name != "title")]
    for job in jobs.select(columns).to_pylist():
        words: list[str] = []
        for name, weight in fields.items():
            value = _title(job) if name == "title" else job[name] or ""
            texts = [value] if isinstance(value, str) else value
            limit = DESCRIPTION_WORDS if name == "description" else None
            split = [list(islice(split_words(text), limit)) for text in texts]
            words += [word for field in split if field for word in (*field, FIELD_END)] * weight
        yield words


def _title(job: dict[str, Any]) -> str:
    return job_title(Job.model_construct(**job))
