"""The line of the service's log that says what an answer showed: what its events share stands in it once.

Of a search whose query has two kilobytes, 500 events of their own would say so 500 times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SHOWN = "shown"
"""Field of a line that holds the events' own fields, in their order."""


def folded(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The line of one or more events: the fields that all have alike, and what each has of its own under `SHOWN`."""
    first, *others = events
    if not others:
        return dict(first)
    alike = {
        name: value
        for name, value in first.items()
        if all(name in other and _same(other[name], value) for other in others)
    }
    return alike | {SHOWN: [{name: value for name, value in event.items() if name not in alike} for event in events]}


def unfolded(line: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The events of a line, the inverse of `folded`; a line of another kind is itself."""
    shown = line.get(SHOWN)
    if not isinstance(shown, list) or not all(isinstance(own, dict) for own in shown):
        return [dict(line)]
    alike = {name: value for name, value in line.items() if name != SHOWN}
    return [alike | own for own in shown]


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other
