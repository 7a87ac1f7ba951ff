from __future__ import annotations

import numpy as np
import pytest

from benchmarks.judge import judge_rows
from policy.golden.agreement import agreement


def test_the_interval_is_over_requests_and_not_over_their_pairs() -> None:
    """Twenty requests of ten pairs, each graded all right or all upside down."""
    truth = np.tile(np.arange(10) % 5, 20)
    requests = np.repeat([f"r{i}" for i in range(20)], 10)
    judge = np.where(np.repeat(np.arange(20) % 4 == 0, 10), 4 - truth, truth)
    rows = {row["metric"]: row for row in judge_rows(judge, truth, requests)}
    by_pairs = agreement(judge.tolist(), truth.tolist()).quadratic
    found = rows["quadratic kappa"]
    assert found["value"] == pytest.approx(by_pairs.value)
    assert found["high"] - found["low"] > 1.5 * (by_pairs.high - by_pairs.low)
    assert rows["pairs"]["value"] == 200 and rows["equal grades"]["value"] == pytest.approx(0.8)
