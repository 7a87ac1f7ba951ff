from __future__ import annotations

import json
import os
import shutil
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from backfill.lists import lists_of
from beam_jobs.loads import Load, note_load, read_loads
from contracts.errors import BadInput, ExportRefused, GateRefused, IndexMismatch, NotReady, NotWritten, OtherWriter
from contracts.lock import RECIPE, locked
from contracts.tables import read_table
from contracts.versions import current, set_current, unset_current
from contracts.workspace import Workspace
from retrieval.index.job_index import JobIndex
from retrieval.index.manifest import built_at, read_index_manifest
from rolecall import nightly
from rolecall.cli import app
from rolecall.nightly import Night, Nightly
from rolecall.params import Params
from tests.make import refused
from tests.serving.conftest import write_untrained_bundle

LATELY = (datetime.now(UTC) - timedelta(minutes=10)).isoformat()


def night_of(workspace: Workspace, **asked: object) -> tuple[int, dict[str, nightly.Outcome]]:
    night = Night(workspace, Params(), None, Nightly(**{"links_days": None, **asked}))
    code = night.run()
    return code, {outcome.stage: outcome for outcome in night.outcomes}


@pytest.fixture
def news(tmp_path: Path, board: Workspace) -> Path:
    """What came in since: a new job, a member's new headline, an application."""
    jobs = read_table(board.records / "jobs", ["id"])["id"].to_pylist()
    members = read_table(board.records / "members", ["id"])["id"].to_pylist()
    rows = {
        "jobs": [{"id": "fresh", "title": "Lighthouse keeper", "company": "Coast", "updated_at": LATELY}],
        "members": [{"id": members[0], "headline": "Lighthouse keeper", "updated_at": LATELY}],
        "events": [
            {
                "id": "e-fresh",
                "time": LATELY,
                "member_id": members[1],
                "job_id": jobs[0],
                "action": "apply",
            }
        ],
    }
    folder = tmp_path / "news"
    for table, of_table in rows.items():
        (folder / table).mkdir(parents=True)
        (folder / table / "a.jsonl").write_text("\n".join(map(json.dumps, of_table)))
    return folder


@pytest.fixture(autouse=True)
def one_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """The market's world takes rows of the test's own."""
    monkeypatch.setattr("beam_jobs.loads.require_one_world", lambda workspace, source: True)


def test_what_is_new_is_served_in_the_morning_and_a_second_night_has_nothing_to_do(board, news, member_ids):
    before = board.index
    code, told = night_of(board, data=str(news))
    assert code == 0, told
    assert board.index != before and board.index.name in told["index"].said
    assert JobIndex.load(board.index).rows(["fresh"])[0] >= 0
    assert "3 written" in told["ingest"].said
    (one,) = lists_of(board, member_ids[0])
    assert one["index_version"] == board.index.name and one["version"] in told["lists"].said
    assert "no trigger" in told["train"].said

    built = built_at(board.index)
    code, told = night_of(board, data=str(news), lists=False)
    assert code == 0
    assert "0 written" in told["ingest"].said and "0 written" in told["verbalize"].said
    assert "0 written" in told["activity"].said and "0 written" in told["embed"].said
    assert "holds all there is" in told["index"].said and "nothing is newer" in told["materialize"].said
    assert built_at(board.index) == built
    note = json.loads((board.root / nightly.NOTE).read_text())
    assert note["exit_code"] == 0 and [stage["stage"] for stage in note["stages"]] == list(told)


def test_where_a_stage_fails_all_that_was_in_use_is_in_use_again(board, news, monkeypatch):
    before = {folder: current(folder) for folder in (board.bundles, board.indexes, board.root / "lists")}

    def broken(*_: object, **__: object) -> None:
        raise IndexMismatch("the lists do not come about", cure="mend it")

    monkeypatch.setattr("backfill.run.bring", broken)
    code, told = night_of(board, data=str(news))
    assert code == IndexMismatch.exit_code
    assert "the lists do not come about" in told["lists"].said
    assert "->" in told["index"].said, "the index had been switched"
    assert {folder: current(folder) for folder in before} == before
    assert "in use again" in told["indexes"].said
    monkeypatch.undo()
    monkeypatch.setattr("beam_jobs.loads.require_one_world", lambda workspace, source: True)
    code, told = night_of(board, data=str(news))
    assert code == 0, "the next night makes it good"
    assert JobIndex.load(board.index).rows(["fresh"])[0] >= 0


def test_a_stage_that_ends_in_an_untyped_error_ends_the_night_as_any_other(board, news, monkeypatch, caplog):
    before = board.index
    (board.root / nightly.NOTE).write_text('{"exit_code": 0}')

    def down(*_: object) -> None:
        raise ConnectionError("Error 111 connecting to redis:6379\nand more")

    monkeypatch.setattr("feature_repo.store.materialize", down)
    code, told = night_of(board, data=str(news))
    assert code == 1 and told["materialize"].said == "failed: ConnectionError: Error 111 connecting to redis:6379"
    assert "lists" not in told and board.index == before
    note = json.loads((board.root / nightly.NOTE).read_text())
    assert note["exit_code"] == 1 and note["stages"][-1]["said"] == f"{before.name} is in use again"


def test_what_was_not_in_use_is_not_in_use_again(board, monkeypatch):
    unset_current(board.indexes.parent / "links")
    index = board.index

    def learns(self: Night) -> str:
        set_current(board.links, "0123456789ab")
        set_current(board.indexes, "elsewhere")
        raise NotReady("no job has a text")

    set_current_ = nightly.set_current

    def full(folder: Path, version: str) -> None:
        if folder == board.indexes:
            raise NotWritten("no space")
        set_current_(folder, version)

    monkeypatch.setattr(Night, "_links", learns)
    with monkeypatch.context() as patched:
        patched.setattr(nightly, "set_current", full)
        code, told = night_of(board)
    assert code == NotReady.exit_code
    assert current(board.links) is None and told["links"].said == "none is in use again"
    assert "no space" in told["indexes"].said and "elsewhere is in use" in told["indexes"].said
    set_current(board.indexes, index.name)


def test_a_night_that_is_ended_by_its_scheduler_puts_back_and_says_so(board, news, monkeypatch):
    before = board.index
    handler = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    of_keys = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background process ignores Ctrl-C

    def ended(*_: object, **__: object) -> None:
        assert board.index != before
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("backfill.run.bring", ended)
    try:
        flags = ["nightly", "--workspace", str(board.root), "--data", str(news), "--links-days", "9999"]
        assert CliRunner().invoke(app, flags).exit_code
    finally:
        signal.signal(signal.SIGTERM, handler)
        signal.signal(signal.SIGINT, of_keys)
    assert board.index == before
    note = json.loads((board.root / nightly.NOTE).read_text())
    assert note["exit_code"] == 130 and "stopped" in {stage["stage"] for stage in note["stages"]}


def test_a_switch_to_what_was_made_before_the_last_index_is_seen(board):
    assert night_of(board, lists=False)[0] == 0
    code, told = night_of(board, lists=False)
    assert code == 0 and "holds all there is" in told["index"].said and "nothing is newer" in told["materialize"].said
    version = board.features / "activity" / "v"
    for view in ("member_activity", "job_stats"):
        shutil.copytree(board.features / view, version / view)
        for path in (*(version / view).iterdir(), version / view):
            os.utime(path, (1, 1))
    set_current(version.parent, "v")
    code, told = night_of(board, lists=False)
    assert code == 0 and " -> " in told["index"].said and "newest rows" in told["materialize"].said


def test_another_online_store_is_loaded_though_nothing_is_newer(board, monkeypatch):
    code, told = night_of(board, lists=False)
    assert code == 0, told
    monkeypatch.delenv("REDIS_URL", raising=False)
    code, told = night_of(board, lists=False, profile="redis")
    assert code == BadInput.exit_code and "REDIS_URL" in told["materialize"].said


def test_data_that_do_not_fit_end_the_night_before_anything_is_served(board, news):
    (news / "jobs" / "b.jsonl").write_text("\n".join(json.dumps({"id": f"x{i}"}) for i in range(9)))
    before = board.index
    code, told = night_of(board, data=str(news))
    assert code == 3 and list(told) == ["ingest"] and "do not fit" in told["ingest"].said
    assert board.index == before


TRIGGERS = {
    "age": ({"retrain_days": 0}, "days old"),
    "grades": ({"retrain_days": 99, "retrain_grades": 50}, "60 grades came in"),
    "too few grades": ({"retrain_grades": 61}, None),
    "young": ({"retrain_days": 1}, None),
    "nothing sampled": ({"retrain_drift": True}, None),
}


@pytest.mark.parametrize(("asked", "reason"), TRIGGERS.values(), ids=TRIGGERS)
def test_models_are_trained_where_a_trigger_says_so(board, monkeypatch, asked, reason):
    trained = []
    monkeypatch.setattr("rolecall.recipe.run_recipe", lambda *_, **how: trained.append((how["start"], how["end"])))
    (first, *_) = read_loads(board)
    note_load(
        board,
        Load(
            id="9999999999999", time=datetime.now(UTC) + timedelta(days=1), source=first.source, written={"grades": 60}
        ),
    )
    code, told = night_of(board, lists=False, **asked)
    assert code == 0, told
    assert trained == ([("label", "export")] if reason else [])
    assert (reason or "not trained") in told["train"].said


FAILS = {
    "refused": (ExportRefused("it ranks otherwise", cure="train longer"), ExportRefused.exit_code),
    "untyped": (OSError(28, "it ranks otherwise"), 1),
}


@pytest.mark.parametrize(("error", "exit_code"), FAILS.values(), ids=FAILS)
def test_a_bundle_that_is_refused_leaves_that_of_before_brought_up_to_date(board, news, monkeypatch, error, exit_code):
    bundle = board.bundle

    def refuses(*_: object, **__: object) -> None:
        unset_current(board.bundles)
        raise error

    monkeypatch.setattr("rolecall.recipe.run_recipe", refuses)
    code, told = night_of(board, data=str(news), retrain_days=0, lists=False)
    assert code == exit_code
    assert "it ranks otherwise" in told["train"].said
    assert board.bundle == bundle
    assert read_index_manifest(board.index).bundle_version == bundle.name
    assert JobIndex.load(board.index).rows(["fresh"])[0] >= 0


@pytest.mark.parametrize(("gate", "passes"), [(-1.0, True), (0.0, False)])
def test_a_new_bundle_is_served_only_where_the_gate_lets_it(board, turned, monkeypatch, gate, passes):
    before = board.bundle.name
    monkeypatch.setattr("rolecall.recipe.run_recipe", lambda *_, **__: write_untrained_bundle(board, turned))
    code, told = night_of(board, retrain_days=0, lists=False, gate=gate)
    assert (code == 0) == passes, told["train"]
    assert (board.bundle.name != before) == passes
    assert read_index_manifest(board.index).bundle_version == board.bundle.name
    (page,) = (board.replay_runs / "diffs").glob("*/diff.html")
    assert str(page) in told["train"].said
    if not passes:
        assert code == GateRefused.exit_code and f"bundle {before} stays" in told["train"].said


def test_a_bundle_of_a_night_that_was_killed_before_its_gate_is_judged_by_the_next(board, turned):
    before = board.bundle.name
    write_untrained_bundle(board, turned)
    assert board.bundle.name != before, "as the killed night left it"
    code, told = night_of(board, lists=False, gate=0.0)
    assert code == GateRefused.exit_code and "was trained before and not judged" in told["train"].said
    assert board.bundle.name == read_index_manifest(board.index).bundle_version == before


def test_drift_that_cannot_be_measured_is_a_failure_and_no_silence(board, monkeypatch):
    lately = SimpleNamespace(time=datetime.now(UTC) - timedelta(hours=1))
    monkeypatch.setattr("serving.drift_sample.read_sample", lambda *_: iter([lately]))

    def lacks(*_: object, **__: object) -> None:
        raise NotReady("the index is not there", cure="build it")

    monkeypatch.setattr("serving.drift.measure", lacks)
    code, told = night_of(board, lists=False, retrain_drift=True)
    assert code == NotReady.exit_code and "the index is not there" in told["train"].said


def test_two_nights_at_once_and_a_night_before_the_first_run_are_refused(board, tmp_path):
    with locked(board.root / RECIPE, "rolecall nightly"), refused(OtherWriter, "rolecall nightly"):
        night_of(board)
    with refused(NotReady, "rolecall export"):
        night_of(Workspace(tmp_path / "empty"))
    assert not (tmp_path / "empty").exists()


def test_the_command_prints_a_line_a_stage_and_ends_with_its_code(board, news):
    flags = ["nightly", "--workspace", str(board.root), "--no-lists", "--links-days", "9999"]
    done = CliRunner().invoke(app, [*flags, "--data", str(news)])
    assert done.exit_code == 0, done.output
    stages = [line.split("  ")[0] for line in done.output.splitlines() if " s  " in line]
    assert stages == ["ingest", "ingest the log", "verbalize", "activity", "links", *stages[5:]] and len(stages) == 11
    (news / "jobs" / "b.jsonl").write_text("\n".join(json.dumps({"id": f"x{i}"}) for i in range(9)))
    assert CliRunner().invoke(app, [*flags, "--data", str(news)]).exit_code == 3
