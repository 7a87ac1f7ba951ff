"""Latent state in words: member and job records that read like the real ones and show only a part of the truth.

A member's words for their work and an advert's words for the same work are drawn apart, so that equal words alone do
not find a match. Every choice is a number of a row of `draws`, so a record depends on nothing but its own row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from contracts.records import SENIORITY_LADDER
from simulator.catalogue import Catalogue, Occupation
from simulator.phrases import Phrases
from simulator.population import NEVER, WORKPLACES, Jobs, Members, industries
from simulator.truth import job_id, member_id

DRAWS = 64
"""Uniform numbers in [0, 1) that one record may use."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Dice:
    """The uniform numbers of one record, used one after the other."""

    def __init__(self, numbers: np.ndarray) -> None:
        self._numbers = iter(numbers.tolist())

    def chance(self, share: float) -> bool:
        return next(self._numbers) < share

    def below(self, n: int) -> int:
        return int(next(self._numbers) * n)

    def pick(self, options: Sequence[Any]) -> Any:
        return options[int(next(self._numbers) * len(options))]

    def some(self, options: Sequence[Any], count: int) -> list[Any]:
        """`count` different options, or all of them, in random order."""
        left = list(options)
        return [left.pop(self.below(len(left))) for _ in range(min(count, len(left)))]


def member_rows(
    members: Members, rows: range, catalogue: Catalogue, draws: np.ndarray, start: datetime, days: int
) -> Iterator[dict[str, Any]]:
    """The records of some members, oldest version first; one member in five has a second version half-way.

    Args:
        members: of the market.
        rows: which of them.
        catalogue: of the market.
        draws: (len(rows), DRAWS) float64 in [0, 1).
        start: of the market; the first version is from before it.
        days: length of the market.
    """
    names = industries(catalogue)
    for k, row in enumerate(rows):
        dice = _Dice(draws[k])
        known_since = start - timedelta(days=1 + dice.below(30), seconds=dice.below(86_400))
        later = start + timedelta(days=days * (0.25 + 0.5 * dice.below(1_000) / 1_000)) if dice.chance(0.2) else None
        value, all_skills = _member(members, row, catalogue, dice, start, names)
        listed = value["skills"]
        if later is not None:
            value["skills"] = listed[: max(3, len(listed) - 3)]
        yield {**value, "updated_at": known_since}
        if later is not None:
            yield {**value, "skills": all_skills, "updated_at": _whole_second(later)}


def job_rows(
    jobs: Jobs, rows: range, catalogue: Catalogue, draws: np.ndarray, end: datetime
) -> Iterator[dict[str, Any]]:
    """The records of some jobs; one advert in ten is edited two days after it was posted, if that is before `end`."""
    names = industries(catalogue)
    for k, row in enumerate(rows):
        dice = _Dice(draws[k])
        value = _job(jobs, row, catalogue, dice, names)
        yield value
        edited = value["posted_at"] + timedelta(days=2)
        if dice.chance(0.1) and edited < end:
            more = f"{value['description']} {catalogue.phrases.edited}"
            yield {**value, "description": more, "updated_at": edited}


def query_text(occupation: Occupation, city: str, phrases: Phrases, dice: np.ndarray) -> str:
    """A search for an occupation: a title or one of its first skills, perhaps with seniority or "in <city>".

    dice: (4,) float64 in [0, 1). `Catalogue.intent` reads it back.
    """
    if dice[0] < 0.8:
        words = occupation.titles[int(dice[1] * len(occupation.titles))].lower()
        words = phrases.senior.format(words) if dice[2] < 0.1 else words
    else:
        words = occupation.skills[int(dice[1] * max(len(occupation.skills) // 2, 1))].lower()
    return phrases.in_city.format(words=words, city=city) if dice[3] < 0.3 else words


def _member(
    members: Members, row: int, catalogue: Catalogue, dice: _Dice, start: datetime, names: tuple[str, ...]
) -> tuple[dict[str, Any], list[str]]:
    phrases = catalogue.phrases
    work = catalogue.occupations[members.occupation[row]]
    wish = catalogue.occupations[members.wish[row]]
    level = int(members.level[row])
    home = catalogue.cities[members.city[row]]
    other = int(members.other_city[row])
    skills = [catalogue.skills[s] for s in members.skills[row] if s >= 0]
    title, wanted = dice.pick(work.titles), dice.pick(wish.titles)
    years = 1 + level * 3 + dice.below(4)
    ways = [name for bit, name in enumerate(WORKPLACES) if int(members.workplace[row]) >> bit & 1]
    value: dict[str, Any] = {
        "id": member_id(row),
        "headline": _titled(title, level, catalogue.phrases, dice),
        "location": f"{home.name}, {home.region}",
        "skills": skills if dice.chance(0.8) else skills[: max(3, len(skills) - 2)],
        "positions": _career(work, level, title, years, catalogue, dice, start),
        "preferences": {
            "titles": [wanted] if dice.chance(0.85) else [],
            "locations": [f"{c.name}, {c.region}" for c in ((home, catalogue.cities[other]) if other >= 0 else ())],
            "workplace": ways,
        },
    }
    if dice.chance(0.8):
        value["seniority"] = SENIORITY_LADDER[level]
    if dice.chance(0.75):
        value["preferences"]["salary_min"] = float(members.salary_min[row])
    if work.education[0] and dice.chance(0.85):
        degree, subject = work.education
        value["education"] = [
            {"school": phrases.school.format(city=dice.pick(catalogue.cities).name), "degree": degree, "field": subject}
        ]
    if dice.chance(0.85):
        did = phrases.joined.join(dice.some(work.tasks, 2))
        aim = (phrases.other_work if wish is not work else phrases.next_role).format(a_title=phrases.a(wanted))
        field = phrases.in_industry.format(industry=names[members.industry[row]]) if dice.chance(0.6) else ""
        value["summary"] = phrases.summary.format(years=years, tasks=did, aim=aim, field=field)
    return value, skills


def _career(
    work: Occupation, level: int, title: str, years: int, catalogue: Catalogue, dice: _Dice, start: datetime
) -> list[dict[str, Any]]:
    """Up to four positions, newest first, one rung down each; the newest may be over."""
    phrases = catalogue.phrases
    count = min(1 + dice.below(4), max(years // 2, 1))
    end: datetime | None = None if dice.chance(0.8) else start - timedelta(days=40 + dice.below(200))
    newest, positions = end or start, []
    for k in range(count):
        began = newest - timedelta(days=max(int(365 * years / count * (0.6 + 0.8 * dice.below(100) / 100)), 60))
        positions.append(
            {
                "title": _titled(
                    title if k == 0 else dice.pick(work.titles), max(level - k, work.lowest), phrases, dice
                ),
                "company": dice.pick(catalogue.companies),
                "industry": dice.pick(work.industries),
                "start": _midnight(began),
                "end": _midnight(end) if end else None,
                "description": phrases.my_work.format(task=dice.pick(work.tasks)) if k < 2 else "",
            }
        )
        newest = end = began - timedelta(days=30)
    return positions


def _job(jobs: Jobs, row: int, catalogue: Catalogue, dice: _Dice, names: tuple[str, ...]) -> dict[str, Any]:
    work = catalogue.occupations[jobs.occupation[row]]
    level = int(jobs.level[row])
    city = catalogue.cities[jobs.city[row]]
    company = catalogue.companies[jobs.company[row]]
    industry = names[jobs.industry[row]]
    workplace = WORKPLACES[jobs.workplace[row]]
    skills = [catalogue.skills[s] for s in jobs.skills[row] if s >= 0]
    variant = dice.pick(work.titles)
    title = _titled(variant, level, catalogue.phrases, dice)
    posted = EPOCH + timedelta(microseconds=int(jobs.posted[row]))
    expires = int(jobs.expires[row])
    low, high = float(jobs.salary_min[row]), float(jobs.salary_max[row])
    value: dict[str, Any] = {
        "id": job_id(row),
        "title": f"{title} @ {company}" if dice.chance(0.15) else title,
        "company": company,
        "location": f"{city.name}, {city.region}",
        "workplace": workplace if dice.chance(0.9) else None,
        "employment": "internship" if level == 0 else dice.pick(_EMPLOYMENT),
        "seniority": SENIORITY_LADDER[level] if dice.chance(0.85) else None,
        "industry": industry if dice.chance(0.9) else "",
        "skills": skills if dice.chance(0.9) else skills[:3],
        "description": _description(
            catalogue.phrases, work, variant, company, industry, city.name, workplace, level, skills, dice
        ),
        "currency": catalogue.phrases.currency,
        "posted_at": posted,
        "expires_at": None if expires == NEVER else EPOCH + timedelta(microseconds=expires),
        "hidden": bool(jobs.hidden[row]),
        "updated_at": posted,
    }
    if dice.chance(0.75):
        value |= {"salary_min": low, "salary_max": high}
    return value


_EMPLOYMENT = ("full_time",) * 8 + ("part_time", "contract")


def _description(
    phrases: Phrases,
    work: Occupation,
    title: str,
    company: str,
    industry: str,
    city: str,
    workplace: str,
    level: int,
    skills: list[str],
    dice: _Dice,
) -> str:
    """60 to 150 words."""
    duties = dice.some(work.tasks, 4 + dice.below(3))
    half = len(duties) // 2
    years = max(level * 2 - 1, 0)
    need = phrases.years.format(years=years) if years else phrases.learn
    first, second = phrases.duties
    sentences = [
        dice.pick(phrases.openings).format(company=company, a_title=phrases.a(title), industry=industry, city=city),
        first.format(phrases.all_of(duties[:half])),
        second.format(phrases.all_of(duties[half:])),
        phrases.need.format(need=need, skills=phrases.all_of(skills[:4])),
        phrases.helps.format(skills=phrases.all_of(skills[4:])) if skills[4:] else "",
        dice.pick(phrases.ways[workplace]),
        *dice.some(phrases.closings, 1 + dice.below(3)),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _titled(title: str, level: int, phrases: Phrases, dice: _Dice) -> str:
    titled: str = dice.pick(phrases.levels[level]).format(title)
    return titled


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _whole_second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
