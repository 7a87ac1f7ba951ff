"""Facts of a member that rules compare jobs with, read from the member text and the activity."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.text.verbalizer import Percentiles

_WISHED_PLACES = re.compile(r"(?:^|, )in (.+)$")


@dataclass(frozen=True)
class Facts:
    """Facts of one member; empty or None where not known.

    Attributes:
        seniority: A rung of `contracts.records.SENIORITY_LADDER`.
        skills: As the member text has them.
        places: Where they wish to work: "City, Region, ...".
        workplace: The ways of working that they wish for.
        salary_min: What the pay that they wish for is above.
        dismissed: (job id, reason or empty), newest first.
        unclicked: Job id to when it was shown (seconds since 1970), of those without a click since.
    """

    seniority: str = ""
    skills: tuple[str, ...] = ()
    places: str = ""
    workplace: tuple[str, ...] = ()
    salary_min: float | None = None
    dismissed: tuple[tuple[str, str], ...] = ()
    unclicked: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


def read_facts(
    fields: Mapping[str, str],
    percentiles: Percentiles,
    dismissed: tuple[tuple[str, str], ...],
    unclicked: Mapping[str, tuple[float, ...]],
) -> Facts:
    """fields: of `text_fields`; percentiles: of the verbaliser that wrote them, for a wished pay is said as a tag."""
    places = _WISHED_PLACES.search(fields.get("wants", ""))
    return Facts(
        seniority=fields.get("seniority", ""),
        skills=_listed(fields.get("skills", "")),
        places=places[1] if places else "",
        workplace=_listed(fields.get("workplace", "")),
        salary_min=percentiles.least("salary", fields.get("pay", "").removeprefix("at least ")),
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
