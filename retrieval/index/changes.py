"""Changes of jobs as an index takes them, and the check that all of a batch fits before any of it is applied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np

from contracts.errors import BadInput, ShapeMismatch
from contracts.records import Job
from retrieval.engines.vectors import check_vectors


class Upsert(NamedTuple):
    """A job as an index takes it.

    Attributes:
        vector: (dim,) float32.
        items: (T, H) item tokens; None where the index has none.
        text_hash: `contracts.text.verbalizer.content_hash` of the text that all of them were made from.
        title_vector: (dim,) float, the unit vector of `contracts.text.verbalizer.title_of_text`.
    """

    job: Job
    vector: np.ndarray
    items: np.ndarray | None
    text_hash: str
    title_vector: np.ndarray


class NewerChanges(NamedTuple):
    """Changes that are newer than what an index has; deletes: id to when."""

    upserts: list[Upsert]
    deletes: dict[str, datetime]


def check_changes(
    upserts: Sequence[Upsert], deletes: Mapping[str, datetime], vector: tuple[int, ...], items: tuple[int, ...] | None
) -> None:
    """Check that all of a batch fits.

    Args:
        upserts: Jobs with vectors and item tokens.
        deletes: Id to when.
        vector: The shape of one job's vector.
        items: The shape of one job's item tokens; None where the index has none.

    Raises:
        BadInput: A job is changed twice, or its numbers are not finite or too large.
        ShapeMismatch: A vector, a title's vector or item tokens have another shape.
    """
    changes = Counter([upsert.job.id for upsert in upserts] + list(deletes))
    twice = [job_id for job_id, times in changes.items() if times > 1]
    if twice:
        raise BadInput("it is changed twice at once", where=twice[0], cure="keep the newest change of each job")
    for upsert in upserts:
        shapes = upsert.vector.shape, None if upsert.items is None else upsert.items.shape
        if shapes != (vector, items):
            problem = f"vector and item tokens are {shapes}, not {(vector, items)}"
            raise ShapeMismatch(problem, where=upsert.job.id, cure="encode it with the models of the index")
        if upsert.title_vector.shape != vector:
            problem = f"the title's vector is {upsert.title_vector.shape}, not {vector}"
            raise ShapeMismatch(problem, where=upsert.job.id, cure="encode it with the models of the index")
        for encoded in (upsert.vector, upsert.title_vector):
            check_vectors([upsert.job.id], encoded[None])
        if upsert.items is not None and not np.isfinite(upsert.items).all():
            raise BadInput("NaN or infinity in the item tokens", where=upsert.job.id, cure="encode it again")
