"""A text attribute, inverted: its sorted values, and for each the rows that hold it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np


class Column(NamedTuple):
    """A text attribute. values: sorted, case-folded; the rows of values[v] are rows[offsets[v]:offsets[v + 1]]."""

    values: list[str]
    offsets: np.ndarray
    rows: np.ndarray


def postings(column: Column | None) -> Iterator[tuple[str, np.ndarray]]:
    """Each value with its rows."""
    for value, (start, stop) in zip(column.values, pairwise(column.offsets), strict=True) if column else ():
        yield value, column.rows[start:stop]  # type: ignore[union-attr]


def invert(cells: Iterable[Sequence[str]]) -> Column:
    """The column of n cells, each the distinct values of a row."""
    rows_of: dict[str, list[int]] = {}
    for row, values in enumerate(cells):
        for value in values:
            rows_of.setdefault(value, []).append(row)
    return column_of({value: np.array(rows_of[value], np.int32) for value in sorted(rows_of)})


def column_of(rows_of: Mapping[str, np.ndarray]) -> Column:
    """The column of values with their rows, in order of value."""
    offsets = np.cumsum([0, *map(len, rows_of.values())], dtype=np.int64)
    return Column(list(rows_of), offsets, np.concatenate([np.zeros(0, np.int32), *rows_of.values()]))


def first_codes(column: Column, n: int) -> np.ndarray:
    """(n,) int32: the number of each row's first value, -1 where it has none."""
    codes = np.full(n, -1, np.int32)
    of_rows = np.repeat(np.arange(len(column.values), dtype=np.int32), np.diff(column.offsets))
    codes[column.rows[::-1]] = of_rows[::-1]  # of several values of a row the first stays
    return codes


def code_of(values: list[str], value: str) -> int:
    """The number of a value among sorted ones, -1 where it is none of them."""
    place = bisect_left(values, value)
    return place if place < len(values) and values[place] == value else -1
