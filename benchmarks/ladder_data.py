"""The sets of pairs that the ladder is measured on, each a workspace that has a training table."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.onet_pairs import write_pairs
from contracts.tables import parts
from contracts.workspace import Workspace
from models.config import Teacher
from models.states import TextStates

SIMULATED, ONET, JOB_VIEWS = "simulated market", "O*NET pairs", "job views"
TEACHER, TEACHER_INT8 = "policy teacher, PyTorch float32", "policy teacher, INT8 ONNX"


@dataclass(frozen=True)
class Pairs:
    """teachers: which can learn from it. O*NET knows grades and no clicks."""

    name: str
    workspace: Workspace
    teachers: tuple[Teacher, ...]


def prepare(out: Path, knobs: Path, seed: int, onet: Path | None, jobviews: Path | None) -> list[Pairs]:
    """The workspaces below `out`, made where they are not there yet. None: the set is left out."""
    found = [Pairs(SIMULATED, _recipe(out / "simulated", knobs, None), ("policy", "click"))]
    if onet is not None:
        workspace = Workspace(out / "onet")
        if not parts(workspace.training):
            write_pairs(onet, workspace, seed)
        found.append(Pairs(ONET, workspace, ("policy",)))
    if jobviews is not None:
        found.append(Pairs(JOB_VIEWS, _recipe(out / "jobviews", knobs, jobviews), ("policy", "click")))
    return found


def share_states() -> None:
    """Let all students of this process share what fixed layers make of a text: rungs and seeds differ above them."""
    read = TextStates._read
    kept: dict[tuple, np.ndarray] = {}

    def shared(self: TextStates, texts: np.ndarray) -> list[np.ndarray]:
        weights = sum(float(w.double().abs().sum()) for layer in self._backbone.layers[: self.layers]
                      for w in layer.parameters())  # fmt: skip
        keys = [(weights, self.layers, tuple(self._tokens[i])) for i in texts.tolist()]
        absent = [place for place, key in enumerate(keys) if key not in kept]
        if absent:
            kept.update(zip([keys[place] for place in absent], read(self, texts[absent]), strict=True))
        return [kept[key] for key in keys]

    TextStates._read = shared  # type: ignore[method-assign]


def _recipe(root: Path, knobs: Path, data: Path | None) -> Workspace:
    workspace = Workspace(root)
    if not parts(workspace.training):
        source = ["--data", str(data)] if data else []
        command = ["-m", "rolecall", "--params", str(knobs), "run", *source, "--workspace", str(root)]
        subprocess.run([sys.executable, *command, "--to", "training_set"], check=True)
    return workspace
