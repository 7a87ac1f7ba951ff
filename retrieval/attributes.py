"""The attributes of jobs in columns that a filter can be evaluated on: value -> rows, and numbers by row.

A text attribute is multi-valued and stored inverted (sorted values, and for each the rows that hold it), so that a
condition costs as much as the rows it finds and not as much as the corpus. Times are numbers: seconds since 1970.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.errors import BadInput, UnknownAttribute

TEXT_ATTRIBUTES = (
    "company", "location", "place", "city", "region", "industry", "skills", "workplace", "employment", "seniority",
    "currency",
)  # fmt: skip
NUMBER_ATTRIBUTES = ("salary_min", "salary_max", "posted_at", "expires_at")


class Column(NamedTuple):
    """A text attribute. values: sorted, case-folded; the rows of values[v] are rows[offsets[v]:offsets[v + 1]]."""

    values: list[str]
    offsets: np.ndarray
    rows: np.ndarray


class AttributeTable:
    """n rows of text and number attributes. `holds_any` and `within` answer a filter's conditions."""

    def __init__(self, texts: Mapping[str, Column], numbers: Mapping[str, np.ndarray], n: int) -> None:
        self._texts, self._numbers, self._n = texts, numbers, n

    def __len__(self) -> int:
        return self._n

    @property
    def names(self) -> tuple[str, ...]:
        return (*self._texts, *self._numbers)

    def holds_any(self, attribute: str, values: Iterable[str]) -> np.ndarray:
        """(n,) bool: the row has at least one of the values. An unknown value is held by no row.

        Raises UnknownAttribute, BadInput for an attribute of numbers.
        """
        if attribute in self._numbers:
            raise BadInput(f"{attribute} is a number", where="filter", cure="use at_least and at_most")
        column = self._texts.get(attribute)
        if column is None:
            raise self._unknown(attribute)
        mask = np.zeros(self._n, dtype=bool)
        for value in {folded(value) for value in values}:
            code = _code(column.values, value)
            if code >= 0:
                mask[column.rows[column.offsets[code] : column.offsets[code + 1]]] = True
        return mask

    def within(self, attribute: str, at_least: float | None, at_most: float | None) -> np.ndarray:
        """(n,) bool: at_least <= number <= at_most; a missing number is never within.

        Raises UnknownAttribute, BadInput for an attribute of text.
        """
        if attribute in self._texts:
            raise BadInput(f"{attribute} is not a number", where="filter", cure="use any_of")
        numbers = self._numbers.get(attribute)
        if numbers is None:
            raise self._unknown(attribute)
        mask = ~np.isnan(numbers)
        if at_least is not None:
            mask &= numbers >= at_least
        if at_most is not None:
            mask &= numbers <= at_most
        return mask

    def number(self, attribute: str) -> np.ndarray:
        """(n,) float64, NaN where missing."""
        return self._numbers[attribute]

    def codes(self, attribute: str) -> np.ndarray:
        """(n,) int32: the number of each row's value, -1 where it has none; for attributes of one value a row."""
        return self._codes[attribute]

    def code(self, attribute: str, value: str) -> int:
        """The number of a value in `codes(attribute)`; -2 for a value that no row has, so that it equals none."""
        found = _code(self._texts[attribute].values, folded(value))
        return found if found >= 0 else -2

    @cached_property
    def _codes(self) -> dict[str, np.ndarray]:
        found = {}
        for name in ("company", "place", "region"):
            codes = np.full(self._n, -1, np.int32)
            column = self._texts[name]
            codes[column.rows] = np.repeat(np.arange(len(column.values), dtype=np.int32), np.diff(column.offsets))
            found[name] = codes
        return found

    def _unknown(self, attribute: str) -> UnknownAttribute:
        return UnknownAttribute(
            f"no attribute {attribute!r}", where="filter", cure=f"one of {', '.join(sorted(self.names))}"
        )

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, column in self._texts.items():
            lists = pa.ListArray.from_arrays(pa.array(column.offsets, pa.int32()), pa.array(column.rows, pa.int32()))
            pq.write_table(pa.table({"value": column.values, "rows": lists}), folder / f"{name}.parquet")
        pq.write_table(pa.table(dict(self._numbers)), folder / "numbers.parquet")

    @classmethod
    def load(cls, folder: Path) -> AttributeTable:
        texts = {}
        for name in TEXT_ATTRIBUTES:
            table = pq.read_table(folder / f"{name}.parquet").combine_chunks()
            lengths = table["rows"].combine_chunks().value_lengths().to_numpy(zero_copy_only=False)
            rows = table["rows"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            texts[name] = Column(table["value"].to_pylist(), np.concatenate([[0], np.cumsum(lengths)]), rows)
        numbers = pq.read_table(folder / "numbers.parquet")
        columns = {name: numbers[name].to_numpy() for name in numbers.column_names}
        return cls(texts, columns, numbers.num_rows)


def build_attributes(jobs: pa.Table) -> AttributeTable:
    """The table of job records (`contracts.records.Job` as Arrow), one row a job, in its order."""
    n = jobs.num_rows
    places = [split_location(location) for location in jobs["location"].to_pylist()]
    texts: dict[str, Column] = {}
    for name in TEXT_ATTRIBUTES:
        if name in Place._fields:
            held: Iterable[Sequence[str]] = ((getattr(place, name),) for place in places)
        elif name == "skills":
            held = (skills or () for skills in jobs["skills"].to_pylist())
        else:
            held = ((value or "",) for value in jobs[name].to_pylist())
        texts[name] = _invert(held)
    return AttributeTable(texts, {name: _numbers(jobs[name]) for name in NUMBER_ATTRIBUTES}, n)


class Place(NamedTuple):
    """place: "austin, texas", since names of cities repeat; city: "austin"; region: "texas". Empty: not known."""

    place: str
    city: str
    region: str


def split_location(location: str) -> Place:
    """The place that "City, Region[, Country]" names. A lone part is taken as a city and as its own region."""
    parts = [part for part in map(folded, location.split(",")) if part]
    return Place(", ".join(parts[:2]), parts[0], parts[min(1, len(parts) - 1)]) if parts else Place("", "", "")


def folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _invert(held: Iterable[Sequence[str]]) -> Column:
    found: dict[str, list[int]] = {}
    for row, values in enumerate(held):
        for value in {folded(value) for value in values}:
            if value:
                found.setdefault(value, []).append(row)
    values = sorted(found)
    offsets = np.concatenate([[0], np.cumsum([len(found[v]) for v in values], dtype=np.int64)])
    rows = np.fromiter((row for v in values for row in found[v]), np.int32, count=int(offsets[-1]))
    return Column(values, offsets, rows)


def _numbers(column: Any) -> np.ndarray:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
        return column.to_numpy().astype(np.float64) / 1e6
    return column.cast(pa.float64()).to_numpy().astype(np.float64)


def _code(values: list[str], value: str) -> int:
    place = bisect_left(values, value)
    return place if place < len(values) and values[place] == value else -1
