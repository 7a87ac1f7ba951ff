"""The attributes of jobs in columns that a filter can be evaluated on: value -> rows, and numbers by row.

A text attribute is multi-valued and stored inverted (sorted values, and for each the rows that hold it), so that a
condition costs as much as the rows it finds and not as much as the corpus. Times are numbers: seconds since 1970.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.errors import BadInput, UnknownAttribute
from contracts.reading.pay import all_yearly, yearly
from contracts.reading.rates import Rates
from contracts.text.language import NAMES
from contracts.text.place_names import folded
from contracts.text.places import Place, canonical, countries, home_country, read_place, read_places
from contracts.text.words import LANGUAGE
from retrieval.engines.append_only import AppendOnlyArray, PostingList
from retrieval.filters.columns import Column, code_of, column_of, first_codes, invert, postings
from retrieval.filters.distance import distances_km, place_points
from retrieval.filters.reposts import repost_chains

TEXT_ATTRIBUTES = (
    "company",
    "location",
    "place",
    "city",
    "region",
    "country",
    "industry",
    "skills",
    "workplace",
    "employment",
    "seniority",
    "currency",
    "language",
)
NUMBER_ATTRIBUTES = ("salary_min", "salary_max", "posted_at", "expires_at")
PAID_AT = "paid_at"
"""When pay was said, of whose day exchange rates are taken: when the job was posted, else changed."""
REPOST_ATTRIBUTES = ("first_posted_at", "reposts")
"""Numbers that an index knows of a job by the others: when its advert was first posted, and how often before."""
RATES = "rates.parquet"
PAY = ("salary_min", "salary_max")
"""Numbers of pay, which are held by the year, whatever period a job names."""
CODED = ("company", "place", "city", "region", "industry", "workplace", "seniority", "currency")
COUNTED = ("skills", "place")
PLACES = frozenset(Place._fields)
PAY_KEPT = 8
"""Columns of converted pay that a table keeps, 8 bytes a row each."""

RowAttributes = Mapping[str, "tuple[str, ...] | float"]
"""Attributes of one row: folded values of a text, the number of a number; an attribute that is left out is missing."""


class AttributeTable:
    """n rows of text and number attributes. `holds_any` and `within` answer a filter's conditions.

    An immutable value: `appended` makes a larger one that shares its memory. Of the values made in this way from one,
    only the newest may be appended to; readers of the older ones go on without a lock.
    """

    def __init__(
        self,
        texts: Mapping[str, Column],
        numbers: Mapping[str, np.ndarray],
        n: int,
        coded: Iterable[str] = (),
        counted: Iterable[str] = (),
        points: np.ndarray | None = None,
        rates: Rates | None = None,
    ) -> None:
        """A table of columns.

        Args:
            texts: Text attributes, inverted.
            numbers: (n,) float64 each, NaN where missing.
            n: Rows.
            coded: Text attributes whose first value a row `codes` is asked for.
            counted: Those that `counts` is asked for.
            points: (v, 2) latitude and longitude of each value of "place", NaN where not known; None: looked up.
            rates: By which pay in another currency is compared, at the row's `PAID_AT`; None: it is not.
        """
        self._texts, self._n, self._built = texts, n, n
        self._later: dict[str, dict[str, PostingList]] = {name: {} for name in texts}
        self._numbers = {name: AppendOnlyArray(column) for name, column in numbers.items()}
        self._codes = {name: AppendOnlyArray(first_codes(texts[name], n)) for name in coded}
        self._counts = {
            name: AppendOnlyArray(np.bincount(texts[name].rows, minlength=n).astype(np.int32)) for name in counted
        }
        self.rates = rates
        self._currency = self._main_currency()
        self.home = home_country({value: len(rows) for value, rows in postings(texts.get("country"))})
        places = texts["place"].values if "place" in texts else []
        self._points = AppendOnlyArray(place_points(places) if points is None else points)
        self._pay: dict[tuple[str, str], np.ndarray] = {}
        self._sorted: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return self._n

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in (*self._texts, *self._numbers) if name != PAID_AT)

    @property
    def currency(self) -> str:
        """ISO 4217 code, folded, of the currency in which pay is compared where none is named; empty: there is none."""
        return self._currency

    def check_text(self, attribute: str) -> None:
        """Raise UnknownAttribute, or BadInput for an attribute of numbers."""
        if attribute in self._numbers:
            raise BadInput(f"{attribute} is a number", where="filter", cure="use at_least and at_most")
        if attribute not in self._texts:
            raise self._unknown(attribute)

    def check_number(self, attribute: str, currency: str | None = None) -> None:
        """Raise UnknownAttribute, or BadInput for an attribute of text. currency: in which pay is to be compared."""
        if attribute in self._texts:
            raise BadInput(f"{attribute} is not a number", where="filter", cure="use any_of")
        if attribute not in self._numbers:
            raise self._unknown(attribute)
        if attribute in PAY and currency and "currency" not in self._texts:
            raise self._unknown("currency")

    def holds_any(self, attribute: str, values: Iterable[str]) -> np.ndarray:
        """(n,) bool: the row has at least one of the values. An unknown value is held by no row.

        Raises what `check_text` raises.
        """
        self.check_text(attribute)
        mask = np.zeros(self._n, dtype=bool)
        for of, name in {meant for value in values for meant in self._meant(attribute, value)}:
            for rows in self._held(of, name):
                mask[rows] = True
        return mask

    def is_held(self, attribute: str, value: str) -> bool:
        """Whether some row has a value of a text attribute."""
        return any(len(rows) for key in self._meant(attribute, value) for rows in self._held(*key))

    def value_counts(self, attribute: str, mask: np.ndarray) -> list[tuple[str, int]]:
        """Each value of a text attribute, and how many of the rows that pass ((n,) bool) have it."""
        column, later = self._texts[attribute], list(self._later[attribute].items())
        passed = np.concatenate([[0], np.cumsum(mask[column.rows])])
        counts = dict(zip(column.values, np.diff(passed[column.offsets]).tolist(), strict=True))
        for value, posting in later:
            counts[value] = counts.get(value, 0) + int(mask[posting.before(self._n)].sum())
        return list(counts.items())

    def has(self, attribute: str) -> np.ndarray:
        """(n,) bool: the row has a value of a text attribute."""
        mask = np.zeros(self._n, dtype=bool)
        mask[self._texts[attribute].rows] = True
        for later in list(self._later[attribute].values()):
            mask[later.before(self._n)] = True
        return mask

    def within(
        self, attribute: str, at_least: float | None, at_most: float | None, currency: str | None = None
    ) -> np.ndarray:
        """(n,) bool: at_least <= number <= at_most; a missing number is never within.

        Pay is compared in the currency; None: in that of most of the jobs that say their pay. See `pay_in`.

        Raises what `check_number` raises.
        """
        self.check_number(attribute, currency)
        of = (currency or self._currency) if attribute in PAY else ""
        numbers = self.pay_in(attribute, of) if of else self.number(attribute)
        mask = ~np.isnan(numbers)
        if at_least is not None:
            mask &= numbers >= at_least
        if at_most is not None:
            mask &= numbers <= at_most
        return mask

    def pay_in(self, attribute: str, currency: str = "") -> np.ndarray:
        """(n,) float64 pay in a currency (empty: that of most): that of rows in it, and of others by the table's rates
        at the time when they said it; NaN where neither tells. Read-only; the last few columns are kept."""
        if "currency" not in self._texts:
            raise self._unknown("currency")
        key = attribute, folded(currency or self._currency)
        found = self._pay.get(key)
        if found is None:
            found = self._converted(*key)
            found.flags.writeable = False
            if len(self._pay) >= PAY_KEPT:
                self._pay = {}  # another dict, since other threads may read this one
            self._pay[key] = found
        return found

    def other_pay(self, attribute: str, currency: str | None) -> tuple[str, np.ndarray]:
        """The currency that a condition on pay is compared in, and the rows whose pay cannot be compared in it."""
        of = currency or self._currency
        if not of:
            return "", np.zeros(0, np.int64)
        return of, np.flatnonzero(~np.isnan(self.number(attribute)) & np.isnan(self.pay_in(attribute, of)))

    def distances(self, latitude: float, longitude: float) -> np.ndarray:
        """(n,) float64 kilometres from a point to the nearest of each row's places; NaN where of none it is known."""
        distances = np.full(self._n, np.inf)
        column = self._texts.get("place")
        if column is not None:
            later = list(self._later["place"].items())
            away = distances_km(latitude, longitude, self._points.first(len(column.values) + len(later)))
            away[np.isnan(away)] = np.inf
            np.minimum.at(distances, column.rows, np.repeat(away[: len(column.values)], np.diff(column.offsets)))
            for (_, posting), km in zip(later, away[len(column.values) :], strict=True):
                rows = posting.before(self._n)
                distances[rows] = np.minimum(distances[rows], km)
        return np.where(np.isinf(distances), np.nan, distances)

    def number(self, attribute: str) -> np.ndarray:
        """(n,) float64, NaN where missing."""
        return self._numbers[attribute].first(self._n)

    def greatest(self, attribute: str, most: float) -> float:
        """The greatest number of an attribute that is `most` or less; minus infinity where there is none."""
        numbers = self.number(attribute)
        ordered = self._sorted.get(attribute)
        if ordered is None:  # of the rows of the build, which all tables that were made of one share
            ordered = self._sorted[attribute] = np.sort(numbers[: self._built])  # NaN last
        below = int(np.searchsorted(ordered, most, side="right"))
        later = numbers[self._built :]
        greatest = np.max(later, initial=-np.inf, where=later <= most)
        return max(float(greatest), float(ordered[below - 1]) if below else -np.inf)

    def codes(self, attribute: str) -> np.ndarray:
        """(n,) int32: the number of each row's value, -1 where it has none; for the attributes that are coded."""
        return self._codes[attribute].first(self._n)

    def code(self, attribute: str, value: str) -> int:
        """The number of a value in `codes(attribute)`; -2 for a value that no row has, so that it equals none."""
        attribute, value = self._key(attribute, value)
        code = code_of(self._texts[attribute].values, value)
        later = self._later[attribute].get(value)
        return code if code >= 0 else later.code if later else -2

    def value(self, attribute: str, code: int) -> str:
        """The folded value that a number in `codes(attribute)` stands for."""
        values = self._texts[attribute].values
        return values[code] if code < len(values) else list(self._later[attribute])[code - len(values)]

    def counts(self, attribute: str) -> np.ndarray:
        """(n,) int32: how many values each row has; for the attributes that are counted."""
        return self._counts[attribute].first(self._n)

    def shared(self, attribute: str, values: Iterable[str], rows: np.ndarray) -> np.ndarray:
        """(m,) int32: how many of the values each of some rows has. An unknown value is held by no row."""
        shared = np.zeros(len(rows), np.int32)
        for of, value in {self._key(attribute, value) for value in values}:
            for holders in self._held(of, value):
                if len(holders):
                    at = np.searchsorted(holders, rows)
                    shared += holders[np.minimum(at, len(holders) - 1)] == rows
        return shared

    def appended(self, rows: Sequence[RowAttributes]) -> AttributeTable:
        """This table with more rows behind its own."""
        for name, numbers in self._numbers.items():
            numbers.append(np.array([values.get(name, np.nan) for values in rows], np.float64))
        for name, codes in self._codes.items():
            first = [next(iter(_held_texts(values, name)), None) for values in rows]
            codes.append(np.array([-1 if text is None else self._posting(name, text).code for text in first], np.int32))
        for name, counts in self._counts.items():
            counts.append(np.array([len(_held_texts(values, name)) for values in rows], np.int32))
        for name in self._texts:
            rows_of: dict[str, list[int]] = {}
            for row, values in enumerate(rows, self._n):
                for text in _held_texts(values, name):
                    rows_of.setdefault(text, []).append(row)
            for text, later_rows in rows_of.items():
                self._posting(name, text).append(later_rows)
        made = copy(self)
        made._n += len(rows)
        made._pay = {}
        return made

    def columns(self) -> dict[str, Column]:
        """Text attributes, inverted, values sorted; values without rows are left out."""
        columns = {}
        for name, column in self._texts.items():
            rows_of: dict[str, np.ndarray] = {}
            # One call for the later values, which no other thread can come between while the writer adds values.
            for value in sorted({*column.values, *list(self._later[name])}):
                rows = np.concatenate(self._held(name, value))
                if len(rows):
                    rows_of[value] = rows
            columns[name] = column_of(rows_of)
        return columns

    def _key(self, attribute: str, value: str) -> tuple[str, str]:
        """The attribute and value that a value is looked up by: a city that is given with its region is a place."""
        if attribute == "city" and "," in value and "place" in self._texts:
            attribute = "place"
        if attribute == "language":
            return attribute, NAMES.get(folded(value), folded(value))
        return attribute, canonical(attribute, value, self.home)

    def _meant(self, attribute: str, value: str) -> set[tuple[str, str]]:
        """The attributes and values that a filter's value stands for: a region that is a country, its jobs; a city's
        name that is another name of a larger one, both."""
        of, name = self._key(attribute, value)
        meant = {(of, name)}
        if of == "city":
            meant.add((of, folded(value)))
        if of == "region" and "country" in self._texts and canonical("country", name) == read_place(name).country:
            meant.add(("country", read_place(name).country))
        return meant

    def _held(self, attribute: str, value: str) -> list[np.ndarray]:
        """Ascending numbers of the rows that hold a value: of those that it was built with, then of later ones."""
        column, later = self._texts[attribute], self._later[attribute].get(value)
        code = code_of(column.values, value)
        built = column.rows[column.offsets[code] : column.offsets[code + 1]] if code >= 0 else column.rows[:0]
        return [built, later.before(self._n)] if later else [built]

    def _converted(self, attribute: str, currency: str) -> np.ndarray:
        """`pay_in`, from the columns. currency: folded."""
        numbers, found = self.number(attribute), np.full(self._n, np.nan)
        for name in {*self._texts["currency"].values, *list(self._later["currency"])}:
            rows = np.concatenate(self._held("currency", name))
            if name == currency:
                found[rows] = numbers[rows]
            elif self.rates:
                found[rows] = numbers[rows] * self.rates.factors(name, currency, self.number(PAID_AT)[rows])
        return found

    def _posting(self, attribute: str, value: str) -> PostingList:
        postings = self._later[attribute].get(value)
        if postings is None:
            column, later = self._texts[attribute], self._later[attribute]
            code = code_of(column.values, value)
            if attribute == "place":
                self._points.append(place_points([value]))  # before the value, so that who reads it has its point
            postings = later[value] = PostingList(code if code >= 0 else len(column.values) + len(later))
        return postings

    def _main_currency(self) -> str:
        """That of most of the rows that say their pay; empty where the table has no currencies."""
        column = self._texts.get("currency")
        if column is None or not column.values:
            return ""
        paid = np.zeros(self._n, dtype=bool)
        for name in PAY:
            paid |= ~np.isnan(self.number(name)) if name in self._numbers else False
        counts = [int(np.count_nonzero(paid[rows])) for _, rows in postings(column)]
        return column.values[int(np.argmax(counts))]

    def _unknown(self, attribute: str) -> UnknownAttribute:
        names = ", ".join(sorted(self.names)) or "none: it was made without any"
        return UnknownAttribute(f"no attribute {attribute!r}", where="filter", cure=f"one of {names}")

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, column in self.columns().items():
            lists = pa.ListArray.from_arrays(pa.array(column.offsets, pa.int32()), pa.array(column.rows, pa.int32()))
            cells = {"value": pa.array(column.values, pa.string()), "rows": lists}
            if name == "place":
                points = place_points(column.values)
                cells |= {"latitude": pa.array(points[:, 0]), "longitude": pa.array(points[:, 1])}
            pq.write_table(pa.table(cells), folder / f"{name}.parquet")
        pq.write_table(pa.table({name: self.number(name) for name in self._numbers}), folder / "numbers.parquet")
        if self.rates:
            self.rates.save(folder / RATES)

    @classmethod
    def load(cls, folder: Path) -> AttributeTable:
        texts = {}
        for name in TEXT_ATTRIBUTES:
            table = pq.read_table(folder / f"{name}.parquet").combine_chunks()
            lengths = table["rows"].combine_chunks().value_lengths().to_numpy(zero_copy_only=False)
            rows = table["rows"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            texts[name] = Column(table["value"].to_pylist(), np.concatenate([[0], np.cumsum(lengths)]), rows)
            if name == "place":
                points = np.stack([table[degrees].to_numpy() for degrees in ("latitude", "longitude")], axis=1)
        numbers = pq.read_table(folder / "numbers.parquet")
        columns = {name: numbers[name].to_numpy() for name in numbers.column_names}
        rates = Rates.load(folder / RATES) if (folder / RATES).is_file() else None
        return cls(texts, columns, numbers.num_rows, CODED, COUNTED, points, rates)


def attribute_table(
    texts: Mapping[str, Sequence[str | Sequence[str] | None]] | None = None,
    numbers: Mapping[str, Sequence[float | datetime | None]] | None = None,
) -> AttributeTable:
    """A table over columns of one's own, for filters beside an engine that is used alone.

    Args:
        texts: Attribute to n cells: a text, several, or None.
        numbers: Attribute to n cells: a number, a time, or None.

    Raises:
        BadInput: The columns differ in length.
    """
    texts, numbers = texts or {}, numbers or {}
    lengths = {name: len(cells) for name, cells in (*texts.items(), *numbers.items())}
    if len(set(lengths.values())) > 1:
        raise BadInput(f"columns of {lengths} rows", cure="one cell a row in each column; None where there is none")
    columns = {name: invert(_canonical_cell(name, cell) for cell in cells) for name, cells in texts.items()}
    arrays = {name: np.array([_as_number(cell) for cell in cells], np.float64) for name, cells in numbers.items()}
    return AttributeTable(columns, arrays, next(iter(lengths.values()), 0))


def build_attributes(
    jobs: pa.Table,
    languages: Sequence[str] | None = None,
    groups: np.ndarray | None = None,
    rates: Rates | None = None,
) -> AttributeTable:
    """The table of job records (`contracts.records.Job` as Arrow), one row a job, in its order.

    languages: of each job; None: all are English. groups: (n,) int32, jobs that are one advert share a number
    (`retrieval.index.duplicates`); None: there are none. rates: by which pay in another currency is compared.
    """
    cells = {name: jobs[name].to_pylist() for name in set(map(_field, TEXT_ATTRIBUTES)) & set(jobs.column_names)}
    cells["places"] = _places(cells["location"])
    cells["language"] = list(languages or [LANGUAGE] * jobs.num_rows)
    texts = {name: invert(_texts(name, cell) for cell in cells[_field(name)]) for name in TEXT_ATTRIBUTES}
    numbers = {name: _numbers(jobs[name]) for name in NUMBER_ATTRIBUTES}
    periods = jobs["salary_period"].to_pylist()
    numbers |= {name: all_yearly(numbers[name], periods) for name in PAY}
    chains = repost_chains(np.arange(jobs.num_rows) if groups is None else groups, numbers["posted_at"])
    numbers |= chains._asdict()
    numbers[PAID_AT] = np.where(np.isnan(numbers["posted_at"]), _numbers(jobs["updated_at"]), numbers["posted_at"])
    return AttributeTable(texts, numbers, jobs.num_rows, CODED, COUNTED, rates=rates)


def job_attributes(job: Mapping[str, Any], language: str = LANGUAGE, home: str = "") -> RowAttributes:
    """The attributes of one job record, as `build_attributes` has them of a job that was posted once.

    home: the country of the table that they go into (`AttributeTable.home`).
    """
    job = {**job, "places": read_places(job["location"] or "", home), "language": language}
    values: dict[str, tuple[str, ...] | float] = {name: _texts(name, job[_field(name)]) for name in TEXT_ATTRIBUTES}
    for name in NUMBER_ATTRIBUTES:
        value = yearly(job[name], job["salary_period"]) if name in PAY else job[name]
        if value is not None:
            values[name] = _as_number(value)
    values["reposts"] = 0.0
    values[PAID_AT] = _as_number(job["posted_at"] or job["updated_at"])
    if "posted_at" in values:
        values["first_posted_at"] = values["posted_at"]
    return values


def _places(locations: Iterable[str | None]) -> list[tuple[Place, ...]]:
    """The places of each job; names alone that several towns bear are those of the country that most jobs are in."""
    texts = [location or "" for location in locations]
    home = home_country(Counter(country for text in texts for country in countries(text)))
    return [read_places(text, home) for text in texts]


def _held_texts(values: RowAttributes, name: str) -> tuple[str, ...]:
    texts = values.get(name, ())
    return texts if isinstance(texts, tuple) else ()


def _field(name: str) -> str:
    """What an attribute of a job comes from: a field of its record, or its places."""
    return "places" if name in PLACES else name


def _texts(name: str, cell: Any) -> tuple[str, ...]:
    """The distinct values of a text attribute, folded, from what `_field` names."""
    if name in PLACES:
        return tuple(dict.fromkeys(value for place in cell if (value := getattr(place, name))))
    texts = (cell,) if isinstance(cell, str) else cell or ()
    return tuple(sorted({folded(text) for text in texts} - {""}))


def _canonical_cell(name: str, cell: str | Iterable[str] | None) -> tuple[str, ...]:
    """The values of a cell of a column of one's own."""
    texts = (cell,) if isinstance(cell, str) else cell or ()
    return tuple(sorted({canonical(name, text) for text in texts} - {""}))


def _as_number(value: float | datetime | None) -> float:
    if value is None:
        return np.nan
    return value.timestamp() if isinstance(value, datetime) else float(value)


def _numbers(column: Any) -> np.ndarray:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
        return column.to_numpy().astype(np.float64) / 1e6
    return column.cast(pa.float64()).to_numpy().astype(np.float64)
