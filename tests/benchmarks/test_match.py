"""The leave-one-out of the match: what is lost is lost where a comparison tells something that no other says."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.match import ALL, AUC, KAPPA, SPEARMAN, TOGETHER, Task, leave_one_out, match_tables
from contracts.match import COMPARISONS, SIZES

LISTS, SIZE = 60, 20
TOLD = "level"


def task(name: str) -> Task:
    """Pairs whose target hangs on one comparison alone."""
    rng = np.random.default_rng(0)
    bins = rng.integers(0, SIZES, (LISTS * SIZE, len(SIZES))).astype(np.uint8)
    told = bins[:, [comparison.name for comparison in COMPARISONS].index(TOLD)]
    targets = np.minimum(told, 4).astype(np.float64) if name == "relevance" else (told > 3).astype(np.float64)
    lists = np.split(np.arange(LISTS * SIZE), LISTS)
    return Task(name, bins, targets, np.concatenate(lists[:40]), lists[40:])


@pytest.mark.parametrize(("name", "measure"), [("relevance", KAPPA), ("relevance", SPEARMAN), ("view", AUC)])
def test_what_is_lost_is_what_the_comparison_alone_tells(name: str, measure: str) -> None:
    rows = {(row["system"], row["metric"]): row for row in leave_one_out("made up", task(name))}
    assert rows[ALL, measure]["value"] > 0.95
    lost = rows[TOLD, f"{measure} lost"]
    assert lost["low"] > 0.3 and lost["low"] <= lost["value"] <= lost["high"]
    others = [row["value"] for (system, metric), row in rows.items() if metric == f"{measure} lost" and system != TOLD]
    assert len(others) == len(COMPARISONS) - 1 + len(TOGETHER)
    assert max(map(abs, others)) < 0.05


def test_the_table_has_a_line_for_each_comparison_and_a_column_for_each_task() -> None:
    rows = [row for name in ("relevance", "view") for row in leave_one_out("made up", task(name))]
    table = match_tables(rows)["match"]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    assert [line.count("|") for line in lines] == [4] * (3 + len(COMPARISONS) + len(TOGETHER))
    assert f"relevance: {KAPPA}" in lines[0] and f"view: {AUC}" in lines[0]
    assert [line.split(" | ")[0] for line in lines[3:]][: len(COMPARISONS)] == [f"| {one.name}" for one in COMPARISONS]
