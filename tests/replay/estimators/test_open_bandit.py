"""Our estimators still say of a log what Open Bandit Pipeline said of it when both were run on the same arrays."""

from __future__ import annotations

import json

import pytest

from benchmarks.open_bandit import MOST_APART, log, value_of
from benchmarks.result_file import PUBLISHED

ROWS = json.loads((PUBLISHED / "open_bandit.json").read_text())["rows"]
THEIRS = {row["metric"]: row["value"] for row in ROWS if row["system"].startswith("sb-obp")}


@pytest.mark.parametrize("name", THEIRS)
def test_an_estimator_agrees_with_open_bandit_pipeline(name: str) -> None:
    assert value_of(name, log()) == pytest.approx(THEIRS[name], abs=MOST_APART)


def test_most_estimators_are_compared() -> None:
    assert len(THEIRS) >= 10
