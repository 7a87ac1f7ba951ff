"""A score on each of the policy's dimensions, from a member, a job and a query. None: nothing to compare.

Reads titles, skills and structured fields. It reads no free text (summaries, descriptions), so nothing that is written
there can speak to it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from functools import lru_cache

from contracts.records import SENIORITY_LADDER, Job, Member
from contracts.text.places import read_places, split_place
from contracts.text.verbalizer import job_title
from contracts.text.words import stems
from policy.rubric.titles import TitleReader
from policy.types import Dimension, Policy

OLDER = 0.9
"""Weight of a title before the present one."""
SKILLS_SAY = 0.5
"""How much skills say about the kind of work where the table of work does not know both titles."""
MEMBER_SKILLS = 100
"""Skills of a member that are read: a list of everything is not a skill for everything."""

Scores = Mapping[Dimension, int | None]


def score_dimensions(policy: Policy, titles: TitleReader, member: Member | None, job: Job, query: str) -> Scores:
    """Scores by dimension, in the policy's order. member None: an anonymous search."""
    words, place = _split_query(query, job, titles)
    share = _skill_share(member, job)
    searched = (words,) if words else ()
    wished = member.preferences.titles[:5] if member and not words else ()
    own = _own_titles(member, policy) if member and (not words or stems(words) in _skills(member.skills)) else ()
    title = job_title(job)
    wants = max((_meets(titles, wish, job, title) for wish in (*searched, *wished)), default=None)
    does = max((weight * titles.closeness(own_title, title) for own_title, weight in own), default=None)
    closeness = max((value for value in (wants, does) if value is not None), default=None)
    has_kind = any(titles.read(text).kinds for text in (*searched, *wished, *(own_title for own_title, _ in own)))
    if closeness is not None and share is not None and not words and not (has_kind and titles.read(title).kinds):
        closeness = (1 - SKILLS_SAY) * closeness + SKILLS_SAY * share
    dimensions = policy.dimensions
    return {
        "function": _step(closeness, dimensions.function.steps),
        "skills": _step(share, dimensions.skills.steps),
        "seniority": _seniority(policy, titles, member, job, words),
        "place": _place(policy, member, job, place),
        "industry": _industry(policy, member, job),
        "pay": _step(_pay(policy, member, job), dimensions.pay.steps),
        "intent": _step(wants, dimensions.intent.steps),
    }


def _step(value: float | None, steps: tuple[float, float, float, float]) -> int | None:
    return None if value is None else bisect_right(steps, value + 1e-9)


def _own_titles(member: Member, policy: Policy) -> tuple[tuple[str, float], ...]:
    """What they do: the headline and their newest positions, with what each counts."""
    newest = member.positions[: policy.dimensions.function.positions]
    own = [(member.headline, 1.0), *((position.title, OLDER if i else 1.0) for i, position in enumerate(newest))]
    return tuple((title, weight) for title, weight in own if title)


def _meets(titles: TitleReader, wish: str, job: Job, title: str) -> float:
    """How close a job's title, or a skill that it needs, is to a wish in words."""
    words = stems(wish)
    if any(words == skill for skill in _skills(job.skills)):
        return 1.0
    return titles.closeness(wish, title)


def _skill_share(member: Member | None, job: Job) -> float | None:
    needed = _skills(job.skills)
    if member is None or not member.skills or not needed:
        return None
    have = _skills(member.skills[:MEMBER_SKILLS])
    return len(needed & have) / len(needed)


@lru_cache(maxsize=50_000)
def _skills(skills: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    return frozenset(filter(None, map(stems, skills)))


def _seniority(policy: Policy, titles: TitleReader, member: Member | None, job: Job, words: str) -> int | None:
    theirs = _rung(titles, member.seniority if member else None, _newest_title(member))
    of_search = titles.read(words).rung if words else None
    theirs = of_search if of_search is not None else theirs
    its = _rung(titles, job.seniority, job_title(job))
    if theirs is None and its is None:
        return None
    if member is None and of_search is None:
        return None
    unmarked = policy.dimensions.seniority.unmarked_rungs
    distance = min(
        abs(a - b) for a in (unmarked if theirs is None else (theirs,)) for b in (unmarked if its is None else (its,))
    )
    return policy.dimensions.seniority.by_distance[min(distance, 3)]


def _rung(titles: TitleReader, stated: str | None, title: str) -> int | None:
    return SENIORITY_LADDER.index(stated) if stated else titles.read(title).rung


def _newest_title(member: Member | None) -> str:
    if member is None:
        return ""
    return member.headline or (member.positions[0].title if member.positions else "")


def _place(policy: Policy, member: Member | None, job: Job, searched: str) -> int | None:
    scores = policy.dimensions.place.scores
    ways = member.preferences.workplace if member else ()
    if job.workplace == "remote":
        score = scores.remote
    else:
        there = read_places(job.location)
        reach = (searched,) if searched else (member.location, *member.preferences.locations) if member else ()
        places = [place for location in reach for place in read_places(location)]
        if not there or not places:
            return None
        score = scores.elsewhere
        if any(one.shares_region(place) for one in there for place in places):
            score = scores.same_region
        if any(one.shares_city(place) for one in there for place in places):
            score = scores.same_city
    if ways and job.workplace and job.workplace not in ways:
        score = max(0, score - scores.workplace_not_wished)
    return score


def _split_query(query: str, job: Job, titles: TitleReader) -> tuple[str, str]:
    """(the work searched for, where). "in" begins a place unless work or the job's own words follow it."""
    words, place = split_place(query)
    if not place:
        return words, ""
    after = frozenset(stems(place))
    own = frozenset(stems(f"{job_title(job)} {job.industry}")) - frozenset(stems(job.location))
    if after & own or titles.read(place).kinds:
        return query.strip(), ""
    return words, place


def _industry(policy: Policy, member: Member | None, job: Job) -> int | None:
    worked_in = [stems(position.industry) for position in member.positions] if member else []
    worked_in = [words for words in worked_in if words]
    needed = stems(job.industry)
    if not needed or not worked_in:
        return None
    scores = policy.dimensions.industry.scores
    if needed in worked_in:
        return scores.same
    return scores.in_part if any(set(needed) & set(words) for words in worked_in) else scores.other


def _pay(policy: Policy, member: Member | None, job: Job) -> float | None:
    """The job's top yearly pay divided by what the member asks; None where it pays in another currency."""
    low, high = job.yearly_pay
    top = low if high is None else high
    asked = member.preferences.yearly_pay if member else None
    if asked is None or top is None:
        return None
    if job.currency.casefold() != policy.dimensions.pay.currency.casefold():
        return None
    return top / asked
