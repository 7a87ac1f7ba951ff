"""The results of a replay as values: the contents of `metrics.json`, and the rows of benchmarks and summaries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Self

from pydantic import Field

from contracts.values import FrozenModel
from models.training.metrics import Bin
from replay.measures import Estimate

POPULARITY, BM25, ENCODER_ALONE = "popularity", "BM25", "encoder alone"
RETRIEVAL, WHOLE = "retrieval alone", "whole system"
STUDENT_RELEVANCE, STUDENT_ENGAGEMENT = "student, relevance", "student, engagement"
BEST, BEST_OF_ALL = "best possible", "best possible, all jobs"
STUDENT_FLOAT = f"{STUDENT_RELEVANCE}, float32"
"""The student before it was quantised."""
JUDGE, SERVED = "judge", "served order"
LOWER_IS_BETTER = frozenset({"poor_fits@10"})
BY_TRUTH, BY_JUDGE = "served_truth", "served_judge"
"""Names of the tables of served candidates."""
END_TO_END = (POPULARITY, BM25, ENCODER_ALONE, RETRIEVAL, WHOLE)
"""The systems that choose among all jobs. Teachers are named "<teacher> teacher"."""


def student(task: str) -> str:
    """The system that orders by the student's answer to one task."""
    return f"student, {task}"


def teacher_name(name: str) -> str:
    """The system that orders by a teacher."""
    return f"{name} teacher"


class Cell(FrozenModel):
    """One system's mean of one metric with its interval, and how far it is from the reference, paired by request."""

    system: str
    metric: str
    value: float
    low: float
    high: float
    difference: tuple[float, float, float] | None = None

    @classmethod
    def of(cls, system: str, metric: str, mean: Estimate, difference: Estimate | None = None) -> Self:
        """The cell of an estimate and of its paired difference from the reference.

        One request tells nothing of others: then an interval is the whole range of the measure.
        """
        low, high = (
            (mean.low, mean.high) if mean.n > 1 else (-1.0 if "kappa" in metric or "rank" in metric else 0.0, 1.0)
        )
        apart = None
        if difference is not None:
            apart = difference.value, *((difference.low, difference.high) if difference.n > 1 else (-1.0, 1.0))
        return cls(system=system, metric=metric, value=mean.value, low=low, high=high, difference=apart)


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
        """The best value of a system; the best possible order is none."""
        values = [c.value for c in self.cells if c.metric == metric and c.system not in (BEST, BEST_OF_ALL)]
        return min(values) if metric in LOWER_IS_BETTER else max(values)

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


class Cohort(FrozenModel):
    """Some of the requests, and how well the first ten jobs that they were served fit."""

    kind: str = Field(description="What the requests have in common, such as `query`.")
    name: str
    requests: int
    cells: tuple[Cell, ...]

    def cell(self, system: str, metric: str) -> Cell | None:
        return next((cell for cell in self.cells if (cell.system, cell.metric) == (system, metric)), None)


class Results(FrozenModel):
    """All that a replay measured."""

    simulated: bool = Field(description="The log was drawn by the simulator.")
    attribution: str = Field(description="Sentence that the licence of the data asks for; empty for none.")
    impressions: bool = Field(description="The log says what was shown.")
    made: bool = Field(False, description="No request of the log was held out; these were made of members and adverts.")
    requests: int = Field(description="Held-out requests that were answered.")
    jobs: int = Field(description="In the index.")
    first: datetime = Field(description="Time of the first held-out request.")
    last: datetime = Field(description="Time of the last one.")
    out_of_reach: int = Field(description="Jobs that people went on to and that the index does not hold.")
    tables: tuple[Table, ...]
    judged_by: str = Field("", description="Who graded the served candidates, or why nobody did.")
    orders: Mapping[str, str] = Field({}, description="Surface -> by what the service orders its jobs, and why.")
    cohorts: tuple[Cohort, ...] = Field((), description="Of the served candidates, by the first of their tables.")
    recall: Mapping[str, tuple[float, ...]] = Field(description="System -> Recall@1, @2, ... of the end-to-end runs.")
    reliability: tuple[Reliability, ...]
    versions: Mapping[str, str]
    records: Mapping[str, int] = Field(description="Table -> records, each id once.")
    quarantine: Mapping[str, int] = Field(description="Reason -> rows, most first.")

    def table(self, name: str) -> Table | None:
        return next((table for table in self.tables if table.name == name), None)

    @property
    def served(self) -> Table | None:
        """The served candidates by the truth, else by the judge's grades; None where nobody graded them."""
        return self.table(BY_TRUTH) or self.table(BY_JUDGE)

    def by_system(self) -> dict[str, dict[str, dict[str, float]]]:
        """Table -> system -> metric -> value."""
        values: dict[str, dict[str, dict[str, float]]] = {}
        for table in self.tables:
            for cell in table.cells:
                values.setdefault(table.name, {}).setdefault(cell.system, {})[cell.metric] = cell.value
        return values

    def rows(self) -> list[dict[str, Any]]:
        """All tables in the one row format of `summary.json` and `benchmarks/results/`."""
        rows = [row for table in self.tables for row in table.rows()]
        served = self.served
        for cohort in self.cohorts if served else ():
            case = f"{served.title}: {cohort.kind}, {cohort.name}" if served else ""
            for cell in cohort.cells:
                row = {"case": case, "system": cell.system, "metric": cell.metric, "unit": ""}
                rows.append(row | {"value": cell.value, "low": cell.low, "high": cell.high})
        return rows
