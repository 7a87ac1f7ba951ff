"""What every teacher's model has, whatever reads the texts: tasks, logits of positions, thresholds of grades."""

from __future__ import annotations

import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import save_model
from torch import Tensor, nn

from contracts.errors import BadInput
from models.config import Architecture, LoraConfig, TeacherConfig
from models.layers.lora import add_adapters
from models.training.losses import GRADE_STEPS

POSITIONS = 32
"""Places of a list with a logit of their own; later ones share the last."""


class TeacherModel(nn.Module, ABC):
    """A model whose forward gives logits (n, tasks) float32 of n pairs; `answers` makes of them what is stored.

    position: an additive logit a (position, task) that takes up how far a job was looked at; it is learned beside the
    rest and left out when scoring, so that scores are of the job and not of its place (PAL, Guo et al. 2019, with the
    logit in place of the product).
    thresholds: (4,) for ordinal grades: P(grade > k) = sigmoid(logit + thresholds[k]), one logit for all four (CORAL,
    Cao, Mirjalili and Raschka 2020). None for soft ones.
    """

    architecture: ClassVar[Architecture]
    backbone: nn.Module
    position: nn.Embedding
    thresholds: nn.Parameter | None

    def __init__(self, tasks: tuple[str, ...], ordinal: bool = False) -> None:
        super().__init__()
        self.tasks = tasks
        self.position = nn.Embedding.from_pretrained(torch.zeros(POSITIONS, len(tasks)), freeze=False)
        steps = nn.Parameter(torch.zeros(GRADE_STEPS)) if ordinal and "relevance" in tasks else None
        self.register_parameter("thresholds", steps)

    def answers(self, logits: Tensor) -> Tensor:
        """Logits (n, tasks) of the tasks' probabilities; of ordinal grades the mean of P(grade > k), which is the
        expected grade / 4."""
        if self.thresholds is None:
            return logits
        column = self.tasks.index("relevance")
        above = torch.sigmoid(logits[:, column, None].float() + self.thresholds).mean(-1)
        answered = logits.clone()
        answered[:, column] = torch.logit(above.clamp(1e-6, 1 - 1e-6))
        return answered

    def init_bias_to_prior(self, rates: Tensor, above: Tensor) -> None:
        """Start at the base rates (tasks,) of the targets and, of ordinal grades, at P(grade > k), (4,)."""
        with torch.no_grad():
            self.task_bias().copy_(torch.logit(rates.clamp(0.01, 0.99)))
            if self.thresholds is not None:
                column = self.tasks.index("relevance")
                self.thresholds.copy_(torch.logit(above.clamp(0.01, 0.99)) - self.task_bias()[column])

    def head_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters that start from scratch."""
        yield from self.position.parameters()
        if self.thresholds is not None:
            yield self.thresholds

    @abstractmethod
    def task_bias(self) -> nn.Parameter:
        """(tasks,): what is added to every logit of a task."""

    @abstractmethod
    def layers(self) -> list[nn.Module]:
        """The backbone's layers, lowest first."""

    @abstractmethod
    def freeze(self, layers: int) -> None:
        """Hold the embeddings and the lowest `layers` layers fixed; 0 leaves everything trainable."""

    @abstractmethod
    def enable_gradient_checkpointing(self) -> None:
        """Compute what is inside a layer again in the backward pass (gradient checkpointing, Chen et al. 2016)."""

    def units(self) -> list[nn.Module]:
        """Parts that are always run as a whole, by being called: their weights may be gathered one after another."""
        return []

    def adapt(self, knobs: LoraConfig, frozen: int) -> None:
        """Fix the backbone and train adapters of its layers from `frozen` on; `merge_adapters` ends it."""
        self.backbone.requires_grad_(False)
        add_adapters(nn.ModuleList(self.layers()[frozen:]), knobs)

    def about(self) -> dict[str, Any]:
        """What else `teacher.json` has to hold."""
        return {}

    @abstractmethod
    def start_from(self, other: TeacherModel, where: str) -> None:
        """Take what another teacher has learned; a task that it lacks starts as the mean of those it has.

        Raises BadInput for a model of another shape; where: its folder.
        """


def save_teacher(out: Path, model: TeacherModel, config: TeacherConfig, backbone: Path) -> None:
    """Write a teacher so that it can be loaded with nothing else."""
    out.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(backbone / name, out)
    save_model(model, str(out / "model.safetensors"))
    about = {"tasks": model.tasks, "architecture": model.architecture, "config": config.model_dump(mode="json")}
    about |= model.about()
    (out / "teacher.json").write_text(json.dumps(about, indent=2))


def other_shape(found: str, own: str, where: str) -> BadInput:
    return BadInput(
        f"the teacher to start from has {found}, this backbone {own}",
        where=where,
        cure="give both teachers one backbone, or set warm_start: false",
    )
