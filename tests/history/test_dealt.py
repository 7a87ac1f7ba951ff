"""Past requests dealt to parts on disk: the same as of the whole log, however it is cut."""

from __future__ import annotations

import resource
import shutil
import signal
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.arrow import to_table
from contracts.errors import NotWritten, UnreadableFile
from contracts.records import Event
from contracts.tables import latest
from history.attribution import with_lists
from history.buckets import Buckets
from history.dealt import Dealt, deal_requests, read_part
from history.requests import (
    ABSENT,
    EVENT_COLUMNS,
    PastRequest,
    Which,
    _jobs,
    _request,
    _split,
    belonging,
    counted,
    lots_of,
    opened_by,
    opened_requests,
    shown_requests,
    tasks_told,
    wanted,
)
from history.set_apart import set_apart

START = datetime(2026, 3, 1, tzinfo=UTC)
ALL = Which(most=10**9)


def at_once(events: list[Event], which: Which) -> tuple[list[PastRequest], Counter[str]]:
    """What is to be dealt, of the whole log in memory."""
    log, apart = set_apart(pl.DataFrame(latest(to_table(events, Event).select(EVENT_COLUMNS), "id", "time")))
    log = with_lists(log)
    requests = _split(shown_requests(log), opened_requests(log))
    drawn = requests.with_columns(lots_of(requests["list_id"], which.seed)).filter(wanted(which)).sort("lot")
    drawn = drawn.head(which.most)
    rows, causes = counted(belonging(log, drawn), which)
    causes[ABSENT] = len(set(which.ids or ()) - set(requests["list_id"]))
    jobs = _jobs(rows.select(log.columns), tasks_told(set(log["action"].unique())))
    history = opened_by(requests.filter(~pl.col("shown")))
    found = [
        _request(row, jobs.get(row["list_id"], ()), history.get(row["person"], []))
        for row in drawn.sort("time", "list_id").iter_rows(named=True)
    ]
    return found, +Counter({**apart, **causes})


def dealt(
    events: list[Event], which: Which, cuts: int = 1, bucket_rows: int = 10**9, part_requests: int = 3, **given: bool
) -> tuple[Dealt, list[PastRequest]]:
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for i in range(cuts):
            paths.append(Path(folder) / f"part-{i}.parquet")
            begin, end = (len(events) * at // cuts for at in (i, i + 1))
            pq.write_table(to_table(events[begin:end], Event), paths[-1])
        found = deal_requests(paths, which, Path(folder) / "dealt", part_requests, bucket_rows=bucket_rows, **given)
        requests = [one for number in found.numbers for one in read_part(found.folder, number)]
        assert all(len(read_part(found.folder, number)) for number in found.numbers)
        return found, requests


def bare(requests: list[PastRequest]) -> list[PastRequest]:
    """Without what the whole log in memory does not say."""
    return sorted(one._replace(surface="", acted=0, logged_by="") for one in requests)


ACTIONS = ("impression", "view", "apply", "save", "dismiss", "hire")


@st.composite
def logs(draw: st.DrawFn) -> list[Event]:
    """Events with and without lists, members and ids of requests, sent twice, late, too early, and out of order."""
    n = draw(st.integers(1, 40))
    events = []
    for _ in range(n):
        action = draw(st.sampled_from(ACTIONS))
        events.append(
            Event(
                id=f"e{draw(st.integers(0, 25))}",
                time=START + timedelta(minutes=draw(st.integers(0, 20)) * draw(st.sampled_from([1, 7, 600]))),
                surface="search",
                request_id=draw(st.sampled_from(["", "", "r1", "r2", "r3", "r4", "e3"])),
                member_id=draw(st.sampled_from(["", "m1", "m2", "m3"])),
                query=draw(st.sampled_from(["", "nurse"])),
                job_id=draw(st.sampled_from(["j1", "j2", "j3"])),
                position=draw(st.integers(1, 3)) if action == "impression" else None,
                action=action,
                propensity=0.5 if action == "impression" else None,
            )
        )
    return events


@settings(max_examples=12, deadline=None)
@given(
    logs(),
    st.integers(1, 5),
    st.integers(1, 8),
    st.sampled_from(
        [
            ALL,
            Which(most=2, seed=3),
            Which(splits=("test",), most=10**9),
            Which(start=START + timedelta(minutes=5), within=timedelta(minutes=30), most=10**9),
            Which(ids={"r1", "e3", "not-there"}, most=10**9),
        ]
    ),
)
def test_what_is_dealt_is_that_of_the_whole_log_however_it_is_cut(
    events: list[Event], cuts: int, bucket_rows: int, which: Which
) -> None:
    whole, apart = at_once(events, which)
    cut, requests = dealt(events, which, cuts, bucket_rows)
    assert bare(requests) == sorted(whole) and cut.apart == apart
    once, again = dealt(events, which)
    assert again == requests, "in the same parts and order"
    assert once._replace(folder=cut.folder) == cut
    assert cut.requests == len(whole) and cut.first == (whole[0].time if whole else None)


def event(number: int, minute: float, action: str, job: str = "j1", request: str = "r1", member: str = "m1") -> Event:
    return Event(
        id=f"e{number}",
        time=START + timedelta(minutes=minute),
        surface="recommendation",
        request_id=request,
        member_id=member,
        query="",
        job_id=job,
        position=1 if action == "impression" else None,
        action=action,
        propensity=None,
    )


@pytest.mark.parametrize("bucket_rows", [1, 2, 1_000])
def test_what_comes_late_or_twice_in_another_part_belongs_to_its_list(bucket_rows: int) -> None:
    shown = [event(i, i / 10, "impression", f"j{i}") for i in range(3)]
    events = [
        *shown,
        event(3, 1, "view", "j1"),
        event(4, 60 * 24 * 40, "hire", "j1"),  # forty days later, in the last part
        event(5, 2, "apply", "j2", request=""),  # names no request: the last list that showed the job
        event(5, 3, "apply", "j2", request=""),  # the same event, sent again: the newer one counts
        shown[0],
        event(6, -5, "view", "j0"),  # a clock that is slow
        event(7, 1.005, "view", "j1"),  # a click that the page sent twice
    ]
    found, [request] = dealt(events, ALL, cuts=5, bucket_rows=bucket_rows)
    assert [(job.job_id, job.view, job.apply, job.hire) for job in request.shown] == [
        ("j0", 0, 0, 0),
        ("j1", 1, 1, 1),
        ("j2", 1, 1, 0),
    ]
    assert found.apart == {"before its impression": 1, "sent twice": 1}
    within = Which(most=10, within=timedelta(days=7))
    cut, [request] = dealt(events, within, cuts=5, bucket_rows=bucket_rows)
    assert request.shown[1].hire == 0 and cut.apart["later than the window"] == 1


def test_a_request_tells_what_its_member_had_done_before() -> None:
    events = [event(i, i, "view", f"j{i}", "") for i in range(3)]
    events += [event(10, 2, "impression", request="r1"), event(11, 5, "impression", request="r2", member="m2")]
    _, requests = dealt(events, ALL, cuts=3, bucket_rows=1)
    acted = {one.list_id: (one.acted, one.surface) for one in requests if one.complete}
    assert acted == {"r1": (2, "recommendation"), "r2": (0, "recommendation")}, "strictly before"


def test_requests_without_a_list_are_left_out_and_counted() -> None:
    events = [event(0, 0, "impression"), event(1, 1, "view", "j9", "")]
    found, [request] = dealt(events, ALL, lists_alone=True)
    assert request.list_id == "r1" and found.apart == {"requests whose list the log does not show": 1}


def test_nothing_but_the_parts_is_left_of_what_is_dealt(tmp_path: Path) -> None:
    pq.write_table(to_table([event(i, i, "impression", request=f"r{i}") for i in range(9)], Event), tmp_path / "log")
    found = deal_requests([tmp_path / "log"], ALL, tmp_path / "dealt", 3, bucket_rows=2)
    assert found.folder.parent == tmp_path / "dealt"
    assert {path.parent for path in (tmp_path / "dealt").rglob("*.parquet")} == {found.folder}


def test_buckets_keep_the_order_in_which_rows_came(tmp_path: Path) -> None:
    buckets = Buckets(tmp_path / "b", held_rows=4)
    for start in range(0, 30, 3):
        buckets.add(pl.DataFrame({"n": range(start, start + 3)}), pl.col("n") % 2)
    assert {bucket: rows["n"].to_list() for bucket, rows in buckets} == {
        0: list(range(0, 30, 2)),
        1: list(range(1, 30, 2)),
    }
    assert buckets.rows == 30 and buckets.read(7) is None
    assert len(list(buckets.drained())) == 2 and not list((tmp_path / "b").iterdir())


def test_a_log_without_a_row_has_no_request(tmp_path: Path) -> None:
    pq.write_table(to_table([], Event), tmp_path / "log")
    found = deal_requests([tmp_path / "log"], ALL, tmp_path / "dealt", 3)
    assert (found.requests, found.first, found.numbers) == (0, None, [])


def test_rows_that_are_gone_from_the_disk_are_said(tmp_path: Path) -> None:
    buckets = Buckets(tmp_path / "b", held_rows=1)
    for n in range(4):
        buckets.add(pl.DataFrame({"n": [n]}), pl.col("n") % 2)
    next((tmp_path / "b").iterdir()).unlink()
    with pytest.raises(UnreadableFile, match="1 of 4 rows"):
        list(buckets)


def test_a_full_disk_is_said_and_leaves_no_half_file(tmp_path: Path) -> None:
    """A limit on the size of files stands for it: the system refuses the bytes in the middle of a file."""
    events = [event(i, i, "impression", f"j{i}") for i in range(2_000)]
    pq.write_table(to_table(events, Event), tmp_path / "log")
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, limits[1]))
        with pytest.raises(NotWritten, match="make room"):
            deal_requests([tmp_path / "log"], ALL, tmp_path / "dealt", 3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not [path for path in (tmp_path / "dealt").rglob("*") if path.is_file()]


def test_a_folder_that_takes_no_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    buckets = Buckets(tmp_path / "file" / "b", held_rows=1)
    with pytest.raises(NotWritten, match="make room"):
        buckets.add(pl.DataFrame({"n": [1]}), pl.col("n"))
    shutil.rmtree(tmp_path / "file", ignore_errors=True)
