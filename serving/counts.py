"""What people did, as this process counts it: views of jobs by people, and what members were shown and did not open."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from contracts.features import MEMBER_TEXT
from contracts.records import Event
from history.unclicked import Unclicked
from serving.current import Current
from serving.logger import log
from serving.people import COUNTED_PER_MINUTE, People
from serving.servable import Servable

SLICE = 200
"""Members that a start reads at a time: what a store answers well within a request's share of its deadline."""
START_SECONDS, RETRY_SECONDS = 10.0, 0.25
"""For how long a start waits for a store that does not answer, and between two tries."""


class Counts:
    """Adds events to the activity of the jobs that are served and to `Unclicked`. Safe to share between threads.

    An event that is told again changes nothing: a person counts once a day, an impression once.
    """

    def __init__(self, current: Current, unclicked: Unclicked, counted_per_minute: int = COUNTED_PER_MINUTE) -> None:
        self._current, self.unclicked = current, unclicked
        self._people = People(counted_per_minute)
        self._patient_until = time.monotonic() + START_SECONDS

    def add(self, servable: Servable, events: Sequence[Event]) -> None:
        """Count what people did for the jobs, and what members opened."""
        for event in events:
            self.unclicked.add(event.member_id, event.job_id, event.action, event.time)
        self.add_people(servable, events)

    def add_people(self, servable: Servable, events: Sequence[Event]) -> None:
        """Count for the jobs that the index has what people did, each person once a day."""
        self._count(servable, events, lambda ids: _with_record(servable, ids))

    def add_logged(self, servable: Servable, events: Sequence[Event]) -> None:
        """As `add_people`, of what a start reads from the log: the store is asked for some members at a time, and again
        where it does not answer, for `START_SECONDS` in all."""
        self._count(servable, events, lambda ids: _with_record_at_start(servable, ids, self._patient_until))

    def forget(self, member_id: str) -> None:
        """Forget what a member did and was shown; what it has added to the jobs' sums stays."""
        self.unclicked.forget(member_id)
        self._people.forget(member_id)

    def _count(
        self, servable: Servable, events: Sequence[Event], with_record: Callable[[Sequence[str]], set[str]]
    ) -> None:
        known = [event for event in events if servable.index.rows([event.job_id], ended=True)[0] >= 0]
        self._current.count(self._people.first_of_day(known, with_record))

    def add_shown(self, member_id: str, job_ids: Iterable[str], at: datetime) -> None:
        """Count one answer's impressions."""
        self.unclicked.add_impressions(member_id, job_ids, at)


def _with_record(servable: Servable, member_ids: Sequence[str]) -> set[str]:
    """Those that are a member's; none while the store cannot be asked, so that they count as one person."""
    try:
        return _known(servable, member_ids)
    except Exception:  # whatever a store raises; the folding meets it again and reports it
        return set()


def _with_record_at_start(servable: Servable, member_ids: Sequence[str], until: float) -> set[str]:
    """As `_with_record`, in slices, each tried again until a time (`time.monotonic`); who is not known then is said."""
    found: set[str] = set()
    for at in range(0, len(member_ids), SLICE):
        while True:
            try:
                found |= _known(servable, member_ids[at : at + SLICE])
                break
            except Exception as error:  # whatever a store raises
                if time.monotonic() >= until:
                    cause = type(error).__name__
                    log.error("people_not_known", members=len(member_ids) - at, cause=cause, count_as="one person")
                    return found
                time.sleep(RETRY_SECONDS)
    return found


def _known(servable: Servable, member_ids: Sequence[str]) -> set[str]:
    rows = servable.members.read_many(member_ids, [MEMBER_TEXT])
    return {member_id for member_id, row in zip(member_ids, rows, strict=True) if row.text_version}
