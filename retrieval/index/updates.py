"""Changes of jobs on their way into an index: which are news to it, and how one index takes over what another was told.

The newest version of a job counts, whatever the order in which versions come (`JobRows.version`). So the same changes
told twice, or told to an index that was built with some of them, end in the same jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from contracts.records import Job
from retrieval.index.changes import News, Upsert
from retrieval.index.job_index import JobIndex


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
