"""The teachers: full-text cross-encoders that read request and job together and answer their tasks.

The policy teacher learns the judge's grades; the click teacher starts from it and learns what members did. Each can
be trained, scored and replaced without the other.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from safetensors.torch import load_model, save_model
from tokenizers import Tokenizer
from torch import Tensor, nn

from contracts.errors import NotReady
from contracts.tasks import ENGAGEMENT_TASKS
from contracts.workspace import Workspace, set_current
from models.backbone import (
    Backbone,
    TaskHead,
    backbone_folder,
    backbone_version,
    mean_pool,
    open_tokenizer,
    sentence_vectors,
)
from models.config import TeacherConfig
from models.metrics import auc, mean_ndcg
from models.rows import Rows, by_length, pad, read_rows
from models.scores import write_scores
from models.training import REPORT_EVERY, autocast, check_spread, fit

log = logging.getLogger("rolecall")

Kind = Literal["policy", "click"]
TEACHER_TASKS: dict[Kind, tuple[str, ...]] = {"policy": ("relevance",), "click": ENGAGEMENT_TASKS}
RARE: tuple[str, ...] = ("apply", "dismiss", "hire")
"""A shown job is a negative for a rare action only in a list that holds a positive (COOKBOOK 1.3, loss masking)."""
POSITIONS = 32
SCORING_TOKENS = 8_192


class CrossEncoder(nn.Module):
    """Request and job in one sequence, mean-pooled, one logit a task.

    position: an additive logit a (position, task) that takes up how far a job was looked at; it is learned beside the
    rest and left out when scoring, so that scores are of the job and not of its place (COOKBOOK 1.3).
    """

    def __init__(self, folder: Path, tasks: tuple[str, ...], trained: bool = True) -> None:
        super().__init__()
        self.backbone = Backbone(folder, trained)
        sentences = sentence_vectors(self.backbone, folder, tasks)  # where not trained, those that are loaded count
        self.head = TaskHead(tasks, sentences)
        self.position = nn.Embedding(POSITIONS, len(tasks))
        nn.init.zeros_(self.position.weight)

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor) -> Tensor:
        """ids, mask, types (n, len) int64 -> logits (n, tasks) float32."""
        return self.head(mean_pool(self.backbone(ids, mask, types), mask))


def train_teacher(workspace: Workspace, kind: Kind, config: TeacherConfig) -> Path:
    """Train a teacher on the workspace's training set; return the folder of its version, which becomes current.

    The version is the hash of data, configuration and backbone (and of the policy teacher for a warm start): where it
    is there already, nothing is done. Raises NotReady, BadInput, TrainingFailed.
    """
    rows = read_rows(workspace.training)
    folder = backbone_folder(config.backbone)
    parent = _parent(workspace, kind, config)
    version = _version(rows, kind, config, folder, parent)
    out = workspace.teachers / kind / version
    if (out / "metrics.json").is_file():
        log.info("%s teacher: version %s is up to date", kind, version)
        set_current(out.parent, version)
        return out
    torch.manual_seed(config.seed)
    tasks = TEACHER_TASKS[kind]
    model = CrossEncoder(folder, tasks)
    if parent is not None:
        _warm_start(model, parent)
    model.backbone.freeze(min(config.frozen_layers, model.backbone.depth))
    targets = _targets(rows, tasks)
    chosen = _training_lists(rows, targets, config)
    if not chosen:
        raise NotReady(
            f"no training pair has a label for {', '.join(tasks)}", cure="run `rolecall label` with more lists"
        )
    pairs = Pairs(rows, open_tokenizer(folder, config.max_tokens))
    fit(
        model,
        lambda epoch: _batches(chosen, config.batch_pairs, np.random.default_rng((config.seed, epoch))),
        lambda lists: _loss(model, pairs, rows, targets, lists, config.listwise),
        lambda lists: sum(map(len, lists)),
        name=f"{kind} teacher",
        epochs=config.epochs,
        steps=config.epochs * sum(1 for _ in _batches(chosen, config.batch_pairs, np.random.default_rng(0))),
        learning_rate=config.learning_rate,
        head_rate=config.head_rate,
        head=[*model.head.parameters(), *model.position.parameters()],
    )
    logits = score_rows(model, pairs, np.arange(len(rows)), f"{kind} teacher")
    check_spread(logits, tasks, f"{kind} teacher")
    _save(out, model, config, folder)
    write_scores(workspace, kind, version, rows, tasks, logits)
    metrics = held_out_metrics(rows, tasks, logits) | {"training_pairs": sum(map(len, chosen))}
    (out / "metrics.json").write_text(json.dumps(metrics, indent=2))
    set_current(out.parent, version)
    log.info("%s teacher %s: %s", kind, version, ", ".join(f"{k} {v:.3f}" for k, v in metrics.items() if v == v))
    return out


def load_teacher(folder: Path) -> tuple[CrossEncoder, Tokenizer]:
    """A trained teacher and its tokenizer, from the folder of its version."""
    about = json.loads((folder / "teacher.json").read_text())
    model = CrossEncoder(folder, tuple(about["tasks"]), trained=False)
    load_model(model, str(folder / "teacher.safetensors"))
    return model.eval(), open_tokenizer(folder, about["max_tokens"])


class Pairs:
    """Token ids of (request, job) pairs, made when asked for. Holds the tokenizer and the texts."""

    def __init__(self, rows: Rows, tokenizer: Tokenizer) -> None:
        self._rows, self._tokenizer = rows, tokenizer

    def encode(self, chosen: np.ndarray) -> list[tuple[list[int], list[int]]]:
        """(ids, segment types) of each chosen row."""
        texts = [(self._rows.requests[self._rows.request[i]], self._rows.jobs[self._rows.job[i]]) for i in chosen]
        return [(encoding.ids, encoding.type_ids) for encoding in self._tokenizer.encode_batch_fast(texts)]


def score_rows(model: CrossEncoder, pairs: Pairs, chosen: np.ndarray, name: str) -> np.ndarray:
    """Logits (len(chosen), tasks) float32 of the chosen rows, in batches of like length."""
    encoded = pairs.encode(chosen)
    logits = np.zeros((len(chosen), len(model.head.tasks)), np.float32)
    model.eval()
    started = reported = time.monotonic()
    done = 0
    with torch.inference_mode(), autocast():
        for batch in by_length(np.array([len(ids) for ids, _ in encoded]), SCORING_TOKENS):
            logits[batch] = model(*_tensors([encoded[i] for i in batch])).numpy()
            done += len(batch)
            now = time.monotonic()
            if now - reported >= REPORT_EVERY:
                rate = done / (now - started)
                left = (len(chosen) - done) / rate
                log.info("%s: scored %d/%d, %.0f pairs/s, %.0f s left", name, done, len(chosen), rate, left)
                reported = now
    return logits


def held_out_metrics(rows: Rows, tasks: Sequence[str], logits: np.ndarray) -> dict[str, float]:
    """NDCG@10 by grades and AUC by what members did, over the lists of the test split."""
    test = np.flatnonzero(rows.splits == "test")
    metrics = {}
    for column, task in enumerate(tasks):
        if task == "relevance":
            metrics["ndcg@10"] = mean_ndcg(logits[:, column], rows.target(task), rows.lists(test))
        else:
            metrics[f"{task}_auc"] = auc(logits[test, column], rows.target(task)[test])
    return metrics


def _parent(workspace: Workspace, kind: Kind, config: TeacherConfig) -> Path | None:
    if kind == "policy" or not config.warm_start:
        return None
    pointer = workspace.teachers / "policy" / "CURRENT"
    if not pointer.is_file():
        raise NotReady("the click teacher starts from the policy teacher", cure="run `rolecall train policy` first")
    return pointer.parent / pointer.read_text().strip()


def _version(rows: Rows, kind: Kind, config: TeacherConfig, folder: Path, parent: Path | None) -> str:
    knobs = config.model_dump(mode="json", exclude={"backbone"})
    parts = [rows.version, kind, knobs, backbone_version(folder), parent.name if parent else ""]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def _warm_start(model: CrossEncoder, parent: Path) -> None:
    start, _ = load_teacher(parent)
    model.backbone.load_state_dict(start.backbone.state_dict())
    model.head.inner.load_state_dict(start.head.inner.state_dict())
    model.head.weights.load_state_dict(start.head.weights.state_dict())


def _targets(rows: Rows, tasks: tuple[str, ...]) -> np.ndarray:
    """(n, tasks) float32 targets, NaN where unknown or masked."""
    targets = np.stack([rows.target(task) for task in tasks], axis=1)
    for column, task in enumerate(tasks):
        if task in RARE:
            for rows_of_list in rows.lists(np.arange(len(rows))):
                if not np.nanmax(np.nan_to_num(targets[rows_of_list, column]), initial=0) > 0:
                    targets[rows_of_list, column] = np.nan
    return targets


def _training_lists(rows: Rows, targets: np.ndarray, config: TeacherConfig) -> list[np.ndarray]:
    """Training lists, each its labelled rows, drawn by seed up to `max_pairs` pairs."""
    labelled = (rows.splits == "train") & np.isfinite(targets).any(1)
    lists = rows.lists(np.flatnonzero(labelled))
    order = np.random.default_rng(config.seed).permutation(len(lists))
    chosen: list[np.ndarray] = []
    pairs = 0
    for i in order:
        if pairs + len(lists[i]) > config.max_pairs and chosen:
            break
        chosen.append(lists[i])
        pairs += len(lists[i])
    return chosen


def _batches(lists: list[np.ndarray], pairs: int, rng: np.random.Generator) -> Iterator[list[np.ndarray]]:
    batch: list[np.ndarray] = []
    for i in rng.permutation(len(lists)):
        if batch and sum(map(len, batch)) + len(lists[i]) > pairs:
            yield batch
            batch = []
        batch.append(lists[i])
    if batch:
        yield batch


def _loss(model: CrossEncoder, pairs: Pairs, rows: Rows, targets: np.ndarray, lists: list[np.ndarray],
          listwise: float) -> Tensor:  # fmt: skip
    chosen = np.concatenate(lists)
    logits = model(*_tensors(pairs.encode(chosen)))
    place = torch.from_numpy(np.minimum(rows.position[chosen], POSITIONS - 1))
    shown = (place > 0)[:, None]
    seen_logits = logits + torch.where(shown, model.position(place), 0.0)
    wanted = torch.from_numpy(targets[chosen])
    known = torch.isfinite(wanted)
    pointwise = nn.functional.binary_cross_entropy_with_logits(seen_logits[known], wanted[known])
    if not listwise:
        return pointwise
    return pointwise + listwise * _listwise(seen_logits, wanted, [len(rows_of_list) for rows_of_list in lists])


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


def _tensors(encoded: Sequence[tuple[Sequence[int], Sequence[int]]]) -> tuple[Tensor, Tensor, Tensor]:
    ids, mask = pad([ids for ids, _ in encoded])
    types, _ = pad([types for _, types in encoded])
    return torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(types)


def _save(out: Path, model: CrossEncoder, config: TeacherConfig, folder: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(folder / name, out)
    save_model(model, str(out / "teacher.safetensors"))
    about = {"tasks": model.head.tasks, "max_tokens": config.max_tokens, "config": config.model_dump(mode="json")}
    (out / "teacher.json").write_text(json.dumps(about, indent=2))
