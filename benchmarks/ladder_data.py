"""The sets of pairs that the ladder is measured on, each a workspace that has a training table."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.onet_pairs import SIZES, write_pairs
from contracts.tables import parts
from contracts.workspace import Workspace
from models.registry import TEACHERS
from models.training.states import TextStates
from rolecall.params import Params

SIMULATED, ONET, JOB_VIEWS = "simulated market", "O*NET pairs", "job views"
WARM = "+ warm start"
"""The rung that the others with its shape are as fast as, and that is served."""
TEACHER, TEACHER_INT8 = "policy teacher, PyTorch float32", "policy teacher, INT8 ONNX"
SPEED = "the ladder's rungs, "
"""What the case of a row on speed begins with: another program measures precisions at as many candidates."""
AFTERWARDS = {*(f"{name}_teacher" for name in TEACHERS.names()), "student", "export", "index", "replay"}
"""Sections of the knobs that a training table does not depend on."""


@dataclass(frozen=True)
class Pairs:
    """teachers: which can learn from it. O*NET knows grades and no clicks."""

    name: str
    workspace: Workspace
    teachers: tuple[str, ...]


def prepare(out: Path, params: Path, knobs: Params, onet: Path | None, jobviews: Path | None) -> list[Pairs]:
    """The workspaces below `out`, made where they are not there yet. None: the set is left out.

    Each is named by a digest of what it is made with, so that other knobs make another. params: the file of the knobs.
    """
    made_with = knobs.model_dump(mode="json", exclude=AFTERWARDS)
    found = [Pairs(SIMULATED, _recipe(out / _named("simulated", made_with), params, None), ("policy", "click"))]
    if onet is not None:
        workspace = Workspace(out / _named("onet", [str(onet.resolve()), knobs.seed, SIZES]))
        if not parts(workspace.training):
            write_pairs(onet, workspace, knobs.seed)
        found.append(Pairs(ONET, workspace, ("policy",)))
    if jobviews is not None:
        root = out / _named("jobviews", [str(jobviews.resolve()), made_with])
        found.append(Pairs(JOB_VIEWS, _recipe(root, params, jobviews), ("policy", "click")))
    return found


def _named(name: str, made_with: Any) -> str:
    return f"{name}-{hashlib.sha256(json.dumps(made_with, sort_keys=True).encode()).hexdigest()[:8]}"


def share_states() -> None:
    """Let all students of this process share what fixed layers make of a text: rungs and seeds differ above them."""
    read = TextStates._compute
    kept: dict[tuple, np.ndarray] = {}
    digests: weakref.WeakKeyDictionary[TextStates, tuple] = weakref.WeakKeyDictionary()

    def shared(self: TextStates, texts: np.ndarray) -> list[np.ndarray]:
        if self not in digests:  # once: layers whose states are kept do not change
            digests[self] = states_key(self)
        keys = [(*digests[self], tuple(self._tokens[i])) for i in texts.tolist()]
        absent = [place for place, key in enumerate(keys) if key not in kept]
        if absent:
            kept.update(zip([keys[place] for place in absent], read(self, texts[absent]), strict=True))
        return [kept[key] for key in keys]

    TextStates._compute = shared  # type: ignore[method-assign]


def states_key(states: TextStates) -> tuple:
    """What the states of a text depend on beside its tokens: layers, arithmetic, and every weight on the way."""
    backbone, digest = states._backbone, hashlib.sha256()
    for module in (backbone.embeddings, *backbone.layers[: states.layers]):
        for name, weight in module.state_dict().items():
            digest.update(f"{name} {tuple(weight.shape)}".encode() + weight.detach().contiguous().numpy().tobytes())
    return states.layers, states._precision, digest.digest()


def _recipe(root: Path, params: Path, data: Path | None) -> Workspace:
    workspace = Workspace(root)
    if not parts(workspace.training):
        source = ["--data", str(data)] if data else []
        command = ["-m", "rolecall", "--params", str(params), "run", *source, "--workspace", str(root)]
        subprocess.run([sys.executable, *command, "--to", "training_set"], check=True)
    return workspace
