"""A teacher's score of a pair depends on that pair alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from contracts.text.token_ids import open_tokenizer, token_ids
from models.config import TeacherConfig
from models.teachers.cross_encoder import CrossEncoder, load_teacher
from models.teachers.teacher_model import save_teacher
from models.training.states import TextStates

REQUESTS = ["nurse in Boise", "welder | skills: arc welding, blueprints, rigging"]
JOBS = ["title: nurse", "title: baker | description: bread and cake every morning", "", "title: welder"]
REQUEST, JOB = np.array([0, 1, 1, 0, 1]), np.array([0, 3, 1, 2, 0])


@pytest.fixture(scope="module")
def teacher(tiny: Path) -> CrossEncoder:
    torch.manual_seed(1)
    model = CrossEncoder(tiny, ("view", "apply"), joint_layers=2).eval()
    torch.nn.init.normal_(model.segment)
    return model


def texts(teacher: CrossEncoder, folder: Path, which: list[str], layers: int = 0) -> TextStates:
    return TextStates(teacher.backbone, token_ids(open_tokenizer(folder, 32), which), layers, memory_mb=10)


def scores(teacher: CrossEncoder, folder: Path, request: np.ndarray, job: np.ndarray, layers: int = 0) -> Tensor:
    requests, jobs = texts(teacher, folder, REQUESTS, layers), texts(teacher, folder, JOBS, layers)
    kept_requests, request = np.unique(request, return_inverse=True)
    kept_jobs, job = np.unique(job, return_inverse=True)
    with torch.no_grad():
        return teacher(
            requests.batch(kept_requests),
            jobs.batch(kept_jobs),
            torch.from_numpy(request),
            torch.from_numpy(job),
            layers,
        )


def test_scores_of_a_batch_equal_scores_one_by_one(teacher: CrossEncoder, tiny: Path) -> None:
    together = scores(teacher, tiny, REQUEST, JOB)
    alone = [scores(teacher, tiny, REQUEST[i : i + 1], JOB[i : i + 1])[0] for i in range(len(JOB))]
    assert torch.allclose(together, torch.stack(alone), atol=1e-5)


def test_scores_from_kept_states_equal_scores_from_text(teacher: CrossEncoder, tiny: Path) -> None:
    kept = scores(teacher, tiny, REQUEST, JOB, layers=1)
    assert torch.allclose(kept, scores(teacher, tiny, REQUEST, JOB), atol=0.05)  # bfloat16, kept as float16


def test_a_job_is_read_with_its_request(teacher: CrossEncoder, tiny: Path) -> None:
    first, second = scores(teacher, tiny, np.array([0, 1]), np.array([3, 3]))
    assert (first - second).abs().max() > 1e-3


def test_a_saved_teacher_scores_as_it_did(teacher: CrossEncoder, tiny: Path, tmp_path: Path) -> None:
    config = TeacherConfig(backbone=tiny, joint_layers=2)
    save_teacher(tmp_path / "teacher", teacher, config, tiny)
    loaded, knobs = load_teacher(tmp_path / "teacher")
    assert knobs == config
    found = scores(loaded, tmp_path / "teacher", REQUEST, JOB)
    assert torch.equal(found, scores(teacher, tiny, REQUEST, JOB))


def test_a_teacher_folder_holds_no_pickle(teacher: CrossEncoder, tiny: Path, tmp_path: Path) -> None:
    save_teacher(tmp_path / "teacher", teacher, TeacherConfig(backbone=tiny), tiny)
    assert {path.suffix for path in (tmp_path / "teacher").iterdir()} == {".json", ".safetensors"}
