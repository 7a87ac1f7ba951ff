"""One rule says when a job is open, whoever asks: of one job, of arrays and of columns."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.time.open import is_open, open_at, why_closed

START = datetime(2026, 1, 1, tzinfo=UTC)
TIMES = st.integers(0, 4).map(lambda days: START + timedelta(days=days))
JOBS = st.lists(st.tuples(st.none() | TIMES, st.none() | TIMES, st.booleans()), min_size=1, max_size=20)
COLUMNS = {"posted_at": pl.Datetime("us", "UTC"), "expires_at": pl.Datetime("us", "UTC"), "hidden": pl.Boolean}


@given(JOBS, TIMES)
def test_one_job_an_array_and_a_column_agree(jobs, t) -> None:
    expected = [not why_closed(*job, t) for job in jobs]
    seconds = np.array([[np.nan if at is None else at.timestamp() for at in job[:2]] for job in jobs])
    hidden = np.array([job[2] for job in jobs])
    assert is_open(seconds[:, 0], seconds[:, 1], hidden, t.timestamp()).tolist() == expected
    assert pl.DataFrame(jobs, COLUMNS, orient="row").select(open_at(t)).to_series().to_list() == expected


@pytest.mark.parametrize(
    ("posted", "expires", "hidden", "why"),
    [
        (0, 0, False, "expired"),
        (0, 1, False, ""),
        (None, None, False, ""),
        (1, None, False, "not_posted"),
        (0, 1, True, "hidden"),
    ],
)
def test_a_job_is_open_from_its_posting_to_just_before_its_end(posted, expires, hidden, why) -> None:
    at = {None: None, 0: START, 1: START + timedelta(microseconds=1)}
    assert why_closed(at[posted], at[expires], hidden, START) == why
