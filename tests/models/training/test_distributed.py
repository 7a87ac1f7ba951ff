"""Two processes under torchrun learn what one does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from contracts.workspace import Workspace
from models.config import TeacherConfig
from models.teachers.scores import current_scores, read_scores
from models.teachers.train import train_teacher
from models.training.distributed import all_reduce_sum, mean_of, rank, shard_of, world_size
from models.training.rows import read_rows

RUN = """
import sys
from rolecall.cli import app
from models.training.distributed import processes

with processes():
    for workspace, params in zip(sys.argv[1::2], sys.argv[2::2]):
        app(["--params", params, "train", "policy", "--workspace", workspace], standalone_mode=False)
"""


@pytest.fixture
def decoder(tiny: Path, tmp_path: Path) -> Path:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=30522, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path / "decoder")
    (tmp_path / "decoder" / "tokenizer.json").symlink_to(tiny / "tokenizer.json")
    return tmp_path / "decoder"


def test_two_processes_learn_what_one_does(
    labelled: Callable[..., Workspace], tiny: Path, decoder: Path, tmp_path: Path
) -> None:
    """The joint teacher, gathered as a whole, and a decoder, gathered layer by layer. The joint teacher's lists make a
    batch of 11 and one of 1, in which a process has no list."""
    knobs = {
        "joint": TeacherConfig(
            backbone=tiny,
            frozen_layers=0,
            epochs=2,
            precision="float32",
            learning_rate=1e-4,
            ranking="pairwise",
            targets="ordinal",
            batch_pairs=66,
        ),
        "decoder": TeacherConfig(
            backbone=decoder,
            frozen_layers=0,
            epochs=1,
            precision="float32",
            learning_rate=1e-4,
            max_request_tokens=24,
            max_job_tokens=24,
        ),
    }
    arguments = []
    for name, config in knobs.items():
        (tmp_path / f"{name}.yaml").write_text(f"policy_teacher: {config.model_dump_json()}")
        arguments += [str(labelled(20, name=f"two-{name}").root), str(tmp_path / f"{name}.yaml")]
    (tmp_path / "run.py").write_text(RUN)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    ran = subprocess.run(
        [*command, str(tmp_path / "run.py"), *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    for name, config in knobs.items():
        alone, together = labelled(20, name=f"one-{name}"), Workspace(tmp_path / f"two-{name}")
        folder = train_teacher(alone, "policy", config)
        learned = load_file(str(together.teachers / "policy" / folder.name / "model.safetensors"))
        for weight, expected in load_file(str(folder / "model.safetensors")).items():
            assert torch.allclose(learned[weight], expected, atol=2e-5), (name, weight)
        rows = read_rows(alone.training)
        scored = np.flatnonzero(np.isin(rows.splits, ("train", "test")))
        expected, found = (read_scores(current_scores(w, "policy"), rows, scored)[1] for w in (alone, together))
        assert np.allclose(found[scored], expected[scored], atol=1e-3)


def test_one_process_does_all_of_it() -> None:
    items = [1, 2, 3]
    assert (world_size(), rank(), shard_of(items)) == (1, 0, items)
    values = torch.tensor([1.0, 2.0], requires_grad=True)
    assert not all_reduce_sum(values).requires_grad
    assert float(mean_of(values.sum(), torch.tensor(2)).detach()) == 1.5
    assert float(mean_of(torch.tensor(0.0), torch.tensor(0))) == 0.0  # a batch in which nothing tells
