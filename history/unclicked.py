"""Impressions without a click: what each member was shown of late and has not opened since, as rules count it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from contracts.tasks import INTEREST
from retrieval.rules.conditions import TIMES
from retrieval.rules.rules import Rule

MAX_MEMBERS, MAX_JOBS = 20_000, 100
"""Members that are kept, and jobs of each; the least recently shown go first. A job's first impression takes 250 bytes,
each further one 32: 500 MB where all members are at their bounds."""


class Unclicked:
    """Times of impressions by member and job, since the member last opened the job. Safe to share between threads."""

    def __init__(self, days: float) -> None:
        """Start empty.

        Args:
            days: Age at which an impression is forgotten; 0 keeps nothing.
        """
        self.days = days
        self._seconds = timedelta(days=days).total_seconds()
        self._members: OrderedDict[str, dict[str, list[float]]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def counted(self) -> bool:
        """Whether it keeps anything."""
        return bool(self._seconds)

    def add(self, member_id: str, job_id: str, action: str, time: datetime) -> None:
        """Take in an event; events come in the order of time."""
        if action == "impression":
            self.add_impressions(member_id, [job_id], time)
        elif action in INTEREST:
            with self._lock:
                self._members.get(member_id, {}).pop(job_id, None)

    def add_impressions(self, member_id: str, job_ids: Iterable[str], time: datetime) -> None:
        """Take in the impressions of one answer; those of nobody in particular (an empty id) are not kept."""
        if not member_id or not self._seconds:
            return
        now = time.timestamp()
        with self._lock:
            jobs = self._members.pop(member_id, {})
            self._members[member_id] = jobs
            for job_id in job_ids:
                times = sorted({*jobs.pop(job_id, ()), now})  # a set: what is told again counts once
                jobs[job_id] = [time for time in times if time >= now - self._seconds][-TIMES:]
            # A dict keeps the order of insertion, so the job that was shown longest ago comes first.
            while len(jobs) > MAX_JOBS or (jobs and next(iter(jobs.values()))[-1] < now - self._seconds):
                del jobs[next(iter(jobs))]
            if len(self._members) > MAX_MEMBERS:
                self._members.popitem(last=False)

    def forget(self, member_id: str) -> None:
        """Forget what a member was shown."""
        with self._lock:
            self._members.pop(member_id, None)

    def of(self, member_id: str) -> Mapping[str, tuple[float, ...]]:
        """Job -> seconds since 1970 of its impressions, as `retrieval.facts.Facts` has it."""
        with self._lock:
            return {job_id: tuple(times) for job_id, times in self._members.get(member_id, {}).items()}


def unclicked_days(rules: Iterable[Rule]) -> float:
    """Days of impressions that the rules count; 0 where no rule counts any."""
    return max((rule.when.seen.days for rule in rules if rule.when.seen), default=0.0)
