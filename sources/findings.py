"""What was changed in rows that are taken in all the same: counted by field, reason and the shape of the value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from contracts.validation import shown

SHAPE_CHARS = 40
MOST_SHAPES = 100
"""Shapes of one field and reason that are told apart; the rest counts as `OTHERS`."""
OTHERS = "(others)"
_DIGIT = re.compile(r"\d")


class Finding(NamedTuple):
    """One cell that did not mean what its field holds, or hardly can.

    Attributes:
        field: Its path, without places in lists: "positions.end"; the name of a file for what holds for all of it.
        reason: Short and stable; of a cell a key of `sources.reasons.CURES`.
        shape: The value with "9" for each digit, cut.
        done: What became of it: "left empty", "cut", "swapped", "kept".
    """

    field: str
    reason: str
    shape: str
    done: str

    def __str__(self) -> str:
        return f"{self.field}{self.shape and ' '}{self.shape}: {self.reason}, {self.done}"


class Findings:
    """Finding -> rows, and where the first of them stands."""

    def __init__(self) -> None:
        self.rows: dict[Finding, int] = {}
        self.first: dict[Finding, str] = {}
        self._shapes: dict[tuple[str, str], int] = {}

    def add(self, finding: Finding, source: str, row: int) -> None:
        """Count one row of a file."""
        if finding not in self.first:
            kind = finding[:2]
            if self._shapes.get(kind, 0) >= MOST_SHAPES:
                finding = finding._replace(shape=OTHERS)
            else:
                self._shapes[kind] = self._shapes.get(kind, 0) + 1
        self.count(finding, 1, f"{Path(source).name} row {row:,}")

    def count(self, finding: Finding, rows: int, first: str) -> None:
        """Count rows of which the first is known."""
        self.rows[finding] = self.rows.get(finding, 0) + rows
        self.first.setdefault(finding, first)

    def taken(self) -> list[tuple[Finding, int, str]]:
        """Finding, rows and the first of them, since the last call."""
        taken = [(finding, rows, self.first[finding]) for finding, rows in self.rows.items()]
        self.rows = {}
        return taken

    def lines(self) -> Iterator[str]:
        """A line a finding, the most frequent first."""
        for finding, rows in sorted(self.rows.items(), key=lambda item: (-item[1], item[0])):
            first = self.first[finding]
            of_a_file = first.startswith(f"{finding.field} row ")
            yield f"{finding}" if of_a_file else f"{finding}: {rows:,} rows, first {first}"


def shape(value: object) -> str:
    """A value as findings count it: '$99-99'."""
    text = _DIGIT.sub("9", shown(value))
    return text if len(text) <= SHAPE_CHARS else text[: SHAPE_CHARS - 1] + "…"
