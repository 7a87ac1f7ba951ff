"""What a new process reads from the event log, so that a restart forgets nothing that a request may depend on.

Of several processes on one workspace each knows what all had logged before it began, and its own events since.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from contracts.workspace import Workspace
from history.unclicked import Unclicked, unclicked_days
from retrieval.rules.rules import Rule
from serving.event_log import day_file, read_day
from serving.logger import log

MAX_LOG_BYTES = 500_000_000
"""Log that is read for impressions, a few seconds' worth; of a longer log the older days are left out."""


def recent_event_ids(workspace: Workspace, now: datetime) -> list[str]:
    """Ids of the events that were posted today and yesterday, oldest first; impressions are not posted."""
    rows = (row for day in (now - timedelta(days=1), now) for row in read_day(workspace, day))
    return [row["id"] for row in rows if row["action"] != "impression"]


def read_unclicked(workspace: Workspace, rules: Iterable[Rule], now: datetime) -> Unclicked:
    """Impressions without a click over the days that the rules count, from the log."""
    days = unclicked_days(rules)
    readable: list[datetime] = []
    size = 0
    for age in range(int(days) + 2) if days else ():
        day = now - timedelta(days=age)
        path = day_file(workspace, day)
        size += path.stat().st_size if path.is_file() else 0
        if size > MAX_LOG_BYTES:
            log.warning("log_too_long", read_days=age)
            break
        readable.append(day)
    unclicked = Unclicked(days)
    for day in reversed(readable):
        for row in read_day(workspace, day):
            unclicked.add(row["member_id"], row["job_id"], row["action"], datetime.fromisoformat(row["time"]))
    return unclicked
