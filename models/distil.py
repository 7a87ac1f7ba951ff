"""Distillation: the student learns each task from the stored scores of the teacher that answers it.

Texts are few and pairs are many, so the states below the trained layers are computed once a text and kept.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_model, save_model
from torch import Tensor, nn

from contracts.tasks import TASKS
from contracts.workspace import Workspace, set_current
from models.backbone import Backbone, backbone_folder, backbone_version, mask_bias, open_tokenizer
from models.config import Divergence, StudentConfig
from models.metrics import mean_ndcg
from models.rows import Rows, by_length, pad, read_rows, token_ids
from models.scores import TEACHERS, current_scores, read_scores
from models.student import Student
from models.teacher import held_out_metrics
from models.training import autocast, check_spread, fit

log = logging.getLogger("rolecall")


class States:
    """What enters the first trained layer, for every distinct text: computed once, kept as float16.

    Holds (tokens, H) arrays; `batch(indices)` pads them to (n, len, H) float32 and gives the mask.
    """

    def __init__(self, backbone: Backbone, tokens: Sequence[Sequence[int]], layers: int) -> None:
        self._states: list[np.ndarray] = [np.empty((0, 0), np.float16)] * len(tokens)
        with torch.inference_mode():
            for chosen in by_length(np.array([len(ids) for ids in tokens]), 8_192):
                ids, mask = (torch.from_numpy(a) for a in pad([tokens[i] for i in chosen]))
                with autocast():
                    hidden = backbone.run(backbone.embed(ids), mask, 0, layers).float()
                for i, row in zip(chosen, hidden.numpy().astype(np.float16), strict=True):
                    self._states[i] = row[: len(tokens[i])]

    def batch(self, indices: np.ndarray) -> tuple[Tensor, Tensor]:
        rows = [self._states[i] for i in indices]
        longest = max(map(len, rows))
        hidden = np.zeros((len(rows), longest, rows[0].shape[1]), np.float32)
        mask = np.zeros((len(rows), longest), np.float32)
        for i, row in enumerate(rows):
            hidden[i, : len(row)], mask[i, : len(row)] = row, 1
        return torch.from_numpy(hidden), torch.from_numpy(mask)


def train_student(workspace: Workspace, config: StudentConfig) -> Path:
    """Distil a student; return the folder of its version, which becomes current.

    Its version is the hash of data, teacher versions, configuration and backbone; where it is there already, nothing
    is done. Raises NotReady, BadInput (scores that do not fit the training set), TrainingFailed.
    """
    rows = read_rows(workspace.training)
    folder = backbone_folder(config.backbone)
    stores = {teacher: current_scores(workspace, teacher) for teacher in TEACHERS}
    version = _version(rows, config, folder, stores)
    out = workspace.student / version
    if (out / "metrics.json").is_file():
        log.info("student: version %s is up to date", version)
        set_current(workspace.student, version)
        return out
    teacher_logits = _teacher_logits(stores, rows)
    tasks = tuple(task for task in TASKS if task in teacher_logits)
    wanted = np.stack([teacher_logits[task] for task in tasks], axis=1)
    labels = np.stack([rows.target(task) for task in tasks], axis=1)
    torch.manual_seed(config.seed)
    student = Student(folder, tasks, config.item_tokens, config.score_layers)
    frozen = min(config.frozen_layers, student.split)
    student.prefix.freeze(frozen)
    student.item.freeze(frozen)
    texts = Texts(rows, student, folder, config, frozen)
    lists = _training_lists(rows, config)
    weights = torch.tensor([config.weights.get(task, 1.0) for task in tasks])
    fit(
        student,
        lambda epoch: _batches(lists, config, np.random.default_rng((config.seed, epoch))),
        lambda batch: _loss(student, texts, rows, batch, wanted, labels, weights, config),
        lambda batch: sum(map(len, batch)),
        name="student",
        epochs=config.epochs,
        steps=config.epochs * -(-len(lists) // config.lists_a_batch),
        learning_rate=config.learning_rate,
        head_rate=config.head_rate,
        head=[*student.head.parameters(), student.queries, student.focus, student.slots],
    )
    test = np.flatnonzero(rows.splits == "test")
    logits = np.zeros((len(rows), len(tasks)), np.float32)
    logits[test] = student_logits(student, texts, rows, test)
    check_spread(logits[test], tasks, "student")
    metrics = held_out_metrics(rows, tasks, logits)
    teachers = held_out_metrics(rows, tasks, wanted)
    metrics |= {f"teacher_{name}": value for name, value in teachers.items()}
    by_policy = 1 / (1 + np.exp(-wanted[:, tasks.index("relevance")]))
    metrics["ndcg@10_by_policy_teacher"] = mean_ndcg(logits[:, tasks.index("relevance")], by_policy, rows.lists(test))
    _save(out, student, config, folder, rows, stores)
    (out / "metrics.json").write_text(json.dumps(metrics, indent=2))
    set_current(workspace.student, version)
    log.info("student %s: %s", version, ", ".join(f"{k} {v:.3f}" for k, v in metrics.items() if v == v))
    return out


def load_student(folder: Path) -> tuple[Student, dict]:
    """A trained student and its `student.json` (tasks, config, text_version, training, teachers)."""
    about = json.loads((folder / "student.json").read_text())
    config = StudentConfig.model_validate(about["config"])
    student = Student(folder, tuple(about["tasks"]), config.item_tokens, config.score_layers, trained=False)
    load_model(student, str(folder / "student.safetensors"))
    return student.eval(), about


def float_logits(workspace: Workspace, rows: Rows, chosen: np.ndarray) -> np.ndarray:
    """Logits (len(chosen), tasks) float32 of the current student before export, for comparison."""
    folder = workspace.student / (workspace.student / "CURRENT").read_text().strip()
    student, about = load_student(folder)
    config = StudentConfig.model_validate(about["config"])
    rows = rows.only(chosen)
    return student_logits(student, Texts(rows, student, folder, config, 0), rows, np.arange(len(rows)))


class Texts:
    """Requests and jobs of a training set as the states that enter the first trained layer."""

    def __init__(self, rows: Rows, student: Student, folder: Path, config: StudentConfig, frozen: int) -> None:
        self.frozen = frozen
        self.requests = States(
            student.prefix, token_ids(open_tokenizer(folder, config.max_prefix_tokens), rows.requests), frozen
        )
        self.jobs = States(student.item, token_ids(open_tokenizer(folder, config.max_item_tokens), rows.jobs), frozen)


def batch_logits(student: Student, texts: Texts, rows: Rows, lists: Sequence[np.ndarray]) -> list[Tensor]:
    """Logits (len, tasks) of each list of row numbers; a list's rows share one request."""
    hidden, mask = texts.requests.batch(np.array([rows.request[rows_of_list[0]] for rows_of_list in lists]))
    prefix = student.encode_prefix(hidden, mask, texts.frozen)
    distinct, which = np.unique(np.concatenate([rows.job[r] for r in lists]), return_inverse=True)
    items = student.encode_items(*texts.jobs.batch(distinct), texts.frozen)
    longest = max(map(len, lists))
    packed = np.zeros((len(lists), longest), np.int64)
    start = 0
    for i, rows_of_list in enumerate(lists):
        packed[i, : len(rows_of_list)] = which[start : start + len(rows_of_list)]
        start += len(rows_of_list)
    logits = student.score(prefix, mask_bias(mask, hidden.dtype), items[torch.from_numpy(packed)])
    return [logits[i, : len(rows_of_list)] for i, rows_of_list in enumerate(lists)]


def student_logits(student: Student, texts: Texts, rows: Rows, chosen: np.ndarray) -> np.ndarray:
    """Logits (len(chosen), tasks) float32 of the chosen rows."""
    place = {int(row): i for i, row in enumerate(chosen)}
    logits = np.zeros((len(chosen), len(student.head.tasks)), np.float32)
    student.eval()
    with torch.inference_mode(), autocast():
        for rows_of_list in rows.lists(chosen):
            values = batch_logits(student, texts, rows, [rows_of_list])[0].numpy()
            logits[[place[int(row)] for row in rows_of_list]] = values
    return logits


def divergence(kind: Divergence, teacher: Tensor, student: Tensor) -> Tensor:
    """Elementwise divergence of two Bernoulli distributions given by logits of equal shape.

    forward_kl KL(p || q), reverse_kl KL(q || p), js Jensen-Shannon, tv |p - q|, mse squared difference of logits;
    p the teacher's, q the student's (COOKBOOK 2.3: which is best is a setting).
    """
    if kind == "mse":
        return (teacher - student) ** 2
    p, q = torch.sigmoid(teacher), torch.sigmoid(student)
    if kind == "tv":
        return (p - q).abs()
    if kind == "forward_kl":
        return _bernoulli_kl(teacher, student)
    if kind == "reverse_kl":
        return _bernoulli_kl(student, teacher)
    middle = torch.logit(((p + q) / 2).clamp(1e-6, 1 - 1e-6))
    return (_bernoulli_kl(teacher, middle) + _bernoulli_kl(student, middle)) / 2


def _bernoulli_kl(a: Tensor, b: Tensor) -> Tensor:
    softplus, p = nn.functional.softplus, torch.sigmoid(a)
    return p * (softplus(-b) - softplus(-a)) + (1 - p) * (softplus(b) - softplus(a))


def _loss(student: Student, texts: Texts, rows: Rows, lists: list[np.ndarray], wanted: np.ndarray, labels: np.ndarray,
          weights: Tensor, config: StudentConfig) -> Tensor:  # fmt: skip
    total = weights.sum() * 0.0
    for scores, rows_of_list in zip(batch_logits(student, texts, rows, lists), lists, strict=True):
        teacher = torch.from_numpy(wanted[rows_of_list])
        total = total + (divergence(config.divergence, teacher, scores).mean(0) * weights).sum()
        if config.listwise:
            ranks = nn.functional.kl_div(
                torch.log_softmax(scores, 0), torch.log_softmax(teacher, 0), log_target=True, reduction="none"
            )
            total = total + config.listwise * (ranks.sum(0) * weights).sum()
        if config.labels:
            known = torch.from_numpy(np.isfinite(labels[rows_of_list]))
            truth = torch.from_numpy(np.nan_to_num(labels[rows_of_list]))
            each = nn.functional.binary_cross_entropy_with_logits(scores, truth, reduction="none") * known
            total = total + config.labels * ((each.sum(0) / known.sum(0).clamp(min=1)) * weights).sum()
    return total / len(lists)


def _training_lists(rows: Rows, config: StudentConfig) -> list[np.ndarray]:
    lists = rows.lists(np.flatnonzero(rows.splits == "train"))
    order = np.random.default_rng(config.seed).permutation(len(lists))
    sizes = np.cumsum([len(lists[i]) for i in order])
    return [lists[i] for i in order[: max(1, int(np.searchsorted(sizes, config.max_pairs, "right")))]]


def _batches(lists: list[np.ndarray], config: StudentConfig, rng: np.random.Generator) -> Iterator[list[np.ndarray]]:
    order = rng.permutation(len(lists))
    for start in range(0, len(order), config.lists_a_batch):
        yield [rng.permutation(lists[i])[: config.list_size] for i in order[start : start + config.lists_a_batch]]


def _teacher_logits(stores: Mapping[str, Path], rows: Rows) -> dict[str, np.ndarray]:
    by_task: dict[str, np.ndarray] = {}
    for path in stores.values():
        tasks, logits = read_scores(path, rows)
        by_task |= dict(zip(tasks, logits.T, strict=True))
    return by_task


def _version(rows: Rows, config: StudentConfig, folder: Path, stores: Mapping[str, Path]) -> str:
    knobs = config.model_dump(mode="json", exclude={"backbone"})
    parts = [rows.version, knobs, backbone_version(folder), {name: path.stem for name, path in stores.items()}]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def _save(
    out: Path, student: Student, config: StudentConfig, folder: Path, rows: Rows, stores: Mapping[str, Path]
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(folder / name, out)
    save_model(student, str(out / "student.safetensors"))
    about = {
        "tasks": student.head.tasks,
        "config": config.model_dump(mode="json"),
        "text_version": rows.text_version,
        "training": rows.version,
        "backbone": backbone_version(folder),
        "teachers": {name: path.stem for name, path in stores.items()},
    }
    (out / "student.json").write_text(json.dumps(about, indent=2))
