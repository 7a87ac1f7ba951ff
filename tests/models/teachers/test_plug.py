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
from models.student.distil import load_student, train_student
from models.teachers.scores import current_scores, read_scores
from models.teachers.train import train_teacher
from models.training.rows import read_rows
from rolecall.params import load_params
from rolecall.recipe import stages
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


def test_a_plugin_has_a_section_a_stage_and_a_place_in_the_default_of_distil(toy: str, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(f"plugins: [{toy}]\ntoy_teacher: {{slope: 3.0}}\n")
    knobs = load_params(tmp_path / "params.yaml")
    assert knobs.teacher("toy").slope == 3.0 and knobs.teacher("policy") == TeacherConfig()
    assert knobs.student.distil == ("policy", "click", "toy")
    stage = next(stage for stage in stages() if stage.name == "toy_teacher")
    assert stage.command == "train toy --or-none" and stage.writes == ("teachers/toy", "scores/toy")
    assert "scores/toy" in next(stage for stage in stages() if stage.name == "student").reads


def test_a_teacher_that_nobody_registered_is_refused(market: Workspace) -> None:
    with refused(BadInput, "astrology", "policy"):
        train_teacher(market, "astrology")
