"""The retrieval benchmark at a toy size: what it measures, and what the page draws of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import plots, retrieval_plans, retrieval_rivals
from benchmarks.retrieval_cpu import PARTS, Scale
from benchmarks.retrieval_plans import crossover
from benchmarks.retrieval_sizes import Size
from benchmarks.retrieval_tables import retrieval_tables
from benchmarks.retrieval_turns import OURS, drawn, in_turns, recalls

TOY = Scale(900, (8,), (Size(600, ("flat", "ivf")), Size(900, ("sq8",), lists=7, terms=False)), 2)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrieval_rivals, "SHARES", (1.0, 0.1))
        patch.setattr(retrieval_plans, "SHARES", (0.9, 0.1))
        return [row for part in PARTS.values() for row in part(TOY)]


def test_every_row_is_named_once(rows: list[dict[str, Any]]) -> None:
    keys = [(row["case"], row["system"], row["metric"]) for row in rows]
    assert len(keys) == len(set(keys))


def test_every_table_is_made_from_the_rows_alone(rows: list[dict[str, Any]]) -> None:
    run = {"command": "c", "date": "2026-01-01", "machine": "m"}
    tables = retrieval_tables([row | run for row in rows])
    for name in ("engines", "rivals", "bandwidth", "crossover", "dtypes", "preselection", "sizes"):
        lines = tables[name].splitlines()
        assert len(lines) > 2 and len({line.count("|") for line in lines}) == 1, name
    assert tables != retrieval_tables([row | run | {"value": 7.5} for row in rows])


@pytest.mark.parametrize("name", ["retrieval_plans", "retrieval_recall", "retrieval_sizes"])
def test_a_plot_is_the_same_each_time(name: str, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    for place in ("a.svg", "b.svg"):
        plots.draw(name, tmp_path / place, rows)
    drawing = (tmp_path / "a.svg").read_text()
    assert drawing == (tmp_path / "b.svg").read_text() and "<svg" in drawing


def test_vectors_have_length_one_and_queries_are_none_of_the_jobs() -> None:
    vectors, queries = drawn(500, 16, 8)
    np.testing.assert_allclose(np.linalg.norm(np.concatenate([vectors, queries]), axis=1), 1, rtol=1e-5)
    assert vectors.shape == (500, 16) and (queries @ vectors.T).max() < 0.9999


def test_systems_that_find_other_rows_are_not_compared() -> None:
    systems: dict[str, Callable[[], np.ndarray]] = {
        OURS: lambda: np.array([[1, 2, 3, 4]]),
        "other": lambda: np.array([[4, 3, 2, 9]]),
    }
    assert recalls(systems["other"](), systems[OURS]()).tolist() == [0.75]
    assert set(in_turns(systems, 1, agree=0.75)) == {OURS, "other"}
    with pytest.raises(ValueError, match="other finds other rows than Rolecall exact"):
        in_turns(systems, 1, agree=0.8)


def test_the_crossover_lies_where_both_plans_take_as_long() -> None:
    assert crossover({0.1: 0.2, 0.3: 0.8, 0.5: 1.2}) == pytest.approx(0.4)
    assert crossover({0.1: 0.2, 0.9: 0.9}) == 1 and crossover({0.1: 1.5, 0.9: 3}) == 0
