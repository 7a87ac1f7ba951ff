"""What a filter asks for in vain, in words for whoever asked."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from retrieval.filters.attributes import PAY, AttributeTable
from retrieval.filters.filters import AnyOf, Filter, Range, Within

MOST_NOTES = 20
VALUES_READ = 100
"""Of one condition."""


def filter_notes(filter: Filter, table: AttributeTable) -> tuple[str, ...]:
    """One sentence for each value that no job has, and for each condition that jobs fail because they do not say.

    The first `MOST_NOTES`. Raises what `Filter.check` raises.
    """
    found = (note for condition in filter.conditions() for note in _notes(condition, table))
    return tuple(note for note, _ in zip(dict.fromkeys(found), range(MOST_NOTES), strict=False))


def _notes(condition: AnyOf | Range | Within, table: AttributeTable) -> Iterator[str]:
    if isinstance(condition, AnyOf):
        for value in condition.any_of[:VALUES_READ]:
            if not table.is_held(condition.attribute, value):
                yield f"no job has {condition.attribute} {value!r}"
    elif isinstance(condition, Within):
        unknown = int(np.isnan(condition.within.distances(table)).sum())
        if unknown:
            yield f"of {unknown:,} jobs it is not known where they are, so none of them is within a distance"
    elif condition.attribute in PAY:
        asked, other = table.other_pay(condition.attribute, condition.currency)
        if len(other):
            why = "there is no rate for their day" if table.rates else "there are no exchange rates"
            yield f"{len(other):,} jobs say their pay in another currency than {asked.upper()} and are left out: {why}"
