"""What a summary adds up part by part, against all pairs and requests at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.metrics import auc, calibration_error
from replay.clustered import MeanAdder, clustered_mean
from replay.runs.summed import PairAdder


def pairs(n: int = 2_000) -> tuple[np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(0)
    said = rng.beta(1, 12, n)
    return said, rng.random(n) < said * 1.5, [f"r{i // 10}" for i in range(n)]


def test_auc_and_calibration_of_pairs_are_those_of_all_of_them() -> None:
    said, labels, lists = pairs()
    adder = PairAdder()
    adder.add(said, labels, lists)
    found = adder.result()
    assert found["auc"] == pytest.approx(auc(said, labels.astype(float)), abs=0.002)
    assert found["low"] < found["auc"] < found["high"] and found["jobs"] == len(said)
    assert found["calibration_error"] == pytest.approx(calibration_error(said, labels.astype(float)), abs=0.01)


def test_pairs_come_in_parts_and_say_nothing_where_all_are_alike() -> None:
    said, labels, lists = pairs()
    whole, parts = PairAdder(), PairAdder()
    whole.add(said, labels, lists)
    for begin in range(0, len(said), 130):
        end = begin + 130
        parts.add(said[begin:end], labels[begin:end], lists[begin:end])
    assert parts.result() == pytest.approx(whole.result())
    alike = PairAdder()
    alike.add(said, np.zeros(len(said), bool), lists)
    assert alike.result() == {} and PairAdder().result() == {}


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["", "m1", "m2", "m3"]), st.sampled_from([np.nan, 0.1, 0.25, 1.0])),
        min_size=1,
        max_size=30,
    ),
    st.integers(0, 30),
)
def test_means_that_are_merged_are_those_of_all_requests(rows: list[tuple[str, float]], cut: int) -> None:
    members, values = [member for member, _ in rows], np.array([[value] for _, value in rows])
    first, second = MeanAdder(1), MeanAdder(1)
    first.add(values[:cut], members[:cut])
    second.add(values[cut:], members[cut:])
    first.merge(second)
    [merged], whole = first.result(), clustered_mean(values[:, 0], members)
    if merged is None or whole is None:
        assert merged is whole
        return
    assert (merged.requests, merged.members) == (whole.requests, whole.members)
    assert merged.value == pytest.approx(whole.value) and (merged.error or 0) == pytest.approx(
        whole.error or 0, abs=1e-8
    )


def test_values_that_are_equal_everywhere_have_no_error_however_many_they_are() -> None:
    adder = MeanAdder(2)
    for part in range(50):
        adder.add(np.full((100, 2), [0.1, 1 / 3]), [f"m{i}" if i % 2 else "" for i in range(100)])
        assert part or adder.result()[0] is not None
    assert [mean.error for mean in adder.result() if mean] == [0.0, 0.0]
