"""Teachers, trained and asked: the policy teacher learns the judge's grades, the click teacher starts from it and
learns what members did. Each can be trained, scored and replaced without the other.
"""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from contracts.errors import BadInput, NotReady
from contracts.progress import Progress
from contracts.tasks import ENGAGEMENT_TASKS
from contracts.versions import json_hash, require_current, set_current
from contracts.workspace import Workspace
from models.config import MODEL_FORMAT, Architecture, TeacherConfig
from models.layers.backbone import backbone_folder, backbone_version, complete_folder
from models.layers.lora import merge_adapters
from models.teachers.cross_encoder import CrossEncoder, load_teacher
from models.teachers.full_text import ARCHITECTURES, load_full_text
from models.teachers.objectives import listwise, ordinal, pairwise, pointwise, positive_weights
from models.teachers.pairs import Pairs, read_pairs
from models.teachers.scores import write_scores
from models.teachers.teacher_model import POSITIONS, STEPS, TeacherModel, save_teacher
from models.training.distributed import (
    all_reduce_sum,
    barrier,
    full_state_dict,
    mean_of,
    processes,
    rank,
    shard,
    shard_of,
    world_size,
)
from models.training.loop import autocast, check_spread, fit
from models.training.metrics import auc, mean_ndcg
from models.training.rows import Rows, read_rows

log = logging.getLogger("rolecall")

Kind = Literal["policy", "click"]
TEACHER_TASKS: dict[Kind, tuple[str, ...]] = {"policy": ("relevance",), "click": ENGAGEMENT_TASKS}
RARE: tuple[str, ...] = ("apply", "dismiss", "hire")
"""A shown job is a negative for a rare action only in a list that holds a positive (COOKBOOK 1.3, loss masking)."""
SCORED_SPLITS = ("train", "test")
"""The student learns from the first and is compared on the second; validation lists calibrate by their labels."""


def train_teacher(workspace: Workspace, kind: Kind, config: TeacherConfig) -> Path:
    """Train a teacher on the workspace's training set and store its scores; return the folder of its version.

    The version is the hash of data, configuration and backbone (and of the teacher it starts from), and becomes
    current; where it is there already, nothing is done. Under `torchrun` the processes share the work.
    Raises NotReady, BadInput, TrainingFailed; of a run that stopped, <version>.stopped holds the last good state.
    """
    with processes():
        rows = read_rows(workspace.training)
        folder, architecture = _backbone(config)
        parent = _parent(workspace, kind, config)
        version = _version(rows, kind, config, folder, parent)
        out = workspace.teachers / kind / version
        done = (out / "metrics.json").is_file()
        barrier()
        if done:
            log.info("%s teacher: version %s is up to date", kind, version)
        else:
            pairs, trained_on = _train(rows, kind, config, folder, architecture, parent, out)
            logits = _score(workspace, kind, version, pairs, config)
            metrics = held_out_metrics(rows, pairs.model.tasks, logits) | {"training_pairs": trained_on}
            if rank() == 0:
                save_teacher(out, pairs.model, config, folder)
                (out / "metrics.json").write_text(json.dumps(metrics, indent=2))
            log.info("%s teacher %s: %s", kind, version, ", ".join(f"{k} {v:.3f}" for k, v in metrics.items()))
        if rank() == 0:
            set_current(out.parent, version)
            set_current(workspace.scores / kind, f"{version}.parquet")
    return out


def open_teacher(folder: Path) -> tuple[TeacherModel, TeacherConfig]:
    """A trained teacher of any architecture and its knobs, from the folder of its version."""
    about = json.loads((folder / "teacher.json").read_text())
    return load_full_text(folder) if about.get("architecture") in ARCHITECTURES else load_teacher(folder)


def teacher_logits(folder: Path, rows: Rows, chosen: np.ndarray) -> np.ndarray:
    """Logits (len(chosen), tasks) float32 of rows by the teacher in `folder`, as it scores after training."""
    model, config = open_teacher(folder)
    pairs = read_pairs(rows.only(chosen), model, folder, config, len(model.layers()))
    return _answers(pairs, np.arange(len(chosen)), config)


def held_out_metrics(rows: Rows, tasks: Sequence[str], logits: np.ndarray) -> dict[str, float]:
    """NDCG@10 by grades and AUC by what members did, over the lists of the test split, where labels allow it.

    logits: (n, tasks) of all n rows; those of other splits are not looked at.
    """
    test = np.flatnonzero(rows.splits == "test")
    metrics = {}
    for column, task in enumerate(tasks):
        if task == "relevance":
            metrics["ndcg@10"] = mean_ndcg(logits[:, column], rows.target(task), rows.lists(test))
        else:
            metrics[f"{task}_auc"] = auc(logits[test, column], rows.target(task)[test])
    return {name: value for name, value in metrics.items() if np.isfinite(value)}


def _train(
    rows: Rows,
    kind: Kind,
    config: TeacherConfig,
    folder: Path,
    architecture: Architecture,
    parent: Path | None,
    out: Path,
) -> tuple[Pairs, int]:
    """The pairs with the trained model, and how many it was trained on."""
    torch.manual_seed(config.seed)
    targets = masked_targets(rows, TEACHER_TASKS[kind])
    lists = training_lists(rows, np.isfinite(targets).any(1), config.max_pairs, config.seed)
    trained_on = np.concatenate([np.zeros(0, np.int64), *lists])
    tasks = _learnable(targets[trained_on], kind)
    targets = targets[:, [TEACHER_TASKS[kind].index(task) for task in tasks]]
    model = _untrained(folder, tasks, architecture, config)
    frozen = min(config.frozen_layers, len(model.layers()))
    if parent is None or not _started(model, parent):
        model.init_bias_to_prior(*_rates(targets[trained_on]))
    model.freeze(frozen)
    if config.lora is not None:
        model.adapt(config.lora, frozen)
    if config.checkpointing:
        model.enable_gradient_checkpointing()
    plain = copy.deepcopy(model) if world_size() > 1 else model
    pairs = read_pairs(rows, model, folder, config, frozen)
    loss = Loss(pairs, targets, _weights(rows, tasks, targets, trained_on, config), config)
    shard(loss, model.units())

    def finished() -> TeacherModel:
        if plain is not model:
            plain.load_state_dict(full_state_dict(model))
        if config.lora is not None:
            merge_adapters(plain.backbone)
        return plain.eval()

    def keep(about: Mapping[str, str | int]) -> Path:
        stopped, last = out.with_name(f"{out.name}.stopped"), finished()
        if rank() == 0:
            save_teacher(stopped, last, config, folder)
            (stopped / "stopped.json").write_text(json.dumps(about, indent=2))
        return stopped

    fit(
        loss,
        lambda epoch: _batches(lists, config.batch_pairs, np.random.default_rng((config.seed, epoch))),
        loss,
        lambda batch: sum(map(len, batch)),
        name=f"{kind} teacher",
        epochs=config.epochs,
        steps=config.epochs * sum(1 for _ in _batches(lists, config.batch_pairs, np.random.default_rng(0))),
        learning_rate=config.learning_rate,
        head_rate=config.head_rate,
        head=model.head_parameters(),
        precision=config.precision,
        describe=lambda batch: "lists " + ", ".join(str(rows.list_ids[of_list[0]]) for of_list in batch),
        keep=keep,
    )
    last = finished()
    if plain is not model or (isinstance(last, CrossEncoder) and frozen < last.split):
        pairs = read_pairs(rows, last, folder, config, len(last.layers()))  # no layer moves any more
    return pairs, len(trained_on)


class Loss(nn.Module):
    """The loss of a batch of lists. A module, so that all that uses weights runs inside its forward."""

    model: TeacherModel

    def __init__(self, pairs: Pairs, targets: np.ndarray, weights: np.ndarray, config: TeacherConfig) -> None:
        """targets, weights: (n, tasks) float32 of all rows; weights count positives."""
        super().__init__()
        self.model = pairs.model
        self._pairs, self._targets, self._weights, self._config = pairs, targets, weights, config

    def forward(self, batch: list[np.ndarray]) -> Tensor:
        """Of this process's share of the lists, so that the mean over processes is the batch's."""
        config, model = self._config, self.model
        lists = shard_of(batch) or batch[:1]  # a process without a list runs along, and counts for nothing
        chosen, sizes = np.concatenate(lists), [len(of_list) for of_list in lists]
        logits = self._pairs.logits(chosen)
        if config.position == "tower":
            place = torch.from_numpy(np.clip(self._pairs.rows.position[chosen], 0, POSITIONS - 1))
            done = torch.tensor([task in ENGAGEMENT_TASKS for task in model.tasks])  # a grade knows no place
            logits = logits + torch.where((place > 0)[:, None] & done, model.position(place), 0.0)
        wanted, weight = (torch.from_numpy(values[chosen]) for values in (self._targets, self._weights))
        if model.thresholds is None:
            parts = [pointwise(logits, wanted, weight)]
        else:
            column = model.tasks.index("relevance")
            parts = [ordinal(logits[:, column], wanted[:, column], model.thresholds)]
        if config.ranking != "none" and config.ranking_weight:
            of_lists = listwise if config.ranking == "listwise" else pairwise
            parts.append(of_lists(logits, wanted, weight, sizes))
        counts = 1.0 if shard_of(batch) else 0.0
        means = [mean_of(part.total * counts, part.number * counts) for part in parts]
        return means[0] + sum(config.ranking_weight * mean for mean in means[1:])


def _score(workspace: Workspace, kind: Kind, version: str, pairs: Pairs, config: TeacherConfig) -> np.ndarray:
    """Logits (n, tasks) float32 of all n rows, NaN outside SCORED_SPLITS, once they are stored."""
    rows, tasks = pairs.rows, pairs.model.tasks
    chosen = np.flatnonzero(np.isin(rows.splits, SCORED_SPLITS))
    by_request = chosen[np.argsort(rows.request[chosen], kind="stable")]
    mine = np.array_split(by_request, world_size())[rank()]
    progress = Progress(f"{kind} teacher scores", "pairs", len(mine))
    progress.start()
    scored = _answers(pairs, mine, config, progress)
    progress.close()
    logits = np.full_like(scored, np.nan)
    logits[chosen] = all_reduce_sum(torch.from_numpy(scored)).numpy()[chosen]
    check_spread(logits, rows.lists(chosen), tasks, f"{kind} teacher")
    if rank() == 0:
        write_scores(workspace, kind, version, rows, tasks, logits)
    return logits


def _answers(pairs: Pairs, chosen: np.ndarray, config: TeacherConfig, progress: Progress | None = None) -> np.ndarray:
    """Logits (n, tasks) float32 of all n rows, 0 for those that are not chosen."""
    logits = np.zeros((len(pairs.rows), len(pairs.model.tasks)), np.float32)
    pairs.model.eval()
    with torch.inference_mode(), autocast(config.precision):
        for batch, answers in pairs.scores(chosen):
            logits[batch] = answers.float().numpy()
            if progress is not None:
                progress.add(len(batch))
    return logits


def _backbone(config: TeacherConfig) -> tuple[Path, Architecture]:
    """The backbone's folder, checked, and how it is to read a pair."""
    folder = complete_folder(config.backbone)
    about = json.loads((folder / "config.json").read_text())
    if config.architecture == "joint":
        return backbone_folder(config.backbone), "joint"
    if config.architecture != "auto":
        return folder, config.architecture
    if about.get("model_type") == "bert":
        return folder, "joint"
    generates = any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in about.get("architectures") or ())
    return folder, "decoder" if generates else "encoder"


def _untrained(folder: Path, tasks: tuple[str, ...], architecture: Architecture, config: TeacherConfig) -> TeacherModel:
    is_ordinal = config.targets == "ordinal"
    if architecture == "joint":
        return CrossEncoder(folder, tasks, config.joint_layers, ordinal=is_ordinal)
    beside_adapters = config.lora is not None and config.precision == "bfloat16"
    dtype = torch.bfloat16 if beside_adapters else torch.float32  # weights that take no step need no more digits
    return ARCHITECTURES[architecture](folder, tasks, is_ordinal, dtype=dtype)


def _started(model: TeacherModel, parent: Path) -> bool:
    """Start from another teacher; whether it is one of the same tasks, so that nothing of it needs replacing."""
    start, _ = open_teacher(parent)
    model.start_from(start, str(parent))
    if start.tasks != model.tasks or (start.thresholds is None) != (model.thresholds is None):
        return False
    model.load_state_dict(start.state_dict())
    return True


def _rates(targets: np.ndarray) -> tuple[Tensor, Tensor]:
    """The mean target of each task (tasks,), and of the first one the shares above each step between grades (4,)."""
    known = targets[np.isfinite(targets[:, 0]), 0]
    above = np.clip(known[:, None] * STEPS - np.arange(STEPS), 0, 1).mean(0)
    return torch.from_numpy(np.nanmean(targets, axis=0)), torch.from_numpy(above)


def _weights(
    rows: Rows, tasks: tuple[str, ...], targets: np.ndarray, trained_on: np.ndarray, config: TeacherConfig
) -> np.ndarray:
    """(n, tasks) float32 weights of positives: inverse propensities for what members did, where they are asked for."""
    weights = np.ones_like(targets)
    done = np.flatnonzero(np.isin(tasks, ENGAGEMENT_TASKS))
    if config.position != "propensity" or not len(done):
        return weights
    propensity = rows.propensity[trained_on]
    if not np.isfinite(propensity).any():
        raise BadInput("no training pair has a propensity", where="propensity", cure="log it, or set position: tower")
    weights[np.ix_(trained_on, done)] = positive_weights(
        targets[np.ix_(trained_on, done)], propensity, config.least_propensity
    )
    return weights


def _parent(workspace: Workspace, kind: Kind, config: TeacherConfig) -> Path | None:
    if config.base is not None:
        if not (config.base / "teacher.json").is_file():
            raise BadInput("teacher.json missing", where=str(config.base), cure="give the folder of a teacher")
        return config.base
    return _current(workspace, "policy") if kind == "click" and config.warm_start else None


def _current(workspace: Workspace, kind: Kind) -> Path:
    return require_current(workspace.teachers / kind, f"{kind} teacher", f"run `rolecall train {kind}` first")


def _version(rows: Rows, kind: Kind, config: TeacherConfig, folder: Path, parent: Path | None) -> str:
    knobs = config.model_dump(mode="json", exclude={"backbone", "base", "memory_mb", "checkpointing"})
    start = "" if parent is None else parent.name if config.base is None else backbone_version(parent)
    parts = [MODEL_FORMAT, rows.version, kind, knobs, backbone_version(folder), start]
    return json_hash(parts)


def _learnable(targets: np.ndarray, kind: Kind) -> tuple[str, ...]:
    """The teacher's tasks whose targets differ among the pairs (n, tasks) that it trains on: `hire` where one was."""
    names = TEACHER_TASKS[kind]
    tasks = tuple(
        task for task, known in zip(names, targets.T, strict=True) if len(np.unique(known[np.isfinite(known)])) > 1
    )
    if not tasks:
        raise NotReady(
            f"no training pairs tell {' or '.join(names)} apart", cure="run `rolecall label` with more lists"
        )
    if absent := sorted(set(names) - set(tasks)):
        log.warning("%s teacher: nothing to learn %s from; it will not be answered", kind, ", ".join(absent))
    return tasks


def masked_targets(rows: Rows, tasks: tuple[str, ...]) -> np.ndarray:
    """(n, tasks) float32 targets, NaN where unknown or where a rare action has no positive in the list."""
    targets = np.stack([rows.target(task) for task in tasks], axis=1)
    _, which = np.unique(rows.list_ids, return_inverse=True)
    for column, task in enumerate(tasks):
        if task in RARE:
            taken = np.zeros(which.max(initial=-1) + 1, bool)
            taken[which[targets[:, column] > 0]] = True
            targets[~taken[which], column] = np.nan
    return targets


def training_lists(rows: Rows, usable: np.ndarray, max_pairs: int, seed: int) -> list[np.ndarray]:
    """Training lists, each its usable rows ((n,) bool), drawn by seed up to `max_pairs` pairs; one list at least."""
    lists = rows.lists(np.flatnonzero((rows.splits == "train") & usable))
    order = np.random.default_rng(seed).permutation(len(lists))
    pairs = np.cumsum([len(lists[i]) for i in order])
    return [lists[i] for i in order[: max(1, int(np.searchsorted(pairs, max_pairs, "right")))]]


def _batches(lists: list[np.ndarray], pairs: int, rng: np.random.Generator) -> Iterator[list[np.ndarray]]:
    batch: list[np.ndarray] = []
    for i in rng.permutation(len(lists)):
        if batch and sum(map(len, batch)) + len(lists[i]) > pairs:
            yield batch
            batch = []
        batch.append(lists[i])
    if batch:
        yield batch
