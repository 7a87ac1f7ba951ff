"""A member's recent activity: one small value that events are folded into, one after the other.

The batch job and the service fold with the same function, so the activity text is the same bytes in both.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self

from contracts.records import Event
from contracts.tasks import APPLIED as APPLICATIONS
from contracts.text.verbalizer import activity_text

RECENT = 30
APPLIED = 1_000
DISMISSED = 1_000
KNOWN_AFTER = timedelta(milliseconds=1)
"""An event is visible this long after its time, so that a row joined at that very time does not see it."""


class Entry(NamedTuple):
    """One action on one job; `snippet` is the job's `contracts.text.verbalizer.job_snippet`."""

    time: datetime
    action: str
    job_id: str
    snippet: str


class Activity(NamedTuple):
    """What a member did lately.

    Attributes:
        entries: The newest `RECENT` actions, newest first.
        applied: Ids of the newest `APPLIED` jobs that the member applied to.
        dismissed: Id and reason ("" for none) of the newest `DISMISSED` jobs that the member dismissed.
    """

    entries: tuple[Entry, ...] = ()
    applied: tuple[str, ...] = ()
    dismissed: tuple[tuple[str, str], ...] = ()

    def add(self, event: Event, snippet: str) -> Self:
        """The activity with one more event. An impression changes nothing, nor does an event that is already in it."""
        if event.action == "impression":
            return self
        time = event.time.replace(microsecond=event.time.microsecond // 1_000 * 1_000)  # as `to_json` keeps it
        new = Entry(time, event.action, event.job_id, snippet)
        entries, applied, dismissed = self
        if new not in entries:
            entries = tuple(sorted((new, *entries), key=lambda e: e.time, reverse=True)[:RECENT])
        if event.action in APPLICATIONS and event.job_id not in applied:
            applied = (event.job_id, *applied)[:APPLIED]
        dismissal = (event.job_id, event.reason or "")
        if event.action == "dismiss" and dismissal not in dismissed:
            dismissed = (dismissal, *dismissed)[:DISMISSED]
        return self._replace(entries=entries, applied=applied, dismissed=dismissed)

    def text(self) -> str:
        """The activity as the text that a request shows to the models."""
        return activity_text((entry.action, entry.snippet) for entry in self.entries)

    def to_json(self) -> str:
        """The activity as JSON, times to the millisecond."""
        rows = [[round(e.time.timestamp() * 1_000), e.action, e.job_id, e.snippet] for e in self.entries]
        value = {"entries": rows, "applied": self.applied, "dismissed": self.dismissed}
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | None) -> Self:
        """The inverse of `to_json`, to the millisecond; None or empty text is no activity."""
        if not text:
            return cls()
        value = json.loads(text)
        entries = tuple(
            Entry(datetime.fromtimestamp(ms / 1_000, UTC), action, job_id, snippet)
            for ms, action, job_id, snippet in value["entries"]
        )
        dismissed = tuple((job_id, reason) for job_id, reason in value.get("dismissed", ()))  # absent in older rows
        return cls(entries, tuple(value["applied"]), dismissed)
