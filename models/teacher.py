"""Teachers, trained and asked: the policy teacher learns the judge's grades, the click teacher starts from it and
learns what members did. Each can be trained, scored and replaced without the other.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from contracts.errors import BadInput, NotReady
from contracts.tasks import ENGAGEMENT_TASKS
from contracts.tokens import open_tokenizer, token_ids
from contracts.workspace import Workspace, set_current
from models.backbone import backbone_folder, backbone_version
from models.config import MODEL_FORMAT, TeacherConfig
from models.cross_encoder import POSITIONS, CrossEncoder, load_teacher, save_teacher
from models.metrics import auc, mean_ndcg
from models.rows import Rows, by_length, read_rows
from models.scores import write_scores
from models.states import BATCH_TOKENS, TextStates
from models.training import Progress, autocast, check_spread, fit

log = logging.getLogger("rolecall")

Kind = Literal["policy", "click"]
TEACHER_TASKS: dict[Kind, tuple[str, ...]] = {"policy": ("relevance",), "click": ENGAGEMENT_TASKS}
RARE: tuple[str, ...] = ("apply", "dismiss", "hire")
"""A shown job is a negative for a rare action only in a list that holds a positive (COOKBOOK 1.3, loss masking)."""
SCORED_SPLITS = ("train", "test")
"""The student learns from the first and is compared on the second; validation lists calibrate by their labels."""
PAIRS_AT_ONCE = 64


class Pairs:
    """The pairs of a training set as a teacher reads them. Holds the states of their texts below the fixed layers."""

    def __init__(self, rows: Rows, model: CrossEncoder, folder: Path, config: TeacherConfig, frozen: int) -> None:
        self.rows, self._model, self._first = rows, model, min(frozen, model.split)
        self._requests, self._jobs = (
            TextStates(
                model.backbone,
                token_ids(open_tokenizer(folder, longest), texts),
                self._first,
                config.memory_mb // 2,
            )
            for texts, longest in ((rows.requests, config.max_request_tokens), (rows.jobs, config.max_job_tokens))
        )

    def logits(self, chosen: np.ndarray) -> Tensor:
        """Logits (len(chosen), tasks) of rows by number."""
        requests, request = np.unique(self.rows.request[chosen], return_inverse=True)
        jobs, job = np.unique(self.rows.job[chosen], return_inverse=True)
        return self._model(
            self._requests.batch(requests),
            self._jobs.batch(jobs),
            torch.from_numpy(request),
            torch.from_numpy(job),
            self._first,
        )

    def scores(self, chosen: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Batches of the chosen rows with their logits (n, tasks), for a model that learns no more: what a job is by
        itself is computed once a job, and a request is read once for its jobs."""
        model = self._model
        jobs, job = np.unique(self.rows.job[chosen], return_inverse=True)
        alone = torch.empty(len(jobs), model.backbone.hidden)
        for some in by_length(self._jobs.lengths[jobs], BATCH_TOKENS):
            read, mask = self._read(jobs[some])
            alone[some] = model.alone(read, mask).float()
        order = np.lexsort((self._jobs.lengths[jobs[job]], self.rows.request[chosen]))
        for start in range(0, len(order), PAIRS_AT_ONCE):
            batch = order[start : start + PAIRS_AT_ONCE]
            requests, request = np.unique(self.rows.request[chosen[batch]], return_inverse=True)
            asked = model.ask(*self._requests.batch(requests), self._first)
            read, mask = self._read(jobs[job[batch]])
            yield chosen[batch], model.meet(asked, read, mask, alone[job[batch]], torch.from_numpy(request))

    def _read(self, jobs: np.ndarray) -> tuple[Tensor, Tensor]:
        states, mask = self._jobs.batch(jobs)
        return self._model.backbone.run(states, mask, self._first, self._model.split), mask


def train_teacher(workspace: Workspace, kind: Kind, config: TeacherConfig) -> Path:
    """Train a teacher on the workspace's training set and store its scores; return the folder of its version.

    The version is the hash of data, configuration and backbone (and of the policy teacher for a warm start), and
    becomes current; where it is there already, nothing is done. Raises NotReady, BadInput, TrainingFailed.
    """
    rows = read_rows(workspace.training)
    folder = backbone_folder(config.backbone)
    parent = _parent(workspace, kind, config)
    version = _version(rows, kind, config, folder, parent)
    out = workspace.teachers / kind / version
    if (out / "metrics.json").is_file():
        log.info("%s teacher: version %s is up to date", kind, version)
    else:
        model, pairs, trained_on = _train(rows, kind, config, folder, parent)
        save_teacher(out, model, config, folder)
        logits = _score(workspace, kind, version, pairs, model)
        metrics = held_out_metrics(rows, model.head.tasks, logits) | {"training_pairs": trained_on}
        (out / "metrics.json").write_text(json.dumps(metrics, indent=2))
        log.info("%s teacher %s: %s", kind, version, ", ".join(f"{k} {v:.3f}" for k, v in metrics.items() if v == v))
    set_current(out.parent, version)
    set_current(workspace.scores / kind, f"{version}.parquet")
    return out


def score_teacher(workspace: Workspace, kind: Kind) -> Path:
    """Let the current teacher score the workspace's training set as it is now; return the score file.

    Raises NotReady where no teacher was trained, TrainingFailed where its scores do not spread.
    """
    source = _current(workspace, kind)
    model, config = load_teacher(source)
    rows = read_rows(workspace.training)
    _score(workspace, kind, source.name, Pairs(rows, model, source, config, model.split), model)
    set_current(workspace.scores / kind, f"{source.name}.parquet")
    return workspace.scores / kind / f"{source.name}.parquet"


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
    rows: Rows, kind: Kind, config: TeacherConfig, folder: Path, parent: Path | None
) -> tuple[CrossEncoder, Pairs, int]:
    torch.manual_seed(config.seed)
    tasks = _learnable(rows, kind)
    model = CrossEncoder(folder, tasks, config.joint_layers)
    frozen = min(config.frozen_layers, model.backbone.depth)
    if parent is not None:
        _warm_start(model, parent)
    model.backbone.freeze(frozen)
    targets = masked_targets(rows, tasks)
    lists = training_lists(rows, np.isfinite(targets).any(1), config.max_pairs, config.seed)
    rates = np.nanmean(targets[np.concatenate(lists)], axis=0)
    model.head.expect(torch.from_numpy(rates))
    pairs = Pairs(rows, model, folder, config, frozen)
    fit(
        model,
        lambda epoch: _batches(lists, config.batch_pairs, np.random.default_rng((config.seed, epoch))),
        lambda batch: _loss(model, pairs, targets, batch, config.listwise),
        lambda batch: sum(map(len, batch)),
        name=f"{kind} teacher",
        epochs=config.epochs,
        steps=config.epochs * sum(1 for _ in _batches(lists, config.batch_pairs, np.random.default_rng(0))),
        learning_rate=config.learning_rate,
        head_rate=config.head_rate,
        head=[*model.head.parameters(), *model.position.parameters(), model.segment],
    )
    return model, pairs, sum(map(len, lists))


def _score(workspace: Workspace, kind: Kind, version: str, pairs: Pairs, model: CrossEncoder) -> np.ndarray:
    """Logits (n, tasks) float32 of all n rows, NaN outside SCORED_SPLITS, once they are stored."""
    rows, tasks = pairs.rows, model.head.tasks
    chosen = np.flatnonzero(np.isin(rows.splits, SCORED_SPLITS))
    logits = np.full((len(rows), len(tasks)), np.nan, np.float32)
    progress = Progress(f"{kind} teacher scores", len(chosen), "pairs")
    model.eval()
    with torch.inference_mode(), autocast():
        for batch, scored in pairs.scores(chosen):
            logits[batch] = scored.numpy()
            progress.add(len(batch))
    progress.close()
    check_spread(logits[chosen], tasks, f"{kind} teacher")
    write_scores(workspace, kind, version, rows, tasks, logits)
    return logits


def _parent(workspace: Workspace, kind: Kind, config: TeacherConfig) -> Path | None:
    return _current(workspace, "policy") if kind == "click" and config.warm_start else None


def _current(workspace: Workspace, kind: Kind) -> Path:
    pointer = workspace.teachers / kind / "CURRENT"
    if not pointer.is_file():
        raise NotReady(f"no {kind} teacher in {workspace.teachers}", cure=f"run `rolecall train {kind}` first")
    return pointer.parent / pointer.read_text().strip()


def _version(rows: Rows, kind: Kind, config: TeacherConfig, folder: Path, parent: Path | None) -> str:
    knobs = config.model_dump(mode="json", exclude={"backbone", "memory_mb"})
    parts = [MODEL_FORMAT, rows.version, kind, knobs, backbone_version(folder), parent.name if parent else ""]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def _warm_start(model: CrossEncoder, parent: Path) -> None:
    start, _ = load_teacher(parent)
    if (start.backbone.hidden, start.backbone.depth) != (model.backbone.hidden, model.backbone.depth):
        raise BadInput(
            f"the policy teacher has {start.backbone.depth} layers of {start.backbone.hidden}, this backbone "
            f"{model.backbone.depth} of {model.backbone.hidden}",
            where=str(parent),
            cure="give both teachers one backbone, or set warm_start: false",
        )
    model.backbone.load_state_dict(start.backbone.state_dict())
    model.head.inner.load_state_dict(start.head.inner.state_dict())
    model.head.weights.load_state_dict(start.head.weights.state_dict())
    with torch.no_grad():
        model.head.match.copy_(start.head.match.mean(0).expand_as(model.head.match))


def _learnable(rows: Rows, kind: Kind) -> tuple[str, ...]:
    """The teacher's tasks that have training labels which differ: `hire` has none where nobody reports hires."""
    labels = {task: rows.target(task)[rows.splits == "train"] for task in TEACHER_TASKS[kind]}
    spread = {task: np.unique(known[np.isfinite(known)]) for task, known in labels.items()}
    tasks = tuple(task for task, values in spread.items() if len(values) > 1)
    if not tasks:
        raise NotReady(
            f"no training pairs tell {' or '.join(labels)} apart", cure="run `rolecall label` with more lists"
        )
    if absent := sorted(set(labels) - set(tasks)):
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


def _loss(model: CrossEncoder, pairs: Pairs, targets: np.ndarray, lists: list[np.ndarray], listwise: float) -> Tensor:
    chosen = np.concatenate(lists)
    place = torch.from_numpy(np.clip(pairs.rows.position[chosen], 0, POSITIONS - 1))
    shown = (place > 0)[:, None]
    logits = pairs.logits(chosen) + torch.where(shown, model.position(place), 0.0)
    wanted = torch.from_numpy(targets[chosen])
    known = torch.isfinite(wanted)
    pointwise = nn.functional.binary_cross_entropy_with_logits(logits[known], wanted[known])
    return (
        pointwise + listwise * _listwise(logits, wanted, [len(of_list) for of_list in lists]) if listwise else pointwise
    )


def _listwise(logits: Tensor, wanted: Tensor, sizes: list[int]) -> Tensor:
    """ListNet's top-one cross-entropy (Cao et al. 2007) over each list and task in which targets differ."""
    terms = []
    for scores, target in zip(logits.split(sizes), wanted.split(sizes), strict=True):
        for column in range(logits.shape[1]):
            known = torch.isfinite(target[:, column])
            gains = target[known, column]
            if len(gains) > 1 and gains.max() > gains.min():
                terms.append(nn.functional.cross_entropy(scores[known, column], gains / gains.sum()))
    return torch.stack(terms).mean() if terms else logits.sum() * 0.0
