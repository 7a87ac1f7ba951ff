"""Distillation: the student learns each task from the stored scores of the teacher that answers it."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import load_model, save_model
from torch import Tensor

from contracts.errors import NotReady, TrainingFailed
from contracts.tasks import TASKS
from contracts.text.token_ids import open_tokenizer, token_ids
from contracts.versions import file_hash, json_hash, set_current
from contracts.workspace import Workspace
from models.config import MODEL_FORMAT, Arithmetic, PruneConfig, StudentConfig
from models.layers.backbone import backbone_folder, backbone_version, mask_bias
from models.student.prune import prune_in_steps
from models.student.student import Prefix, Student
from models.teachers.cross_encoder import load_teacher
from models.teachers.scores import current_scores, read_scores
from models.teachers.train import SCORED_SPLITS, held_out_metrics, masked_targets, training_lists
from models.training.loop import autocast, check_spread, fit
from models.training.losses import Targets, alignment_loss, distillation_loss
from models.training.metrics import mean_ndcg
from models.training.rows import Rows, read_rows
from models.training.states import TextStates

log = logging.getLogger("rolecall")


class Batch(NamedTuple):
    """lists: row numbers of each list; epoch: from 0, all of training."""

    epoch: int
    lists: list[np.ndarray]


class Texts:
    """Requests and jobs of a training set, as the states that enter the student's first trained layers."""

    def __init__(
        self,
        rows: Rows,
        student: Student,
        folder: Path,
        config: StudentConfig,
        frozen: tuple[int, int],
        precision: Arithmetic = "auto",
    ) -> None:
        """folder: where the tokenizer lies; frozen: fixed layers of the prefix and of the item encoder; precision: of
        the products in them."""
        self.rows = rows
        self.requests, self.jobs = (
            TextStates(
                backbone, token_ids(open_tokenizer(folder, longest), texts), layers, config.memory_mb // 2, precision
            )
            for backbone, texts, longest, layers in (
                (student.prefix, rows.requests, config.max_prefix_tokens, frozen[0]),
                (student.item, rows.jobs, config.max_item_tokens, frozen[1]),
            )
        )

    def logits(self, student: Student, of_list: np.ndarray) -> Tensor:
        """Logits (n, tasks) of row numbers that share one request."""
        return self.read(student, [of_list]).logits[0]

    def unpadded(self, student: Student, of_list: np.ndarray) -> Tensor:
        """As `logits`, with each text read by itself: what goes through the layers are tokens alone."""
        asked, mask = self.requests.batch(self.rows.request[of_list[:1]])
        prefix = student.encode_prefix(asked, mask, self.requests.layers)
        jobs = (self.jobs.batch(self.rows.job[row, None]) for row in of_list)
        items = torch.cat([student.encode_items(*job, self.jobs.layers) for job in jobs])
        return student.score(prefix, None, items[None])[0]

    def read(self, student: Student, lists: Sequence[np.ndarray]) -> Read:
        """Lists of row numbers, padded to the longest; the rows of a list share one request."""
        rows = self.rows
        asked, mask = self.requests.batch(np.array([rows.request[of_list[0]] for of_list in lists]))
        prefix, bias = student.encode_prefix(asked, mask, self.requests.layers), mask_bias(mask, asked.dtype)
        distinct, which = np.unique(np.concatenate([rows.job[of_list] for of_list in lists]), return_inverse=True)
        hidden, job_mask = self.jobs.batch(distinct)
        hidden = student.item.run(hidden, job_mask, self.jobs.layers)
        packed = torch.from_numpy(padded(which, lists, 0))
        logits, states = student.read_items(prefix, bias, student.compress(hidden, job_mask)[packed])
        return Read(logits, states, prefix, bias, hidden, job_mask, packed, min(map(len, lists)))


class Read(NamedTuple):
    """b lists of at most n jobs as the student read them.

    logits: (b, n, tasks); states: (b, n, H); hidden, mask: (jobs, len, H), (jobs, len) of the distinct jobs; packed:
    (b, n) which of them; shortest: pairs of the shortest list.
    """

    logits: Tensor
    states: Tensor
    prefix: Prefix
    bias: Tensor
    hidden: Tensor
    mask: Tensor
    packed: Tensor
    shortest: int

    def lost(self, student: Student, pairs: int) -> Tensor:
        """The alignment loss of the first `pairs` pairs of each list."""
        short = min(pairs, self.shortest)
        request = torch.arange(len(self.packed)).repeat_interleave(short)
        job = self.packed[:, :short].flatten()
        logits, states = student.read_text(self.prefix, self.bias, request, self.hidden[job], self.mask[job])
        item_logits, item_states = (own[:, :short].flatten(0, 1) for own in (self.logits, self.states))
        return alignment_loss(item_logits, logits, item_states, states)


def padded(values: np.ndarray, lists: Sequence[np.ndarray], fill: float) -> np.ndarray:
    """(lists, longest, ...) from the values of the lists' rows one after the other, `fill` where a list is over."""
    lengths = np.array([len(of_list) for of_list in lists])
    present = np.arange(lengths.max()) < lengths[:, None]
    out = np.full((*present.shape, *values.shape[1:]), fill, values.dtype)
    out[present] = values
    return out


def train_student(workspace: Workspace, config: StudentConfig) -> Path:
    """Distil a student; return the folder of its version, which becomes current.

    Its version is the hash of data, teacher versions, configuration and backbone; where it is there already, nothing
    is done. Raises NotReady, BadInput (scores that do not fit the training set), TrainingFailed; of a run that stopped,
    <version>.stopped holds the last good state, which can be a `base`.
    """
    rows = read_rows(workspace.training)
    folder = backbone_folder(config.backbone)
    stores: dict[str, Path] = {teacher: current_scores(workspace, teacher) for teacher in config.distil}
    version = _version(rows, config, folder, stores)
    out = workspace.student / version
    if (out / "metrics.json").is_file():
        log.info("student: version %s is up to date", version)
        set_current(workspace.student, version)
        return out
    tasks, taught = _tasks(stores, rows)
    about = {
        "tasks": tasks,
        "config": config.model_dump(mode="json"),
        "text_version": rows.text_version,
        "training": rows.version,
        "backbone": backbone_version(folder),
        "teachers": {name: path.stem for name, path in stores.items()},
    }
    student = _beginning(workspace, config, folder, rows, tasks, taught)
    try:
        texts = _learn(student, rows, taught, folder, config)
        for item_tokens in (*config.via, config.item_tokens)[1:]:
            mid, student = student, Student(folder, tasks, item_tokens, config.score_layers)
            student.start_from_student(mid)
            texts = _learn(student, rows, _taught_by(mid, texts), folder, config)
        if config.prune is not None:
            texts = _prune(student, rows, taught, folder, config, config.prune)
    except TrainingFailed:
        stopped = config.model_copy(update={"item_tokens": student.item_tokens})
        kept = out.with_name(f"{version}.stopped")
        save_student(kept, student, {**about, "config": stopped.model_dump(mode="json")}, folder)
        log.warning("student: its last good state is in %s", kept)
        raise
    test = np.flatnonzero(rows.splits == "test")
    logits = np.full((len(rows), len(tasks)), np.nan, np.float32)
    with autocast():
        logits[test] = student_logits(student, texts, test)
    check_spread(logits, rows.lists(test), tasks, "student")
    metrics = held_out_metrics(rows, tasks, logits)
    by_teachers = np.flatnonzero(np.isfinite(taught).any(0))
    of_teachers = held_out_metrics(rows, [tasks[i] for i in by_teachers], taught[:, by_teachers])
    metrics |= {f"teacher_{name}": value for name, value in of_teachers.items()}
    if "policy" in stores:
        relevance = tasks.index("relevance")
        by_policy = 1 / (1 + np.exp(-taught[:, relevance]))
        metrics["ndcg@10_by_policy_teacher"] = mean_ndcg(logits[:, relevance], by_policy, rows.lists(test))
    save_student(out, student, about, folder)
    (out / "metrics.json").write_text(json.dumps(metrics, indent=2))
    set_current(workspace.student, version)
    log.info("student %s: %s", version, ", ".join(f"{k} {v:.3f}" for k, v in metrics.items() if v == v))
    return out


def _beginning(
    workspace: Workspace, config: StudentConfig, folder: Path, rows: Rows, tasks: tuple[str, ...], taught: np.ndarray
) -> Student:
    """The untrained student, as its base, as the mean of its teachers, or as the backbone alone."""
    torch.manual_seed(config.seed)
    student = Student(folder, tasks, (*config.via, config.item_tokens)[0], config.score_layers)
    if config.base is not None:
        student.start_from_student(load_student(config.base)[0])
        return student
    if config.warm_start and config.distil:
        current = (workspace.teachers / name / current_scores(workspace, name).stem for name in config.distil)
        student.start_from(*(load_teacher(path)[0] for path in current))
    train = np.flatnonzero(rows.splits == "train")
    known = np.where(np.isfinite(taught), 1 / (1 + np.exp(-taught)), masked_targets(rows, tasks))
    rates = np.nanmean(known[train], axis=0)
    student.head.init_bias_to_prior(torch.from_numpy(rates))
    return student


def _taught_by(student: Student, texts: Texts) -> np.ndarray:
    """Logits (n, tasks) float32 of a mid-size student on the training pairs, NaN elsewhere."""
    train = np.flatnonzero(texts.rows.splits == "train")
    logits = np.full((len(texts.rows), len(student.head.tasks)), np.nan, np.float32)
    with autocast():
        logits[train] = student_logits(student, texts, train)
    return logits


def _learn(student: Student, rows: Rows, taught: np.ndarray, folder: Path, config: StudentConfig) -> Texts:
    frozen = _frozen(student, config)
    student.requires_grad_(True)
    student.prefix.freeze(frozen[0])
    student.item.freeze(frozen[1])
    tasks = student.head.tasks
    fresh = [*student.head.parameters(), student.queries, student.focus, student.slots]
    if config.learn == "head":
        student.requires_grad_(False)
        student.head.requires_grad_(True)
    texts = Texts(rows, student, folder, config, frozen)
    lists = training_lists(rows, np.ones(len(rows), bool), config.max_pairs, config.seed)
    if not lists:
        raise NotReady("no training pair", where=str(rows.version), cure="run `rolecall label` first")
    labels = masked_targets(rows, tasks)
    weights = torch.tensor([config.weights.get(task, 1.0) for task in tasks])
    alone = weights * torch.tensor([task == "relevance" for task in tasks])

    def loss(batch: Batch) -> Tensor:
        chosen = np.concatenate(batch.lists)
        wanted = Targets(
            teacher=torch.from_numpy(padded(taught[chosen], batch.lists, np.nan)),
            labels=torch.from_numpy(padded(labels[chosen], batch.lists, np.nan)),
        )
        read = texts.read(student, batch.lists)
        each = distillation_loss(read.logits, wanted, config.divergence, config.listwise, config.labels)
        total = (each * (alone if batch.epoch < config.relevance_epochs else weights)).sum()
        if config.align:
            share = 1.0 if batch.epoch < config.align_epochs else 0.1
            total = total + share * config.align * read.lost(student, config.align_pairs)
        return total

    epochs = config.relevance_epochs + config.epochs
    fit(
        student,
        lambda epoch: _batches(lists, config, epoch),
        loss,
        lambda batch: sum(map(len, batch.lists)),
        name=f"student, {student.item_tokens} item tokens",
        epochs=epochs,
        steps=epochs * -(-len(lists) // config.lists_a_batch),
        learning_rate=config.learning_rate,
        head_rate=config.head_rate,
        head=fresh,
        describe=lambda batch: "lists " + ", ".join(str(rows.list_ids[of_list[0]]) for of_list in batch.lists),
    )
    return texts


def _prune(
    student: Student, rows: Rows, taught: np.ndarray, folder: Path, config: StudentConfig, knobs: PruneConfig
) -> Texts:
    """Make the student smaller, with distillation after each step."""
    whole = Texts(rows, student, folder, config, (0, 0))  # from the texts on: layers whose states are kept change too
    lists = training_lists(rows, np.ones(len(rows), bool), config.max_pairs, config.seed)[: knobs.lists]
    all_of_it = {"frozen_layers": 0, "frozen_item_layers": 0}  # what pruning has changed makes up for it
    again = config.model_copy(update={"relevance_epochs": 0, "epochs": knobs.epochs} | all_of_it)

    def calibrate() -> Tensor:
        return torch.cat([whole.unpadded(student, of_list[: config.list_size]) for of_list in lists])

    prune_in_steps(student, knobs, calibrate, lambda: _learn(student, rows, taught, folder, again))
    return whole


def load_student(folder: Path) -> tuple[Student, dict]:
    """A trained student and its `student.json` (tasks, config, shape, text_version, training, teachers)."""
    about = json.loads((folder / "student.json").read_text())
    config = StudentConfig.model_validate(about["config"])
    student = Student(folder, tuple(about["tasks"]), config.item_tokens, config.score_layers, trained=False)
    student.resize(about.get("shape", student.sizes()))
    load_model(student, str(folder / "student.safetensors"))
    return student.eval(), about


def float_logits(folder: Path, rows: Rows, chosen: np.ndarray) -> np.ndarray:
    """Logits (len(chosen), tasks) in float32 of the student in `folder`: what a quantised one is held against."""
    student, about = load_student(folder)
    config = StudentConfig.model_validate(about["config"])
    rows = rows.only(chosen)
    texts = Texts(rows, student, folder, config, _frozen(student, config), "float32")
    return student_logits(student, texts, np.arange(len(rows)))


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
            logits[[place[int(row)] for row in of_list]] = texts.logits(student, of_list).numpy()
    return logits


def _batches(lists: list[np.ndarray], config: StudentConfig, epoch: int) -> Iterator[Batch]:
    rng = np.random.default_rng((config.seed, epoch))
    order = rng.permutation(len(lists))
    for start in range(0, len(order), config.lists_a_batch):
        chosen = order[start : start + config.lists_a_batch]
        yield Batch(epoch, [rng.permutation(lists[i])[: config.list_size] for i in chosen])


def _tasks(stores: Mapping[str, Path], rows: Rows) -> tuple[tuple[str, ...], np.ndarray]:
    """The tasks that teachers answer or labels tell, and the teachers' logits (n, tasks) float32 of all n rows.

    NaN: not scored, or of a task that no teacher answers.
    """
    needed = np.flatnonzero(np.isin(rows.splits, SCORED_SPLITS))
    by_task: dict[str, np.ndarray] = {}
    for path in stores.values():
        answered, logits = read_scores(path, rows, needed)
        by_task |= dict(zip(answered, logits.T, strict=True))
    tasks = tuple(task for task in TASKS if task in by_task or (task in rows.tasks and rows.learnable(task)))
    unknown = np.full(len(rows), np.nan, np.float32)
    return tasks, np.stack([by_task.get(task, unknown) for task in tasks], axis=1)


def _version(rows: Rows, config: StudentConfig, folder: Path, stores: Mapping[str, Path]) -> str:
    knobs = config.model_dump(mode="json", exclude={"backbone", "memory_mb", "base"})
    parts = [
        MODEL_FORMAT,
        rows.version,
        knobs,
        file_hash(config.base / "student.safetensors") if config.base else "",
        backbone_version(folder),
        {name: path.stem for name, path in stores.items()},
    ]
    return json_hash(parts)


def save_student(out: Path, student: Student, about: Mapping[str, Any], folder: Path) -> None:
    """Write a student so that `load_student` needs nothing else. about: its `student.json`; folder: the backbone."""
    out.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(folder / name, out)
    save_model(student, str(out / "student.safetensors"))
    (out / "student.json").write_text(json.dumps({**about, "shape": student.sizes()}, indent=2))
