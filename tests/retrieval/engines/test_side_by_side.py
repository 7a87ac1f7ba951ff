from __future__ import annotations

import os
import signal
import threading

import pytest

from retrieval.engines import side_by_side as module
from retrieval.engines.side_by_side import side_by_side


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
