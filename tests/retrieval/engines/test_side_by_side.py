from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from retrieval.engines import side_by_side as module
from retrieval.engines.side_by_side import ahead, at_once, keep_to, one_core, side_by_side


def parts_of(m: int, least: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    side_by_side(lambda part: found.append((part.start, part.stop)), m, least)
    return sorted(found)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_row_is_worked_on_once_by_as_many_as_have_enough_to_do(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "cores", lambda: count)
    for m, least in ((0, 10), (9, 10), (25, 10), (1_003, 10)):
        parts = parts_of(m, least)
        assert len(parts) == max(1, min(count, m // least))
        assert [row for start, stop in parts for row in range(start, stop)] == list(range(m))


def test_the_parts_run_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cores", lambda: 2)
    both = threading.Barrier(2, timeout=30)
    side_by_side(lambda _: both.wait() and None, 2, 1)


def test_an_error_in_any_part_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cores", lambda: 2)

    def fail(part: slice) -> None:
        if part.start:
            raise ValueError("the second part")

    with pytest.raises(ValueError, match="the second part"):
        side_by_side(fail, 2, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_has_threads_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cores", lambda: 2)
    side_by_side(lambda _: None, 2, 1)
    child = os.fork()
    if not child:
        signal.alarm(30)  # without threads of its own it would wait for ever
        try:
            side_by_side(lambda _: None, 2, 1)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_work_that_is_done_side_by_side_may_do_so_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.engines.side_by_side.cores", lambda: 2)
    done: list[int] = []

    def outer(rows: slice) -> None:
        side_by_side(lambda part: done.extend(range(part.start, part.stop)), 8, 1)

    asked = threading.Thread(target=side_by_side, args=(outer, 2, 1), daemon=True)
    asked.start()
    asked.join(10)
    assert not asked.is_alive() and sorted(done) == sorted([*range(8), *range(8)])


def test_where_requests_take_all_cores_each_works_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cores", lambda: 2)
    with one_core():
        assert len(parts_of(100, 1)) == 2, "the other core is free"
        with one_core():
            assert parts_of(100, 1) == [(0, 100)]
            assert at_once([threading.get_ident] * 3) == [threading.get_ident()] * 3
        assert len(parts_of(100, 1)) == 2
    keep_to(1)
    try:
        assert parts_of(100, 1) == [(0, 100)], "other processes need the others"
    finally:
        module._kept_to.clear()


def test_outside_of_requests_nothing_is_begun_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cores", lambda: 2)
    assert at_once([threading.get_ident] * 2) == [threading.get_ident()] * 2


def test_what_is_begun_ahead_runs_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cores", lambda: 2)
    begun = threading.Event()
    with one_core():
        value = ahead(lambda: begun.set() or threading.get_ident())
        assert begun.wait(30)
        assert value() != threading.get_ident()


@pytest.fixture
def request_on_two_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "cores", lambda: 2)
    module._threads.cache_clear()
    with one_core():
        yield


def _fail() -> None:
    raise ValueError("no vectors")


@pytest.mark.usefixtures("request_on_two_cores")
def test_what_no_core_has_begun_the_caller_does_itself() -> None:
    started, done = threading.Event(), threading.Event()
    busy = ahead(lambda: started.set() or done.wait(30))
    assert started.wait(30)
    assert ahead(threading.get_ident)() == threading.get_ident()
    done.set()
    assert busy()


@pytest.mark.usefixtures("request_on_two_cores")
def test_an_error_is_raised_where_the_value_is_asked_for() -> None:
    failing = ahead(_fail)
    with pytest.raises(ValueError, match="no vectors"):
        failing()
    with pytest.raises(ValueError, match="no vectors"):
        at_once([lambda: None, _fail])
