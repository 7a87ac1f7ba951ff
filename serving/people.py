"""Who looked at a job today: what is popular counts people, not clicks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC

from contracts.records import Event

COUNTED = ("view", "apply")
COUNTED_PER_MINUTE = 60
MAX_KEPT = 200_000
"""People's jobs of a day that are remembered, about 50 MB; the oldest go first and would count again."""


class People:
    """Tells a person's first view and first application of a job and day (UTC) from those that follow.

    All who are not among the members are one person, as in `retrieval.index.tables.read_engagement`. Of one member and
    minute so many count at most: nobody looks at more, and a program must not lift what it likes. Safe to share between
    threads.
    """

    def __init__(self, per_minute: int = COUNTED_PER_MINUTE) -> None:
        """Start empty. per_minute: events of one member that count, by the minute in which they happened."""
        self._per_minute = per_minute
        self._minutes: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._kept: OrderedDict[tuple[str, str, str, str], None] = OrderedDict()
        self._lock = threading.Lock()

    def first_of_day(self, events: Iterable[Event], with_record: Callable[[Sequence[str]], set[str]]) -> list[Event]:
        """The events that count, in their order. with_record: which of some ids are members'; asked once."""
        counted = [event for event in events if event.action in COUNTED]
        named = sorted({event.member_id for event in counted if event.member_id})
        members = with_record(named) if named else set()
        first = []
        with self._lock:
            for event in counted:
                person = event.member_id if event.member_id in members else ""
                key = (person, event.job_id, event.action, f"{event.time.astimezone(UTC):%Y-%m-%d}")
                if key not in self._kept and self._is_within(person, event):
                    self._kept[key] = None
                    first.append(event)
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return first

    def forget(self, person: str) -> None:
        """Forget what a person did."""
        with self._lock:
            for key in [key for key in self._kept if key[0] == person]:
                del self._kept[key]
            for minute in [minute for minute in self._minutes if minute[0] == person]:
                del self._minutes[minute]

    def _is_within(self, person: str, event: Event) -> bool:
        """Whether the member's minute has room for one more, which is taken; those who are no members share none."""
        if not person:
            return True
        minute = person, f"{event.time.astimezone(UTC):%Y-%m-%dT%H:%M}"
        self._minutes[minute] = self._minutes.get(minute, 0) + 1
        while len(self._minutes) > MAX_KEPT:
            self._minutes.popitem(last=False)
        return self._minutes[minute] <= self._per_minute
