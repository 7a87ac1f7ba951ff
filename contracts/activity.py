"""What a member did lately, as one small value that a stream can fold events into.

The batch job and the service fold with the same function, so the activity text is the same bytes in both.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self

from contracts.records import Event
from contracts.text.verbalizer import activity_text

RECENT = 30
APPLIED = 1_000
DISMISSED = 1_000
KNOWN_AFTER = timedelta(milliseconds=1)
"""An event is known this long after it happened: a row joined at the event's own time must not see the event."""


class Entry(NamedTuple):
    """One thing done to one job; `snippet` is `contracts.text.verbalizer.job_snippet` of it."""

    time: datetime
    action: str
    job_id: str
    snippet: str


class Activity(NamedTuple):
    """The newest `RECENT` entries, newest first; the ids of the newest `APPLIED` jobs applied to, and of the newest
    `DISMISSED` jobs dismissed with the reason that was given, empty where there was none.
    """

    entries: tuple[Entry, ...] = ()
    applied: tuple[str, ...] = ()
    dismissed: tuple[tuple[str, str], ...] = ()

    def add(self, event: Event, snippet: str) -> Self:
        """With one more event; impressions change nothing, and neither does the same event posted twice."""
        if event.action == "impression":
            return self
        time = event.time.replace(microsecond=event.time.microsecond // 1_000 * 1_000)  # as `to_json` keeps it
        new = Entry(time, event.action, event.job_id, snippet)
        entries, applied, dismissed = self
        if new not in entries:
            entries = tuple(sorted((new, *entries), key=lambda e: e.time, reverse=True)[:RECENT])
        if event.action in ("apply", "hire") and event.job_id not in applied:
            applied = (event.job_id, *applied)[:APPLIED]
        dismissal = (event.job_id, event.reason or "")
        if event.action == "dismiss" and dismissal not in dismissed:
            dismissed = (dismissal, *dismissed)[:DISMISSED]
        return self._replace(entries=entries, applied=applied, dismissed=dismissed)

    def text(self) -> str:
        return activity_text((entry.action, entry.snippet) for entry in self.entries)

    def to_json(self) -> str:
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
        dismissed = tuple((job_id, reason) for job_id, reason in value.get("dismissed", ()))  # once it held none
        return cls(entries, tuple(value["applied"]), dismissed)
