"""Distillation: the student learns each task from the stored scores of the teacher that answers it."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_model, save_model
from torch import Tensor

from contracts.errors import BadInput, NotReady, TrainingFailed
from contracts.tasks import TASKS
from contracts.text.work import Vocabulary, read_vocabulary
from contracts.versions import file_hash, json_hash, set_current
from contracts.workspace import Workspace
from models.config import MODEL_FORMAT, PruneConfig, StudentConfig
from models.layers.folder import backbone_folder, backbone_version
from models.registry import TEACHERS
from models.student.prune import prune_in_steps
from models.student.served import ServedLists, learn_served
from models.student.student import Student
from models.student.texts import StudentTexts
from models.teachers.cross_encoder import load_teacher
from models.teachers.scores import current_scores, is_left_out, read_scores, teacher_version
from models.training.device import autocast, choose_device, device_of, to_device
from models.training.lists import (
    held_out_metrics,
    held_served,
    masked_targets,
    padded,
    scored_rows,
    told_apart,
    training_lists,
)
from models.training.loop import Hyper, ListBatch, check_spread, fit
from models.training.losses import Targets, distillation_loss
from models.training.metrics import mean_ndcg, mean_spearman
from models.training.rows import Rows, read_rows

log = logging.getLogger("rolecall")


def train_student(workspace: Workspace, config: StudentConfig) -> Path:
    """Distil a student from the stored scores of its teachers. Its version becomes current.

    The version is the hash of data, teacher versions, knobs and backbone; where it is there already, nothing is done.

    Args:
        workspace: With a training set and the scores of `config.distil`, without those that had nothing to learn.
        config: Its knobs.

    Returns:
        The folder of its version.

    Raises:
        NotReady: The training set or a teacher's scores are absent.
        BadInput: Scores do not fit the training set, or a start does not fit the backbone.
        TrainingFailed: The scores collapsed, or a step failed: then `<version>.stopped` holds the last good state,
            which can be a `base`.
    """
    rows = read_rows(workspace.training)
    folder = backbone_folder(config.backbone)
    stores = {name: current_scores(workspace, name) for name in config.distil if not is_left_out(workspace, name)}
    compared = config.match and rows.match.any()
    vocabulary = read_vocabulary(workspace.training) if compared else Vocabulary()
    version = _version(rows, config, folder, stores, vocabulary)
    out = workspace.student / version
    if (out / "metrics.json").is_file():
        log.info("student: version %s is up to date", version)
        set_current(workspace.student, version)
        return out
    tasks, scores, teachers = _tasks(stores, rows, config.mix)
    about = {
        "tasks": tasks,
        "config": config.model_dump(mode="json"),
        "text_version": rows.text_version,
        "training": rows.version,
        "vocabulary": vocabulary.model_dump(mode="json"),
        "backbone": backbone_version(folder),
        "teachers": {name: teacher_version(path) for name, path in stores.items()},
    }
    device = choose_device(config.device)
    student = untrained(workspace, config, folder, rows, tasks, scores).to(device)
    try:
        texts = _texts(rows, student, folder, config)
        learn(student, texts, scores, config)
        for item_tokens in (*config.via, config.item_tokens)[1:]:
            mid, student = student, Student(folder, tasks, item_tokens, config.score_layers, match=config.match)
            student.start_from_student(mid.cpu())
            student, mid = student.to(device), mid.to(device)
            scores_of_mid, texts = _scores_of(mid, texts, "train"), _texts(rows, student, folder, config)
            learn(student, texts, scores_of_mid, config)
        if config.prune is not None:
            texts = _prune(student, rows, scores, folder, config, config.prune)
        served = _learn_served(student, texts, scores, config)
    except TrainingFailed:
        stopped = config.model_copy(update={"item_tokens": student.item_tokens})
        kept = out.with_name(f"{version}.stopped")
        save_student(kept, student, {**about, "config": stopped.model_dump(mode="json")}, folder)
        log.warning("student: its last good state is in %s", kept)
        raise
    metrics = _metrics(rows, tasks, _scores_of(student, texts, "test"), scores, teachers) | served
    save_student(out, student, about, folder)
    (out / "metrics.json").write_text(json.dumps(metrics, indent=2))
    set_current(workspace.student, version)
    log.info("student %s: %s", version, ", ".join(f"{k} {v:.3f}" for k, v in metrics.items() if v == v))
    return out


def _metrics(
    rows: Rows, tasks: tuple[str, ...], logits: np.ndarray, scores: np.ndarray, teachers: Mapping[str, str]
) -> dict[str, float]:
    """Held-out figures of the student, the same of its teachers, and how it ranks by the teacher of relevance.

    logits, scores: (n, tasks) of the student and of the teachers; teachers: task -> the one that answers it. Raises
    TrainingFailed where the student has collapsed.
    """
    test = rows.lists(rows.of_splits("test"))
    check_spread(logits, test, tasks, "student")
    metrics = held_out_metrics(rows, tasks, logits)
    answered = np.flatnonzero(np.isfinite(scores).any(0))
    of_teachers = held_out_metrics(rows, [tasks[i] for i in answered], scores[:, answered])
    metrics |= {f"teacher_{name}": value for name, value in of_teachers.items()}
    if "relevance" in teachers:
        column = tasks.index("relevance")
        gains = 1 / (1 + np.exp(-scores[:, column]))
        metrics[f"ndcg@10_by_{teachers['relevance']}_teacher"] = mean_ndcg(logits[:, column], gains, test)
    return metrics


def untrained(
    workspace: Workspace, config: StudentConfig, folder: Path, rows: Rows, tasks: tuple[str, ...], scores: np.ndarray
) -> Student:
    """The student before training: as its base, as the mean of its teachers, or as the backbone alone."""
    torch.manual_seed(config.seed)
    student = Student(folder, tasks, (*config.via, config.item_tokens)[0], config.score_layers, match=config.match)
    if config.base is not None:
        student.start_from_student(load_student(config.base)[0])
        return student
    told = [name for name in config.distil if not is_left_out(workspace, name)]
    starts = [name for name in told if config.warm_start and TEACHERS.get(name).starts_student]
    if starts:
        folders = (workspace.teachers / name / teacher_version(current_scores(workspace, name)) for name in starts)
        student.start_from(*(load_teacher(path)[0] for path in folders))
    train = rows.of_splits("train")
    known = np.where(np.isfinite(scores), 1 / (1 + np.exp(-scores)), masked_targets(rows, tasks))
    student.head.init_bias_to_prior(torch.from_numpy(np.nanmean(known[train], axis=0)))
    return student


def _scores_of(student: Student, texts: StudentTexts, split: str) -> np.ndarray:
    """Logits (n, tasks) float32 of a student on the pairs of a split, NaN elsewhere."""
    chosen = texts.rows.of_splits(split)
    logits = np.full((len(texts.rows), len(student.head.tasks)), np.nan, np.float32)
    with autocast(device_of(student)):
        logits[chosen] = student_logits(student, texts, chosen)
    return logits


def learn(student: Student, texts: StudentTexts, scores: np.ndarray, config: StudentConfig) -> None:
    """Train a student, on the device where it is, to follow logits (n, tasks); NaN where no teacher has one.

    Layers whose states `texts` keeps stay as they are. Raises NotReady where there is no training pair.
    """
    student.requires_grad_(True)
    student.prefix.freeze(texts.requests.layers)
    student.item.freeze(texts.jobs.layers)
    rows, tasks, device = texts.rows, student.head.tasks, device_of(student)
    if config.learn == "head":
        student.requires_grad_(False)
        student.head.requires_grad_(True)
        if student.match is not None:
            student.match.requires_grad_(True)
    lists = training_lists(rows, np.ones(len(rows), bool), config.max_pairs, config.seed)
    if not lists:
        raise NotReady("no training pair", where=str(rows.version), cure="run `rolecall label` first")
    labels = masked_targets(rows, tasks)
    weights = torch.tensor([config.weights.get(task, 1.0) for task in tasks], device=device)
    relevance_alone = weights * torch.tensor([task == "relevance" for task in tasks], device=device)

    def loss(batch: ListBatch) -> Tensor:
        chosen = np.concatenate(batch.lists)
        targets = Targets(
            *(to_device(padded(of_all[chosen], batch.lists, np.nan), device) for of_all in (scores, labels))
        )
        read = texts.read(student, batch.lists)
        of_tasks = distillation_loss(read.logits, targets, config.divergence, config.listwise, config.labels)
        total = (of_tasks * (relevance_alone if batch.epoch < config.relevance_epochs else weights)).sum()
        if config.align:
            share = 1.0 if batch.epoch < config.align_epochs else 0.1
            total = total + share * config.align * read.lost(student, config.align_pairs)
        return total

    epochs = config.relevance_epochs + config.epochs
    steps = epochs * -(-len(lists) // config.lists_a_batch)
    hyper = Hyper(epochs, steps, config.learning_rate, config.head_rate)
    name = f"student, {student.item_tokens} item tokens"
    fit(name, student, loss, lambda epoch: _batches(rows, lists, config, epoch), hyper, student.from_scratch())


def _prune(
    student: Student, rows: Rows, scores: np.ndarray, folder: Path, config: StudentConfig, knobs: PruneConfig
) -> StudentTexts:
    """Make the student smaller, with distillation after each step."""
    texts = StudentTexts(rows, student, folder, config, (0, 0))  # layers whose states are kept change too
    lists = training_lists(rows, np.ones(len(rows), bool), config.max_pairs, config.seed)[: knobs.lists]
    all_layers = {"frozen_layers": 0, "frozen_item_layers": 0}  # what pruning has changed makes up for it
    again = config.model_copy(update={"relevance_epochs": 0, "epochs": knobs.epochs} | all_layers)

    def calibrate() -> Tensor:
        return torch.cat([texts.unpadded(student, of_list[: config.list_size]) for of_list in lists])

    def distil() -> None:
        learn(student, _texts(rows, student, folder, again), scores, again)

    prune_in_steps(student, knobs, calibrate, distil)
    return texts


def _learn_served(student: Student, texts: StudentTexts, scores: np.ndarray, config: StudentConfig) -> dict[str, float]:
    """Train the scorer on served lists where there are such; how it agrees with the judge on them, before and after,
    and at last with its teacher on those of them that the teacher scored (`held_served`)."""
    if not config.served_epochs or "relevance" not in student.head.tasks:
        return {}
    lists = ServedLists(student, texts)
    if not lists.of("train"):
        return {}
    split = "valid" if lists.of("valid") else "train"
    before = lists.agreement(student, split)
    learn_served(student, lists, config)
    name = f"served_spearman_{split}"
    column, rows = student.head.tasks.index("relevance"), texts.rows
    relevance = lists.scores(student, split)[:, column]
    figures = {f"{name}_before": before, name: mean_spearman(relevance, rows.target("relevance"), lists.of(split))}
    both = [of_list for of_list in held_served(rows) if np.isfinite(scores[of_list, column]).all()]
    figures["served_teacher_spearman_valid"] = mean_spearman(relevance, scores[:, column], both)
    return {name: value for name, value in figures.items() if np.isfinite(value)}


def load_student(folder: Path) -> tuple[Student, dict]:
    """A trained student and its `student.json` (tasks, config, shape, text_version, training, teachers)."""
    about = json.loads((folder / "student.json").read_text())
    config = StudentConfig.model_validate(about["config"])
    match = about.get("match", False)
    student = Student(folder, tuple(about["tasks"]), config.item_tokens, config.score_layers, False, match)
    student.resize(about.get("shape", student.sizes()))
    load_model(student, str(folder / "student.safetensors"))
    return student.eval(), about


def float_logits(folder: Path, rows: Rows, chosen: np.ndarray) -> np.ndarray:
    """Logits (len(chosen), tasks) in float32 of the student in `folder`: what a quantised one is held against."""
    student, about = load_student(folder)
    config = StudentConfig.model_validate(about["config"])
    rows = rows.only(chosen)
    texts = StudentTexts(rows, student, folder, config, frozen_layers(student, config), "float32")
    return student_logits(student, texts, np.arange(len(rows)))


def _texts(rows: Rows, student: Student, folder: Path, config: StudentConfig) -> StudentTexts:
    return StudentTexts(rows, student, folder, config, frozen_layers(student, config))


def frozen_layers(student: Student, config: StudentConfig) -> tuple[int, int]:
    """Fixed layers of the prefix and of the item encoder, whose states are kept."""
    return min(config.frozen_layers, student.split), min(config.frozen_item_layers, student.item.depth)


def student_logits(student: Student, texts: StudentTexts, chosen: np.ndarray) -> np.ndarray:
    """Logits (len(chosen), tasks) float32 of the chosen rows."""
    place = {int(row): i for i, row in enumerate(chosen)}
    logits = np.zeros((len(chosen), len(student.head.tasks)), np.float32)
    student.eval()
    with torch.inference_mode():
        for of_list in texts.rows.lists(chosen):
            logits[[place[int(row)] for row in of_list]] = texts.logits(student, of_list).cpu().numpy()
    return logits


def _batches(rows: Rows, lists: list[np.ndarray], config: StudentConfig, epoch: int) -> Iterator[ListBatch]:
    rng = np.random.default_rng((config.seed, epoch))
    order = rng.permutation(len(lists))
    for start in range(0, len(order), config.lists_a_batch):
        chosen = order[start : start + config.lists_a_batch]
        yield ListBatch(rows, [rng.permutation(lists[i])[: config.list_size] for i in chosen], epoch)


def _tasks(
    stores: Mapping[str, Path], rows: Rows, mix: Mapping[str, Mapping[str, float]]
) -> tuple[tuple[str, ...], np.ndarray, dict[str, str]]:
    """The tasks that teachers answer or labels tell, the teachers' logits (n, tasks) float32 of all n rows, and the
    teacher of each task that has one, or all of them joined by "+".

    A logit is NaN where a pair was not scored or no teacher answers the task; of several teachers it is their weighted
    mean. Raises BadInput where `mix` names a task or a teacher that does not answer it, or leaves none with a weight.
    """
    needed = scored_rows(rows)
    of_teachers: dict[str, dict[str, np.ndarray]] = {}
    for name, path in stores.items():
        answered, logits = read_scores(path, rows, needed)
        for task, column in zip(answered, logits.T, strict=True):
            of_teachers.setdefault(task, {})[name] = column
    by_task: dict[str, np.ndarray] = {}
    teachers: dict[str, str] = {}
    for task in {**dict.fromkeys(mix), **of_teachers}:
        columns = of_teachers.get(task, {})
        weights = mix.get(task, dict.fromkeys(columns, 1.0))
        if unknown := [name for name in weights if name not in columns]:
            what = f"{task}: {', '.join(unknown)} does not answer it" if columns else f"no teacher answers {task!r}"
            raise BadInput(what, where="student.mix", cure=f"name of {', '.join(of_teachers)} and their teachers")
        shares = {name: weight / sum(weights.values()) for name, weight in weights.items() if weight}
        if not shares:
            raise BadInput(f"{task}: no teacher has a weight", where="student.mix", cure="give one a weight above 0")
        mixed = [share * columns[name] for name, share in shares.items()]
        by_task[task] = np.asarray(np.sum(mixed, axis=0), np.float32)
        teachers[task] = "+".join(shares)
    labels = masked_targets(rows, rows.tasks)[rows.of_splits("train")]
    learned = told_apart(rows.tasks, labels)
    tasks = tuple(task for task in TASKS if task in by_task or task in learned)
    nothing = np.full(len(rows), np.nan, np.float32)
    return tasks, np.stack([by_task.get(task, nothing) for task in tasks], axis=1), teachers


def _version(
    rows: Rows, config: StudentConfig, folder: Path, stores: Mapping[str, Path], vocabulary: Vocabulary
) -> str:
    knobs = config.model_dump(mode="json", exclude={"backbone", "memory_mb", "base", "device"})
    parts = [
        MODEL_FORMAT,
        rows.version,
        vocabulary.version,
        knobs,
        file_hash(config.base / "student.safetensors") if config.base else "",
        backbone_version(folder),
        {name: teacher_version(path) for name, path in stores.items()},
    ]
    return json_hash(parts)


def save_student(out: Path, student: Student, about: Mapping[str, Any], folder: Path) -> None:
    """Write a student so that `load_student` needs nothing else. about: its `student.json`; folder: the backbone."""
    out.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(folder / name, out)
    save_model(student, str(out / "student.safetensors"))
    own = {"shape": student.sizes(), "match": student.match is not None}
    (out / "student.json").write_text(json.dumps({**about, **own}, indent=2))
