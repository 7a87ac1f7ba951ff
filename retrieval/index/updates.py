"""Changes of jobs on their way into an index: which are news to it, and how one index takes over what another was told.

The newest version of a job counts, whatever the order in which versions come (`JobRows.version`). So the same changes
told twice, or told to an index that was built with some of them, end in the same jobs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from contracts.errors import BadInput, ShapeMismatch
from contracts.records import Job
from retrieval.collection.batch import check_vectors

if TYPE_CHECKING:
    from retrieval.index.job_index import JobIndex


class Upsert(NamedTuple):
    """A job as an index takes it. vector: (dim,) float32; items: (T, H) item tokens, None where the index has none;
    text_hash: `contracts.text.verbalizer.content_hash` of the text that both were made from.
    """

    job: Job
    vector: np.ndarray
    items: np.ndarray | None
    text_hash: str


class News(NamedTuple):
    """Changes that are newer than what an index knows; deletes: id -> when."""

    upserts: list[Upsert]
    deletes: dict[str, datetime]


def is_news(index: JobIndex, job_id: str, time: datetime, deleted: bool) -> bool:
    """Whether a version of a job is newer than what the index knows of it."""
    known = index.jobs.version(job_id)
    return known is None or (time, deleted) > known


def news(index: JobIndex, upserts: Iterable[Upsert], deletes: Mapping[str, datetime]) -> News:
    """Those that the index does not know yet."""
    return News(
        [upsert for upsert in upserts if is_news(index, upsert.job.id, upsert.job.updated_at, False)],
        {job_id: time for job_id, time in deletes.items() if is_news(index, job_id, time, True)},
    )


def carried(old: JobIndex, new: JobIndex, made_anew: Callable[[list[Job]], list[Upsert]] | None = None) -> JobIndex:
    """`new` with what `old` was told since it was built, as far as that is news.

    It stands at the position of `old` where both are one build. Where they are not, `old` may have been built with
    changes that `new` lacks: then it stands where its own records end, and the feed is to be told again from there.
    made_anew: encodes jobs for `new`, where it was built with other models than `old`.
    """
    upserts, deletes = old.added(lambda *version: is_news(new, *version))
    position = old.position if old.manifest == new.manifest else new.manifest.position
    if not upserts and not deletes and position == new.position:
        return new
    if made_anew is not None:
        upserts = made_anew([upsert.job for upsert in upserts])
    return new.changed(upserts, deletes, position)


def carry_activity(old: JobIndex, new: JobIndex, start: int = 0) -> int:
    """Count in `new` the events that were counted in `old` while it served, and that `new` was not built with.

    start: of the events in their order as many as were carried before. Returns as many as are carried now: up to the
    first of a job that came after `old`.
    """
    events = old.activity.lived(start)
    rows = new.rows([old.ids[event.row] for event in events], ended=True)
    for event, row in zip(events, rows.tolist(), strict=True):
        moved = event._replace(row=row)
        if row >= 0 and not new.activity.knows(moved):
            new.activity.add(*moved)
    return start + len(events)


def check_changes(
    upserts: Sequence[Upsert], deletes: Mapping[str, datetime], vector: tuple[int, ...], items: tuple[int, ...] | None
) -> None:
    """Raises BadInput for a job that is changed twice, a vector as `check_vectors` and item tokens that are not finite,
    ShapeMismatch for other shapes.

    vector, items: shapes that one job's must have.
    """
    changes = Counter([upsert.job.id for upsert in upserts] + list(deletes))
    twice = [job_id for job_id, times in changes.items() if times > 1]
    if twice:
        raise BadInput("it is changed twice at once", where=twice[0], cure="keep the newest change of each job")
    for upsert in upserts:
        found = upsert.vector.shape, None if upsert.items is None else upsert.items.shape
        if found != (vector, items):
            raise ShapeMismatch(f"vector and item tokens are {found}, not {(vector, items)}", where=upsert.job.id)
        check_vectors([upsert.job.id], upsert.vector[None])
        if upsert.items is not None and not np.isfinite(upsert.items).all():
            raise BadInput("NaN or infinity in the item tokens", where=upsert.job.id, cure="encode it again")
