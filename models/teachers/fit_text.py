"""Training of a text teacher: the model, its loss over lists of pairs, and the scores of the trained model."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from contracts.errors import BadInput, NothingToLearn
from contracts.progress import Progress
from contracts.tasks import ENGAGEMENT_TASKS
from models.config import Architecture, Arithmetic, TeacherConfig
from models.layers.folder import backbone_folder, complete_folder, generates, runs_by_layer
from models.layers.lora import merge_adapters
from models.teachers.cross_encoder import CrossEncoder, load_teacher
from models.teachers.full_text import ARCHITECTURES, load_full_text
from models.teachers.packed_decoder import PackedDecoder, load_packed
from models.teachers.pairs import JointPairs, TeacherPairs
from models.teachers.reading import learn_reading
from models.teachers.teacher_model import POSITIONS, TeacherModel, save_teacher
from models.training.device import autocast, choose_device, device_of, to_device
from models.training.distributed import full_state_dict, mean_of, rank, shard, shard_of, world_size
from models.training.lists import served_training_lists, told_apart, training_lists
from models.training.loop import Hyper, ListBatch, fit
from models.training.losses import GRADE_STEPS, listwise, ordinal, pairwise, pointwise, positive_weights
from models.training.rows import Rows

log = logging.getLogger("rolecall")


class Learner(Protocol):
    """What is asked of a text teacher; `models.teachers.text.TextTeacher` says the rest."""

    @property
    def name(self) -> str: ...

    @property
    def tasks(self) -> tuple[str, ...]: ...

    @property
    def config(self) -> Any: ...

    def untrained(self, tasks: tuple[str, ...]) -> tuple[TeacherModel, Path]:
        """The model that is to learn some tasks, and the folder of its backbone."""

    def read_pairs(self, rows: Rows, model: TeacherModel, folder: Path, frozen: int) -> TeacherPairs:
        """The pairs for its model; frozen: number of lowest layers that are not trained."""


def fit_text(
    teacher: Learner, parent: Path | None, rows: Rows, targets: np.ndarray, stopped: Path
) -> tuple[TeacherPairs, int]:
    """Train a text teacher.

    Args:
        teacher: Whose name, tasks and knobs are taken.
        parent: The folder of a teacher to start as; None starts as the backbone.
        rows: The training set.
        targets: (n, tasks) float32 of its tasks, NaN where unknown.
        stopped: A folder for the last good state of a run that fails.

    Returns:
        The rows with the trained model, and how many of them it was trained on.

    Raises:
        NothingToLearn: No task can be learned from the training lists.
        TrainingFailed: A loss or gradient was not finite.
    """
    config: TeacherConfig = teacher.config
    torch.manual_seed(config.seed)
    lists = training_lists(rows, np.isfinite(targets).any(1), config.max_pairs, config.seed)
    if "relevance" in teacher.tasks:
        lists += served_training_lists(rows, config.served_pairs, config.served_list_size, config.seed)
    trained_on = np.concatenate([np.zeros(0, np.int64), *lists])
    tasks = learnable(targets[trained_on], teacher)
    targets = targets[:, [teacher.tasks.index(task) for task in tasks]]

    model, folder = teacher.untrained(tasks)
    if parent is None or not _started(model, parent):
        model.init_bias_to_prior(*_rates(targets[trained_on]))
    frozen = min(config.frozen_layers, len(model.layers()))
    model.freeze(frozen)
    if config.lora is not None:
        model.adapt(config.lora, frozen)
    if config.checkpointing:
        model.enable_gradient_checkpointing()
    whole = copy.deepcopy(model) if world_size() > 1 else model  # takes the sharded weights at the end
    model.to(choose_device(config.device))

    if isinstance(model, CrossEncoder) and model.reading is not None:
        model.reading.leave_out()  # its turn comes when the texts' vectors stay as they are
    pairs = teacher.read_pairs(rows, model, folder, frozen)
    loss = Loss(pairs, targets, outcome_weights(rows, tasks, targets, trained_on, config), config)
    shard(loss, model.units())
    hyper = Hyper(
        epochs=config.epochs,
        steps=config.epochs * len(list(list_batches(rows, lists, config.batch_pairs, (0,)))),
        learning_rate=config.learning_rate,
        head_rate=config.head_rate,
        precision=config.precision,
    )

    def keep(failure: dict[str, Any]) -> Path:
        last = _finished(model, whole, config)
        if rank() == 0:
            save_teacher(stopped, last, config, folder)
            (stopped / "stopped.json").write_text(json.dumps(failure, indent=2))
        return stopped

    fit(
        f"{teacher.name} teacher",
        loss,
        lambda batch: loss(batch.lists),
        lambda epoch: list_batches(rows, lists, config.batch_pairs, (config.seed, epoch)),
        hyper,
        model.head_parameters(),
        keep,
    )
    last = _finished(model, whole, config)
    if whole is not model or (isinstance(last, CrossEncoder) and frozen < last.split):
        pairs = teacher.read_pairs(rows, last, folder, len(last.layers()))  # no layer moves any more
    if isinstance(pairs, JointPairs) and pairs.model.reading is not None:
        learn_reading(pairs, pairs.model.reading, targets[:, tasks.index("relevance")], trained_on, config)
    return pairs, len(trained_on)


def score_pairs(pairs: ScoringPairs, chosen: np.ndarray, precision: Arithmetic, name: str) -> np.ndarray:
    """(len(chosen), tasks) float32 logits of rows by number. name: of the progress in the log."""
    logits = np.zeros((len(pairs.rows), len(pairs.model.tasks)), np.float32)
    progress = Progress(name, "pairs", len(chosen))
    progress.start()
    model = cast(nn.Module, pairs.model)
    model.eval()
    with torch.inference_mode(), autocast(device_of(model), precision):
        for batch, answers in pairs.scores(chosen):
            logits[batch] = answers.float().cpu().numpy()
            progress.add(len(batch))
    progress.close()
    return logits[chosen]


def open_teacher(folder: Path) -> tuple[TeacherModel, TeacherConfig]:
    """A trained text teacher of any architecture and its knobs, from the folder of its version."""
    about = json.loads((folder / "teacher.json").read_text())
    architecture = about.get("architecture")
    if architecture == PackedDecoder.architecture:
        return load_packed(folder)
    return load_full_text(folder) if architecture in ARCHITECTURES else load_teacher(folder)


class LossConfig(Protocol):
    """The knobs of a loss."""

    @property
    def ranking(self) -> str: ...

    @property
    def ranking_weight(self) -> float: ...

    @property
    def position(self) -> str: ...

    @property
    def least_propensity(self) -> float: ...


class Answering(Protocol):
    """What a loss asks of a model; as in `TeacherModel`."""

    tasks: tuple[str, ...]
    position: nn.Embedding
    thresholds: nn.Parameter | None


class LearningPairs(Protocol):
    """What a loss asks of pairs; as in `TeacherPairs`."""

    rows: Rows

    @property
    def model(self) -> Answering: ...

    def logits(self, chosen: np.ndarray) -> Tensor: ...


class ScoringPairs(LearningPairs, Protocol):
    """What scoring asks of pairs; as in `TeacherPairs`."""

    def scores(self, chosen: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]: ...


class Loss(nn.Module):
    """The loss of some lists. A module, so that all that uses weights runs inside its forward (FSDP gathers there)."""

    model: Answering

    def __init__(self, pairs: LearningPairs, targets: np.ndarray, weights: np.ndarray, config: LossConfig) -> None:
        """Take what is learned.

        Args:
            pairs: The rows with the model that learns.
            targets: (n, tasks) float32 of all rows.
            weights: (n, tasks) float32 of positives.
            config: The losses and how places are corrected for.
        """
        super().__init__()
        self.model = pairs.model
        self._pairs, self._targets, self._weights, self._config = pairs, targets, weights, config

    def forward(self, lists: list[np.ndarray]) -> Tensor:
        """A scalar over this process's share of the lists, so that the mean over processes is that of all of them."""
        config, model = self._config, self.model
        mine = shard_of(lists) or lists[:1]  # a process without a list runs along, and counts for nothing
        chosen, sizes = np.concatenate(mine), [len(rows) for rows in mine]
        logits = self._pairs.logits(chosen)
        targets, weights = (to_device(values[chosen], logits.device) for values in (self._targets, self._weights))
        if config.position == "tower":
            place = to_device(np.clip(self._pairs.rows.position[chosen], 0, POSITIONS - 1), logits.device)
            is_action = torch.tensor([task in ENGAGEMENT_TASKS for task in model.tasks], device=logits.device)
            logits = logits + torch.where((place > 0)[:, None] & is_action, model.position(place), 0.0)
        if model.thresholds is None:
            losses = [pointwise(logits, targets, weights)]
        else:
            column = model.tasks.index("relevance")
            losses = [ordinal(logits[:, column], targets[:, column], model.thresholds)]
        if config.ranking != "none" and config.ranking_weight:
            of_lists = listwise if config.ranking == "listwise" else pairwise
            losses.append(of_lists(logits, targets, weights, sizes))
        counts = 1.0 if shard_of(lists) else 0.0
        means = [mean_of(loss.total * counts, loss.number * counts) for loss in losses]
        return means[0] + sum(config.ranking_weight * mean for mean in means[1:])


def _finished(model: TeacherModel, whole: TeacherModel, config: TeacherConfig) -> TeacherModel:
    """The model with whole weights in which adapters are merged."""
    if whole is not model:
        whole.load_state_dict(full_state_dict(model))
    if config.lora is not None:
        merge_adapters(whole.backbone)
    return whole.eval()


def untrained(tasks: tuple[str, ...], config: TeacherConfig) -> tuple[TeacherModel, Path]:
    """The model of a teacher of both texts that is to learn some tasks, and the folder of its backbone."""
    folder, architecture = _backbone(config)
    return _untrained(folder, tasks, architecture, config), folder


def _backbone(config: TeacherConfig) -> tuple[Path, Architecture]:
    """The backbone's folder, checked, and how it is to read a pair."""
    folder = complete_folder(config.backbone)
    if config.architecture == "joint":
        return backbone_folder(config.backbone), "joint"
    if config.architecture != "auto":
        return folder, config.architecture
    if runs_by_layer(folder):
        return folder, "joint"
    return folder, "decoder" if generates(folder) else "encoder"


def _untrained(folder: Path, tasks: tuple[str, ...], architecture: Architecture, config: TeacherConfig) -> TeacherModel:
    is_ordinal = config.targets == "ordinal"
    if architecture == "joint":
        return CrossEncoder(folder, tasks, config.joint_layers, ordinal=is_ordinal, match=config.match)
    beside_adapters = config.lora is not None and config.precision == "bfloat16"
    dtype = torch.bfloat16 if beside_adapters else torch.float32  # weights that take no step need no more digits
    return ARCHITECTURES[architecture](folder, tasks, is_ordinal, dtype=dtype)


def _started(model: TeacherModel, parent: Path) -> bool:
    """Start from another teacher; whether it is one of the same tasks and parts, so that nothing needs replacing."""
    start, _ = open_teacher(parent)
    model.start_from(start, str(parent))
    weights = start.state_dict()
    if start.tasks != model.tasks or weights.keys() != model.state_dict().keys():
        return False
    model.load_state_dict(weights)
    return True


def _rates(targets: np.ndarray) -> tuple[Tensor, Tensor]:
    """The mean target of each task (tasks,), and of the first one the shares above each step between grades (4,)."""
    known = targets[np.isfinite(targets[:, 0]), 0]
    above = np.clip(known[:, None] * GRADE_STEPS - np.arange(GRADE_STEPS), 0, 1).mean(0)
    return torch.from_numpy(np.nanmean(targets, axis=0)), torch.from_numpy(above)


def outcome_weights(
    rows: Rows, tasks: tuple[str, ...], targets: np.ndarray, trained_on: np.ndarray, config: LossConfig
) -> np.ndarray:
    """(n, tasks) float32 weights of positives: inverse propensities for what members did, where they are asked for."""
    weights = np.ones_like(targets)
    actions = np.flatnonzero(np.isin(tasks, ENGAGEMENT_TASKS))
    if config.position != "propensity" or not len(actions):
        return weights
    propensity = rows.propensity[trained_on]
    if not np.isfinite(propensity).any():
        raise BadInput("no training pair has a propensity", where="propensity", cure="log it, or set position: tower")
    weights[np.ix_(trained_on, actions)] = positive_weights(
        targets[np.ix_(trained_on, actions)], propensity, config.least_propensity
    )
    return weights


def learnable(targets: np.ndarray, teacher: Learner) -> tuple[str, ...]:
    """The teacher's tasks whose targets differ among the pairs (n, tasks) that it trains on: `hire` where one was."""
    names = teacher.tasks
    tasks = told_apart(names, targets)
    if not tasks:
        raise NothingToLearn(
            f"no training pairs tell {' or '.join(names)} apart", cure="run `rolecall label` with more lists"
        )
    if absent := sorted(set(names) - set(tasks)):
        log.warning("%s teacher: nothing to learn %s from; it will not be answered", teacher.name, ", ".join(absent))
    return tasks


def list_batches(rows: Rows, lists: list[np.ndarray], pairs: int, seed: tuple[int, ...]) -> Iterator[ListBatch]:
    """Lists in an order drawn by seed (the last number is the epoch), in batches of at most `pairs` pairs."""
    batch: list[np.ndarray] = []
    for i in np.random.default_rng(seed).permutation(len(lists)):
        if batch and sum(map(len, batch)) + len(lists[i]) > pairs:
            yield ListBatch(rows, batch, seed[-1])
            batch = []
        batch.append(lists[i])
    if batch:
        yield ListBatch(rows, batch, seed[-1])
