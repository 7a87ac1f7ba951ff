"""What was served is held against the offline tables: they agree after a real run, a planted difference is found."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from contracts.errors import NotReady
from contracts.features import CREATED_TIME, EVENT_TIME, MEMBER_TEXT
from contracts.tables import read_table, write_part
from contracts.text.verbalizer import request_text
from contracts.workspace import Workspace
from rolecall.cli import app
from serving import drift_sample
from serving.config import ServeConfig
from serving.drift import EQUAL, DriftReport, Limits, as_prometheus, measure, stability
from serving.drift_config import DriftConfig
from serving.drift_sample import DriftSample, drop_old, member_part, read_sample
from serving.engine import Engine
from serving.metrics import Metrics
from serving.schemas import Profile, RecommendRequest, SearchRequest
from tests.make import refused

ALL = ServeConfig(deadline=60, drift=DriftConfig(share=1.0))


def serve(workspace: Workspace, ask: Callable[[Engine], object]) -> None:
    engine = Engine(workspace, ALL)
    try:
        ask(engine)
    finally:
        engine.close()


def recommend(member_ids: Sequence[str]) -> Callable[[Engine], object]:
    return lambda engine: [engine.recommend(RecommendRequest(member_id=id_, k=5)) for id_ in member_ids]


def compared(workspace: Workspace) -> DriftReport:
    return measure(workspace, ALL, Limits())


def test_what_was_served_is_what_the_offline_tables_give(workspace: Workspace, member_ids: list[str]) -> None:
    def ask(engine: Engine) -> None:
        first = engine.recommend(RecommendRequest(member_id=member_ids[0], k=5))
        engine.record([{"request_id": first.request_id, "job_id": first.results[0].job_id, "action": "apply"}])
        recommend(member_ids[:8])(engine)
        engine.search(SearchRequest(member_id=member_ids[1], query="nurse", k=5))

    serve(workspace, ask)
    report = compared(workspace)
    assert (report.answers, report.features, report.equal_share) == (10, {EQUAL: 10}, 1.0)
    assert report.scored >= 40
    assert report.score_difference is not None and report.score_difference < 0.05
    assert report.problems == ()


def test_features_that_were_never_loaded_are_found(workspace: Workspace, member_ids: list[str]) -> None:
    """The offline tables know a new text of every member, and nobody ran `features materialize`."""
    table = read_table(workspace.features / MEMBER_TEXT)
    now = pa.scalar(datetime.now(UTC), table.schema.field(EVENT_TIME).type)
    for name in (EVENT_TIME, CREATED_TIME):
        table = table.set_column(table.schema.get_field_index(name), name, pa.repeat(now, table.num_rows))
    at = table.schema.get_field_index("text")
    changed = pa.array([f"{text} | skills: welding" for text in table["text"].to_pylist()], table.schema.field(at).type)
    write_part(workspace.features / MEMBER_TEXT, table.set_column(at, "text", changed))
    serve(workspace, recommend(member_ids[:5]))
    report = compared(workspace)
    assert (report.equal_share, report.features) == (0.0, {"other values": 5})
    assert report.problems[0].startswith("features: 0.0%")


def test_a_store_that_lost_the_members_is_found(
    workspace: Workspace, member_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from feature_repo.online import MemberRow, OnlineMembers

    read = OnlineMembers.read
    monkeypatch.setattr(
        OnlineMembers, "read", lambda self, id_: MemberRow(True, activity=read(self, id_).activity, text_version="")
    )
    serve(workspace, recommend(member_ids))
    report = compared(workspace)
    assert report.features.get("without the member's text", 0) > 0 and EQUAL not in report.features


def test_who_has_no_stored_features_is_not_sampled_and_nobody_is_named(
    workspace: Workspace, member_ids: list[str]
) -> None:
    def ask(engine: Engine) -> None:
        engine.recommend(RecommendRequest(profile=Profile(headline="Welder"), k=5))
        engine.recommend(RecommendRequest(member_id=member_ids[0], profile=Profile(headline="Welder"), k=5))
        engine.search(SearchRequest(query="welder", k=5))
        engine.tried(RecommendRequest(member_id=member_ids[2], k=5))
        engine.search(SearchRequest(member_id=member_ids[1], query="quixotic welder", k=5))

    serve(workspace, ask)
    [path] = (workspace.root / "drift").iterdir()
    [_] = read_sample(workspace, datetime.now(UTC) - timedelta(hours=1))
    for text in (*member_ids, "quixotic", "welder"):
        assert text.encode() not in path.read_bytes()


def test_without_a_sample_there_is_nothing_to_compare(workspace: Workspace) -> None:
    with refused(NotReady, workspace.root / "drift"):
        compared(workspace)


def test_the_command_ends_with_its_finding(workspace: Workspace, member_ids: list[str], tmp_path: Path) -> None:
    serve(workspace, recommend(member_ids[:3]))
    run = CliRunner().invoke
    place = ["drift", "--workspace", str(workspace.root)]
    good = run(app, [*place, "--json", "--textfile", str(tmp_path / "drift.prom")])
    assert good.exit_code == 0
    assert DriftReport.model_validate_json(good.stdout).equal_share == 1.0
    assert "rolecall_drift_equal_features_share 1.0" in (tmp_path / "drift.prom").read_text()
    bad = run(app, [*place, "--difference", "0", "--equal", "1"])
    assert bad.exit_code == (1 if DriftReport.model_validate_json(good.stdout).score_difference else 0)


def test_a_disk_that_hangs_keeps_no_process_from_its_end(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    over, began = threading.Event(), threading.Event()

    def hangs(slate: Any) -> Any:
        began.set()
        over.wait(60)
        raise OSError("at last")

    monkeypatch.setattr(drift_sample, "sampled", hangs)
    monkeypatch.setattr(drift_sample, "CLOSE_SECONDS", 0.05)
    monkeypatch.setattr(drift_sample, "MAX_WAITING", 1)
    sample = DriftSample(workspace, DriftConfig(share=1.0), Metrics())
    sample._waiting.put(cast(Any, "hangs"))
    assert began.wait(60)
    sample._waiting.put(cast(Any, "fills"))
    closing = threading.Thread(target=sample.close, daemon=True)
    closing.start()
    closing.join(60)
    assert not closing.is_alive() and "drift_sample_not_written" in caplog.text
    over.set()


def test_old_days_and_torn_lines_are_passed_over(workspace: Workspace, member_ids: list[str]) -> None:
    serve(workspace, recommend(member_ids[:2]))
    [path] = (workspace.root / "drift").iterdir()
    with path.open("ab") as file:
        file.write(b'{"request_id": "cut')
    assert len(list(read_sample(workspace, datetime.now(UTC) - timedelta(days=1)))) == 2
    assert list(read_sample(workspace, datetime.now(UTC) + timedelta(hours=1))) == []
    drop_old(path.parent, datetime.now(UTC) + timedelta(days=2))
    assert not path.exists()


@pytest.mark.parametrize("query", ["", "nurse", "a | b", "x" * 300])
def test_the_members_part_of_a_text_is_found_again(query: str) -> None:
    for text, activity in (("member", "applied: welder"), ("", "applied: welder"), ("member", ""), ("", "")):
        assert member_part(request_text(text, activity, query), query) == request_text(text, activity)


@pytest.mark.parametrize("seed", range(5))
def test_the_same_scores_have_not_moved_and_others_have(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def window(answers: int, shift: float) -> list[np.ndarray]:
        return [1 / (1 + np.exp(-rng.normal(shift, 1, 20) - rng.normal(0, 0.3))) for _ in range(answers)]

    before = window(400, 0.0)
    same, moved = stability(window(200, 0.0), before, rng), stability(window(200, 1.0), before, rng)
    assert same.low < 0.02 and same.index < 0.1
    assert moved.low > 0.3 and moved.low <= moved.index <= moved.high + 0.1
    assert (moved.answers) == (200, 400)


def test_one_value_alone_is_a_distribution_too() -> None:
    rng = np.random.default_rng(0)
    found = stability([np.array([0.5])], [np.array([0.5])], rng)
    assert found.index == 0.0


def test_the_textfile_names_what_moved() -> None:
    rng = np.random.default_rng(0)
    one = stability([np.array([0.5])], [np.array([0.5])], rng)
    report = DriftReport(
        answers=1,
        compared=0,
        features={},
        equal_share=None,
        scored=0,
        score_difference=None,
        moved={"search view": one},
        problems=(),
    )
    assert 'rolecall_drift_stability_index{surface="search",task="view"} 0.000000' in as_prometheus(report)
