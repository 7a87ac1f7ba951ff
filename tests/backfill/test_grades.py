"""Grades and teachers' scores made anew beside those in use, switched to and back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from typer.testing import CliRunner

from backfill.grades import Grades
from backfill.run import back, estimate, plan_of, run, switch_to, verify
from backfill.scores import Scores
from backfill.versions import IN_PLACE, Manifest, all_parts
from beam_jobs import label
from beam_jobs.config import LabelFlags
from contracts.errors import BadInput, NotReady
from contracts.tables import in_use, parts, read_table, write_part
from contracts.versions import current
from contracts.workspace import Workspace
from models.teachers.scores import current_scores, read_scores, teacher_version
from models.teachers.train import logits_of
from models.training.lists import scored_rows
from models.training.rows import read_rows
from rolecall.cli import app
from tests.make import refused

NOW = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=12)
IN_PROCESS = PipelineOptions([])
LISTS = LabelFlags(
    **{"train_lists": 30, "valid_lists": 4, "test_lists": 4, "graded_lists": 20, "made_below": 0},
    **{"train_candidates": 6, "valid_candidates": 5, "test_candidates": 5},
    **{"served_lists": 4, "served_held_lists": 2, "served_candidates": 8},
)
OTHER = LISTS.model_copy(update={"seed": 7})


def labelled_by(config: LabelFlags, workspace: Workspace) -> label.Counts:
    from beam_jobs.flags import as_flags

    return label.run(["--workspace", str(workspace.root), *as_flags(config)])


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label, "BATCH_LISTS", 16)
    monkeypatch.setattr(Grades, "part_rows", 16)
    monkeypatch.setattr(Scores, "part_rows", 150)


@pytest.fixture(scope="module")
def graded(market: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The market with lists that `label` made. Nobody writes to it."""
    workspace = Workspace(tmp_path_factory.mktemp("graded") / "w")
    shutil.copytree(market.root, workspace.root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(label, "BATCH_LISTS", 16)
        labelled_by(LISTS, workspace)
    return workspace


@pytest.fixture
def place(graded: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(graded.root, tmp_path / "w")
    return Workspace(tmp_path / "w")


def made(workspace: Workspace, product: Grades | Scores, at: datetime | None = NOW) -> Manifest:
    manifest = run(workspace, product, plan_of(workspace, product, at), IN_PROCESS)
    assert verify(workspace, product, manifest.plan.version) == []
    return manifest


def contents(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in all_parts(folder, manifest.plan).items()}


def rows_of(workspace: Workspace) -> list[pl.DataFrame]:
    """Lists and grades in use, in one order."""
    tables = (pl.DataFrame(read_table(folder)) for folder in (workspace.examples, workspace.grades))
    return [
        table.sort(
            "list_id" if "list_id" in table.columns else "member_id",
            "job_id",
            "time" if "time" in table.columns else "stratum",
        )
        for table in tables
    ]


def test_grades_made_beside_are_what_the_job_makes_and_it_finds_them_done(place: Workspace):
    job = Workspace(place.root.parent / "job")
    shutil.copytree(place.root, job.root)
    before, product = rows_of(place), Grades(OTHER)
    plan = plan_of(place, product, NOW)
    found = estimate(place, product, plan)
    assert not list(place.grades.glob("*/plan.json")) and found.parts_left == plan.buckets == 3
    manifest = made(place, product)
    assert all(now.equals(was) for now, was in zip(rows_of(place), before, strict=True)), "not in use yet"
    switch_to(place, product, manifest.plan.version)
    labelled_by(OTHER, job)
    for ours, theirs, was in zip(rows_of(place), rows_of(job), before, strict=True):
        assert ours.equals(theirs) and not ours.equals(was)
    assert place.judge_report.read_bytes() == job.judge_report.read_bytes() and place.judge_cost.is_file()
    counts = labelled_by(OTHER, place)
    assert counts.written == 0 and counts.skipped == counts.read and current(place.grades) is not None
    assert back(place, product) == IN_PLACE
    assert all(now.equals(was) for now, was in zip(rows_of(place), before, strict=True))


def test_a_job_with_other_lists_takes_over_and_leaves_the_version_whole(place: Workspace):
    product = Grades(OTHER)
    manifest = made(place, product)
    switch_to(place, product, manifest.plan.version)
    more = OTHER.model_copy(update={"test_lists": 5})
    version = product.folder(place) / manifest.plan.version
    before = contents(version, manifest)
    counts = labelled_by(more, place)
    assert 0 < counts.written < counts.read, "those of the version in use are not graded again"
    assert current(place.grades) is None and contents(version, manifest) == before
    assert read_table(place.examples).num_rows and in_use(place.examples) == place.examples
    assert verify(place, product, manifest.plan.version) == []


def test_grades_of_another_knob_are_another_version_and_not_gone_on_with(place: Workspace):
    plan = plan_of(place, Grades(OTHER), NOW)
    with refused(NotReady, "lists changed since"):
        Grades(LISTS).open(place, plan, None)


def test_a_changed_grade_is_found_by_a_part_that_is_made_again(place: Workspace, monkeypatch):
    product = Grades(OTHER)
    manifest = made(place, product)
    version = product.folder(place) / manifest.plan.version
    for path in parts(version / "grades"):
        table = pl.DataFrame(read_table(path.parent, filter=None)).head(
            0
        )  # a part without a row of what it should hold
        write_part(path.parent, table.to_arrow().cast(read_table(path.parent).schema), path.stem.removeprefix("part-"))
    from backfill import versions

    (version / "manifest.json").unlink()
    versions.finish(version, manifest.plan, 0)
    assert any("grades/" in problem and "another" in problem for problem in verify(place, product, version.name))


@pytest.fixture
def taught(distilled: Workspace, tmp_path: Path, table: Callable) -> Workspace:
    """Teachers of one training set, and another one that they were not asked about."""
    workspace = Workspace(tmp_path / "taught")
    for folder in (distilled.teachers, distilled.scores):
        shutil.copytree(folder, workspace.root / folder.name)
    write_part(workspace.training, table(60, seed=3))
    return workspace


def test_a_teacher_is_asked_about_another_training_set_without_learning_it(taught: Workspace, distilled: Workspace):
    product, rows = Scores("policy"), read_rows(taught.training)
    own = current_scores(taught, "policy")
    with refused(BadInput, "scores of training set"):
        read_scores(own, rows, scored_rows(rows))
    plan = plan_of(taught, product, NOW)
    assert plan.buckets > 1 and plan.keys == len(scored_rows(rows))
    manifest = made(taught, product)
    assert manifest.rows == plan.keys and current_scores(taught, "policy") == own
    switch_to(taught, product, manifest.plan.version)
    tasks, logits = read_scores(current_scores(taught, "policy"), rows, scored_rows(rows))
    expected = logits_of(current(taught.teachers / "policy"), rows.only(scored_rows(rows)))
    assert tasks == expected[0] and np.allclose(logits[scored_rows(rows)], expected[1], atol=1e-3)
    assert teacher_version(current_scores(taught, "policy")) == teacher_version(own) == own.stem
    assert back(taught, product) == IN_PLACE and current_scores(taught, "policy") == own
    with refused(NotReady, "no earlier version"):
        back(taught, product)


def test_what_a_teacher_says_of_its_own_training_set_is_what_it_said(distilled: Workspace, tmp_path: Path):
    workspace = Workspace(tmp_path / "same")
    for folder in (distilled.teachers, distilled.scores, distilled.training):
        shutil.copytree(folder, workspace.root / folder.name)
    rows = read_rows(workspace.training)
    before = read_scores(current_scores(workspace, "click"), rows, scored_rows(rows))
    product = Scores("click")
    switch_to(workspace, product, made(workspace, product).plan.version)
    after = read_scores(current_scores(workspace, "click"), rows, scored_rows(rows))
    assert before[0] == after[0] and np.allclose(before[1], after[1], atol=1e-3, equal_nan=True)


def test_a_teacher_that_reads_more_than_texts_or_is_none_is_refused():
    with refused(BadInput, "reads more of a pair"):
        Scores("graph")
    with refused(BadInput, "nobody"):
        Scores("nobody")


def test_a_run_of_scores_that_was_killed_ends_in_the_same_bytes(taught: Workspace, tmp_path: Path):
    other = Workspace(tmp_path / "other")
    shutil.copytree(taught.root, other.root)
    whole = made(other, Scores("policy"))
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "tests.backfill.killed_scores", str(taught.root), NOW.isoformat()]
    assert subprocess.run(command, env=environment, check=False).returncode == -9
    manifest = made(taught, Scores("policy"))
    folder = Scores("policy").folder(taught)
    assert contents(folder / manifest.plan.version, manifest) == contents(
        Scores("policy").folder(other) / whole.plan.version, whole
    )


def test_the_commands_take_grades_and_scores(taught: Workspace):
    asked = ["backfill", "plan", "--what", "scores", "--teacher", "click", "--workspace", str(taught.root)]
    said = CliRunner().invoke(app, asked)
    assert said.exit_code == 0 and "training" in said.output and "touches" in said.output
    wrong = CliRunner().invoke(app, ["backfill", "plan", "--what", "grades", "--workspace", str(taught.root)])
    assert isinstance(wrong.exception, NotReady)
