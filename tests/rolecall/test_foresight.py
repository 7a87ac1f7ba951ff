"""What `rolecall run` would refuse is said by `rolecall validate`, before anything runs, with a cure that helps."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from beam_jobs.config import LabelConfig
from contracts.errors import NotReady, RolecallError
from contracts.records import Job
from history.forecast import Forecast
from history.made import made_counts, made_requests
from rolecall.cli import app
from tests.retrieval.conftest import job, write_workspace

JOB = {"title": "Nurse", "updated_at": "2026-01-01", "location": "Boise, ID"}
EVENT = {"member_id": "ann", "action": "apply"}


def board(folder: Path, **tables: Sequence[Mapping[str, Any]]) -> Path:
    folder.mkdir()
    for name, rows in tables.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def jobs(number: int, **fields: Any) -> list[dict[str, Any]]:
    return [{**JOB, "id": f"j{i}", **fields} for i in range(number)]


def validated(data: Path, params: str = "{}") -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of `rolecall validate`."""
    knobs = data.parent / "params.yaml"
    knobs.write_text(params)
    done = CliRunner().invoke(app, ["--params", str(knobs), "validate", str(data), "--json"])
    assert not done.exception or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, json.loads(done.stdout)


def foretold(data: Path, params: str = "{}") -> list[str]:
    return [one["stage"] for one in validated(data, params)[1]["refusals"]]


def test_a_board_on_which_all_stages_can_run_has_no_refusal(tmp_path: Path) -> None:
    code, said = validated(board(tmp_path / "data", jobs=jobs(40)))
    assert (code, said["ok"], said["refusals"]) == (0, True, [])


BROKEN_FILES = [
    ("label: {policy: none.yaml}", "golden", "none.yaml"),
    ("money: {rates: rates.csv}", "index", "rates.csv"),
    ("index: {terms: {synonyms: none.yaml}}", "index", "none.yaml"),
    ("rules: {file: none.yaml}", "replay", "none.yaml"),
    ("student: {backbone: no/folder}", "run", "student.backbone"),
]


@pytest.mark.parametrize(("params", "stage", "named"), BROKEN_FILES)
def test_a_file_that_a_knob_names_and_that_is_not_there_is_foretold(
    tmp_path: Path, params: str, stage: str, named: str
) -> None:
    code, said = validated(board(tmp_path / "data", jobs=jobs(40)), params)
    assert (code, said["ok"]) == (0, True)  # the data can be loaded
    [refusal] = said["refusals"]
    assert refusal["stage"] == stage and named in refusal["what"] and refusal["cure"]


@pytest.mark.parametrize(
    ("tables", "params"),
    [
        ({"jobs": [*jobs(3), {"id": "x"}]}, "{}"),  # one of four rows does not fit
        ({"jobs": jobs(3), "events": [{**EVENT, "id": "e", "job_id": "?", "time": "2026-02-01"}]}, "{}"),
        ({"jobs": jobs(9)}, "label: {policy: none.yaml}"),
        ({"jobs": jobs(9)}, "student: {backbone: no/folder}"),
    ],
)
def test_what_the_first_stages_of_a_run_refuse_was_foretold(
    tmp_path: Path, tables: dict[str, list[dict[str, Any]]], params: str, rolecall: Callable[..., str]
) -> None:
    data = board(tmp_path / "data", **tables)
    stages = foretold(data, params)
    refused = ran(rolecall, tmp_path, data)
    assert refused in stages


def ran(rolecall: Callable[..., str], folder: Path, data: Path) -> str:
    """The stage of the recipe that refuses, of those before any model; empty: none does."""
    knobs, workspace = folder / "params.yaml", folder / "w"
    from rolecall.backbones import check_backbones
    from rolecall.params import load_params

    for stage, ask in (
        ("run", lambda: check_backbones(load_params(knobs))),
        ("ingest", lambda: rolecall("--params", knobs, "ingest", "--data", data, "--workspace", workspace)),
        ("golden", lambda: rolecall("--params", knobs, "golden", "import", "--data", data, "-w", workspace)),
    ):
        try:
            ask()
        except RolecallError:
            return stage
    return ""


def test_more_rejects_may_be_allowed_as_the_cure_says(tmp_path: Path, rolecall: Callable[..., str]) -> None:
    data = board(tmp_path / "data", jobs=[*jobs(9), {"id": "x"}])
    [refusal] = validated(data)[1]["refusals"]
    assert refusal["cure"].endswith("--max-reject-share 0.1")
    rolecall("ingest", "--data", data, "-w", tmp_path / "w", "--max-reject-share", 0.1)


@pytest.mark.parametrize("fields", [{"hidden": True}, {"expires_at": "2020-01-02"}])
def test_a_board_without_an_open_job_is_foretold(tmp_path: Path, fields: dict[str, Any]) -> None:
    assert foretold(board(tmp_path / "data", jobs=jobs(9, **fields))) == ["label"]
    made_of = tuple(job(f"j{i}", "Nurse", **fields) for i in range(9))
    with pytest.raises(NotReady, match="none of the jobs is open"):
        made_requests(write_workspace(tmp_path / "w", made_of, ()), 0)


def test_requests_are_made_as_they_are_counted(tmp_path: Path) -> None:
    workspace = write_workspace(tmp_path / "w", tuple(job(f"j{i}", f"Nurse {i}") for i in range(7)), ())
    made = [request.split for request in made_requests(workspace, 0)]
    assert {split: made.count(split) for split in set(made)} == made_counts(7)


@pytest.mark.parametrize(
    ("number", "params", "stages"),
    [
        (1, "{}", ["policy_teacher"]),
        (9, "{}", []),
        (9, "label: {graded_lists: 1, train_candidates: 2}", ["policy_teacher"]),
        (9, "policy_teacher: {least_graded: 3000}", ["policy_teacher"]),
        (9, "label: {made_below: 0}", ["label"]),
    ],
)
def test_too_few_graded_pairs_are_foretold(tmp_path: Path, number: int, params: str, stages: list[str]) -> None:
    assert foretold(board(tmp_path / "data", jobs=jobs(number)), params) == stages


def test_the_pairs_that_are_foretold_are_those_that_a_run_had(tmp_path: Path) -> None:
    """A run of this board graded 4: two made requests to learn from, each with the two jobs that are not its own."""
    _, said = validated(board(tmp_path / "data", jobs=jobs(3)))
    [refusal] = said["refusals"]
    assert refusal["what"].startswith("at most 4 pairs can be graded (2 lists)")
    assert refusal["cure"] == "give more jobs or a longer log"


def test_a_log_of_one_member_who_acted_once_is_not_replayed_where_no_request_is_made(tmp_path: Path) -> None:
    once = [{**EVENT, "id": "e", "job_id": "j1", "time": "2026-02-01"}]
    data = board(tmp_path / "data", jobs=jobs(9), members=[{"id": "ann", "updated_at": "2026-01-01"}], events=once)
    assert "replay" in foretold(data, "label: {made_below: 1, graded_lists: 300}")
    assert foretold(data) == []


def test_a_policy_in_another_language_than_the_titles_is_said(tmp_path: Path) -> None:
    _, said = validated(board(tmp_path / "data", jobs=jobs(30, title="Младший помощник воеводы")))
    assert any("know 0 of 30 titles" in line for line in said["foreseen"])
    _, said = validated(board(tmp_path / "other", jobs=jobs(30)))
    assert not any("titles" in line for line in said["foreseen"])


def test_the_knob_says_when_requests_are_made() -> None:
    moment = datetime(2026, 6, 1, tzinfo=UTC)
    below, none = Forecast(LabelConfig().made_below), Forecast(0)
    for forecast in (below, none):
        forecast.take(Job(id="j", title="Nurse", updated_at=moment - timedelta(days=9)))
    assert below.made(moment) and not none.made(moment)
    assert below.open_jobs(moment) == 1


def test_the_verdict_tells_loading_from_learning(tmp_path: Path, rolecall: Callable[..., str]) -> None:
    *_, refusal, verdict = rolecall("validate", board(tmp_path / "data", jobs=jobs(1))).splitlines()
    assert refusal.startswith("policy_teacher would stop: at most 0 pairs can be graded (0 lists), least_graded is 30")
    assert verdict == "ok; of `rolecall run` on this data alone policy_teacher would stop, as said above"
