"""Of jobs that are one advert: when it was first posted, and how often before."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contracts.arrow import to_table
from contracts.records import Job
from retrieval.filters.attributes import build_attributes, job_attributes
from retrieval.filters.reposts import repost_chains

DAY = datetime(2026, 3, 1, tzinfo=UTC)
POSTED = st.one_of(st.just(float("nan")), st.integers(0, 5).map(float))


def test_a_chain_begins_with_its_first_posting_whatever_the_order_of_rows() -> None:
    groups, posted = np.array([7, 3, 7, 7, 3]), np.array([20.0, 5.0, 10.0, np.nan, 5.0])
    found = repost_chains(groups, posted)
    assert found.first_posted_at.tolist() == [10, 5, 10, 10, 5]
    assert found.reposts[[0, 2, 3]].tolist() == [1, 0, 2], "a job that does not say when is the last"


@given(st.lists(st.tuples(st.integers(0, 3), POSTED), max_size=12))
def test_every_chain_counts_from_nothing_up_and_shares_its_first_day(jobs: list[tuple[int, float]]) -> None:
    groups = np.array([group for group, _ in jobs], np.int64)
    posted = np.array([when for _, when in jobs], np.float64)
    found = repost_chains(groups, posted)
    for group in set(groups.tolist()):
        own = groups == group
        assert sorted(found.reposts[own]) == list(range(own.sum()))
        known = posted[own][np.isfinite(posted[own])]
        expected = known.min() if len(known) else np.nan
        assert np.array_equal(found.first_posted_at[own], np.full(own.sum(), expected), equal_nan=True)


def test_a_filter_leaves_reposts_out_and_a_later_job_begins_a_chain() -> None:
    made = [Job(id=f"j{i}", title="Nurse", updated_at=DAY, posted_at=DAY.replace(day=9 - i)) for i in range(2)]
    table = build_attributes(to_table(made, Job), groups=np.array([0, 0]))
    assert table.within("reposts", None, 0).tolist() == [False, True]
    later = table.appended([job_attributes(made[0].model_dump())])
    assert later.number("reposts").tolist() == [1, 0, 0]
    assert later.number("first_posted_at")[2] == made[0].posted_at.timestamp()
