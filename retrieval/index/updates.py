"""Changes of jobs on their way into an index: which are newer than what it has, and how a new index takes over changes.

The newest version of a job counts, whatever the order in which versions come (`JobRows.version`). So changes that are
replayed, or applied to an index that was built with some of them, end in the same jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from contracts.records import Job
from retrieval.index.changes import NewerChanges, Upsert
from retrieval.index.job_index import JobIndex


def is_newer(index: JobIndex, job_id: str, time: datetime, deleted: bool) -> bool:
    """Whether a version of a job is newer than what the index knows of it."""
    known = index.jobs.version(job_id)
    return known is None or (time, deleted) > known


def newer_changes(index: JobIndex, upserts: Iterable[Upsert], deletes: Mapping[str, datetime]) -> NewerChanges:
    """The changes that are newer than what the index has; deletes: id to when."""
    return NewerChanges(
        [upsert for upsert in upserts if is_newer(index, upsert.job.id, upsert.job.updated_at, False)],
        {job_id: time for job_id, time in deletes.items() if is_newer(index, job_id, time, True)},
    )


def carry_changes(old: JobIndex, new: JobIndex, encode: Callable[[list[Job]], list[Upsert]] | None = None) -> JobIndex:
    """`new` with the changes that `old` took since its build, as far as they are newer.

    The result stands at the position of `old` where both are one build. Where they are not, `old` may have been built
    with changes that `new` lacks: then it stands where its own records end, and the feed is read again from there.

    Args:
        old: The index that served so far.
        new: The index that takes its place.
        encode: Encodes jobs for `new`, where it was built with other models than `old`.
    """
    upserts, deletes = old.added(lambda *version: is_newer(new, *version))
    position = old.position if old.manifest == new.manifest else new.manifest.position
    if not upserts and not deletes and position == new.position:
        return new
    if encode is not None:
        upserts = encode([upsert.job for upsert in upserts])
    return new.changed(upserts, deletes, position)


def carry_activity(old: JobIndex, new: JobIndex, start: int = 0) -> int:
    """Count in `new` the events that were counted in `old` while it served, and that `new` was not built with.

    Args:
        old: The index that served so far.
        new: The index that takes its place.
        start: How many of the events were carried before.

    Returns:
        How many are carried now: up to the first event of a job that came after `old`.
    """
    events = old.activity.live_events(start)
    rows = new.rows([old.ids[event.row] for event in events], ended=True)
    for event, row in zip(events, rows.tolist(), strict=True):
        moved = event._replace(row=row)
        if row >= 0 and not new.activity.knows(moved):
            new.activity.add(*moved)
    return start + len(events)
