"""What tests of several models need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from models.pairs import read_pairs
from models.rows import Rows
from models.teacher import open_teacher
from models.training import autocast


@pytest.fixture
def ask() -> Callable[[Path, Rows], np.ndarray]:
    """Logits (n, tasks) float32 of all rows by a stored teacher, from the folder of its version."""

    def answers(folder: Path, rows: Rows) -> np.ndarray:
        model, config = open_teacher(folder)
        pairs = read_pairs(rows, model, folder, config, len(model.layers()))
        found = np.full((len(rows), len(model.tasks)), np.nan, np.float32)
        with torch.inference_mode(), autocast(config.precision):
            for batch, logits in pairs.scores(np.arange(len(rows))):
                found[batch] = logits.float().numpy()
        return found

    return answers
