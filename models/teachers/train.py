"""Any teacher, trained, its pairs scored and both stored. Each can be trained and replaced without the others."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch

from contracts.tables import adding
from contracts.versions import set_current
from contracts.workspace import Workspace
from models.registry import TEACHERS
from models.teachers.agreement import require_teacher, served_agreement
from models.teachers.base import Teacher
from models.teachers.scores import write_scores
from models.training.distributed import all_reduce_sum, barrier, processes, rank, world_size
from models.training.graded import require_grades
from models.training.lists import held_out_metrics, scored_rows
from models.training.loop import check_spread
from models.training.rows import Rows, read_rows

log = logging.getLogger("rolecall")


def train_teacher(workspace: Workspace, name: str, config: Any = None) -> Path:
    """Train a teacher on the workspace's training set and store its scores. Its version becomes current.

    Where the version is there already, nothing is done. Under `torchrun` the processes share the work.

    Args:
        workspace: With a training set.
        name: Of `TEACHERS`.
        config: Its knobs, the defaults where None.

    Returns:
        The folder of its version.

    Raises:
        BadInput: There is no such teacher, or a knob does not fit the data.
        NotReady: The training set is absent or teaches nothing.
        NotAgreed: The teacher follows its judge too little; it is stored, and does not become current.
        OtherWriter: Somebody switches to other scores of it at this moment.
        TooFewGrades: A teacher of `relevance` has too few grades, or those of one kind of request alone.
        TrainingFailed: The scores collapsed, or a step failed: then `<version>.stopped` holds the last good state.
    """
    kind = TEACHERS.get(name)
    config = kind.Config() if config is None else config
    with processes(getattr(config, "device", "auto")):
        rows = read_rows(workspace.training)
        if "relevance" in kind.tasks:
            require_grades(workspace.training, getattr(config, "least_graded", 0))
        teacher: Teacher = kind(workspace, config)
        version = teacher.version(rows)
        out = workspace.teachers / name / version
        is_trained = (out / "metrics.json").is_file()
        barrier()
        if is_trained:
            log.info("%s teacher: version %s is up to date", name, version)
            metrics = json.loads((out / "metrics.json").read_text())
        else:
            of_members = []
            for number, member in enumerate(teacher.members()):
                trained_on = member.fit(rows, member.targets(rows), out.with_name(f"{version}.stopped"))
                of_members.append(_score(member, rows))
                check_spread(of_members[-1], rows.lists(scored_rows(rows)), member.answered, f"{name} teacher")
                if rank() == 0:
                    member.save(member_folder(out, number))
            logits = np.mean(of_members, axis=0)
            metrics = held_out_metrics(rows, teacher.answered, logits) | {"training_pairs": trained_on}
            metrics |= served_agreement(rows, teacher.answered, logits)
            if rank() == 0:
                write_scores(workspace, name, version, rows, teacher.answered, logits)
                (out / "metrics.json").write_text(json.dumps(metrics, indent=2))
            log.info("%s teacher %s: %s", name, version, ", ".join(f"{k} {v:.3f}" for k, v in metrics.items()))
        require_teacher(workspace, teacher, metrics)
        if rank() == 0:
            with adding(workspace.scores / name, f"train {name}"):
                set_current(out.parent, version)
                set_current(workspace.scores / name, f"{version}.parquet")
    return out


def member_folder(folder: Path, number: int) -> Path:
    """Where the members of an ensemble lie: the first in the teacher's own folder, the others under it."""
    return folder / f"seed-{number}" if number else folder


def member_folders(folder: Path) -> list[Path]:
    """The folders of all members of a trained teacher, the first of them `folder` itself."""
    return [folder, *sorted(folder.glob("seed-*"))]


def logits_of(folder: Path, rows: Rows) -> tuple[tuple[str, ...], np.ndarray]:
    """The tasks of a trained text teacher, and its logits (n, tasks) float32 of all n rows: the mean of its members."""
    from models.teachers.fit_text import open_teacher, score_pairs
    from models.teachers.pairs import read_pairs

    of_members = []
    for member in member_folders(folder):
        model, config = open_teacher(member)
        pairs = read_pairs(rows, model, member, config, len(model.layers()))
        name = f"{folder.parent.name} teacher"
        of_members.append(score_pairs(pairs, np.arange(len(rows)), config.precision, name))
    return model.tasks, np.mean(of_members, axis=0)


def _score(teacher: Teacher, rows: Rows) -> np.ndarray:
    """(n, answered) float32 logits of all n rows, NaN outside `scored_rows`. Each process scores its share."""
    chosen = scored_rows(rows)
    by_request = chosen[np.argsort(rows.request[chosen], kind="stable")]
    mine = np.array_split(by_request, world_size())[rank()]
    scored = np.zeros((len(rows), len(teacher.answered)), np.float32)
    scored[mine] = teacher.scores(rows, mine)
    logits = np.full_like(scored, np.nan)
    logits[chosen] = all_reduce_sum(torch.from_numpy(scored)).numpy()[chosen]
    return logits
