"""Who looked at a job today: what is popular counts people, not clicks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC

from contracts.records import Event

COUNTED = ("view", "apply")
MAX_KEPT = 200_000
"""People's jobs of a day that are remembered, about 50 MB; the oldest go first and would count again."""


class People:
    """Tells a person's first view and first application of a job and day (UTC) from those that follow.

    All who are not among the members are one person, as in `retrieval.index.tables.read_engagement`. Safe to share
    between threads.
    """

    def __init__(self) -> None:
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
                if key not in self._kept:
                    self._kept[key] = None
                    first.append(event)
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return first
