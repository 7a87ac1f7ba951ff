"""How many jobs each value of an attribute would leave: counts beside an answer, as buttons that narrow a search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from pydantic import Field

from contracts.errors import UnknownAttribute
from contracts.values import FrozenModel
from retrieval.filters.attributes import TEXT_ATTRIBUTES, AttributeTable
from retrieval.filters.commute import Point
from retrieval.filters.filters import AnyOf, Clause, Either, Filter, Range, Within

MOST_VALUES = 50
DISTANCE, POSTED = "distance", "posted_at"
FACETS = (*TEXT_ATTRIBUTES, POSTED, DISTANCE)
WITHIN_KM = (10, 25, 50, 100)
WITHIN_DAYS = (1, 3, 7, 14, 30)


class FacetValue(FrozenModel):
    """One value, how many jobs have it, and the clause that asks for these."""

    value: str
    count: int
    clause: Mapping[str, Any] = Field(description="To be added to `filter.all`.")


def check_facets(attributes: Sequence[str]) -> None:
    """Raise UnknownAttribute for one that is not counted."""
    for name in attributes:
        if name not in FACETS:
            raise UnknownAttribute(f"no facet {name[:80]!r}", where="facets", cure=f"one of {', '.join(FACETS)}")


def facet_counts(
    table: AttributeTable,
    filter: Filter,
    allowed: Callable[[Filter], np.ndarray],
    attributes: Sequence[str],
    now: float,
    point: Point | None,
) -> dict[str, tuple[FacetValue, ...]]:
    """Attribute -> its values with a count above zero: of a text the most frequent first, else from near to far.

    An attribute is counted without the clauses that ask for its own values, so that the other values stay on offer;
    what is excluded stays so. A distance and an age count all that is nearer and newer too.

    Args:
        table: Of the index of n jobs.
        filter: Of the request.
        allowed: (n,) bool of a filter, the jobs that are counted.
        attributes: Of `FACETS`.
        now: Seconds since 1970.
        point: From which distances are measured; None: none are counted.
    """
    masks: dict[Filter, np.ndarray] = {}
    counts = {}
    for name in dict.fromkeys(attributes):
        others = Filter(clauses=tuple(clause for clause in filter.clauses if not _asks_for(clause, name)))
        if others not in masks:
            masks[others] = allowed(others)
        counts[name] = tuple(_counted(table, masks[others], name, now, point))
    return counts


def _asks_for(clause: Clause, attribute: str) -> bool:
    """Whether a clause is about the attribute alone and excludes nothing."""
    if isinstance(clause, Either):
        return bool(clause.either) and all(_asks_for(condition, attribute) for condition in clause.either)
    if isinstance(clause, Within):
        return attribute == DISTANCE and not clause.negated
    return clause.attribute == attribute and not clause.negated


def _counted(table: AttributeTable, mask: np.ndarray, name: str, now: float, point: Point | None) -> list[FacetValue]:
    if name == POSTED:
        days = (now - table.number(POSTED)) / 86_400
        return [
            FacetValue(value=f"{most} days", count=count, clause=_posted_after(now, most))
            for most in WITHIN_DAYS
            if (count := int((mask & (days <= most)).sum()))
        ]
    if name == DISTANCE:
        return _near(table, mask, point) if point else []
    found = [(count, value) for value, count in table.value_counts(name, mask) if count]
    return [
        FacetValue(value=value, count=count, clause=_clause(AnyOf(attribute=name, any_of=(value,))))
        for count, value in sorted(found, key=lambda one: (-one[0], one[1]))[:MOST_VALUES]
    ]


def _near(table: AttributeTable, mask: np.ndarray, point: Point) -> list[FacetValue]:
    km = table.distances(*point)[mask]
    latitude, longitude = point
    return [
        FacetValue(
            value=f"{most} km",
            count=count,
            clause={"within": {"latitude": latitude, "longitude": longitude, "km": most}},
        )
        for most in WITHIN_KM
        if (count := int((km <= most).sum()))
    ]


def _posted_after(now: float, days: int) -> Mapping[str, Any]:
    return _clause(Range(attribute=POSTED, at_least=datetime.fromtimestamp(now, UTC) - timedelta(days=days)))


def _clause(clause: AnyOf | Range) -> Mapping[str, Any]:
    return clause.model_dump(mode="json", by_alias=True, exclude_defaults=True)
