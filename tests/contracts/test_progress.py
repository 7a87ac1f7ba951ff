import logging
import pickle

import pytest

from contracts import progress
from contracts.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def lines(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_line_tells_units_rate_and_seconds_left(clock, caplog):
    caplog.set_level(logging.INFO, "rolecall")
    counter = Progress("embed", "texts", 1_500)
    counter.start()
    clock[0] += 6
    counter.add(768)
    assert lines(caplog) == ["embed: 768/1,500 texts, 128/s, 6 s left"]
    assert caplog.records[0].progress.left_s == pytest.approx(6 / 768 * 732)


def test_lines_are_five_seconds_apart(clock, caplog):
    caplog.set_level(logging.INFO, "rolecall")
    counter = Progress("ingest", "rows")
    for _ in range(12):
        counter.add(10)
        clock[0] += 1
    assert lines(caplog) == ["ingest: 60 rows, 12/s", "ingest: 110 rows, 11/s"]


def test_the_rate_may_count_another_unit(clock, caplog):
    caplog.set_level(logging.INFO, "rolecall")
    counter = Progress("student", "steps", 10, rated="pairs")
    counter.start()
    clock[0] += 8
    counter.add(2, rated=400)
    assert lines(caplog) == ["student: 2/10 steps, 50 pairs/s, 32 s left"]


def test_it_travels_to_a_worker_before_it_starts(clock, caplog):
    caplog.set_level(logging.INFO, "rolecall")
    counter = pickle.loads(pickle.dumps(Progress("label", "lists", 2)))  # noqa: S301
    counter.start()
    clock[0] += 10
    counter.add(1)
    assert lines(caplog) == ["label: 1/2 lists, 0.1/s, 10 s left"]
