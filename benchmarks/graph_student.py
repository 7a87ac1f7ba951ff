"""A student that reads, beside the request's text, what the graph teacher makes of the member's neighbourhood.

A trial: the service knows nothing of it (docs/decisions/0070). The vector is one more place of the prefix, to which the
candidates attend, and it is added to the request's vector, whose product with a job's the head reads. A member without
a vector is read as the student alone reads them, and so is everybody before the first step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.graph_scores import member_vectors
from contracts.workspace import Workspace
from models.config import Arithmetic, StudentConfig
from models.layers.backbone import keys_values, mask_bias
from models.layers.folder import backbone_folder
from models.student.distil import (
    float_logits,
    frozen_layers,
    learn,
    load_student,
    student_logits,
    train_student,
    untrained,
)
from models.student.student import Prefix, Student
from models.student.texts import StudentTexts
from models.teachers.graph.config import Rung
from models.teachers.graph.market import Market
from models.teachers.scores import current_scores, read_scores
from models.teachers.train import train_teacher
from models.training.device import choose_device, device_of, to_device
from models.training.lists import scored_rows
from models.training.rows import Rows
from rolecall.params import Params

OPENS = 10.0
"""Rate of the gates as a multiple of their group's: AdamW moves a number by its rate a step, and a gate is one number a
head, that would not open in a few hundred steps."""
TELLING: tuple[Rung, ...] = ("G0", "G1")
"""Rungs that make one vector of a member's neighbourhood, whatever the job."""


def student_of(teacher: str) -> str:
    return f"student of {'the ' if ' ' in teacher else ''}{teacher}"


def told_student(rung: str) -> str:
    return f"{student_of(rung)}, told of the member"


class ToldStudent(Student):
    """The student with a member's vector.

    Attributes:
        place: The vector as a state, from which each scoring layer takes keys and values.
        gate: (heads,) how much of the attention that the place draws is taken; tanh of it, from 0 on.
        beside: What the vector adds to the request's; zeros before the first step.
    """

    def __init__(self, folder: Path, plain: Student, width: int) -> None:
        """Start as a student that reads no vector.

        Args:
            folder: Of its backbone.
            plain: The student, not pruned.
            width: Numbers of a vector.
        """
        tasks, match = plain.head.tasks, plain.match is not None
        super().__init__(folder, tasks, plain.item_tokens, len(plain.score_layers), trained=False, match=match)
        self.load_state_dict(plain.state_dict())
        self.place = nn.Sequential(nn.Linear(width, self.hidden), nn.LayerNorm(self.hidden))
        self.gate = nn.Parameter(torch.zeros(self.heads))
        self.beside = nn.Linear(width, self.hidden, bias=False)
        nn.init.zeros_(self.beside.weight)

    def from_scratch(self) -> list[nn.Parameter]:
        return [*super().from_scratch(), *self.place.parameters(), self.gate, *self.beside.parameters()]

    def tell(self, prefix: Prefix, bias: Tensor, vectors: Tensor) -> tuple[Prefix, Tensor]:
        """A prefix and its attention bias (b, 1, 1, len) with the vectors (b, width) of its members; NaN: none."""
        known = vectors.isfinite().all(1)
        vectors = vectors.nan_to_num()
        state = self.place(vectors)[:, None]
        kept = []
        for layer, (keys, values) in zip(self.score_layers, prefix.keys_values, strict=True):
            key, value = keys_values(layer, state)
            kept.append((torch.cat((keys, key), 2), torch.cat((values, value), 2)))
        bias = torch.cat((bias, mask_bias(known[:, None].long(), bias.dtype)), -1)
        return Prefix(kept, prefix.vector + self.beside(vectors) * known[:, None]), bias

    def _attend(
        self,
        layer: nn.Module,
        hidden: Tensor,
        keys: Tensor,
        values: Tensor,
        bias: Tensor | None,
        count: int,
        tokens: int,
    ) -> Tensor:
        """As of the student, with the last place of the prefix behind its gate."""
        assert bias is not None
        texts = keys[:, :, :-1], values[:, :, :-1], bias[..., :-1]
        of_texts = super()._attend(layer, hidden, *texts, count, tokens)
        of_all = super()._attend(layer, hidden, keys, values, bias, count, tokens)
        gate = torch.tanh(OPENS * self.gate).repeat_interleave(keys.shape[-1])
        return of_texts + gate * (of_all - of_texts)


class ToldTexts(StudentTexts):
    """The training set with a vector of each list's member."""

    def __init__(
        self,
        rows: Rows,
        student: Student,
        folder: Path,
        config: StudentConfig,
        vectors: Mapping[str, np.ndarray],
        precision: Arithmetic = "auto",
    ) -> None:
        """vectors: (width,) float32 by list, NaN for none."""
        super().__init__(rows, student, folder, config, frozen_layers(student, config), precision)
        self.vectors = vectors

    def prefix(self, student: Student, lists: Sequence[np.ndarray]) -> tuple[Prefix, Tensor]:
        assert isinstance(student, ToldStudent)
        told = np.stack([self.vectors[self.rows.list_ids[of_list[0]]] for of_list in lists])
        return student.tell(*super().prefix(student, lists), to_device(told, device_of(student)))


def vectors_of_lists(folder: Path, market: Market, rows: Rows) -> dict[str, np.ndarray]:
    """By list, its member's vector as of its request from the graph teacher in a folder, NaN where there is none.

    Each number has mean 0 and deviation 1 over the training lists.
    """
    first = np.array([of_list[0] for of_list in rows.lists(np.arange(len(rows)))])
    vectors = member_vectors(folder, market, first)
    train = vectors[(rows.splits[first] == "train") & np.isfinite(vectors).all(1)].astype(np.float64)
    scaled = ((vectors - train.mean(0)) / np.maximum(train.std(0), 1e-6)).astype(np.float32)
    return dict(zip(rows.list_ids[first].tolist(), scaled, strict=True))


def students(
    workspace: Workspace, knobs: Params, rows: Rows, market: Market, rungs: Sequence[Rung], task: str
) -> dict[str, np.ndarray]:
    """Logits (n,) of a task on the test lists, NaN elsewhere, by the name of the student.

    One learns from the text teacher alone; of each rung, which answers what the text teacher does, one learns from it
    alone, and one from the same batches with the vectors of the members. All start as the text teacher.
    """
    test, config = rows.of_splits("test"), knobs.student.model_copy(update={"distil": ("click",)})
    folder = train_student(workspace, config)
    tasks = tuple(load_student(folder)[1]["tasks"])
    found = {student_of("text teacher"): float_logits(folder, rows, test)}
    for rung in rungs:
        teacher = train_teacher(workspace, "graph", knobs.teacher("graph").model_copy(update={"rung": rung}))
        answered, of_teacher = read_scores(current_scores(workspace, "graph"), rows, scored_rows(rows))
        scores = np.full((len(rows), len(tasks)), np.nan, np.float32)  # what it does not answer, labels tell
        scores[:, [tasks.index(name) for name in answered]] = of_teacher
        taught = {"distil": ("click", "graph"), "mix": {name: {"graph": 1.0} for name in answered}}
        config = knobs.student.model_copy(update=taught)
        found[student_of(rung)] = float_logits(train_student(workspace, config), rows, test)
        vectors = vectors_of_lists(teacher, market, rows)
        found[told_student(rung)] = _told_logits(workspace, config, rows, (tasks, scores), vectors, test)
    of_task = {name: np.full(len(rows), np.nan) for name in found}
    for name, logits in found.items():
        of_task[name][test] = logits[:, tasks.index(task)]
    return of_task


def _told_logits(
    workspace: Workspace,
    config: StudentConfig,
    rows: Rows,
    taught: tuple[tuple[str, ...], np.ndarray],
    vectors: Mapping[str, np.ndarray],
    chosen: np.ndarray,
) -> np.ndarray:
    """Logits (len(chosen), tasks) float32 of a student that learns with vectors what `train_student` would without.

    taught: the tasks and the teacher's logits of them (n, tasks).
    """
    tasks, scores = taught
    folder = backbone_folder(config.backbone)
    plain = untrained(workspace, config, folder, rows, tasks, scores)
    student = ToldStudent(folder, plain, len(next(iter(vectors.values())))).to(choose_device(config.device))
    learn(student, ToldTexts(rows, student, folder, config, vectors), scores, config)
    only = rows.only(chosen)
    texts = ToldTexts(only, student, folder, config, vectors, "float32")
    return student_logits(student, texts, np.arange(len(only)))
