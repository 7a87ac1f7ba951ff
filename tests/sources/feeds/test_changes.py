"""Both feeds give the same changes in their order, each once, and say what is missing or wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.errors import BadInput, MissingChanges, MissingColumn, NotReady, UnreadableFile
from contracts.reading.times import TimeReading
from sources.feeds import stream as change_stream
from sources.feeds.changes import BATCH, Change, Feed, checked
from sources.feeds.files import SCHEMA
from sources.feeds.open import open_feed
from sources.rows import Reject
from tests.make import change_file, refused

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def upsert(job_id: str, title: str = "Nurse", **fields: Any) -> dict[str, Any]:
    return {"op": "upsert", "id": job_id, "time": NOW, "title": title, **fields}


def delete(job_id: str) -> dict[str, Any]:
    return {"op": "delete", "id": job_id, "time": NOW}


def write(folder: Path, name: str, first: int, changes: Sequence[dict[str, Any]]) -> Path:
    return change_file(folder, first, changes, name)


def read_all(feed: Feed, after: str = "") -> list[Change | Reject]:
    found: list[Change | Reject] = []
    while read := feed.read(after):
        assert len(read) <= BATCH
        found += [checked(raw, NOW) for raw in read]
        after = read[-1].position
    return found


def told(found: Sequence[Change | Reject]) -> list[tuple[str, str | None]]:
    changes = [one for one in found if isinstance(one, Change)]
    assert len(changes) == len(found)
    return [(one.job_id, one.job and one.job.title) for one in changes]


def test_files_are_taken_in_order_of_name_each_change_once(tmp_path: Path) -> None:
    write(tmp_path, "b", 3, [upsert("j3"), delete("j1")])
    write(tmp_path, "a", 1, [upsert("j1"), upsert("j2", skills=["care"])])
    feed = open_feed(str(tmp_path))
    assert told(read_all(feed)) == [("j1", "Nurse"), ("j2", "Nurse"), ("j3", "Nurse"), ("j1", None)]
    assert feed.read("4") == []
    write(tmp_path, "c", 4, [delete("again"), upsert("j5")])
    assert told(read_all(feed, "4")) == [("j5", "Nurse")], "what was read before is passed over"


def test_reading_goes_on_behind_any_position(tmp_path: Path) -> None:
    changes = [upsert(f"j{number}") for number in range(BATCH + 50)]
    write(tmp_path, "a", 1, changes)
    write(tmp_path, "b", len(changes) + 1, [delete("j0")])
    for after in (0, 1, BATCH - 1, BATCH, len(changes), len(changes) + 1):
        names = [name for name, _ in told(read_all(open_feed(str(tmp_path)), str(after)))]
        assert names == [*(f"j{number}" for number in range(after, len(changes))), "j0"][: len(changes) + 1 - after]


def test_a_gap_is_told_until_its_file_comes(tmp_path: Path) -> None:
    write(tmp_path, "a", 1, [upsert("j1")])
    write(tmp_path, "c", 4, [upsert("j4")])
    feed = open_feed(str(tmp_path))
    [first] = feed.read("")
    for _ in range(2):
        with refused(MissingChanges, "2 to 3", where="c.parquet"):
            feed.read(first.position)
    write(tmp_path, "b", 2, [upsert("j2"), upsert("j3")])
    assert told(read_all(feed, first.position)) == [("j2", "Nurse"), ("j3", "Nurse"), ("j4", "Nurse")]


def test_a_gap_inside_a_file_is_told_before_any_of_it_is_taken(tmp_path: Path) -> None:
    pq.write_table(
        pa.Table.from_pylist([{"sequence": n, **upsert(f"j{n}")} for n in (1, 2, 5)], schema=SCHEMA),
        tmp_path / "a.parquet",
    )
    with refused(MissingChanges, "3 to 4", where="a.parquet"):
        open_feed(str(tmp_path)).read("")


def test_an_index_that_is_behind_what_the_folder_still_has_is_told(tmp_path: Path) -> None:
    write(tmp_path, "a", 8, [upsert("j8")])
    with refused(MissingChanges, "4 to 7", where="a.parquet"):
        open_feed(str(tmp_path)).read("3")
    assert told(read_all(open_feed(str(tmp_path)))) == [("j8", "Nurse")], "from the first that there is"
    with refused(BadInput, "1700000000000-0"):
        open_feed(str(tmp_path)).read("1700000000000-0")


@pytest.mark.parametrize("cut", [0, 100, -1])
def test_a_file_that_is_cut_off_is_told_and_read_when_it_is_whole(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path, "a", 1, [upsert("j1")])
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    feed = open_feed(str(tmp_path))
    with refused(UnreadableFile, where="a.parquet"):
        feed.read("")
    path.write_bytes(whole)
    assert told(read_all(feed)) == [("j1", "Nurse")]


def test_a_file_without_a_column_or_out_of_order_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    rows = [{"sequence": n, **upsert("j1")} for n in (2, 1)]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)
    with refused(UnreadableFile, "change 1", "2", where=path):
        open_feed(str(tmp_path)).read("")
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA).drop(["op"]), path)
    with refused(MissingColumn, "op", where=path):
        open_feed(str(tmp_path)).read("")
    pq.write_table(pa.Table.from_pylist([upsert("j1")], schema=SCHEMA), path)
    with refused(UnreadableFile, "1 changes", "sequence", where=path):
        open_feed(str(tmp_path)).read("")


def test_numbers_that_were_written_as_floats_count_as_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, "a", 1, [upsert("j1"), upsert("j2")])
    table = pq.read_table(path)
    pq.write_table(table.set_column(0, "sequence", table["sequence"].cast(pa.float64())), path)
    feed = open_feed(str(tmp_path))
    assert [raw.position for raw in feed.read("")] == ["1", "2"]
    assert told(read_all(feed, "1")) == [("j2", "Nurse")]


def test_a_folder_that_is_not_there_is_told() -> None:
    with refused(BadInput, "/nowhere/at/all"):
        open_feed("/nowhere/at/all")


@pytest.mark.parametrize(
    ("change", "reason", "said"),
    [
        ({"op": "move"}, "unknown_value", "op 'move'"),
        ({"op": None}, "missing_field", "op"),
        ({"id": None}, "missing_field", "id"),
        ({"id": "x" * 300}, "id_too_long", "id"),
        ({"time": None}, "missing_field", "time"),
        ({"time": NOW + timedelta(days=9)}, "date_in_future", "time 2026-03-10"),
        ({"title": None}, "missing_field", "job.title"),
        ({"updated_at": NOW + timedelta(days=9)}, "date_in_future", "job.updated_at"),
    ],
)
def test_a_bad_change_is_rejected_with_its_place_and_stops_no_other(
    tmp_path: Path, change: dict[str, Any], reason: str, said: str
) -> None:
    path = write(tmp_path, "a", 1, [upsert("j1"), upsert("j2") | change, delete("j3")])
    good, bad, last = read_all(open_feed(str(tmp_path)))
    assert isinstance(good, Change) and isinstance(last, Change)
    assert isinstance(bad, Reject)
    assert (bad.table, bad.source, bad.row, bad.reason) == ("changes", str(path), 2, reason)
    assert said in bad.detail and bad.raw


def test_times_of_a_change_are_read_as_those_of_the_board() -> None:
    job = {"title": "Nurse", "expires_at": "2026-03-04", "posted_at": "02/03/2026"}
    raw = change_stream._change("s", 1, "1-0", {"op": "upsert", "id": "j1", "job": json.dumps(job)})
    found = checked(raw, NOW, TimeReading(zone="Europe/Berlin", dates="month_first"))
    assert isinstance(found, Change) and found.job is not None and found.job.expires_at and found.job.posted_at
    assert found.job.expires_at.isoformat() == "2026-03-04T22:59:59.999999+00:00"
    assert found.job.posted_at.isoformat() == "2026-02-02T23:00:00+00:00"


def test_a_job_is_as_new_as_it_says_or_as_its_change(tmp_path: Path) -> None:
    write(tmp_path, "a", 1, [upsert("j1", updated_at=NOW - timedelta(days=3)), upsert("j2")])
    assert [one.version[0] for one in read_all(open_feed(str(tmp_path))) if isinstance(one, Change)] == [
        NOW - timedelta(days=3),
        NOW,
    ]


# --- the stream ---


def test_what_is_null_in_a_job_is_missing() -> None:
    job = {"title": "Nurse", "company": None, "salary_max": None, "skills": ["care", None]}
    found = checked(change_stream._change("s", 1, "1-0", {"op": "upsert", "id": "j1", "job": json.dumps(job)}), NOW)
    assert isinstance(found, Change) and found.job is not None
    assert (found.job.company, found.job.skills) == ("", ("care",))


@pytest.mark.parametrize("levels", [260, 1_000])
@pytest.mark.parametrize("field", ["skills", "title", "unknown"])
def test_what_is_nested_too_deep_costs_the_field_or_the_job(
    caplog: pytest.LogCaptureFixture, field: str, levels: int
) -> None:
    job = f'{{"title": "Nurse", "{field}": {"[" * levels}{"]" * levels}}}'
    found = checked(change_stream._change("s", 1, "1-0", {"op": "upsert", "id": "j1", "job": job}), NOW)
    if field == "title":
        assert isinstance(found, Reject) and found.raw
        assert (found.row, field in found.detail) == (1, True)
    else:
        assert isinstance(found, Change) and found.job is not None and found.job.skills == ()
        assert field in caplog.text and "left empty" in caplog.text


@pytest.fixture
def stream(live_redis: str) -> tuple[Any, str]:
    """A client of a live server, and the address of a stream there."""
    import redis

    return redis.Redis.from_url(f"redis://{live_redis}"), f"redis://{live_redis}#changes"


def add(client: Any, **fields: Any) -> str:
    return client.xadd("changes", fields).decode()


def test_a_stream_gives_its_entries_in_order_and_goes_on_behind_any(stream: tuple[Any, str]) -> None:
    client, address = stream
    first = add(client, op="upsert", id="j1", job=json.dumps({"title": "Nurse", "skills": ["care"]}))
    add(client, op="delete", id="j1", time=NOW.isoformat())
    feed = open_feed(address)
    now = datetime.now(UTC)
    upserted, deleted = (checked(raw, now) for raw in feed.read(""))
    assert isinstance(upserted, Change) and upserted.job is not None
    assert (upserted.job.title, upserted.position, upserted.job.updated_at) == ("Nurse", first, upserted.time)
    assert abs((upserted.time - now).total_seconds()) < 60, "an entry without a time has that of the stream"
    assert isinstance(deleted, Change) and (deleted.job, deleted.time) == (None, NOW)
    assert [raw.position for raw in open_feed(address).read(first)] == [deleted.position]
    assert feed.read(deleted.position) == []


def test_a_bad_entry_is_rejected_and_stops_no_other(stream: tuple[Any, str]) -> None:
    client, address = stream
    add(client, op="upsert", id="j1", job="{")
    add(client, op="upsert", id="j1", job="7")
    add(client, op="upsert", id="j1", job=json.dumps({"id": "j2", "title": "Nurse"}))
    add(client, op="upsert", id="j1")
    client.xadd("changes", {"op": b"\xff", "id": "j1"})
    add(client, op="delete", id="j1")
    *bad, good = [checked(raw, datetime.now(UTC)) for raw in open_feed(address).read("")]
    reasons = [one.reason for one in bad if isinstance(one, Reject)]
    assert reasons == ["bad_json", "missing_field", "other_id", "missing_field", "unknown_value"]
    assert isinstance(good, Change)


def test_a_stream_that_no_longer_holds_where_the_index_ends_is_told(stream: tuple[Any, str]) -> None:
    client, address = stream
    first = add(client, op="delete", id="j1")
    second = add(client, op="delete", id="j2")
    client.xtrim("changes", maxlen=1, approximate=False)
    with refused(MissingChanges, second, first):
        open_feed(address).read(first)
    with refused(BadInput, "seventeen"):
        open_feed(address).read("seventeen")


def test_a_server_that_does_not_answer_is_told_without_its_password() -> None:
    feed = open_feed("redis://user:secret@127.0.0.1:1/0#changes")
    with pytest.raises(NotReady) as error:
        feed.read("")
    assert error.value.where == "127.0.0.1:1#changes" and "secret" not in str(error.value)
