"""What a new process reads from the event log, so that a restart forgets nothing that a request may depend on.

Of several services each reads what all had logged in its workspace before it began; what others do later they tell each
other (`serving.near_line`). The log is read once, whatever is learned from it, and within a bound; what is left out is
said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from contracts.records import Event
from contracts.workspace import Workspace
from history.unclicked import Unclicked, unclicked_days
from retrieval.rules.rules import Rule
from serving.log_files import day_files, read_files
from serving.logger import log

MAX_EVENT_DAYS = 30
"""How long ago something may have happened that is posted, and for how many days a start reads the log."""
MAX_LOG_BYTES = 500_000_000
"""Log that a start reads, a few seconds' worth; of a longer one the older files are left out."""
SLICE = 5_000
"""Events that are handed on at a time, so that a long log needs no more memory."""


class Recovered(NamedTuple):
    """What a start has learned from the log.

    Attributes:
        event_ids: Ids of the events that came today and yesterday, whenever they happened, oldest first, without those
            of impressions that the service logged itself, which nobody posts.
        files: Those of today and yesterday, the newest first: what a store may still lack.
    """

    event_ids: list[str]
    files: list[Path]


def recover(
    workspace: Workspace,
    unclicked: Unclicked,
    built: datetime,
    now: datetime,
    take: Callable[[Sequence[Event]], None],
) -> Recovered:
    """Read the log of the days that something is learned from, the oldest first.

    Args:
        workspace: Whose log is read.
        unclicked: Takes in what was shown and opened over the days that it counts.
        built: When the index was built. What people did since, impressions apart, is counted again: a row counts that
            came on a later day than the index, or on its day and happened after it.
        now: The clock's time.
        take: Is given these events, some at a time, in their order.
    """
    of_events = min((now.date() - built.date()).days, MAX_EVENT_DAYS)
    of_unclicked = _days_read(unclicked)
    found = Recovered([], [])
    events: list[Event] = []
    for age, paths in reversed(_newest(workspace, now, max(1, of_events, of_unclicked))):
        if age <= 1:
            found.files[:0] = paths
        for row in read_files(paths):
            if age <= of_unclicked:
                _see(unclicked, row)
            if age <= 1 and (row["action"] != "impression" or not row.get("found_by")):
                found.event_ids.append(row["id"])
            if age <= of_events and (event := _event(row)) and (age < of_events or event.time >= built):
                events.append(event)
                if len(events) == SLICE:
                    take(events)
                    events = []
    if events:
        take(events)
    return found


def read_unclicked(
    workspace: Workspace, rules: Iterable[Rule], now: datetime, until: datetime | None = None
) -> Unclicked:
    """Impressions without a click over the days that the rules count, from the log; until: without what came later."""
    unclicked = Unclicked(unclicked_days(rules))
    for _, paths in reversed(_newest(workspace, now, _days_read(unclicked))):
        for row in read_files(paths):
            _see(unclicked, row, until)
    return unclicked


def _days_read(unclicked: Unclicked) -> int:
    """Days before today whose log may hold what is counted; -1 where nothing is."""
    return int(unclicked.days) + 1 if unclicked.counted else -1


def _see(unclicked: Unclicked, row: Mapping[str, Any], until: datetime | None = None) -> None:
    time = datetime.fromisoformat(row["time"])
    if until is None or time <= until:
        unclicked.add(row["member_id"], row["job_id"], row["action"], time)


def _event(row: Mapping[str, Any]) -> Event | None:
    """What somebody did; None for an impression, and for what `ingest` sets aside."""
    if row["action"] == "impression":
        return None
    try:
        return Event.model_validate(row)
    except ValidationError:
        return None


def _newest(workspace: Workspace, now: datetime, days: int) -> list[tuple[int, list[Path]]]:
    """(days ago, files, the newest first) of today and so many days before, of at most `MAX_LOG_BYTES` together."""
    found: list[tuple[int, list[Path]]] = []
    size, left_out = 0, list[Path]()
    for age in range(days + 1):
        kept = list[Path]()
        for path, bytes_, _ in sorted(
            _sizes(day_files(workspace, now - timedelta(days=age))), key=lambda file: -file[2]
        ):
            size += bytes_
            (kept if size <= MAX_LOG_BYTES else left_out).append(path)
        if kept:
            found.append((age, kept))
    if left_out:
        newest = max(path.name[:10] for path in left_out)
        log.warning("log_too_long", left_out_files=len(left_out), of_days_until=newest, read_bytes=MAX_LOG_BYTES)
    return found


def _sizes(paths: Iterable[Path]) -> Iterator[tuple[Path, int, float]]:
    """Each file with its bytes and when it was written; one that is thrown away meanwhile is none."""
    for path in paths:
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue
        yield path, stat.st_size, stat.st_mtime


def ingested_until(workspace: Workspace) -> datetime | None:
    """When `ingest` last took in the log of this workspace; None where it has not."""
    from beam_jobs.loads import is_own_log, read_loads

    times = [load.time for load in read_loads(workspace) if load.written and is_own_log(workspace, load.source)]
    return max(times, default=None)
