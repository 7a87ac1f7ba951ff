"""Events as changes of members' activities, whoever folds them: a post, or the log once the store answers again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from contracts.activity import Activity
from contracts.records import Event, Job
from contracts.text.verbalizer import job_snippet
from serving.servable import Servable


def folds(servable: Servable, events: Iterable[Event]) -> dict[str, Callable[[Activity], Activity]]:
    """Member -> function that adds the member's events to an activity; of events that change none there is none.

    An event of a job that the index lacks is left out.
    """
    by_member: dict[str, list[Event]] = {}
    for event in events:
        if event.action != "impression" and event.member_id and _row(servable, event.job_id) >= 0:
            by_member.setdefault(event.member_id, []).append(event)
    return {member_id: partial(_added, servable, of_member) for member_id, of_member in by_member.items()}


def _added(servable: Servable, events: Sequence[Event], activity: Activity) -> Activity:
    for event in events:
        activity = activity.add(event, _snippet(servable, event.job_id))
    return activity


def _snippet(servable: Servable, job_id: str) -> str:
    job = servable.index.display(_row(servable, job_id))
    return job_snippet(Job.model_construct(**{name: job[name] for name in ("title", "company", "location")}))


def _row(servable: Servable, job_id: str) -> int:
    return int(servable.index.rows([job_id], ended=True)[0])
