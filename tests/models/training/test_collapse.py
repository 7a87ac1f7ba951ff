"""A ranker whose scores do not spread ends its stage, and the former version stays the current one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from contracts.errors import TrainingFailed
from contracts.workspace import Workspace
from models.config import StudentConfig, TeacherConfig
from tests.make import refused


@pytest.fixture
def flat(distilled: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with teachers and a student, in which any spread counts as none."""
    monkeypatch.setattr("models.training.loop.COLLAPSED", 1e9)
    return Workspace(Path(shutil.copytree(distilled.root, tmp_path / "workspace")))


def test_a_collapsed_teacher_is_not_kept(flat: Workspace, tiny: Path) -> None:
    from models.teachers.train import train_teacher

    before = (flat.teachers / "policy" / "CURRENT").read_text()
    knobs = TeacherConfig(backbone=tiny, frozen_layers=0, epochs=1, max_pairs=30)
    with refused(TrainingFailed, "relevance", where="policy teacher"):
        train_teacher(flat, "policy", knobs)
    assert (flat.teachers / "policy" / "CURRENT").read_text() == before


def test_a_collapsed_student_is_not_kept(flat: Workspace, tiny: Path) -> None:
    from models.student.distil import train_student

    before = (flat.student / "CURRENT").read_text()
    knobs = StudentConfig(backbone=tiny, frozen_layers=0, frozen_item_layers=0, item_tokens=1, epochs=1, max_pairs=30)
    with refused(TrainingFailed, "relevance", where="student"):
        train_student(flat, knobs)
    assert (flat.student / "CURRENT").read_text() == before
