"""How often a key may ask, at one process and at several together."""

from __future__ import annotations

import fcntl
import multiprocessing
from datetime import UTC, datetime
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import BadInput
from serving.access import buckets
from serving.access.buckets import Buckets
from serving.access.keys import Key
from tests.make import refused


def key(id_: str, per_second: float = 0.0) -> Key:
    created = datetime(2026, 1, 1, tzinfo=UTC)
    return Key(id=id_, name=id_, scopes=("serve",), sha256="0" * 64, created=created, per_second=per_second)


def test_a_bucket_lets_ten_seconds_worth_through_and_then_so_many_a_second() -> None:
    site, mine = key("site", 2), Buckets()
    assert [mine.wait(site, 0.0) for _ in range(21)] == [0] * 20 + [1]
    assert mine.wait(site, 0.5) == 0 and mine.wait(site, 0.6) == 1


def test_a_key_without_a_rate_is_never_told_to_wait() -> None:
    free, mine = key("free"), Buckets()
    assert not any(mine.wait(free, 0.0) for _ in range(1000))


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["a", "b"]), st.floats(0, 3)), max_size=60))
def test_processes_that_share_a_file_let_through_what_one_would(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[int, str, float]]
) -> None:
    path = tmp_path_factory.mktemp("rates") / "rates"
    alone, together, now = Buckets(), [Buckets(path) for _ in range(3)], 0.0
    for process, name, later in asked:
        now += later
        of = key(name, 0.5)
        assert together[process].wait(of, now) == alone.wait(of, now)


def ask(path: Path, together: Barrier, found: Queue[int]) -> None:
    mine, site = Buckets(path), key("site", 500)
    together.wait(60)
    found.put(sum(mine.wait(site, 0.0) == 0 for _ in range(4000)))


def test_processes_that_ask_at_once_count_every_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "LOCK_SECONDS", 60.0)  # whoever has the lock waits for a core on a busy machine
    context = multiprocessing.get_context("fork")
    found, together = context.Queue(), context.Barrier(3)
    processes = [context.Process(target=ask, args=(tmp_path / "rates", together, found)) for _ in range(3)]
    for process in processes:
        process.start()
    assert sum(found.get(timeout=60) for _ in processes) == 5000
    for process in processes:
        process.join()


def test_one_that_was_stopped_with_the_levels_in_hand_lets_the_others_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mine, site = Buckets(tmp_path / "rates"), key("site", 1)
    with (tmp_path / "rates").open("rb") as other, caplog.at_level("WARNING", logger="rolecall"):
        fcntl.flock(other, fcntl.LOCK_EX)
        assert [mine.wait(site, 0.0) for _ in range(11)] == [0] * 10 + [1]
    assert "rates_not_locked" in caplog.text


def test_where_all_places_are_taken_the_key_that_was_idle_longest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "PLACES", 2)
    monkeypatch.setattr(buckets, "NEAR", 2)
    mine = Buckets()
    for name, now in (("idle", 0.0), ("busy", 1.0), ("new", 2.0)):
        for _ in range(11):
            mine.wait(key(name, 1), now)
    assert mine.wait(key("busy", 1), 2.0) == 0, "one second's worth, and no more"
    assert mine.wait(key("busy", 1), 2.0) == 1
    assert mine.wait(key("new", 1), 2.0) == 1


def test_a_file_that_cannot_be_made_is_named_with_its_cure(tmp_path: Path) -> None:
    with refused(BadInput, "TMPDIR", where=tmp_path / "nowhere" / "rates"):
        Buckets(tmp_path / "nowhere" / "rates")
