"""The joint teacher: a cross-encoder over the full text of request and job, on a backbone of the BERT family.

The lower layers run on each text alone, once a text instead of once a pair; in the top layers every token of the job
attends to every token of the request. The request does not attend to the job, as the prefix of a decoder does not
attend to what follows: it is encoded once for all its jobs, and the student differs by its item tokens alone.

Source: PreTTR, MacAvaney et al. 2020 (arXiv 2004.14255); DeFormer, Cao et al. 2020 (arXiv 2005.00697).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_model
from torch import Tensor, nn

from contracts.errors import BadInput
from models.config import TeacherConfig
from models.layers.backbone import Backbone, TaskHead, keys_values, l2_normalize, mask_bias, mean_pool, sentence_vectors
from models.teachers.teacher_model import TeacherModel, other_shape


class RequestStates(NamedTuple):
    """b requests as the joint layers attend to them.

    Attributes:
        keys_values: Keys and values, each (b, A, len, D), of each joint layer.
        bias: (b, 1, 1, len) from `mask_bias`.
        vector: (b, H) unit vectors.
    """

    keys_values: list[tuple[Tensor, Tensor]]
    bias: Tensor
    vector: Tensor


class CrossEncoder(TeacherModel):
    """A job's tokens attend to the request and to each other, are mean-pooled, and give one logit for each task.

    Attributes:
        split: First joint layer.
        segment: (H,) added to the job's states that enter layer `split`, to mark them as the job's.
    """

    architecture = "joint"
    backbone: Backbone

    def __init__(
        self, folder: Path, tasks: tuple[str, ...], joint_layers: int, trained: bool = True, ordinal: bool = False
    ) -> None:
        """Build the model.

        Args:
            folder: Of the backbone, with its tokenizer.
            tasks: In the order of the logits.
            joint_layers: Top layers in which the job attends to the request.
            trained: As `Backbone`.
            ordinal: As `TeacherModel`.
        """
        super().__init__(tasks, ordinal)
        self.backbone = Backbone(folder, trained)
        self.split = max(0, self.backbone.depth - joint_layers)
        self.segment = nn.Parameter(torch.zeros(self.backbone.hidden))
        self.head = TaskHead(tasks, sentence_vectors(self.backbone, folder, tasks))

    def forward(
        self, requests: tuple[Tensor, Tensor], jobs: tuple[Tensor, Tensor], request: Tensor, job: Tensor, first: int = 0
    ) -> Tensor:
        """Score n pairs.

        Args:
            requests: States (texts, len, H) that enter layer `first`, and mask (texts, len); each text once.
            jobs: The same of jobs.
            request: (n,) int64 index of each pair's request in `requests`.
            job: (n,) int64 index of each pair's job in `jobs`.
            first: At most `split`.

        Returns:
            (n, tasks) float32 logits.
        """
        states = self.backbone.run(*jobs, first, self.split)
        vectors = self.encode_item(states, jobs[1])
        return self.score(self.encode_prefix(*requests, first), states[job], jobs[1][job], vectors[job], request)

    def encode_prefix(self, states: Tensor, mask: Tensor, first: int = 0) -> RequestStates:
        """Encode b requests from the states (b, len, H) that enter layer `first` and their mask (b, len)."""
        hidden, bias = self.backbone.run(states, mask, first, self.split), mask_bias(mask, states.dtype)
        kept = []
        for layer in self.backbone.layers[self.split :]:
            kept.append(keys_values(layer, hidden))
            hidden = self.backbone.step(layer, hidden, *kept[-1], bias)
        return RequestStates(kept, bias, l2_normalize(mean_pool(hidden, mask)))

    def encode_item(self, states: Tensor, mask: Tensor) -> Tensor:
        """Unit vectors (b, H) of jobs alone, from the states (b, len, H) that enter layer `split`."""
        return l2_normalize(mean_pool(self.backbone.run(states, mask, self.split), mask))

    def score(self, requests: RequestStates, states: Tensor, mask: Tensor, vectors: Tensor, request: Tensor) -> Tensor:
        """Score n pairs of encoded requests and jobs.

        Args:
            requests: From `encode_prefix`.
            states: (n, len, H) of each pair's job, as they enter layer `split`.
            mask: (n, len) of the jobs.
            vectors: (n, H) of the jobs, from `encode_item`.
            request: (n,) int64 index of each pair's request in `requests`.

        Returns:
            (n, tasks) float32 logits.
        """
        hidden = states + self.segment
        bias = torch.cat((requests.bias[request], mask_bias(mask, hidden.dtype)), -1)
        for layer, (keys, values) in zip(self.backbone.layers[self.split :], requests.keys_values, strict=True):
            own_keys, own_values = keys_values(layer, hidden)
            both = torch.cat((keys[request], own_keys), 2), torch.cat((values[request], own_values), 2)
            hidden = self.backbone.step(layer, hidden, *both, bias)
        return self.head(mean_pool(hidden, mask), requests.vector[request] * vectors)

    def head_parameters(self) -> Iterator[nn.Parameter]:
        yield from self.head.parameters()
        yield from super().head_parameters()
        yield self.segment

    def task_bias(self) -> nn.Parameter:
        return self.head.bias

    def layers(self) -> list[nn.Module]:
        return list(self.backbone.layers)

    def freeze(self, layers: int) -> None:
        self.backbone.freeze(layers)

    def enable_gradient_checkpointing(self) -> None:
        self.backbone.checkpointing = True

    def start_from(self, other: TeacherModel, where: str) -> None:
        own = f"{self.backbone.depth} of {self.backbone.hidden}"
        if not isinstance(other, CrossEncoder):
            raise other_shape(f"the architecture {other.architecture}", own, where)
        if (other.backbone.hidden, other.backbone.depth) != (self.backbone.hidden, self.backbone.depth):
            raise other_shape(f"{other.backbone.depth} layers of {other.backbone.hidden}", own, where)
        self.backbone.load_state_dict(other.backbone.state_dict())
        self.head.start_from(other.head)


def load_teacher(folder: Path) -> tuple[CrossEncoder, TeacherConfig]:
    """Load a trained joint teacher.

    Args:
        folder: Of its version, with its tokenizer.

    Returns:
        The teacher and its knobs.

    Raises:
        BadInput: The teacher has another architecture, and so shares no layer with a student.
    """
    about = json.loads((folder / "teacher.json").read_text())
    if (architecture := about.get("architecture", CrossEncoder.architecture)) != CrossEncoder.architecture:
        raise BadInput(f"the teacher's architecture is {architecture}", where=str(folder), cure="set warm_start: false")
    config = TeacherConfig.model_validate(about["config"])
    ordinal = config.targets == "ordinal"
    model = CrossEncoder(folder, tuple(about["tasks"]), config.joint_layers, trained=False, ordinal=ordinal)
    load_model(model, str(folder / "model.safetensors"))
    return model.eval(), config
