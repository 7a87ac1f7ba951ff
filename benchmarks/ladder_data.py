"""The sets of pairs that the ladder is measured on, each a workspace that has a training table."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.onet_pairs import write_pairs
from contracts.tables import parts
from contracts.workspace import Workspace
from models.config import Teacher

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


def _recipe(root: Path, knobs: Path, data: Path | None) -> Workspace:
    workspace = Workspace(root)
    if not parts(workspace.training):
        source = ["--data", str(data)] if data else []
        command = ["-m", "rolecall", "--params", str(knobs), "run", *source, "--workspace", str(root)]
        subprocess.run([sys.executable, *command, "--to", "training_set"], check=True)
    return workspace
