"""Distillation: the divergences, what the student takes from its teachers, what makes a new version."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from contracts.errors import BadInput, NotReady, TrainingFailed
from contracts.workspace import Workspace
from models.config import StudentConfig
from models.layers.folder import backbone_folder
from models.student.distil import float_logits, load_student, save_student, student_logits, train_student
from models.student.student import Student
from models.student.texts import StudentTexts
from models.teachers.cross_encoder import load_teacher
from models.teachers.scores import current_scores, write_scores
from models.training.rows import read_rows
from tests.make import refused

Make = Callable[..., Workspace]


def test_the_student_keeps_its_teachers_order(distilled: Workspace) -> None:
    found = metrics(distilled)
    assert found["ndcg@10_by_policy_teacher"] > 0.95
    assert found["ndcg@10"] > 0.95 * found["teacher_ndcg@10"]
    assert found["view_auc"] > 0.95 * found["teacher_view_auc"]


def test_kept_states_score_as_the_whole_student_does(distilled: Workspace, tiny: Path) -> None:
    rows = read_rows(distilled.training)
    test = np.flatnonzero(rows.splits == "test")
    folder = distilled.student / (distilled.student / "CURRENT").read_text().strip()
    student, about = load_student(folder)
    config = StudentConfig.model_validate(about["config"])
    kept = student_logits(student, StudentTexts(rows, student, folder, config, (1, 3)), test)
    assert np.allclose(
        kept, student_logits(student, StudentTexts(rows, student, folder, config, (0, 0)), test), atol=0.05
    )


def test_texts_read_one_by_one_score_as_padded_ones_do(distilled: Workspace) -> None:
    rows = read_rows(distilled.training)
    folder = distilled.student / (distilled.student / "CURRENT").read_text().strip()
    student, about = load_student(folder)
    texts = StudentTexts(rows, student, folder, StudentConfig.model_validate(about["config"]), (0, 0))
    of_list = rows.lists(np.arange(len(rows)))[0]
    with torch.no_grad():
        assert torch.allclose(texts.unpadded(student, of_list), texts.logits(student, of_list), atol=1e-4)


def test_a_base_is_known_by_its_weights(own: Workspace, tiny: Path) -> None:
    """Two bases in folders of one name train two students."""
    knobs = StudentConfig(backbone=tiny, epochs=1, item_tokens=2)
    stored = train_student(own, knobs)
    student, about = load_student(stored)
    bases = [own.root / name / "base" for name in ("first", "second")]
    for base in bases:
        save_student(base, student, about, tiny)
        student.head.bias.data += 1
    first, second = (train_student(own, knobs.model_copy(update={"base": base})) for base in bases)
    assert first != second


def test_logits_of_chosen_rows_come_in_their_order(distilled: Workspace) -> None:
    rows = read_rows(distilled.training)
    chosen = np.flatnonzero(rows.splits == "test")
    shuffled = np.random.default_rng(0).permutation(chosen)
    folder = distilled.student / (distilled.student / "CURRENT").read_text().strip()
    straight = dict(zip(chosen.tolist(), float_logits(folder, rows, chosen), strict=True))
    found = float_logits(folder, rows, shuffled)
    assert np.allclose(found, np.stack([straight[row] for row in shuffled.tolist()]), atol=1e-4)


def test_a_student_needs_both_teachers(labelled: Make, tiny: Path) -> None:
    with refused(NotReady, "policy"):
        train_student(labelled(10), StudentConfig(backbone=tiny))


def test_scores_of_another_training_set_train_no_student(labelled: Make, distilled: Workspace, tiny: Path) -> None:
    workspace = labelled(12)
    shutil.copytree(distilled.scores, workspace.scores)
    with refused(BadInput, "training set"):
        train_student(workspace, StudentConfig(backbone=tiny))


def test_another_teacher_version_makes_another_student(labelled: Make, tiny: Path) -> None:
    from contracts.versions import set_current

    workspace = labelled(10)
    rows = read_rows(workspace.training)
    logits = np.random.default_rng(0).normal(size=(len(rows), 1)).astype(np.float32)
    config = StudentConfig(backbone=tiny, epochs=1, warm_start=False, item_tokens=1)
    made = []
    for version in ("a", "b", "a"):
        for teacher, task in (("policy", "relevance"), ("click", "view")):
            path = write_scores(workspace, teacher, version if teacher == "policy" else "c", rows, (task,), logits)
            set_current(path.parent, path.name)
        made.append(train_student(workspace, config))
    assert made[0] == made[2] != made[1]


@pytest.fixture
def own(distilled: Workspace, tmp_path: Path) -> Workspace:
    """What was distilled, to be written to."""
    shutil.copytree(distilled.root, tmp_path / "own")
    return Workspace(tmp_path / "own")


def test_a_task_without_a_teacher_is_learned_from_its_labels(own: Workspace, tiny: Path) -> None:
    config = StudentConfig(backbone=tiny, epochs=2, item_tokens=1, distil=("policy",), learning_rate=1e-3)
    about = json.loads((train_student(own, config) / "student.json").read_text())
    found = metrics(own)
    assert "view" in about["tasks"] and about["teachers"].keys() == {"policy"}
    assert found["view_auc"] > 0.55 and "teacher_view_auc" not in found


@pytest.mark.parametrize("distil", [("policy",), ("click",), ("click", "policy")])
def test_a_student_begins_as_the_mean_of_its_teachers(own: Workspace, tiny: Path, distil: tuple[str, ...]) -> None:
    config = StudentConfig.model_validate({"backbone": tiny, "epochs": 0, "item_tokens": 1, "distil": distil})
    student, _ = load_student(train_student(own, config))
    teachers = [load_teacher(own.teachers / name / current_scores(own, name).stem)[0] for name in distil]
    mean = sum(teacher.backbone.layers[-1].output.dense.weight for teacher in teachers) / len(teachers)
    assert torch.allclose(student.item.layers[-1].output.dense.weight, mean, atol=1e-7)


def test_outcomes_too_few_to_learn_from_are_no_task_of_the_student(
    labelled: Make, table: Callable[..., pa.Table], tiny: Path
) -> None:
    told = table(10)
    column = told.schema.get_field_index("interview")
    told = told.set_column(column, told.schema.field(column), told["view"])  # some of both, fewer than is learned from
    workspace = labelled(table=told)
    train_student(workspace, StudentConfig(backbone=tiny, epochs=1, item_tokens=1, distil=()))
    folder = workspace.student / (workspace.student / "CURRENT").read_text().strip()
    student, about = load_student(folder)
    assert "view" in about["tasks"] and "interview" not in about["tasks"]
    assert torch.isfinite(student.head.bias).all()


def test_labels_alone_need_no_teacher(labelled: Make, tiny: Path) -> None:
    workspace = labelled(10)
    train_student(workspace, StudentConfig(backbone=tiny, epochs=1, item_tokens=1, distil=()))
    assert "ndcg@10_by_policy_teacher" not in metrics(workspace) and "ndcg@10" in metrics(workspace)


def test_a_student_grows_a_task_and_keeps_its_item_tokens(own: Workspace, tiny: Path) -> None:
    """A new task is a sentence and a row of the head: what the index holds of the jobs stays as it is."""
    knobs = StudentConfig(backbone=tiny, epochs=1, item_tokens=2)
    rows = read_rows(own.training)
    relevance, about = load_student(train_student(own, knobs.model_copy(update={"distil": ("policy",)})))
    smaller = relevance_only(relevance, own, tiny)
    config = knobs.model_copy(update={"base": smaller, "learn": "head", "epochs": 3, "head_rate": 0.01})
    grown, about = load_student(train_student(own, config))
    assert about["tasks"] != ["relevance"] and "view" in about["tasks"]
    texts = [StudentTexts(rows, student, smaller, knobs, (0, 0)) for student in (load_student(smaller)[0], grown)]
    first, second = (
        student.encode_items(*of.jobs.batch(np.arange(4)))
        for student, of in zip((load_student(smaller)[0], grown), texts, strict=True)
    )
    assert torch.equal(first, second)
    assert metrics(own)["view_auc"] > 0.5


def relevance_only(student: Student, workspace: Workspace, tiny: Path) -> Path:
    """A student's folder whose one task is relevance."""
    from models.student.distil import save_student

    small = Student(tiny, ("relevance",), student.item_tokens, len(student.score_layers))
    small.start_from_student(student)
    out = workspace.root / "small"
    config = StudentConfig(item_tokens=student.item_tokens).model_dump(mode="json")
    save_student(out, small, {"tasks": ["relevance"], "config": config}, tiny)
    return out


def test_steps_through_a_mid_size_student_end_at_the_last_size(own: Workspace, tiny: Path) -> None:
    config = StudentConfig(backbone=tiny, epochs=1, item_tokens=2, via=(8, 4))
    student, about = load_student(train_student(own, config))
    assert student.item_tokens == 2 and about["config"]["via"] == [8, 4]
    assert metrics(own)["ndcg@10_by_policy_teacher"] > 0.9


def test_alignment_and_relevance_first_train_as_well(own: Workspace, tiny: Path) -> None:
    config = StudentConfig(backbone=tiny, epochs=1, relevance_epochs=1, align=1.0, align_epochs=1, item_tokens=2)
    train_student(own, config)
    assert metrics(own)["ndcg@10_by_policy_teacher"] > 0.9


def test_a_stopped_student_leaves_its_last_good_state_to_start_from(own: Workspace, tiny: Path) -> None:
    """A weight that no float32 holds poisons the loss."""
    config = StudentConfig(backbone=tiny, epochs=1, item_tokens=3, weights={"view": 1e39})
    before = (own.student / "CURRENT").read_text()
    with refused(TrainingFailed, "loss inf", "epoch 1", "lists r", where="student, 3 item tokens"):
        train_student(own, config)
    assert (own.student / "CURRENT").read_text() == before
    (stopped,) = own.student.glob("*.stopped")
    student, _ = load_student(stopped)
    assert student.item_tokens == 3 and all(torch.isfinite(value).all() for value in student.state_dict().values())
    assert train_student(own, StudentConfig(backbone=tiny, epochs=1, item_tokens=3, base=stopped)).is_dir()


def metrics(workspace: Workspace) -> dict[str, float]:
    folder = workspace.student / (workspace.student / "CURRENT").read_text().strip()
    return json.loads((folder / "metrics.json").read_text())


def test_the_default_backbone_is_the_embedded_one() -> None:
    assert backbone_folder(StudentConfig().backbone).name == "model"
