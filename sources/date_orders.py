"""Whether the columns of a file write the day or the month first: those of their dates tell that have one reading."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from contracts.reading.times import DateOrder, order_told
from sources.rows import Source

_TIMES = frozenset({"time", "updated_at", "posted_at", "expires_at", "start", "end"})


def told_orders(source: Source, table: str, path: str) -> dict[str, DateOrder]:
    """Column -> its order, for the columns of a file whose dates agree; it is read from end to end."""
    told: dict[str, set[DateOrder]] = {}
    for shard in source.shards(table):
        if shard.path == path:
            for row in source.read(shard):
                for name, order in _told(row.value):
                    told.setdefault(name, set()).add(order)
    return {name: orders.pop() for name, orders in told.items() if len(orders) == 1}


def _told(value: Any) -> Iterator[tuple[str, DateOrder]]:
    """What the times of a row tell, those of its positions too."""
    if isinstance(value, dict):
        for name, cell in value.items():
            order = order_told(cell) if name in _TIMES else None
            if order is not None:
                yield name, order
            elif name == "positions":
                yield from _told(cell)
    elif isinstance(value, list):
        for part in value:
            yield from _told(part)
