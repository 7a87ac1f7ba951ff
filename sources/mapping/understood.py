"""The first rows of a folder as they are understood, for the person who checks a mapping."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from contracts.validation import shown
from sources.check import RowChecker, with_time
from sources.rows import Reject, Source

ROWS = 10


def first_rows(source: Source, checker: RowChecker) -> Iterator[str]:
    """The first rows of each table, a line each: the fields that they have, or why they do not fit."""
    for table in source.tables:
        rows = (row for shard in source.shards(table) for row in source.read(shard))
        for number, row in enumerate(islice(rows, ROWS), start=1):
            record = checker.check(with_time(row, checker.now)[0])
            if isinstance(record, Reject):
                yield f"{table} {number}: does not fit: {record.reason}: {record.detail}"
            else:
                said = record.model_dump(mode="json", exclude_defaults=True)
                yield f"{table} {number}: " + ", ".join(f"{name} {shown(value)}" for name, value in said.items())
