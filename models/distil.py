"""Distillation: the student learns each task from the stored scores of the teacher that answers it."""

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

from contracts.errors import NotReady
from contracts.tasks import TASKS
from contracts.tokens import open_tokenizer, token_ids
from contracts.workspace import Workspace, set_current
from models.backbone import backbone_folder, backbone_version, mask_bias
from models.config import MODEL_FORMAT, Divergence, StudentConfig
from models.cross_encoder import load_teacher
from models.metrics import mean_ndcg
from models.rows import Rows, read_rows
from models.scores import TEACHERS, current_scores, read_scores
from models.states import TextStates
from models.student import Student
from models.teacher import SCORED_SPLITS, held_out_metrics, training_lists
from models.training import autocast, check_spread, fit

log = logging.getLogger("rolecall")


class Texts:
    """Requests and jobs of a training set, as the states that enter the student's first trained layers."""

    def __init__(
        self, rows: Rows, student: Student, folder: Path, config: StudentConfig, frozen: tuple[int, int]
    ) -> None:
        """folder: where the tokenizer lies; frozen: fixed layers of the prefix and of the item encoder."""
        self.rows = rows
        self.requests, self.jobs = (
            TextStates(backbone, token_ids(open_tokenizer(folder, longest), texts), layers, config.memory_mb // 2)
            for backbone, texts, longest, layers in (
                (student.prefix, rows.requests, config.max_prefix_tokens, frozen[0]),
                (student.item, rows.jobs, config.max_item_tokens, frozen[1]),
            )
        )

    def logits(self, student: Student, lists: Sequence[np.ndarray]) -> list[Tensor]:
        """Logits (len, tasks) of each list of row numbers; the rows of a list share its first row's request."""
        rows = self.rows
        hidden, mask = self.requests.batch(np.array([rows.request[of_list[0]] for of_list in lists]))
        prefix = student.encode_prefix(hidden, mask, self.requests.layers)
        distinct, which = np.unique(np.concatenate([rows.job[of_list] for of_list in lists]), return_inverse=True)
        items = student.encode_items(*self.jobs.batch(distinct), self.jobs.layers)
        packed = np.zeros((len(lists), max(map(len, lists))), np.int64)
        start = 0
        for i, of_list in enumerate(lists):
            packed[i, : len(of_list)] = which[start : start + len(of_list)]
            start += len(of_list)
        logits = student.score(prefix, mask_bias(mask, hidden.dtype), items[torch.from_numpy(packed)])
        return [logits[i, : len(of_list)] for i, of_list in enumerate(lists)]


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
    tasks, wanted = _teacher_logits(stores, rows)
    labels = np.stack([rows.target(task) for task in tasks], axis=1)
    torch.manual_seed(config.seed)
    student = Student(folder, tasks, config.item_tokens, config.score_layers)
    if config.warm_start:
        student.start_from(load_teacher(workspace.teachers / "policy" / stores["policy"].stem)[0])
    frozen = _frozen(student, config)
    student.prefix.freeze(frozen[0])
    student.item.freeze(frozen[1])
    texts = Texts(rows, student, folder, config, frozen)
    lists = training_lists(rows, np.ones(len(rows), bool), config.max_pairs, config.seed)
    if not lists:
        raise NotReady("no training pair", where=str(workspace.training), cure="run `rolecall label` first")
    rates = (1 / (1 + np.exp(-wanted[np.concatenate(lists)]))).mean(0)
    student.head.expect(torch.from_numpy(rates))
    weights = torch.tensor([config.weights.get(task, 1.0) for task in tasks])
    fit(
        student,
        lambda epoch: _batches(lists, config, np.random.default_rng((config.seed, epoch))),
        lambda batch: _loss(texts.logits(student, batch), batch, wanted, labels, weights, config),
        lambda batch: sum(map(len, batch)),
        name="student",
        epochs=config.epochs,
        steps=config.epochs * -(-len(lists) // config.lists_a_batch),
        learning_rate=config.learning_rate,
        head_rate=config.head_rate,
        head=[*student.head.parameters(), student.queries, student.focus, student.slots],
    )
    test = np.flatnonzero(rows.splits == "test")
    logits = np.full((len(rows), len(tasks)), np.nan, np.float32)
    with autocast():
        logits[test] = student_logits(student, texts, test)
    check_spread(logits[test], tasks, "student")
    metrics = held_out_metrics(rows, tasks, logits)
    metrics |= {f"teacher_{name}": value for name, value in held_out_metrics(rows, tasks, wanted).items()}
    relevance = tasks.index("relevance")
    by_policy = 1 / (1 + np.exp(-wanted[:, relevance]))
    metrics["ndcg@10_by_policy_teacher"] = mean_ndcg(logits[:, relevance], by_policy, rows.lists(test))
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
    """Logits (len(chosen), tasks) of the current student in float32: what a quantised one is held against."""
    folder = workspace.student / (workspace.student / "CURRENT").read_text().strip()
    student, about = load_student(folder)
    config = StudentConfig.model_validate(about["config"])
    rows = rows.only(chosen)
    return student_logits(student, Texts(rows, student, folder, config, _frozen(student, config)), np.arange(len(rows)))


def _frozen(student: Student, config: StudentConfig) -> tuple[int, int]:
    """Fixed layers of the prefix and of the item encoder, whose states are kept."""
    return min(config.frozen_layers, student.split), min(config.frozen_item_layers, student.item.depth)


def student_logits(student: Student, texts: Texts, chosen: np.ndarray) -> np.ndarray:
    """Logits (len(chosen), tasks) float32 of the chosen rows."""
    place = {int(row): i for i, row in enumerate(chosen)}
    logits = np.zeros((len(chosen), len(student.head.tasks)), np.float32)
    student.eval()
    with torch.inference_mode():
        for of_list in texts.rows.lists(chosen):
            logits[[place[int(row)] for row in of_list]] = texts.logits(student, [of_list])[0].numpy()
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


def _loss(logits: Sequence[Tensor], lists: Sequence[np.ndarray], wanted: np.ndarray, labels: np.ndarray,
          weights: Tensor, config: StudentConfig) -> Tensor:  # fmt: skip
    """Mean over lists of: divergence from the teachers, the same over each list's softmax, and the labels' own loss."""
    total = weights.sum() * 0.0
    for scores, of_list in zip(logits, lists, strict=True):
        teacher = torch.from_numpy(wanted[of_list])
        total = total + (divergence(config.divergence, teacher, scores).mean(0) * weights).sum()
        if config.listwise:
            ranks = nn.functional.kl_div(
                torch.log_softmax(scores, 0), torch.log_softmax(teacher, 0), log_target=True, reduction="none"
            )
            total = total + config.listwise * (ranks.sum(0) * weights).sum()
        if config.labels:
            known = torch.from_numpy(np.isfinite(labels[of_list]))
            truth = torch.from_numpy(np.nan_to_num(labels[of_list]))
            each = nn.functional.binary_cross_entropy_with_logits(scores, truth, reduction="none") * known
            total = total + config.labels * ((each.sum(0) / known.sum(0).clamp(min=1)) * weights).sum()
    return total / len(lists)


def _batches(lists: list[np.ndarray], config: StudentConfig, rng: np.random.Generator) -> Iterator[list[np.ndarray]]:
    order = rng.permutation(len(lists))
    for start in range(0, len(order), config.lists_a_batch):
        yield [rng.permutation(lists[i])[: config.list_size] for i in order[start : start + config.lists_a_batch]]


def _teacher_logits(stores: Mapping[str, Path], rows: Rows) -> tuple[tuple[str, ...], np.ndarray]:
    """The tasks that teachers answer and their logits (n, tasks) float32 of all n rows, NaN where not scored."""
    needed = np.flatnonzero(np.isin(rows.splits, SCORED_SPLITS))
    by_task: dict[str, np.ndarray] = {}
    for path in stores.values():
        answered, logits = read_scores(path, rows, needed)
        by_task |= dict(zip(answered, logits.T, strict=True))
    tasks = tuple(task for task in TASKS if task in by_task)
    return tasks, np.stack([by_task[task] for task in tasks], axis=1)


def _version(rows: Rows, config: StudentConfig, folder: Path, stores: Mapping[str, Path]) -> str:
    knobs = config.model_dump(mode="json", exclude={"backbone", "memory_mb"})
    parts = [
        MODEL_FORMAT,
        rows.version,
        knobs,
        backbone_version(folder),
        {name: path.stem for name, path in stores.items()},
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def _save(out: Path, student: Student, config: StudentConfig, folder: Path, rows: Rows,
          stores: Mapping[str, Path]) -> None:  # fmt: skip
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
