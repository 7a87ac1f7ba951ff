"""Facts of a member that rules and the match compare jobs with, read from the member text and the activity."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from contracts.records import Workplace
from contracts.text.form import MEMBER_BUDGET
from contracts.text.verbalizer import Percentiles, limit_tokens

_WISHED_PLACES = re.compile(r"(?:^|, )in (.+)$")
_CUT = re.compile(r"(?:^|, )in$|,$")
"""What a budget may leave at the end of the wished titles."""
_SINCE = re.compile(r" (?:current: True|\d+ years)(?= |$)")
_INDUSTRY = re.compile(r" ?\(([^()]+)\)")
OWN_TITLES = 3
WISHED_TITLES = 5


@dataclass(frozen=True)
class Facts:
    """Facts of one member; empty or None where not known.

    Attributes:
        seniority: A rung of `contracts.records.SENIORITY_LADDER`.
        skills: As the member text has them.
        places: Where they wish to work: "City, Region, ...".
        workplace: The ways of working that they wish for.
        salary_min: What the yearly pay that they wish for is above.
        currency: In which that is said, in upper case.
        own_titles: The headline, then what they worked as, newest first; `OWN_TITLES` at most.
        wished_titles: What they wish to work as, `WISHED_TITLES` at most.
        industries: Where they worked, newest first.
        dismissed: (job id, reason or empty), newest first.
        unclicked: Job id to when it was shown (seconds since 1970), of those without a click since.
    """

    seniority: str = ""
    skills: tuple[str, ...] = ()
    places: str = ""
    workplace: tuple[str, ...] = ()
    salary_min: float | None = None
    currency: str = ""
    own_titles: tuple[str, ...] = ()
    wished_titles: tuple[str, ...] = ()
    industries: tuple[str, ...] = ()
    dismissed: tuple[tuple[str, str], ...] = ()
    unclicked: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


def read_facts(
    fields: Mapping[str, str],
    percentiles: Percentiles,
    dismissed: tuple[tuple[str, str], ...],
    unclicked: Mapping[str, tuple[float, ...]],
) -> Facts:
    """fields: of `text_fields`; percentiles: of the verbaliser that wrote them, for a wished pay is said as a tag."""
    wants = fields.get("wants", "")
    places = _WISHED_PLACES.search(wants)
    wished = _CUT.sub("", wants[: places.start()] if places else wants)
    worked = [_position(part) for part in _positions(fields.get("worked", ""))]
    titles = (fields.get("headline", ""), *(title for title, _ in worked))
    return Facts(
        seniority=fields.get("seniority", ""),
        skills=_whole(fields.get("skills", ""), MEMBER_BUDGET["skills"]),
        places=places[1] if places else "",
        workplace=_ways(fields.get("workplace", "")),
        salary_min=percentiles.least("salary", fields.get("pay", "").removeprefix("at least ")),
        currency=percentiles.currency,
        own_titles=tuple(dict.fromkeys(filter(None, titles)))[:OWN_TITLES],
        wished_titles=_listed(wished)[:WISHED_TITLES],
        industries=tuple(dict.fromkeys(industry for _, industry in worked if industry)),
        dismissed=dismissed,
        unclicked=unclicked,
    )


def text_fields(member_text: str) -> dict[str, str]:
    """The verbaliser's fields by name; the first of a name counts, since a member may write the separator too."""
    fields: dict[str, str] = {}
    for part in member_text.split(" | "):
        name, separator, value = part.partition(": ")
        if separator:
            fields.setdefault(name, value)
    return fields


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(", ") if part)


def _whole(text: str, budget: int) -> tuple[str, ...]:
    """The items of a list without the last one where the budget may have cut it: "machine" of "machine learning"."""
    items = _listed(text)
    return items if limit_tokens(text, budget - 1) == text else items[:-1]


def _ways(text: str) -> tuple[str, ...]:
    """The wished ways of working; the budget cuts the third of three, and then all are wished."""
    return get_args(Workplace) if text.endswith(",") else _listed(text)


def _positions(worked: str) -> list[str]:
    """The positions of the field "worked".

    A description may hold the separator too: where some parts say an employer or a time, a part that says neither is
    taken for the rest of a description.
    """
    parts = [part for part in worked.split("; ") if part]
    heads = [part for part in parts if " at " in part or _SINCE.search(part)]
    return heads or parts


def _position(part: str) -> tuple[str, str]:
    """Title and industry of "title at company (industry) 3 years description"; empty where it does not say."""
    since = _SINCE.search(part)
    head = part[: since.start()] if since else part
    title, at, rest = head.partition(" at ")
    industry = _INDUSTRY.search(rest if at else head)
    if not at and industry:
        title = head[: industry.start()]
    return title.strip(), industry[1].strip() if industry else ""
