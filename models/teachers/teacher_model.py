"""The base of the teachers' models: tasks, position bias, thresholds of ordinal grades."""

from __future__ import annotations

import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import save_model
from torch import Tensor, nn

from contracts.errors import BadInput
from models.config import LoraConfig, TeacherConfig
from models.layers.lora import add_adapters
from models.training.losses import GRADE_STEPS

POSITIONS = 32
"""Positions of a list with a logit of their own; later ones share the last."""


class TeacherModel(nn.Module, ABC):
    """A model whose forward gives logits (n, tasks) float32 of n pairs, which `answers` turns into the stored scores.

    Attributes:
        tasks: In the order of the logits.
        position: A logit for each (position, task), added in training and left out in scoring: it absorbs the effect
            of the position at which a job was shown.
        thresholds: (4,) of ordinal grades, P(grade > k) = sigmoid(logit + thresholds[k]); None for soft targets.

    Source: PAL, Guo et al. (RecSys 2019), with an added logit in place of the product; CORAL, Cao, Mirjalili and
    Raschka 2020 (arXiv 1901.07884).
    """

    architecture: ClassVar[str]
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
        """Logits (n, tasks) of the tasks' probabilities, from the raw logits (n, tasks) of `forward`.

        Of ordinal grades the probability is the mean of P(grade > k) over k, which is the expected grade / 4.
        """
        if self.thresholds is None:
            return logits
        column = self.tasks.index("relevance")
        above = torch.sigmoid(logits[:, column, None].float() + self.thresholds).mean(-1)
        answered = logits.clone()
        answered[:, column] = torch.logit(above.clamp(1e-6, 1 - 1e-6))
        return answered

    def init_bias_to_prior(self, rates: Tensor, above: Tensor) -> None:
        """Set the biases from base rates.

        Args:
            rates: (tasks,) means of the targets.
            above: (4,) P(grade > k); read for ordinal grades only.
        """
        with torch.no_grad():
            self.task_bias().copy_(torch.logit(rates.clamp(0.01, 0.99)))
            if self.thresholds is not None:
                column = self.tasks.index("relevance")
                self.thresholds.copy_(torch.logit(above.clamp(0.01, 0.99)) - self.task_bias()[column])

    def head_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters that have no pretrained start."""
        yield from self.position.parameters()
        if self.thresholds is not None:
            yield self.thresholds

    @abstractmethod
    def task_bias(self) -> nn.Parameter:
        """(tasks,) constants of the logits."""

    @abstractmethod
    def layers(self) -> list[nn.Module]:
        """The backbone's layers, lowest first."""

    @abstractmethod
    def freeze(self, layers: int) -> None:
        """Exclude the embeddings and the lowest `layers` layers from training; 0 leaves all trainable."""

    @abstractmethod
    def enable_gradient_checkpointing(self) -> None:
        """Compute a layer's activations again in the backward pass (Chen et al. 2016, arXiv 1604.06174)."""

    def units(self) -> list[nn.Module]:
        """Modules that run by being called as a whole, so that their weights may be gathered one module at a time."""
        return []

    def adapt(self, knobs: LoraConfig, frozen: int) -> None:
        """Freeze the backbone and add trainable adapters to its layers from `frozen` on, until `merge_adapters`.

        Raises:
            BadInput: No layer is left for them, or none has a layer of such a name.
        """
        if frozen >= len(self.layers()):
            what = f"all {frozen} layers stay as they are, and no adapter has a place"
            raise BadInput(what, where="frozen_layers", cure="lower frozen_layers, or set lora: null")
        self.backbone.requires_grad_(False)
        add_adapters(nn.ModuleList(self.layers()[frozen:]), knobs)

    def about(self) -> dict[str, Any]:
        """Further entries of `teacher.json` that loading needs."""
        return {}

    @abstractmethod
    def start_from(self, other: TeacherModel, where: str) -> None:
        """Copy the weights of another teacher; a task that it lacks starts as the mean of those it has.

        Args:
            other: The trained teacher.
            where: Its folder, for the error.

        Raises:
            BadInput: Its shape is another one.
        """


def save_teacher(out: Path, model: TeacherModel, config: TeacherConfig, backbone: Path) -> None:
    """Write a teacher with the configuration and tokenizer of its backbone's folder."""
    out.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(backbone / name, out)
    save_model(model, str(out / "model.safetensors"))
    about = {"tasks": model.tasks, "architecture": model.architecture, "config": config.model_dump(mode="json")}
    about |= model.about()
    (out / "teacher.json").write_text(json.dumps(about, indent=2))


def stored_config(about: Mapping[str, Any]) -> TeacherConfig:
    """The knobs in a `teacher.json`; a teacher that was stored before there was a match does not read it."""
    return TeacherConfig.model_validate({"match": False} | about["config"])


def other_shape(others: str, own: str, where: str) -> BadInput:
    """The error of a teacher to start from whose shape (`others`) is not `own`; where: its folder."""
    return BadInput(
        f"the teacher to start from has {others}, this backbone {own}",
        where=where,
        cure="give both teachers one backbone, or set warm_start: false",
    )
