"""What a replayed request sees: what was true and known at its time, and nothing later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from contracts.arrow import TIME
from contracts.tables import write_part
from contracts.workspace import Workspace
from ranking.scorer import ItemEncoder
from replay.asof import jobs_as_of, requests_as_of, values_as_of
from replay.holdout import held_out
from retrieval.encoder import TextEncoder

HISTORY = [("m1", "first", 1, 1), ("m1", "second", 3, 3), ("m1", "told late", 2, 9), ("m2", "other", 1, 1)]


@pytest.fixture
def history(tmp_path: Path, day: Callable) -> Path:
    names, texts, true, known = zip(*HISTORY, strict=True)
    times = {"event_timestamp": pa.array(map(day, true), TIME), "created_timestamp": pa.array(map(day, known), TIME)}
    write_part(tmp_path / "view", pa.table({"member_id": names, "text": texts, **times}))
    return tmp_path / "view"


@pytest.mark.parametrize(
    ("at", "expected"),
    [(0.5, None), (1, "first"), (2.5, "first"), (3, "second"), (10, "second")],
)
def test_the_newest_value_true_and_known_by_then_is_seen(
    history: Path, day: Callable, at: float, expected: str | None
) -> None:
    (found,) = values_as_of(history, "member_id", [("m1", day(at))], ["text"])
    assert (found and found["text"]) == expected


def test_values_come_back_in_the_order_asked(history: Path, day: Callable) -> None:
    found = values_as_of(history, "member_id", [("m2", day(5)), ("nobody", day(5)), ("m1", day(1))], ["text"])
    assert found == [{"text": "other"}, None, {"text": "first"}]


def test_a_table_that_does_not_exist_knows_nothing(tmp_path: Path, day: Callable) -> None:
    assert values_as_of(tmp_path / "none", "member_id", [("m1", day(1))], ["text"]) == [None]


def test_a_request_holds_the_activity_before_it_and_excludes_what_was_applied_to(shown: Workspace) -> None:
    first, second = requests_as_of(shown, held_out(shown, 10), {})
    assert first.recent == ("j1",)
    assert first.exclude == {"j1"}
    assert "viewed: truck driver" in first.request_text.lower()
    assert second.recent == ("j3",)


def test_viewed_jobs_are_no_candidates_where_the_protocol_says_so(viewed: Workspace) -> None:
    by_id = dict(zip(("qe4", "qe5"), requests_as_of(viewed, held_out(viewed, 10), {}), strict=True))
    assert by_id["qe5"].exclude == {"j1", "j2"}


def test_a_job_is_as_it_was_at_the_first_held_out_request(make_market: Callable, job: Callable, tmp_path: Path) -> None:
    market = make_market("shown")
    market.jobs += [job("j1", "python developer", known=20), job("j9", "cook", known=30)]
    workspace = market.write(tmp_path)
    cut = held_out(workspace, 10)[0].time
    encoder, items = TextEncoder(workspace.encoder), ItemEncoder(workspace.bundle)
    with jobs_as_of(workspace, cut, items, encoder) as jobs:
        (row,) = jobs.index.rows(["j1"])
        assert jobs.index.display(row)["title"] == "truck driver"
        assert set(jobs.unknown_until) == {"j9"}


def test_a_job_that_came_later_is_no_candidate_before(make_market: Callable, job: Callable, tmp_path: Path) -> None:
    market = make_market("shown")
    market.jobs.append(job("j9", "truck driver", known=8.5))
    workspace = market.write(tmp_path)
    held = held_out(workspace, 10)
    with jobs_as_of(workspace, held[0].time, ItemEncoder(workspace.bundle), TextEncoder(workspace.encoder)) as jobs:
        first, second = requests_as_of(workspace, held, jobs.unknown_until)
        assert "j9" in first.exclude
        assert "j9" not in second.exclude
