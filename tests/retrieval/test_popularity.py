from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from contracts.arrow import TIME
from retrieval.popularity import JobActivity, build_activity, popular_nearby

START = datetime(2026, 1, 1, tzinfo=UTC)
IDS = ["a", "b", "c"]
ROWS = np.array([0, 1, 2, 1], np.int32)

happened = st.lists(
    st.tuples(st.sampled_from([*IDS, "nowhere"]), st.integers(0, 40), st.sampled_from(["view", "apply", "impression"])),
    max_size=30,
)


def at(half_days: int) -> datetime:
    return START + timedelta(hours=12 * half_days)


def activity(events: list[tuple[str, int, str]]) -> JobActivity:
    ids, times, actions = zip(*events, strict=True) if events else ((), (), ())
    table = {
        "job_id": pa.array(ids, pa.string()),
        "time": pa.array([at(t) for t in times], TIME),
        "action": pa.array(actions, pa.string()),
    }
    return build_activity(IDS, pa.table(table))


@given(happened, st.integers(0, 41), st.booleans())
def test_statistics_count_what_was_before_and_nothing_else(
    events: list[tuple[str, int, str]], now: int, live: bool
) -> None:
    found = activity([] if live else events)
    for job, time, action in events if live else []:
        found.add(IDS.index(job) if job in IDS else -1, at(time), action)
    views = [[t for j, t, a in events if j == IDS[row] and a == "view" and t < now] for row in ROWS]
    assert found.views(ROWS, at(now), 7).tolist() == [sum(t >= now - 14 for t in times) for times in views]
    assert found.seen(ROWS, at(now)).tolist() == [bool(times) for times in views]
    since = [(now - max(times)) / 2 if times else np.inf for times in views]
    np.testing.assert_allclose(found.days_since_view(ROWS, at(now)), since)
    counted = [sum(j == job and a != "impression" and now - 60 <= t < now for j, t, a in events) for job in IDS]
    assert found.popularity(at(now)).tolist() == counted


@given(happened, happened, st.integers(0, 41))
def test_events_at_the_time_or_later_change_nothing(
    events: list[tuple[str, int, str]], more: list[tuple[str, int, str]], now: int
) -> None:
    future = [(job, now + time, action) for job, time, action in more]
    plain, planted = activity(events), activity(events + future)
    time = at(now)
    assert plain.views(ROWS, time, 7).tolist() == planted.views(ROWS, time, 7).tolist()
    assert plain.days_since_view(ROWS, time).tolist() == planted.days_since_view(ROWS, time).tolist()
    assert plain.popularity(time).tolist() == planted.popularity(time).tolist()


def test_a_live_event_counts_at_once_and_after_the_popular_list_was_made() -> None:
    found = activity([("a", 0, "view")])
    assert found.popularity(at(4)).tolist() == [1, 0, 0]
    found.add(1, at(3))
    assert found.popularity(at(4)).tolist() == [1, 1, 0]
    assert found.views(ROWS, at(4), 7).tolist() == [1, 1, 0, 1]


def test_the_hour_that_has_begun_is_not_yet_in_the_popular_list() -> None:
    found = activity([("a", 2, "view")])
    assert found.popularity(at(2) + timedelta(minutes=59)).tolist() == [0, 0, 0]
    assert found.popularity(at(2) + timedelta(minutes=60)).tolist() == [1, 0, 0]


def test_saved_activity_counts_as_before(tmp_path: Path) -> None:
    found = activity([("a", 0, "view"), ("c", 1, "apply"), ("a", 3, "view")])
    found.save(tmp_path / "activity.npz")
    again = JobActivity.load(tmp_path / "activity.npz", 3)
    assert again.views(ROWS, at(9), 7).tolist() == found.views(ROWS, at(9), 7).tolist() == [2, 0, 0, 0]
    assert again.popularity(at(9)).tolist() == [2, 0, 1]


def test_near_jobs_come_before_popular_ones_and_ties_by_row() -> None:
    counts, near, mask = np.array([0, 9, 1, 1, 5]), np.array([2, 0, 1, 1, 2]), np.array([1, 1, 1, 1, 0], dtype=bool)
    hits = popular_nearby(counts, near, 10, mask)
    assert hits.rows.tolist() == [0, 2, 3, 1] and hits.scores.tolist() == [0, 1, 1, 9]
    assert popular_nearby(counts, near, 2, mask).rows.tolist() == [0, 2]
    assert len(popular_nearby(counts, near, 2, np.zeros(5, dtype=bool)).rows) == 0
