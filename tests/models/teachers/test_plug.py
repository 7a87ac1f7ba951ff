"""A teacher from outside: one class in one file, and nothing else names it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from contracts.errors import BadInput
from contracts.examples import PAIR_FEATURES
from contracts.plugins import load_plugin
from contracts.workspace import Workspace
from models.config import StudentConfig, TeacherConfig
from models.registry import TEACHERS
from models.student.distil import _tasks, load_student, train_student
from models.teachers.scores import current_scores, read_scores
from models.teachers.train import train_teacher
from models.training.rows import read_rows
from rolecall.params import load_params
from rolecall.recipe import as_dvc, stages
from tests.make import refused

TOY = '''
"""A teacher that reads no text: the word score of a pair is its opinion."""
import numpy as np
from contracts.errors import BadInput
from contracts.examples import PAIR_FEATURES
from contracts.values import FrozenModel
from models.registry import TEACHERS
from models.teachers.base import Teacher

class ToyConfig(FrozenModel):
    slope: float = 1.0

@TEACHERS.register("toy")
class Toy(Teacher):
    name = "toy"
    tasks = ("relevance",)
    Config = ToyConfig

    def fit(self, rows, targets, stopped):
        return int(np.isfinite(targets[rows.splits == "train"]).sum())

    def scores(self, rows, chosen):
        return self.config.slope * rows.features[chosen, PAIR_FEATURES.index("terms"), None]
'''


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[str]:
    """A plugin's file, in a session that forgets it afterwards."""
    path = tmp_path / f"toy_teacher_{tmp_path.name}.py"
    path.write_text(TOY)
    yield str(path)
    TEACHERS._classes.pop("toy", None)


@pytest.fixture
def market(labelled: Callable[..., Workspace], table: Callable[..., pa.Table]) -> Workspace:
    """Lists in which the word score of a job says the opposite of its grade."""
    made = table(20)
    terms = pa.array([4.0 - grade for grade in made["grade"].to_pylist()], pa.float32())
    return labelled(table=made.set_column(made.schema.get_field_index("terms"), "terms", terms))


def test_scores_of_a_teacher_from_outside_reach_the_students_training(toy: str, market: Workspace, tiny: Path) -> None:
    load_plugin(toy)
    train_teacher(market, "toy", TEACHERS.get("toy").Config(slope=2.0))
    rows = read_rows(market.training)
    scored = np.flatnonzero(np.isin(rows.splits, ("train", "test")))
    tasks, logits = read_scores(current_scores(market, "toy"), rows, scored)
    assert tasks == ("relevance",)
    assert np.array_equal(logits[scored, 0], 2 * rows.features[scored, PAIR_FEATURES.index("terms")])
    train_teacher(market, "click", TeacherConfig(backbone=tiny, epochs=1, frozen_layers=0, warm_start=False))
    knobs: dict[str, Any] = {"backbone": tiny, "frozen_layers": 0, "frozen_item_layers": 0, "learning_rate": 3e-3}
    config = StudentConfig(distil=("click", "toy"), labels=0, epochs=12, item_tokens=2, **knobs)
    _, about = load_student(train_student(market, config))
    assert set(about["teachers"]) == {"click", "toy"}
    metrics = (market.student / (market.student / "CURRENT").read_text().strip() / "metrics.json").read_text()
    assert "ndcg@10_by_toy_teacher" in metrics and "policy" not in metrics


def test_a_plugin_that_is_on_has_a_section_a_stage_and_a_place_in_the_default_of_distil(
    toy: str, tmp_path: Path
) -> None:
    text = f"plugins: [{toy}]\ntoy_teacher: {{slope: 3.0}}\n"
    (tmp_path / "params.yaml").write_text(text + "teachers: [policy, click, toy]\n")
    knobs = load_params(tmp_path / "params.yaml")
    assert knobs.teacher("toy").slope == 3.0 and knobs.teacher("policy") == TeacherConfig()
    assert knobs.student.distil == ("policy", "click", "toy")
    stage = next(stage for stage in stages(knobs.teachers) if stage.name == "toy_teacher")
    assert stage.command == "train toy --or-none" and stage.writes == ("teachers/toy", "scores/toy")
    assert "scores/toy" in next(stage for stage in stages(knobs.teachers) if stage.name == "student").reads
    (tmp_path / "params.yaml").write_text(text)
    knobs = load_params(tmp_path / "params.yaml")
    assert knobs.teacher("toy").slope == 3.0 and knobs.student.distil == ("policy", "click")
    assert "toy" not in as_dvc(knobs.teachers)


def test_a_teacher_that_is_off_is_not_distilled_from(toy: str, tmp_path: Path) -> None:
    for text in ("student: {distil: [policy, toy]}", "teachers: [policy]\nstudent: {distil: [click]}"):
        (tmp_path / "params.yaml").write_text(f"plugins: [{toy}]\n{text}\n")
        with refused(BadInput, "student.distil", "teachers"):
            load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("student: {mix: {apply: {click: .inf}}}\n")
    with refused(BadInput, "student.mix.apply.click", "finite"):
        load_params(tmp_path / "params.yaml")
    for mix, name in (("{apply: {click: 1, toy: 1}}", "toy"), ("{aply: {click: 1}}", "aply")):
        (tmp_path / "params.yaml").write_text(f"plugins: [{toy}]\nstudent: {{mix: {mix}}}\n")
        with refused(BadInput, "student.mix", name):
            load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("teachers: [policy, astrology]\n")
    with refused(BadInput, "astrology", "policy, click"):
        load_params(tmp_path / "params.yaml")


def test_a_teacher_that_builds_on_one_that_is_off_or_stands_behind_it_is_refused(tmp_path: Path) -> None:
    for text, name, start in (
        ("teachers: [click]", "click", "policy"),
        ("teachers: [click, policy]", "click", "policy"),
        ("teachers: [policy, graph]", "graph", "click"),
    ):
        (tmp_path / "params.yaml").write_text(text + "\n")
        with refused(BadInput, f"{name} builds on {start}"):
            load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("teachers: [click, graph]\nclick_teacher: {warm_start: false}\n")
    assert load_params(tmp_path / "params.yaml").teachers == ("click", "graph")


def test_a_task_of_several_teachers_is_mixed_by_the_stated_weights_and_one_that_is_replaced_runs_its_branch_alone(
    toy: str, market: Workspace, tiny: Path
) -> None:
    load_plugin(toy)
    train_teacher(market, "policy", TeacherConfig(backbone=tiny, epochs=1, frozen_layers=0, match=False))
    train_teacher(market, "toy", TEACHERS.get("toy").Config())
    rows, names = read_rows(market.training), ("policy", "toy")

    def mixed(mix: dict[str, dict[str, float]]) -> np.ndarray:
        return _tasks({name: current_scores(market, name) for name in names}, rows, mix)[1][:, 0]

    chosen = rows.of_splits("test")
    policy, other = (read_scores(current_scores(market, name), rows, chosen)[1][:, 0] for name in names)
    for mix, expected in (
        ({}, (policy + other) / 2),
        ({"relevance": {"policy": 3, "toy": 1}}, 0.75 * policy + 0.25 * other),
        ({"relevance": {"policy": 2, "toy": 0}}, policy),
    ):
        np.testing.assert_allclose(mixed(mix)[chosen], expected[chosen], rtol=1e-5)
    for wrong, word in ((({"view": {"toy": 1}}), "view"), ({"relevance": {"click": 1}}, "click")):
        with refused(BadInput, word, "student.mix"):
            mixed(wrong)
    with refused(BadInput, "no teacher has a weight"):
        mixed({"relevance": {"toy": 0}})

    knobs: dict[str, Any] = {"backbone": tiny, "frozen_layers": 0, "epochs": 1, "distil": names, "item_tokens": 1}
    first, policy_file = train_student(market, StudentConfig(**knobs)), current_scores(market, "policy")
    train_teacher(market, "toy", TEACHERS.get("toy").Config(slope=3.0))
    second = train_student(market, StudentConfig(**knobs))
    before, after = (load_student(folder)[1]["teachers"] for folder in (first, second))
    assert first != second and current_scores(market, "policy") == policy_file
    assert before["policy"] == after["policy"] and before["toy"] != after["toy"]


def test_a_teacher_that_nobody_registered_is_refused(market: Workspace) -> None:
    with refused(BadInput, "astrology", "policy"):
        train_teacher(market, "astrology")
