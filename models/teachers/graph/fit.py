"""Training of any rung, by the losses and corrections of the click teacher."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_model
from torch import Tensor

from contracts.errors import BadInput, NothingToLearn
from models.layers.folder import complete_folder
from models.teachers.base import Teacher
from models.teachers.fit_text import Loss, list_batches, open_teacher, outcome_weights
from models.teachers.graph.correction import CorrectedPairs
from models.teachers.graph.market import Market
from models.teachers.graph.reader import GraphPairs, GraphReader
from models.teachers.graph.sage import Sage, SagePairs
from models.teachers.graph.sign import Sign, SignPairs
from models.teachers.scores import current_scores, read_scores
from models.training.device import choose_device
from models.training.distributed import world_size
from models.training.lists import scored_rows, told_apart, training_lists
from models.training.loop import Hyper, ListBatch, fit
from models.training.rows import Rows


def fit_graph(
    teacher: Teacher, text_teacher: Path, market: Market, rows: Rows, targets: np.ndarray, stopped: Path
) -> tuple[CorrectedPairs | GraphPairs, int]:
    """Train a graph teacher.

    Args:
        teacher: Whose name, tasks and knobs are taken.
        text_teacher: The folder of the text teacher that it corrects, which has scored the rows.
        market: Of the rows.
        rows: The training set.
        targets: (n, tasks) float32 of its tasks, NaN where unknown.
        stopped: A folder for the last good state of a run that fails.

    Returns:
        The rows with the trained model, and how many of them it was trained on.

    Raises:
        NothingToLearn: No task can be learned from the training lists.
        BadInput: G2 is to read a text teacher of another architecture, or several processes train.
        TrainingFailed: A loss or gradient was not finite.
    """
    if world_size() > 1:
        raise BadInput(f"{world_size()} processes train it", where="graph_teacher", cure="train it without torchrun")
    config, folder = teacher.config, text_teacher
    torch.manual_seed(config.seed)
    needed = scored_rows(rows)
    tasks, text = read_scores(current_scores(teacher.workspace, folder.parent.name), rows, needed)
    targets = targets[:, [teacher.tasks.index(task) for task in tasks]]
    lists = training_lists(rows, np.isfinite(targets).any(1), config.pairs, config.seed)
    trained_on = np.concatenate([np.zeros(0, np.int64), *lists])
    if not told_apart(tasks, targets[trained_on]):
        raise NothingToLearn(f"no training pairs tell {' or '.join(tasks)} apart", cure="run `rolecall label` again")
    model, knobs = open_teacher(folder)
    pairs: CorrectedPairs | GraphPairs
    if config.rung == "G2":
        if model.architecture != GraphReader.architecture:
            raise BadInput(
                f"G2 reads a joint text teacher, and the {folder.parent.name} teacher is of the architecture "
                f"{model.architecture}",
                where=str(folder),
                cure="set graph_teacher: {rung: G0}, or another backbone",
            )
        reader = GraphReader.start(folder, market.vectors.shape[1], config).to(choose_device(config.device))
        pairs = GraphPairs(rows, reader, complete_folder(folder), knobs, market, needed, config)
    else:
        model_of, pairs_of = {"G0": (Sign, SignPairs), "G1": (Sage, SagePairs)}[config.rung]
        correction = model_of(tasks, model.position.weight.detach(), market.vectors, config)
        pairs = pairs_of(rows, correction.to(choose_device(config.device)), market, text, needed, config)
    pairs.standardise(trained_on)
    loss = Loss(pairs, targets, outcome_weights(rows, tasks, targets, trained_on, config), config)
    fixed = [batch.lists for batch in list_batches(rows, lists, config.batch, (config.seed, 0))]
    rng = np.random.default_rng(config.seed)

    def whole(batch: ListBatch) -> Tensor:
        total: Tensor = loss(batch.lists)
        if isinstance(pairs, SagePairs):
            if config.contrast:
                total = total + config.contrast * pairs.contrast(targets[np.concatenate(batch.lists)])
            if config.masked:
                total = total + config.masked * pairs.auxiliary(rng)
        elif isinstance(pairs.model, GraphReader) and config.align:
            total = total + config.align * pairs.model.alignment
        return total

    def batches(epoch: int) -> Iterator[ListBatch]:
        for i in np.random.default_rng((config.seed, epoch)).permutation(len(fixed)):
            yield ListBatch(rows, fixed[i], epoch)

    def keep(failure: dict[str, Any]) -> Path:
        stopped.mkdir(parents=True, exist_ok=True)
        save_model(pairs.model, str(stopped / "model.safetensors"))
        (stopped / "stopped.json").write_text(json.dumps(failure, indent=2))
        return stopped

    hyper = Hyper(
        config.passes, config.passes * len(fixed), config.learning_rate, config.learning_rate, config.precision
    )
    fit(f"{teacher.name} teacher, {config.rung}", pairs.model, whole, batches, hyper, keep=keep)
    pairs.model.eval()
    return pairs, len(trained_on)
