"""The measures of titles are right by hand, and the merged order is held against the better of its parts."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.titles import DENSE, MERGED, TERMS, precision_and_gain, rows_of, titles_tables


def test_precision_and_gain_by_hand() -> None:
    precision, gain = precision_and_gain([True, False, True], 2)
    assert precision == pytest.approx((1 + 2 / 3) / 2)
    assert gain == pytest.approx((1 + 1 / 2) / (1 + 1 / np.log2(3)))
    assert precision_and_gain([], 2) == (0.0, 0.0)


def test_the_merged_order_is_compared_with_the_better_part_of_each_metric() -> None:
    ones = np.ones((5, 1))
    found = {
        MERGED: np.hstack([0.5 * ones, 0.5 * ones]),
        DENSE: np.hstack([0.4 * ones, 0.1 * ones]),
        TERMS: np.hstack([0.2 * ones, 0.6 * ones]),
    }
    rows = {(row["system"], row["metric"]): row["value"] for row in rows_of("a", found)}
    assert rows[MERGED, f"MAP above {DENSE}"] == pytest.approx(0.1)
    assert rows[MERGED, f"nDCG@10 above {TERMS}"] == pytest.approx(-0.1)


def test_the_table_has_a_line_a_case() -> None:
    found = {system: np.full((5, 2), 0.5) for system in (MERGED, DENSE, TERMS)}
    made = {"command": "c", "date": "2026-01-01", "machine": "m"}
    rows = [row | made for case in ("first", "second") for row in rows_of(case, found)]
    table = titles_tables(rows)["titles"]
    assert "first" in table and "second" in table and table.count("0.500") >= 6
