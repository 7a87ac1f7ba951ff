"""Metrics of several processes are one text, whichever is asked; one that is gone or hangs is left out and said."""

from __future__ import annotations

import math
import socket
from pathlib import Path

import pytest

from serving.http import siblings
from serving.http.siblings import Siblings, labelled
from serving.metrics import Metrics
from tests.serving.test_metrics import samples


def test_each_gives_the_numbers_of_all(tmp_path: Path) -> None:
    two = Metrics(), Metrics()
    two[0].requests.labels("/v1/search", "200").inc(3)
    two[1].requests.labels("/v1/search", "200").inc(4)
    two[1].request_seconds.labels("/v1/search").observe(0.03)
    two[1].features_materialized.set(math.nan)
    places = [Siblings(tmp_path, place) for place in (0, 1)]
    for place, metrics in zip(places, two, strict=True):
        place.tell(metrics.text)
    for place, metrics in zip(places, two, strict=True):
        found = samples(place.text(metrics.text()))
        of = {process: frozenset({("path", "/v1/search"), ("status", "200"), ("process", process)}) for process in "01"}
        assert [found["rolecall_requests_total", of[process]] for process in "01"] == [3, 4]
        assert found["rolecall_request_seconds_count", frozenset({("path", "/v1/search"), ("process", "1")})] == 1
        assert math.isnan(found["rolecall_features_materialized_timestamp_seconds", frozenset({("process", "1")})])


def test_one_process_keeps_all_that_it_says_but_for_its_label() -> None:
    metrics = Metrics()
    metrics.degraded.labels("student", 'a \\ "quoted" cause\nof two lines').inc()
    metrics.shown("search", [0.9, 0.1], [{"view": 0.5}])
    own = {name: value for name, value in samples(metrics.text()).items() if not name[0].startswith("process_")}
    found = {
        (name, frozenset(labels - {("process", "0")})): value
        for (name, labels), value in samples(labelled({"0": metrics.text()})).items()
        if not name.startswith("process_")
    }
    assert found == pytest.approx(own, nan_ok=True)
    assert labelled({"0": metrics.text()}).count(b"# TYPE rolecall_degraded_total counter") == 1


def test_one_that_is_gone_or_hangs_is_left_out_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(siblings, "SECONDS", 0.05)
    with socket.socket(socket.AF_UNIX) as gone, socket.socket(socket.AF_UNIX) as hangs:
        gone.bind(str(tmp_path / "1"))
        hangs.bind(str(tmp_path / "2"))
        hangs.listen()
        found = samples(Siblings(tmp_path, 0).text(Metrics().text()))
    assert [labels for name, labels in found if name == "rolecall_processes"] == [frozenset({("process", "0")})]
    assert caplog.text.count("sibling_not_asked") == 2


def test_one_that_replaces_another_takes_its_place(tmp_path: Path) -> None:
    Siblings(tmp_path, 0).tell(Metrics().text)
    after = Metrics()
    after.unshown.inc(7)
    Siblings(tmp_path, 0).tell(after.text)
    found = samples(Siblings(tmp_path, 1).text(Metrics().text()))
    assert found["rolecall_unshown_total", frozenset({("process", "0")})] == 7


def test_one_that_ends_in_the_middle_of_a_number_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    other = Metrics()
    other.requests.labels("/v1/search", "200").inc(1_234)
    Siblings(tmp_path, 1).tell(lambda: other.text().partition(b"1234.0")[0] + b"12")
    found = samples(Siblings(tmp_path, 0).text(Metrics().text()))
    assert {dict(labels)["process"] for _, labels in found} == {"0"}
    assert "in the middle of a line" in caplog.text
