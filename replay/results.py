"""The results of a replay as values: the contents of `metrics.json`, and the rows of benchmarks and summaries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from contracts.values import FrozenModel
from models.training.metrics import Bin

POPULARITY, BM25, ENCODER_ALONE = "popularity", "BM25", "encoder alone"
RETRIEVAL, WHOLE = "retrieval alone", "whole system"
STUDENT_RELEVANCE, STUDENT_ENGAGEMENT = "student, relevance", "student, engagement"
END_TO_END = (POPULARITY, BM25, ENCODER_ALONE, RETRIEVAL, WHOLE)
"""The systems that choose among all jobs. Teachers are named "<teacher> teacher"."""


class Cell(FrozenModel):
    """One system's mean of one metric with its interval, and how far it is from the reference, paired by request."""

    system: str
    metric: str
    value: float
    low: float
    high: float
    difference: tuple[float, float, float] | None = None


class Table(FrozenModel):
    """Systems side by side on the same requests. metric names are those of ir_measures. reference: may be empty."""

    name: str
    title: str
    about: str
    requests: int
    systems: tuple[str, ...]
    metrics: tuple[str, ...]
    reference: str
    cells: tuple[Cell, ...]

    def cell(self, system: str, metric: str) -> Cell:
        return next(cell for cell in self.cells if (cell.system, cell.metric) == (system, metric))

    def best(self, metric: str) -> float:
        return max(cell.value for cell in self.cells if cell.metric == metric)

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row a cell: case, system, metric, value, low, high, unit; and one a difference from the reference."""
        for cell in self.cells:
            row = {"case": self.title, "system": cell.system, "metric": cell.metric, "unit": ""}
            yield row | {"value": cell.value, "low": cell.low, "high": cell.high}
            if cell.difference is not None:
                value, low, high = cell.difference
                metric = f"{cell.metric} minus {self.reference}"
                yield row | {"metric": metric, "value": value, "low": low, "high": high}


class Reliability(FrozenModel):
    """The calibration of the bundle's probabilities of one task."""

    task: str
    pairs: int = Field(description="With a known outcome.")
    error: float = Field(description="Expected calibration error over the bins.")
    bins: tuple[Bin, ...]


class Results(FrozenModel):
    """All that a replay measured."""

    simulated: bool = Field(description="The log was drawn by the simulator.")
    attribution: str = Field(description="Sentence that the licence of the data asks for; empty for none.")
    impressions: bool = Field(description="The log says what was shown.")
    requests: int = Field(description="Held-out requests that were answered.")
    jobs: int = Field(description="In the index.")
    first: datetime = Field(description="Time of the first held-out request.")
    last: datetime = Field(description="Time of the last one.")
    out_of_reach: int = Field(description="Jobs that people went on to and that the index does not hold.")
    tables: tuple[Table, ...]
    recall: Mapping[str, tuple[float, ...]] = Field(description="System -> Recall@1, @2, ... of the end-to-end runs.")
    reliability: tuple[Reliability, ...]
    versions: Mapping[str, str]
    records: Mapping[str, int] = Field(description="Table -> records, each id once.")
    quarantine: Mapping[str, int] = Field(description="Reason -> rows, most first.")

    def table(self, name: str) -> Table | None:
        return next((table for table in self.tables if table.name == name), None)

    def by_system(self) -> dict[str, dict[str, dict[str, float]]]:
        """Table -> system -> metric -> value."""
        values: dict[str, dict[str, dict[str, float]]] = {}
        for table in self.tables:
            for cell in table.cells:
                values.setdefault(table.name, {}).setdefault(cell.system, {})[cell.metric] = cell.value
        return values

    def rows(self) -> list[dict[str, Any]]:
        """All tables in the one row format of `summary.json` and `benchmarks/results/`."""
        return [row for table in self.tables for row in table.rows()]
