"""Exchange rates by day, from a file that the user gives: `date,from,to,rate`. None is built in, none guessed."""

from __future__ import annotations

import csv
import math
import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.documents import read_text
from contracts.errors import BadInput, MissingColumn
from contracts.reading.pay import currency_code

COLUMNS = ("date", "from", "to", "rate")
DAYS_HELD = 7
"""A rate holds for so many days after its own: none are published on weekends and holidays."""
_DAY = 86_400.0
_CODE = re.compile(r"[a-z]{3}")


class Rates:
    """What one unit of a currency was worth in another, by day."""

    def __init__(self, table: Mapping[tuple[str, str], tuple[np.ndarray, np.ndarray]]) -> None:
        """table: (from, to), folded codes -> (k,) int64 days since 1970, ascending, and (k,) float64 rates."""
        self._table = dict(table)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return sorted(self._table)

    def factors(self, source: str, target: str, times: np.ndarray) -> np.ndarray:
        """(n,) float64 by which amounts in one currency are those in another; NaN where no rate is held.

        The rate of the day counts, else the last one of the `DAYS_HELD` days before. A pair that is given the other way
        round alone is turned; two pairs are never joined.

        Args:
            source: Folded code, as is `target`.
            target: Of the currency that is wanted.
            times: (n,) float64 seconds since 1970, NaN where not known.
        """
        if source == target:
            return np.ones(len(times))
        turned = (source, target) not in self._table
        days, rates = self._table.get((target, source) if turned else (source, target), (np.zeros(0), np.zeros(0)))
        known = ~np.isnan(times)
        asked = np.floor(np.where(known, times, 0) / _DAY)
        at = np.searchsorted(days, asked, side="right") - 1
        factors = np.full(len(times), np.nan)
        if len(days):
            held = known & (at >= 0) & (asked - days[at] <= DAYS_HELD)
            factors[held] = rates[at[held]]
        return 1 / factors if turned else factors

    def rows(self) -> list[tuple[str, str, int, float]]:
        """from, to, day since 1970 and rate, in their order."""
        return [
            (*pair, int(day), float(rate)) for pair in self.pairs for day, rate in zip(*self._table[pair], strict=True)
        ]

    def save(self, path: Path) -> None:
        columns = list(zip(*self.rows(), strict=True))
        types = (pa.string(), pa.string(), pa.int64(), pa.float64())
        arrays = [pa.array(cells, kind) for cells, kind in zip(columns, types, strict=True)]
        pq.write_table(pa.table(arrays, ["from", "to", "day", "rate"]), path)

    @classmethod
    def load(cls, path: Path) -> Rates:
        return cls(_by_pair([tuple(row.values()) for row in pq.read_table(path).to_pylist()]))


def read_rates(path: Path) -> Rates:
    """The rates in a CSV file with the columns `date` (2026-05-04), `from`, `to` (ISO 4217) and `rate`.

    Raises:
        NotReady: There is no file.
        MissingColumn: A column is missing.
        BadInput: A line does not fit, or gives a pair and day a second rate; the message names line and value.
    """
    lines = csv.DictReader(read_text(path, cure="give the path of a CSV file of rates").lstrip("\ufeff").splitlines())
    missing = [name for name in COLUMNS if name not in (lines.fieldnames or ())]
    if missing:
        raise MissingColumn(f"no column {missing[0]!r}", where=str(path), cure=f"its header is {','.join(COLUMNS)}")
    rows: dict[tuple[str, str, int], float] = {}
    for line in lines:
        where = f"{path} line {lines.line_num}"
        source, target, day, rate = _row(line, where)
        if rows.setdefault((source, target, day), rate) != rate:
            problem = f"a second rate from {source.upper()} to {target.upper()} on {line['date']}"
            raise BadInput(problem, where=where, cure="keep one of the two")
    if not rows:
        raise BadInput("no rate", where=str(path), cure="a line is 2026-05-04,USD,EUR,0.92")
    return Rates(_by_pair([(*key, rate) for key, rate in rows.items()]))


def _row(line: Mapping[str, str | None], where: str) -> tuple[str, str, int, float]:
    """from, to, day and rate of a line."""
    text = {name: (line[name] or "").strip() for name in COLUMNS}
    try:
        day = date.fromisoformat(text["date"])
    except ValueError:
        raise BadInput(f"date: {text['date']!r} is no day", where=where, cure="write it as 2026-05-04") from None
    codes = [currency_code(text[name]).casefold() for name in ("from", "to")]
    for name, code in zip(("from", "to"), codes, strict=True):
        if not _CODE.fullmatch(code):
            problem = f"{name}: {text[name]!r} is no currency"
            raise BadInput(problem, where=where, cure="an ISO 4217 code such as EUR")
    try:
        rate = float(text["rate"])
    except ValueError:
        rate = math.nan
    if not (math.isfinite(rate) and rate > 0):
        problem = f"rate: {text['rate']!r} is no number above 0"
        raise BadInput(problem, where=where, cure="what one unit of `from` was worth in `to`, with a point")
    return codes[0], codes[1], (day - date(1970, 1, 1)).days, rate


def _by_pair(
    rows: list[tuple[str, str, int, float]],
) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    grouped: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
    for source, target, day, rate in sorted(rows):
        grouped[source, target].append((day, rate))
    return {
        pair: (np.array([day for day, _ in of], np.int64), np.array([rate for _, rate in of], np.float64))
        for pair, of in grouped.items()
    }
