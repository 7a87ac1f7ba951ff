"""Distillation: the divergences, what the student takes from its teachers, what makes a new version."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import BadInput, NotReady
from contracts.workspace import Workspace
from models.backbone import backbone_folder
from models.config import Divergence, StudentConfig
from models.distil import Texts, float_logits, load_student, student_logits, train_student
from models.losses import divergence
from models.rows import read_rows
from models.scores import write_scores

Make = Callable[..., Workspace]
LOGIT = st.floats(-8, 8)


@pytest.mark.parametrize("kind", get_args(Divergence))
@given(teacher=LOGIT, student=LOGIT)
def test_divergence_is_zero_for_equal_logits_and_positive_else(
    kind: Divergence, teacher: float, student: float
) -> None:
    same = divergence(kind, torch.tensor(teacher), torch.tensor(teacher))
    other = divergence(kind, torch.tensor(teacher), torch.tensor(student))
    assert abs(float(same)) < 1e-5
    assert float(other) > -1e-5
    if abs(torch.sigmoid(torch.tensor(teacher)) - torch.sigmoid(torch.tensor(student))) > 0.05:
        assert float(other) > 1e-4


@given(teacher=LOGIT, student=LOGIT)
def test_forward_and_reverse_kl_are_those_of_bernoulli_distributions(teacher: float, student: float) -> None:
    p, q = (torch.distributions.Bernoulli(logits=torch.tensor(x, dtype=torch.float64)) for x in (teacher, student))
    a, b = torch.tensor(teacher, dtype=torch.float64), torch.tensor(student, dtype=torch.float64)
    assert float(divergence("forward_kl", a, b)) == pytest.approx(
        float(torch.distributions.kl_divergence(p, q)), abs=1e-6
    )
    assert float(divergence("reverse_kl", a, b)) == pytest.approx(
        float(torch.distributions.kl_divergence(q, p)), abs=1e-6
    )


@pytest.mark.parametrize("kind", get_args(Divergence))
def test_following_a_divergence_reaches_the_teacher(kind: Divergence) -> None:
    student = torch.tensor([2.0, -1.0], requires_grad=True)
    teacher = torch.tensor([-0.5, 1.0])
    optimizer = torch.optim.Adam([student], 0.05)
    for _ in range(600):
        optimizer.zero_grad()
        divergence(kind, teacher, student).sum().backward()
        optimizer.step()
    assert torch.allclose(student.detach(), teacher, atol=0.1)


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
    kept = student_logits(student, Texts(rows, student, folder, config, (1, 3)), test)
    assert np.allclose(kept, student_logits(student, Texts(rows, student, folder, config, (0, 0)), test), atol=0.05)


def test_logits_of_chosen_rows_come_in_their_order(distilled: Workspace) -> None:
    rows = read_rows(distilled.training)
    chosen = np.flatnonzero(rows.splits == "test")
    shuffled = np.random.default_rng(0).permutation(chosen)
    straight = dict(zip(chosen.tolist(), float_logits(distilled, rows, chosen), strict=True))
    found = float_logits(distilled, rows, shuffled)
    assert np.allclose(found, np.stack([straight[row] for row in shuffled.tolist()]), atol=1e-4)


def test_a_student_needs_both_teachers(labelled: Make, tiny: Path) -> None:
    with pytest.raises(NotReady, match="the policy teacher has no scores"):
        train_student(labelled(10), StudentConfig(backbone=tiny))


def test_scores_of_another_training_set_train_no_student(labelled: Make, distilled: Workspace, tiny: Path) -> None:
    workspace = labelled(12)
    shutil.copytree(distilled.scores, workspace.scores)
    with pytest.raises(BadInput, match="scores of training set"):
        train_student(workspace, StudentConfig(backbone=tiny))


def test_another_teacher_version_makes_another_student(labelled: Make, tiny: Path) -> None:
    from contracts.workspace import set_current

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


def metrics(workspace: Workspace) -> dict[str, float]:
    folder = workspace.student / (workspace.student / "CURRENT").read_text().strip()
    return json.loads((folder / "metrics.json").read_text())


def test_the_default_backbone_is_the_embedded_one() -> None:
    assert backbone_folder(StudentConfig().backbone).name == "model"
