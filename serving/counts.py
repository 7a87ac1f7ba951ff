"""What people did, as this process counts it: views of jobs by people, and what members were shown and did not open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from contracts.records import Event
from history.unclicked import Unclicked
from serving.current import Current
from serving.people import COUNTED_PER_MINUTE, People
from serving.servable import Servable


class Counts:
    """Adds events to the activity of the jobs that are served and to `Unclicked`. Safe to share between threads.

    An event that is told again changes nothing: a person counts once a day, an impression once.
    """

    def __init__(self, current: Current, unclicked: Unclicked, counted_per_minute: int = COUNTED_PER_MINUTE) -> None:
        self._current, self.unclicked = current, unclicked
        self._people = People(counted_per_minute)

    def add(self, servable: Servable, events: Sequence[Event]) -> None:
        """Count what people did for the jobs, and what members opened."""
        for event in events:
            self.unclicked.add(event.member_id, event.job_id, event.action, event.time)
        self.add_people(servable, events)

    def add_people(self, servable: Servable, events: Sequence[Event]) -> None:
        """Count for the jobs that the index has what people did, each person once a day."""
        known = [event for event in events if servable.index.rows([event.job_id], ended=True)[0] >= 0]
        self._current.count(self._people.first_of_day(known, lambda ids: _with_record(servable, ids)))

    def add_shown(self, member_id: str, job_ids: Iterable[str], time: datetime) -> None:
        """Count one answer's impressions."""
        self.unclicked.add_impressions(member_id, job_ids, time)


def _with_record(servable: Servable, member_ids: Sequence[str]) -> set[str]:
    """Those that are a member's; none while the store cannot be asked, so that they count as one person."""
    try:
        rows = servable.members.read_many(member_ids)
    except Exception:  # whatever a store raises; the folding meets it again and reports it
        return set()
    return {member_id for member_id, row in zip(member_ids, rows, strict=True) if row.text_version}
