"""What hangs is waited for no longer than stated; what fails is left alone and tried again."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from feature_repo.config import StoreConfig
from feature_repo.guard import Breaker, BreakerOpen, Guard, StoreDown, StoreSlow


@pytest.fixture
def hangs() -> Iterator[Callable[[], bool]]:
    """A call that returns when the test is over."""
    over = threading.Event()
    yield lambda: over.wait(60)
    over.set()


def guard(seconds: float = 60, **values: float) -> Guard:
    return Guard(2, seconds, StoreConfig.model_validate(values))


def fails() -> None:
    raise ValueError("as the store says it")


def test_a_call_that_hangs_is_given_up_and_so_is_one_that_waits_for_its_thread(hangs: Callable[[], bool]) -> None:
    guarded = guard(0.05, failures=5)
    for _ in range(4):
        with pytest.raises(StoreSlow):
            guarded.run(hangs)
    assert guarded.breaker.state == "closed"


def test_a_store_that_hangs_does_not_keep_a_process_that_ends() -> None:
    program = """
import threading
from feature_repo.config import StoreConfig
from feature_repo.guard import Guard, StoreSlow

try:
    Guard(2, 0.05, StoreConfig()).run(threading.Event().wait)
except StoreSlow:
    print("given up")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "given up\n"), done.stderr


def test_a_closed_guard_drops_what_waits_and_takes_nothing_more() -> None:
    guarded = Guard(1, 60, StoreConfig(failures=9))
    over, began = threading.Event(), threading.Event()
    with ThreadPoolExecutor(3) as pool:
        runs = pool.submit(guarded.run, lambda: (began.set(), over.wait(60), 7)[2])
        assert began.wait(60)
        waits = pool.submit(guarded.run, lambda: 8)
        while guarded._threads._calls.empty():
            pass
        closes = pool.submit(guarded.close)
        with pytest.raises(CancelledError):
            waits.result(60)
        over.set()
        assert runs.result(60) == 7 and closes.result(60) is None
    with pytest.raises(StoreDown, match="closed"):
        guarded.run(lambda: 9)


def test_after_failures_in_a_row_nothing_is_called_until_one_probe_succeeds() -> None:
    guarded, calls = guard(failures=3, probe_seconds=1e9), []
    for _ in range(3):
        with pytest.raises(ValueError, match="as the store says it"):
            guarded.run(fails)
    assert guarded.breaker.state == "open"
    with pytest.raises(BreakerOpen):
        guarded.run(lambda: calls.append(1))
    assert calls == []
    guarded.breaker._retry_at = 0.0
    assert guarded.run(lambda: 7) == 7
    assert guarded.breaker.state == "closed"
    guarded.close()


def test_a_success_between_failures_keeps_it_closed() -> None:
    guarded = guard(failures=2)
    for _ in range(3):
        with pytest.raises(ValueError):
            guarded.run(fails)
        guarded.run(lambda: None)
    assert guarded.breaker.state == "closed"
    guarded.close()


def test_of_many_that_come_when_it_is_tried_again_one_is_let_through() -> None:
    breaker = Breaker(1, 0.0)
    breaker.admit()
    breaker.note(False)

    def admitted(_: int) -> bool:
        try:
            breaker.admit()
        except BreakerOpen:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(admitted, range(100))) == 1
    assert breaker.state == "half_open"
    breaker.note(False)
    assert breaker.state == "open"
