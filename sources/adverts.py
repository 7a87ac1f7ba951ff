"""What can be read out of a folder's adverts, seen on the first of them before anything is loaded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from contracts.records import Job, Member, Record
from contracts.text.adverts.reader import as_said, missing_fields, read_advert
from contracts.text.adverts.skills import gazetteer

MOST = 1_000
"""Adverts that are looked at."""


class ReadOut(NamedTuple):
    """What `adverts` adverts say.

    Attributes:
        missing: Field -> how many have nothing in it.
        read: Field -> of how many of these it was read.
        held_back: Words that name a skill -> in how many they stand and were not taken for it.
    """

    adverts: int
    missing: Counter[str]
    read: Counter[str]
    held_back: Counter[str]


@dataclass
class Adverts:
    """The first adverts of a folder, and all skills that its jobs and members list."""

    first: list[Job] = field(default_factory=list)
    listed: Counter[str] = field(default_factory=Counter)

    def add(self, record: Record) -> None:
        if isinstance(record, Job) and len(self.first) < MOST:
            self.first.append(record)
        if isinstance(record, Job | Member) and "skills" not in getattr(record, "read_out", ()):
            self.listed.update(record.skills)

    def read_out(self) -> ReadOut:
        """What `ingest` would read out of these adverts."""
        skills = gazetteer(self.listed)
        found = ReadOut(len(self.first), Counter(), Counter(), Counter())
        for job in self.first:
            said = as_said(dict(job))
            reading = read_advert(said, skills)
            found.missing.update(missing_fields(said))
            found.read.update(reading.told)
            found.held_back.update(reading.held_back)
        return found
