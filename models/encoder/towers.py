"""The trained retrieval encoder: one tower for requests and jobs, trained on the jobs that were taken on past requests.

The result is a backbone folder like the embedded one, so export, embedding and search need not know of the training.
Graded or scored lists can add two losses: a hinge on mined pairs and the divergence from a teacher's order. Why it does
not use sentence-transformers' trainer: docs/decisions/0014-one-loop-trains-the-encoder-too.md.
"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from contracts.errors import BadInput, NotReady, TrainingFailed
from contracts.text.token_ids import open_tokenizer, token_ids
from contracts.versions import json_hash
from contracts.workspace import Workspace
from models.config import MODEL_FORMAT, EncoderTraining
from models.encoder.contrast import contrastive, mined_margin, truncate_dim
from models.encoder.positives import Positives
from models.layers.backbone import Backbone, l2_normalize, save_backbone
from models.layers.folder import backbone_folder, backbone_version
from models.layers.sentences import AS_THE_FOLDER, EncoderOverrides, SentenceReading, reading_of
from models.layers.whole import pool
from models.registry import TEACHERS
from models.teachers.scores import current_scores, read_scores, teacher_version
from models.training.device import autocast, choose_device, device_of, to_device
from models.training.lists import padded
from models.training.loop import COLLAPSED, Hyper, fit
from models.training.losses import list_divergence
from models.training.rows import Rows, by_length, read_rows
from models.training.states import TextStates

log = logging.getLogger("rolecall")

ABOUT = "towers.json"
PLAIN = SentenceReading()
CHUNK_TOKENS = 2_048
"""Padded tokens of one forward pass: a step's texts differ in length, and padding costs as much as text."""


class JudgedLists(NamedTuple):
    """Training lists of an earlier run of the pipeline.

    Attributes:
        rows: Their n pairs.
        teacher: (n,) float32 logits of a teacher, NaN where it has none.
        version: Of the pairs and of the teacher's scores.
    """

    rows: Rows
    teacher: np.ndarray
    version: str


class Step(NamedTuple):
    """One batch.

    Attributes:
        positives: (b,) int64 numbers of positives.
        easy: (m,) int64 numbers of jobs, the easy negatives.
        lists: Row numbers of each judged list.
    """

    positives: np.ndarray
    easy: np.ndarray
    lists: list[np.ndarray]

    def __str__(self) -> str:
        return f"pairs {', '.join(map(str, self.positives[:8]))} ..."

    @property
    def pairs(self) -> int:
        return len(self.positives)


def train_encoder(
    root: Path, positives: Positives, config: EncoderTraining, overrides: EncoderOverrides = AS_THE_FOLDER
) -> Path:
    """Train a tower.

    Its version is the hash of positives, lists, knobs and backbone; nothing is done where the version exists.

    Args:
        root: Folder of versions.
        positives: Pairs of requests and taken jobs.
        config: The knobs.
        overrides: How texts are read, where not as the backbone's folder says.

    Returns:
        The folder of the version.

    Raises:
        BadInput: The backbone has fewer dimensions or layers than the knobs ask for.
        NotReady: The knobs name lists that do not exist.
        TrainingFailed: A loss is not finite (`<version>.stopped` has the last good state), or the scores of a request's
            jobs are all but equal.
    """
    folder = backbone_folder(config.backbone)
    judged = read_judged(Workspace(config.lists), config) if config.lists else None
    reading = reading_of(folder, overrides)
    version = _version(positives, judged, config, folder, reading)
    out = root / version
    if (out / ABOUT).is_file():
        log.info("encoder: version %s is up to date", version)
        return out
    torch.manual_seed(config.seed)
    backbone = Backbone(folder)
    if wide := [dim for dim in config.dims if dim > backbone.hidden]:
        raise BadInput(f"vectors of {wide[0]}, the backbone makes {backbone.hidden}", where="dims", cure="train less")
    if config.frozen_layers >= backbone.depth:
        raise BadInput(f"{config.frozen_layers} of {backbone.depth} layers are held fixed", cure="leave one to train")
    backbone.freeze(config.frozen_layers)
    backbone.to(choose_device(config.device))
    loss = Loss(backbone, positives, judged, folder, config, reading)

    def keep(about: Mapping[str, Any]) -> Path:
        stopped = out.with_name(f"{version}.stopped")
        save_backbone(backbone, folder, stopped)
        (stopped / "stopped.json").write_text(json.dumps(about, indent=2))
        return stopped

    steps = -(-len(positives) // config.batch)
    stages = (
        ("encoder", config.epochs, config.learning_rate, None),
        ("encoder, hard negatives", config.hard_epochs, config.learning_rate * config.hard_rate, config.hardest),
    )
    for stage, (name, epochs, rate, hardest) in enumerate(stages):
        if epochs:
            loss.begin(hardest)
            hyper = Hyper(epochs, epochs * steps, rate, rate, config.precision)
            fit(name, backbone, loss, partial(_steps, positives, judged, config, stage), hyper, keep=keep)
    _check_spread(loss, positives, config)
    about = {
        "config": config.model_dump(mode="json"),
        "backbone": backbone_version(folder),
        "positives": positives.version,
        "pairs": len(positives),
        "jobs": len(positives.jobs),
        "lists": judged.version if judged else "",
    }
    save_backbone(backbone, folder, out)
    (out / ABOUT).write_text(json.dumps(about, indent=2))
    log.info("encoder %s: %s positives, %s jobs", version, f"{len(positives):,}", f"{len(positives.jobs):,}")
    return out


def read_judged(workspace: Workspace, config: EncoderTraining) -> JudgedLists:
    """Read the training lists of a workspace, with a teacher's logits where `distil_weight` is above 0.

    Raises:
        NotReady: There is no training list, or no score of the teacher.
        BadInput: The teacher's scores do not fit the lists.
    """
    rows = read_rows(workspace.training)
    train = rows.of_splits("train")
    if not len(train):
        raise NotReady("no training list", where=str(workspace.training), cure="run `rolecall label` first")
    teacher, name = np.full(len(rows), np.nan, np.float32), ""
    if config.distil_weight:
        path = current_scores(workspace, config.teacher)
        tasks, logits = read_scores(path, rows, train)
        task = TEACHERS.get(config.teacher).tasks[0]  # by which it orders jobs
        if task not in tasks:
            raise BadInput(f"no answer to {task!r}", where=str(path), cure="name another teacher")
        teacher, name = logits[:, tasks.index(task)], teacher_version(path)
    return JudgedLists(rows.only(train), teacher[train], f"{rows.version}/{name}")


class Loss:
    """The loss of a step, with the states of all texts."""

    def __init__(
        self,
        backbone: Backbone,
        positives: Positives,
        judged: JudgedLists | None,
        folder: Path,
        config: EncoderTraining,
        reading: SentenceReading = PLAIN,
    ) -> None:
        self._backbone, self._positives, self._judged, self._config = backbone, positives, judged, config
        self._pooling, prompts = reading.pooling, (reading.prompts.request, reading.prompts.job)
        tokenizer, memory = open_tokenizer(folder, config.max_tokens), config.memory_mb // 2
        of_lists = (judged.rows.requests, judged.rows.jobs) if judged else ([], [])
        self._requests, self._jobs = (
            TextStates(
                backbone,
                token_ids(tokenizer, [prompt + text for text in (*own, *more)]),
                config.frozen_layers,
                memory,
                config.precision,
            )
            for prompt, own, more in zip(prompts, (positives.requests, positives.jobs), of_lists, strict=True)
        )
        self._dims = sorted({*config.dims, backbone.hidden})
        self._hardest: int | None = None
        self._start: list[tuple[Tensor, Tensor]] = []

    @property
    def device(self) -> torch.device:
        return device_of(self._backbone)

    def begin(self, hardest: int | None) -> None:
        """Start a stage: the anchor pulls towards the weights as they are now. hardest: as in `contrastive`."""
        self._hardest = hardest
        if self._config.anchor:
            moving = [weight for weight in self._backbone.parameters() if weight.requires_grad]
            self._start = [(weight, weight.detach().clone()) for weight in moving]

    def __call__(self, step: Step) -> Tensor:
        """Scalar loss, the mean over `dims`; scores are float32, as bfloat16 would round away differences."""
        own = self._positives
        jobs, column = np.unique(np.concatenate([own.job[step.positives], step.easy]), return_inverse=True)
        device = self.device
        allowed = to_device(own.allowed(step.positives, jobs), device)
        texts, row = np.unique(own.request[step.positives], return_inverse=True)
        request_vectors, job_vectors = self._vectors(self._requests, texts), self._vectors(self._jobs, jobs)
        lists = self._lists(step.lists) if step.lists else None
        positive = to_device(column[: len(step.positives)], device)
        weight = to_device(own.weight[step.positives], device)
        total = request_vectors.new_zeros(())
        with torch.autocast(device.type, enabled=False):
            for dim in self._dims:
                products = truncate_dim(request_vectors, dim) @ truncate_dim(job_vectors, dim).T
                scores = products[to_device(row, device)]
                total = total + contrastive(scores, positive, allowed, weight, self._config.scale, self._hardest)
                if lists is not None:
                    total = total + self._of_lists(lists, dim)
            total = total / len(self._dims)
            for weights, start in self._start:
                total = total + self._config.anchor * ((weights - start) ** 2).sum()
        return total

    def vectors(self, requests: np.ndarray, jobs: np.ndarray) -> tuple[Tensor, Tensor]:
        """Unit vectors (n, H) and (m, H) float32 of requests and jobs of the positives, by number."""
        return self._vectors(self._requests, requests), self._vectors(self._jobs, jobs)

    def _vectors(self, states: TextStates, texts: np.ndarray) -> Tensor:
        pooled, order = [], []
        for chunk in by_length(states.lengths[texts], CHUNK_TOKENS):
            hidden, mask = states.batch(texts[chunk])
            pooled.append(pool(self._backbone.run(hidden, mask, states.layers).float(), mask, self._pooling))
            order.append(chunk)
        return l2_normalize(torch.cat(pooled)[to_device(np.argsort(np.concatenate(order)), self.device)])

    def _lists(self, lists: list[np.ndarray]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Vectors of requests (l, H) and of their jobs (l, n, H), relevance and a teacher's logits (l, n) with NaN."""
        assert self._judged is not None
        rows, own = self._judged.rows, self._positives
        chosen = np.concatenate(lists)
        requests = np.array([rows.request[of_list[0]] for of_list in lists]) + len(own.requests)
        jobs, which = np.unique(rows.job[chosen] + len(own.jobs), return_inverse=True)
        device = self.device
        packed = to_device(padded(which, lists, 0), device)
        known = (
            to_device(padded(values[chosen], lists, np.nan), device)
            for values in (rows.target("relevance"), self._judged.teacher)
        )
        return self._vectors(self._requests, requests), self._vectors(self._jobs, jobs)[packed], *known  # type: ignore[return-value]

    def _of_lists(self, lists: tuple[Tensor, Tensor, Tensor, Tensor], dim: int) -> Tensor:
        requests, jobs, relevance, teacher = lists
        config = self._config
        scores = (truncate_dim(requests, dim)[:, None] * truncate_dim(jobs, dim)).sum(-1)
        total = scores.new_zeros(())
        if config.margin_weight:
            total = total + config.margin_weight * mined_margin(scores, relevance, config.margin, config.mined)
        if config.distil_weight:
            present = torch.isfinite(teacher)[..., None]
            logits, student = torch.nan_to_num(teacher)[..., None], scores[..., None] * config.scale
            total = total + config.distil_weight * list_divergence(logits, student, present).mean()
        return total


def _steps(
    positives: Positives, judged: JudgedLists | None, config: EncoderTraining, stage: int, epoch: int
) -> Iterator[Step]:
    """Steps of one epoch: every positive once, with newly drawn easy negatives; judged lists in turn."""
    rng = np.random.default_rng((config.seed, stage, epoch))
    order = rng.permutation(len(positives))
    lists = judged.rows.lists(np.arange(len(judged.rows))) if judged else []
    turns = itertools.cycle(rng.permutation(len(lists)).tolist())
    for start in range(0, len(order), config.batch):
        pairs = order[start : start + config.batch]
        wanted = round(len(pairs) * config.easy_share / (1 - config.easy_share))
        easy = rng.choice(len(positives.jobs), min(wanted, len(positives.jobs)), replace=False)
        yield Step(pairs, easy, [lists[i] for i in itertools.islice(turns, config.lists_a_batch)])


def _check_spread(loss: Loss, positives: Positives, config: EncoderTraining) -> None:
    """Raise TrainingFailed where the scores of a request's jobs are all but equal."""
    texts = [np.arange(min(64, len(texts))) for texts in (positives.requests, positives.jobs)]
    with torch.inference_mode(), autocast(loss.device, config.precision):
        requests, jobs = loss.vectors(*texts)
    spread = float((requests @ jobs.T).std(dim=1).mean())
    if not spread > COLLAPSED:
        raise TrainingFailed(
            f"the scores of a request's jobs do not spread (standard deviation {spread:.2g})",
            where="encoder",
            cure="more positives, or a lower learning rate",
        )


def _version(
    positives: Positives,
    judged: JudgedLists | None,
    config: EncoderTraining,
    folder: Path,
    reading: SentenceReading = PLAIN,
) -> str:
    knobs = config.model_dump(mode="json", exclude={"backbone", "lists", "memory_mb", "max_requests", "device"})
    parts = [MODEL_FORMAT, positives.version, knobs, backbone_version(folder), judged.version if judged else ""]
    own = reading.model_dump(mode="json", include={"pooling", "prompts"}, exclude_defaults=True)
    return json_hash([*parts, own] if own else parts)
