"""What each member was shown of late and has not opened since: what rules on jobs seen before go by.

It is kept in this process alone, and read from the service's own log at the start. Of several processes each knows what
all had shown before it began and what it has shown itself since.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from contracts.tasks import INTEREST
from contracts.workspace import Workspace
from retrieval.rules.conditions import TIMES
from retrieval.rules.rules import Rule
from serving.event_log import day_file, logged
from serving.lines import log

MEMBERS, JOBS = 20_000, 100
"""The last members and the last jobs of each that are kept. A job shown once takes 250 bytes, a further time 32:
half a gigabyte where each of so many members was shown so many jobs."""
MOST_BYTES = 500_000_000
"""Of the log that is read at the start, some seconds' worth; of a longer one the older days are left out."""


class Unopened:
    """Holds job -> times by member, of the last `days`; with 0 days nothing. Safe to share between threads."""

    def __init__(self, days: float) -> None:
        self._seconds = timedelta(days=days).total_seconds()
        self._members: OrderedDict[str, dict[str, list[float]]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, member_id: str, job_id: str, action: str, time: datetime) -> None:
        """Take in an event; events come in the order of time."""
        if action == "impression":
            self.shown(member_id, [job_id], time)
        elif action in INTEREST:
            with self._lock:
                self._members.get(member_id, {}).pop(job_id, None)

    def shown(self, member_id: str, job_ids: Iterable[str], time: datetime) -> None:
        if not member_id or not self._seconds:
            return
        now = time.timestamp()
        with self._lock:
            jobs = self._members.pop(member_id, {})
            self._members[member_id] = jobs
            for job_id in job_ids:
                times = [*jobs.pop(job_id, ()), now]
                jobs[job_id] = [one for one in times if one >= now - self._seconds][-TIMES:]
            # They stand in the order in which they were last shown.
            while len(jobs) > JOBS or (jobs and next(iter(jobs.values()))[-1] < now - self._seconds):
                del jobs[next(iter(jobs))]
            if len(self._members) > MEMBERS:
                self._members.popitem(last=False)

    def of(self, member_id: str) -> Mapping[str, tuple[float, ...]]:
        """Job -> seconds since 1970, as `retrieval.facts.Facts` has it."""
        with self._lock:
            return {job_id: tuple(times) for job_id, times in self._members.get(member_id, {}).items()}


def unopened_days(rules: Iterable[Rule]) -> float:
    """How far back the rules ask for what was shown; 0 where none does."""
    return max((rule.when.seen.days for rule in rules if rule.when.seen), default=0.0)


def read_unopened(workspace: Workspace, rules: Iterable[Rule], now: datetime) -> Unopened:
    """What the log of the days that the rules ask for tells, newest days first where it is too long to read."""
    days = unopened_days(rules)
    unopened, read, size = Unopened(days), [], 0
    for back in range(int(days) + 2) if days else ():
        day = now - timedelta(days=back)
        path = day_file(workspace, day)
        size += path.stat().st_size if path.is_file() else 0
        if size > MOST_BYTES:
            log.warning("log_too_long", read_days=back)
            break
        read.append(day)
    for day in reversed(read):
        for row in logged(workspace, day):
            unopened.add(row["member_id"], row["job_id"], row["action"], datetime.fromisoformat(row["time"]))
    return unopened
