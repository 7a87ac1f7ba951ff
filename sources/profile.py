"""What a folder of data is: counts, coverage, months, duplicates, and which three mendings would help most.

It is made while `sources.validate` reads the rows, from the records that fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import numpy as np

from contracts.records import Event, Job, Member, Record
from contracts.text.language import language_of
from contracts.versions import row_hash
from sources.adverts import Adverts

JOB_FIELDS: Mapping[str, float] = {
    "description": 0.9,
    "location": 0.8,
    "skills": 0.6,
    "posted_at": 0.5,
    "company": 0.3,
    "expires_at": 0.3,
    "salary_min": 0.3,
    "workplace": 0.2,
    "employment": 0.2,
    "seniority": 0.2,
    "industry": 0.1,
}
MEMBER_FIELDS: Mapping[str, float] = {
    "location": 0.8,
    "positions": 0.7,
    "headline": 0.7,
    "skills": 0.6,
    "seniority": 0.2,
    "preferences": 0.2,
    "summary": 0.1,
}
"""Optional field -> how much is lost where it is missing, between 0 and 1; a rule of thumb, not measured."""
RARE = 100
"""Actions of a kind under which what is learned of it is of little weight."""
FEW_HIRES = 30
"""Hires under which links are hardly ever proven: a fifth of them is left to prove by, and most links need three."""
WORTH = 0.02
"""Loss under which a mending is not worth naming."""
MENDINGS = 3


class Mending(NamedTuple):
    """Something to mend: what is wrong with which share of the rows, and the cure."""

    loss: float
    what: str
    cure: str


@dataclass
class Jobs:
    """Of the jobs that fit: filled fields, what they hold, and which are one advert twice."""

    rows: int = 0
    filled: Counter[str] = field(default_factory=Counter)
    workplaces: Counter[str] = field(default_factory=Counter)
    pay: Counter[str] = field(default_factory=Counter)
    places: Counter[str] = field(default_factory=Counter)
    companies: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    words: list[int] = field(default_factory=list)
    first_of: dict[str, str] = field(default_factory=dict)
    repeats: set[str] = field(default_factory=set)
    newest: dict[str, tuple[datetime, bool]] = field(default_factory=dict)

    def add(self, job: Job, now: datetime) -> None:
        self.rows += 1
        self.filled.update(name for name in JOB_FIELDS if getattr(job, name) not in (None, "", ()))
        self.workplaces[job.workplace or ""] += 1
        if job.salary_min is not None or job.salary_max is not None:
            self.pay[f"{job.currency} a {job.salary_period}"] += 1
        self.places[job.location] += 1
        self.companies[job.company] += 1
        self.languages[language_of(f"{job.title}. {job.description}")] += 1
        self.words.append(len(job.description.split()))
        text = "\x00".join((job.title, job.company, job.location, job.description)).casefold()
        if self.first_of.setdefault(row_hash(text, 8), job.id) != job.id:
            self.repeats.add(job.id)
        is_open = not job.hidden and (job.expires_at is None or job.expires_at > now)
        self.newest[job.id] = max(self.newest.get(job.id, (job.updated_at, is_open)), (job.updated_at, is_open))

    @property
    def open(self) -> int:
        """Jobs whose newest record is open."""
        return sum(is_open for _, is_open in self.newest.values())

    @property
    def repeated(self) -> int:
        """Jobs whose title, company, place and description one before them has."""
        return len(self.repeats)

    @property
    def median_words(self) -> int:
        return int(np.median(self.words)) if self.words else 0


@dataclass
class Members:
    """Of the members that fit: filled fields, and when each was first known."""

    rows: int = 0
    filled: Counter[str] = field(default_factory=Counter)
    known_from: dict[str, datetime] = field(default_factory=dict)

    def add(self, member: Member) -> None:
        self.rows += 1
        given = {"preferences": member.preferences != type(member.preferences)()}
        self.filled.update(
            name for name in MEMBER_FIELDS if given.get(name, getattr(member, name) not in (None, "", ()))
        )
        first = self.known_from.get(member.id)
        self.known_from[member.id] = member.updated_at if first is None else min(first, member.updated_at)


@dataclass
class Events:
    """Of the events that fit: by action and month, by whom, and what the log knows of what was shown."""

    rows: int = 0
    months: Counter[tuple[str, str]] = field(default_factory=Counter)
    of_member: Counter[str] = field(default_factory=Counter)
    requests: set[str] = field(default_factory=set)
    with_request: int = 0
    with_query: int = 0
    with_propensity: int = 0
    early: int = 0

    def add(self, event: Event, known_from: Mapping[str, datetime]) -> None:
        self.rows += 1
        self.months[event.action, event.time.strftime("%Y-%m")] += 1
        self.with_query += bool(event.query)
        self.with_propensity += event.propensity is not None
        if event.request_id:
            self.with_request += 1
            self.requests.add(event.request_id)
        if event.action != "impression":
            self.of_member[event.member_id] += 1
        first = known_from.get(event.member_id)
        self.early += first is not None and event.time < first

    @property
    def actions(self) -> Counter[str]:
        """Action -> events."""
        counts: Counter[str] = Counter()
        for (action, _), events in self.months.items():
            counts[action] += events
        return counts


@dataclass
class Profile:
    """What the records of a folder are.

    Attributes:
        now: Timezone-aware moment at which jobs are open.
    """

    now: datetime
    jobs: Jobs = field(default_factory=Jobs)
    members: Members = field(default_factory=Members)
    events: Events = field(default_factory=Events)
    adverts: Adverts = field(default_factory=Adverts)

    def add(self, record: Record) -> None:
        """Count a record that fits; members are to come before events."""
        self.adverts.add(record)
        if isinstance(record, Job):
            self.jobs.add(record, self.now)
        elif isinstance(record, Member):
            self.members.add(record)
        elif isinstance(record, Event):
            self.events.add(record, self.members.known_from)

    def possible(self) -> list[tuple[str, str]]:
        """What can be had from this data, and how far: (what, a sentence)."""
        actions = self.events.actions
        acted = {action: count for action, count in actions.items() if action != "impression"}
        answers = [
            ("search", f"yes: {self.jobs.open:,} of {len(self.jobs.newest):,} jobs are open"),
            ("recommendation", "yes: from a member's record, or from a profile in the request"),
            ("the policy's grades", "yes: a judge needs no log"),
        ]
        for action in ("view", "apply", "save", "dismiss", "hire"):
            count = acted.get(action, 0)
            told = f"yes: {count:,}" if count >= RARE else f"{count:,} are few" if count else "no: none in the log"
            answers.append((f"learn {action}", told))
        hires = acted.get("hire", 0)
        told = f"to be proven on the later of {hires:,} hires" if hires else "no: no hire in the log"
        answers.append(("links from hires", f"{hires:,} hires are few" if 0 < hires < FEW_HIRES else told))
        people = sum(count > 1 for count in self.events.of_member.values())
        answers.append(
            ("replay of the log", f"{people:,} members acted more than once" if people else "no: nobody acted twice")
        )
        share = _share(self.events.with_propensity, self.events.rows)
        answers.append(
            (
                "estimates off policy",
                f"propensities stand in {share:.0%} of the events" if share else "no: no propensity",
            )
        )
        return answers

    def mendings(self) -> list[Mending]:
        """The few things whose mending would help most, the greatest loss first."""
        found = [each for each in self._losses() if each.loss >= WORTH]
        return sorted(found, key=lambda each: -each.loss)[:MENDINGS]

    def _losses(self) -> Iterator[Mending]:
        jobs, members, events = self.jobs, self.members, self.events
        for name, weight in JOB_FIELDS.items():
            missing = 1 - _share(jobs.filled[name], jobs.rows)
            yield Mending(
                weight * missing, f"{missing:.0%} of the jobs have no {name}", f"add the column {name} to jobs"
            )
        if not members.rows:
            yield Mending(0.8, "no members", "add members: until then people are known by what a request says of them")
        else:
            for name, weight in MEMBER_FIELDS.items():
                missing = 1 - _share(members.filled[name], members.rows)
                what = f"{missing:.0%} of the members have no {name}"
                yield Mending(weight * missing, what, f"add the column {name} to members")
        repeated = _share(jobs.repeated, len(jobs.newest))
        yield Mending(repeated, f"{repeated:.0%} of the jobs repeat an earlier advert", "give one advert one id")
        if not jobs.open:
            yield Mending(1.0, "no job is open", "check expires_at and hidden")
        if not events.rows:
            yield Mending(
                1.0, "no events", "add events, as soon as there are any: what members open, apply to and are shown"
            )
            return
        if not events.actions["impression"]:
            what = "no impressions: what was shown and not chosen is unknown"
            yield Mending(0.6, what, "log each job that is shown, as an event with the action impression")
        unasked = 1 - _share(events.with_request, events.rows)
        yield Mending(0.3 * unasked, f"{unasked:.0%} of the events have no request_id", "log the request of each list")
        early = _share(events.early, events.rows)
        what = f"{early:.0%} of the events lie before the first record of their member"
        yield Mending(0.9 * early, what, "give each member's record the updated_at at which it became so")


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
