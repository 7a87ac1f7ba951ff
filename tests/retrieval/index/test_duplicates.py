from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from contracts.arrow import to_table
from contracts.records import Job
from retrieval.index.duplicates import duplicate_groups

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def jobs(*described: dict[str, Any]) -> pa.Table:
    rows = [
        Job(id=f"j{i:02}", updated_at=NOW, **{"title": "Nurse", "company": "Mercy", "location": "Austin, TX"} | one)
        for i, one in enumerate(described)
    ]
    return to_table(rows, Job)


def vectors(*degrees: float) -> np.ndarray:
    """(n, 2) unit vectors: two texts are as close as the cosine of the angle between them."""
    angles = np.radians(degrees)
    return np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def test_the_same_text_of_one_company_title_and_place_is_one_job():
    table = jobs({}, {"title": "NURSE @ Mercy", "company": " mercy "}, {}, {"location": "Austin, TX, US"})
    assert duplicate_groups(table, vectors(0, 0, 30, 1), 0.99).tolist() == [0, 0, 2, 0]


def test_another_company_title_or_place_is_another_job_whatever_the_text():
    table = jobs({}, {"company": "Acme"}, {"title": "Midwife"}, {"location": "Boise, ID"}, {"location": ""})
    assert duplicate_groups(table, vectors(*[0] * 5), 0.9).tolist() == [0, 1, 2, 3, 4]


def test_jobs_of_employers_that_are_not_named_stay_apart():
    assert duplicate_groups(jobs({"company": ""}, {"company": ""}), vectors(0, 0), 0.9).tolist() == [0, 1]


def test_across_companies_an_agencys_copy_is_the_same_job():
    table = jobs({}, {"company": "Staff Agency"}, {"company": ""}, {"location": "Boise, ID"})
    assert duplicate_groups(table, vectors(0, 0, 0, 0), 0.9, across_companies=True).tolist() == [0, 0, 0, 3]


def test_equal_vectors_are_one_at_the_highest_threshold():
    random = np.random.default_rng(0).standard_normal((1, 384)).astype(np.float32)
    both = np.repeat(random / np.linalg.norm(random), 2, axis=0)
    assert duplicate_groups(jobs({}, {}), both, 1.0).tolist() == [0, 0]


def test_without_a_threshold_every_job_is_its_own():
    groups = duplicate_groups(jobs({}, {}, {}), vectors(0, 0, 0), None)
    assert groups.tolist() == [0, 1, 2] and groups.dtype == np.int32


def test_no_jobs_are_no_groups():
    assert duplicate_groups(jobs(), np.zeros((0, 2), np.float32), 0.9).tolist() == []


@given(st.lists(st.tuples(st.sampled_from(["Mercy", "Acme", ""]), st.integers(0, 90)), max_size=12), st.floats(0.5, 1))
def test_a_group_is_named_by_its_first_job_which_all_of_it_are_close_to(drawn: list[tuple[str, int]], above: float):
    table = jobs(*({"company": company} for company, _ in drawn))
    close = vectors(*(float(degrees) for _, degrees in drawn)).reshape(-1, 2)
    groups = duplicate_groups(table, close, above)
    for row, leader in enumerate(groups.tolist()):
        assert leader <= row and groups[leader] == leader
        assert drawn[row][0] == drawn[leader][0]
        assert leader == row or close[row] @ close[leader] >= above - 1e-5
        earlier = [first for first in set(groups[:row].tolist()) if drawn[first][0] == drawn[row][0] != ""]
        if leader == row:
            assert all(close[row] @ close[first] < above for first in earlier), "it would belong to an earlier one"
