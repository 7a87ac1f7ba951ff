"""What a new process reads from the event log, so that a restart forgets nothing that a request may depend on.

Of several services each reads what all had logged in its workspace before it began; what others do later they tell each
other (`serving.near_line`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from contracts.records import Event
from contracts.workspace import Workspace
from history.unclicked import Unclicked, unclicked_days
from retrieval.rules.rules import Rule
from serving.log_files import day_files, read_day
from serving.logger import log

MAX_EVENT_DAYS = 30
"""How long ago something may have happened that is posted, and for how many days a start reads the log."""
MAX_LOG_BYTES = 500_000_000
"""Log that is read for impressions, a few seconds' worth; of a longer log the older days are left out."""


def recent_event_ids(workspace: Workspace, now: datetime) -> list[str]:
    """Ids of the events that came today and yesterday, whenever they happened, oldest first.

    Without those of impressions that the service logged itself, which nobody posts.
    """
    rows = (row for day in (now - timedelta(days=1), now) for row in read_day(workspace, day))
    return [row["id"] for row in rows if row["action"] != "impression" or not row.get("found_by")]


def events_since(workspace: Workspace, built: datetime, now: datetime) -> Iterator[Event]:
    """What people did since an index was built, from the log, so that a restart counts it; impressions apart.

    A row counts that came on a later day than the index, or on its day and happened after it.
    """
    days = min((now.date() - built.date()).days, MAX_EVENT_DAYS)
    for age in range(days, -1, -1):
        for row in read_day(workspace, now - timedelta(days=age)):
            if row["action"] == "impression":
                continue
            with contextlib.suppress(ValidationError):
                event = Event.model_validate(row)
                if age < days or event.time >= built:
                    yield event


def recent_files(workspace: Workspace, now: datetime) -> list[Path]:
    """The files of today and yesterday, of at most `MAX_LOG_BYTES`, the newest first: what a store may still lack."""
    files, size = [], 0
    for day in (now, now - timedelta(days=1)):
        for path in day_files(workspace, day):
            size += path.stat().st_size
            if size <= MAX_LOG_BYTES:
                files.append(path)
    return files


def ingested_until(workspace: Workspace) -> datetime | None:
    """When `ingest` last took in the log of this workspace; None where it has not."""
    from beam_jobs.loads import is_own_log, read_loads

    times = [load.time for load in read_loads(workspace) if load.written and is_own_log(workspace, load.source)]
    return max(times, default=None)


def read_unclicked(
    workspace: Workspace, rules: Iterable[Rule], now: datetime, until: datetime | None = None
) -> Unclicked:
    """Impressions without a click over the days that the rules count, from the log; until: without what came later."""
    days = unclicked_days(rules)
    readable: list[datetime] = []
    size = 0
    for age in range(int(days) + 2) if days else ():
        day = now - timedelta(days=age)
        size += sum(path.stat().st_size for path in day_files(workspace, day))
        if size > MAX_LOG_BYTES:
            log.warning("log_too_long", read_days=age)
            break
        readable.append(day)
    unclicked = Unclicked(days)
    for day in reversed(readable):
        for row in read_day(workspace, day):
            time = datetime.fromisoformat(row["time"])
            if until is None or time <= until:
                unclicked.add(row["member_id"], row["job_id"], row["action"], time)
    return unclicked
