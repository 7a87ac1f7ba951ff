"""A tiny backbone and a market small enough to train on in a second: who matches is said by the words alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from contracts.examples import PAIR_FEATURES, TRAINING
from contracts.tables import write_part
from contracts.workspace import Workspace

TRADES = ("nurse", "welder", "baker", "pilot", "lawyer", "farmer")
PLACES = ("Dayton", "Boise", "Tampa")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of three narrow layers, random weights, with the embedded model's tokenizer."""
    import torch
    from transformers import BertConfig, BertModel

    from models.backbone import backbone_folder

    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    config = BertConfig(hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    shutil.copy(backbone_folder() / "tokenizer.json", folder)
    return folder


def training_table(lists: int, per_list: int = 6, seed: int = 0) -> pa.Table:
    """Lists of jobs: a job of the member's trade gets grade 4 and a view, in the member's place an apply as well."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(lists):
        trade, place = rng.choice(TRADES), rng.choice(PLACES)
        for position in range(1, per_list + 1):
            other, where = (
                (trade, place) if position == 1 + number % per_list else (rng.choice(TRADES), rng.choice(PLACES))
            )
            fits = float(other == trade)
            rows.append(
                {
                    "list_id": f"r{number:04d}",
                    "member_id": f"m{number}",
                    "query": "",
                    "job_id": f"j{number}-{position}",
                    "event_timestamp": datetime(2026, 1, 1, tzinfo=UTC),
                    "split": ("train", "train", "train", "valid", "test")[number % 5],
                    "stratum": "logged",
                    "position": position,
                    "propensity": 0.5,
                    "view": fits,
                    "apply": fits * float(where == place),
                    "dismiss": 1.0 - fits if position == 2 else 0.0,
                    "hire": None,
                    "grade": round(4 * fits),
                    "request_text": f"headline: {trade} | location: {place}",
                    "job_text": f"title: {other} | location: {where}",
                    "text_version": "1-test",
                    **dict.fromkeys(PAIR_FEATURES, 0.0),
                }
            )
    return pa.Table.from_pylist(rows, schema=TRAINING)


@pytest.fixture(scope="session")
def table() -> Callable[..., pa.Table]:
    """Makes a training table of so many lists."""
    return training_table


@pytest.fixture
def labelled(tmp_path: Path) -> Callable[..., Workspace]:
    """Makes a workspace with a training table of so many lists."""

    def make(lists: int = 20, table: pa.Table | None = None, name: str = "workspace") -> Workspace:
        workspace = Workspace(tmp_path / name)
        write_part(workspace.training, training_table(lists) if table is None else table)
        return workspace

    return make


@pytest.fixture(scope="session")
def distilled(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Workspace:
    """Both teachers and a student of the tiny backbone. Nobody writes to it."""
    from models.config import StudentConfig, TeacherConfig
    from models.distil import train_student
    from models.teacher import train_teacher

    workspace = Workspace(tmp_path_factory.mktemp("distilled"))
    write_part(workspace.training, training_table(60))
    knobs = TeacherConfig(backbone=tiny, joint_layers=2, frozen_layers=0, epochs=2, learning_rate=1e-3)
    train_teacher(workspace, "policy", knobs)
    train_teacher(workspace, "click", knobs)
    student = StudentConfig(
        backbone=tiny, frozen_layers=0, frozen_item_layers=0, item_tokens=2, epochs=16, learning_rate=1e-3
    )
    train_student(workspace, student)
    return workspace
