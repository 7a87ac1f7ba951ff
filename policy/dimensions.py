"""How each dimension of the policy is graded from the public records, 0-4 by its anchors, None with nothing to compare.

Text of members and jobs is compared, never obeyed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from contracts.records import SENIORITY_LADDER, Job, Member
from contracts.text import job_title

Likeness = Callable[[str, str], float]
"""How alike two descriptions of work are, 0-1: cosine of their vectors, say."""

_WORD = re.compile(r"[a-z0-9+#]+")
_LEVELS: Mapping[str, str] = {
    "intern": "intern", "trainee": "intern", "apprentice": "intern", "internship": "intern",
    "junior": "entry", "jr": "entry", "entry": "entry", "graduate": "entry", "associate": "entry",
    "senior": "senior", "sr": "senior", "experienced": "senior",
    "lead": "lead", "principal": "lead", "staff": "lead", "head": "director", "director": "director",
    "vp": "executive", "president": "executive", "chief": "executive", "executive": "executive",
}  # fmt: skip
_FILLER = {
    "a",
    "an",
    "and",
    "at",
    "for",
    "in",
    "of",
    "on",
    "or",
    "the",
    "to",
    "with",
    "needed",
    "wanted",
    "now",
    "hiring",
}
_PAST = 0.85


def work_terms(text: str, synonyms: Mapping[str, str]) -> frozenset[str]:
    """The words of a title that say what the work is: lower case, singular, synonyms folded, rank and filler gone."""
    words = (word for word in _WORD.findall(text.casefold()) if word not in _FILLER and word not in _LEVELS)
    stems = (word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in words)
    return frozenset(synonyms.get(stem, stem) for stem in stems)


def overlap(a: frozenset[str], b: frozenset[str]) -> float:
    """Shared words over the mean number of words (Dice), 0-1."""
    return 2 * len(a & b) / (len(a) + len(b)) if a and b else 0.0


def member_titles(member: Member) -> list[tuple[str, float]]:
    """What a member does and did, with how much it counts: the present and the wished for fully, the past less."""
    titles = [(member.headline, 1.0)] if member.headline else []
    newest = sorted(member.positions, key=lambda p: (p.end is None, p.start is not None, p.start), reverse=True) if all(
        p.start for p in member.positions
    ) else member.positions  # fmt: skip
    titles += [(position.title, 1.0 if rank == 0 else _PAST) for rank, position in enumerate(newest)]
    return titles + [(title, 0.95) for title in member.preferences.titles]


def skills(member: Member, job: Job) -> int | None:
    if not job.skills or not member.skills:
        return None
    have = {skill.casefold() for skill in member.skills}
    share = sum(skill.casefold() in have for skill in job.skills) / len(job.skills)
    return 4 if share >= 0.75 else 3 if share >= 0.5 else 2 if share >= 1 / 3 else 1 if share > 0 else 0


def seniority(member: Member, job: Job) -> int | None:
    titles = [member.headline, *(position.title for position in member.positions[:1])]
    held = member.seniority or _level(titles)
    asked = job.seniority or _level([job_title(job)])
    if held is None or asked is None:
        return None
    rungs = abs(SENIORITY_LADDER.index(held) - SENIORITY_LADDER.index(asked))
    return {0: 4, 1: 3, 2: 1}.get(rungs, 0)


def location(member: Member, job: Job) -> int | None:
    wishes = member.preferences.workplace
    excluded = bool(wishes) and job.workplace is not None and job.workplace not in wishes
    if job.workplace == "remote":
        return 3 if excluded else 4
    places = [place for place in (member.location, *member.preferences.locations) if place]
    if not places or not job.location:
        return None
    there = split_place(job.location)
    homes = [split_place(place) for place in places]
    if any(home == there or (home[0] == there[0] and not home[1]) for home in homes):
        return 2 if excluded else 4
    if any(home[1] and home[1] == there[1] for home in homes):
        return 1 if excluded else 2
    return 0


def industry(member: Member, job: Job) -> int | None:
    known = {position.industry.casefold() for position in member.positions if position.industry}
    if not known or not job.industry:
        return None
    return 4 if job.industry.casefold() in known else 2


def pay(member: Member, job: Job) -> int | None:
    asked, top = member.preferences.salary_min, job.salary_max or job.salary_min
    if asked is None or top is None or asked == 0:
        return None
    short = 1 - top / asked
    return 4 if short <= 0 else 3 if short <= 0.1 else 2 if short <= 0.2 else 1 if short <= 0.3 else 0


@lru_cache(maxsize=65_536)
def split_place(place: str) -> tuple[str, str]:
    """("city", "region") of "City, Region[, Country]", case-folded; an unnamed part is empty."""
    city, _, rest = place.casefold().partition(",")
    return city.strip(), rest.partition(",")[0].strip()


def _level(titles: Iterable[str]) -> str | None:
    for title in titles:
        for word in _WORD.findall(title.casefold()):
            if word in _LEVELS:
                return _LEVELS[word]
    return None
