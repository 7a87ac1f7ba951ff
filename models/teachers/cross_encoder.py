"""The joint teacher: a cross-encoder over the full text of request and job, on a backbone of the BERT family.

Lower layers read each text by itself, in the top ones every token of the job attends to every token of the request
(PreTTR, MacAvaney et al. 2020; DeFormer, Cao et al. 2020). A backbone tuned on single texts has learned nothing of
pairs below, and a text is read once and not once a pair. As in a decoder with the request as its prefix, the request
does not attend to the job: it is read once for all its jobs, and the student differs by its item tokens alone.
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
    """What is kept of b requests: keys and values (b, A, len, D) of each joint layer, the bias (b, 1, 1, len) of their
    padding, and unit vectors (b, H)."""

    keys_values: list[tuple[Tensor, Tensor]]
    bias: Tensor
    vector: Tensor


class CrossEncoder(TeacherModel):
    """Tokens of a job attend to the request and to each other, are mean-pooled, and end in one logit a task.

    segment: added to the job's tokens where the texts meet, so that layers can tell them from the request's.
    """

    architecture = "joint"
    backbone: Backbone

    def __init__(
        self, folder: Path, tasks: tuple[str, ...], joint_layers: int, trained: bool = True, ordinal: bool = False
    ) -> None:
        super().__init__(tasks, ordinal)
        self.backbone = Backbone(folder, trained)
        self.split = max(0, self.backbone.depth - joint_layers)
        self.segment = nn.Parameter(torch.zeros(self.backbone.hidden))
        self.head = TaskHead(tasks, sentence_vectors(self.backbone, folder, tasks))

    def forward(
        self, requests: tuple[Tensor, Tensor], jobs: tuple[Tensor, Tensor], request: Tensor, job: Tensor, first: int = 0
    ) -> Tensor:
        """Logits (n, tasks) float32 of n pairs.

        requests, jobs: states (texts, len, H) that enter layer `first` (not above the joint layers) and mask (texts,
        len), each text once; request, job: (n,) int64, which of them a pair has.
        """
        read = self.backbone.run(*jobs, first, self.split)
        alone = self.encode_item(read, jobs[1])
        return self.score(self.encode_prefix(*requests, first), read[job], jobs[1][job], alone[job], request)

    def encode_prefix(self, states: Tensor, mask: Tensor, first: int = 0) -> RequestStates:
        """What pairs need of b requests, from the states (b, len, H) that enter layer `first`."""
        hidden, bias = self.backbone.run(states, mask, first, self.split), mask_bias(mask, states.dtype)
        kept = []
        for layer in self.backbone.layers[self.split :]:
            kept.append(keys_values(layer, hidden))
            hidden = self.backbone.step(layer, hidden, *kept[-1], bias)
        return RequestStates(kept, bias, l2_normalize(mean_pool(hidden, mask)))

    def encode_item(self, read: Tensor, mask: Tensor) -> Tensor:
        """Unit vectors (b, H) of jobs read by themselves to the end, from the states (b, len, H) that enter `split`."""
        return l2_normalize(mean_pool(self.backbone.run(read, mask, self.split), mask))

    def score(self, asked: RequestStates, read: Tensor, mask: Tensor, alone: Tensor, request: Tensor) -> Tensor:
        """Logits (n, tasks) float32 of n pairs.

        read, mask: states (n, len, H) and mask (n, len) of their jobs where the texts meet, alone: (n, H) from `alone`;
        request: (n,) int64, which of those asked a pair has.
        """
        offered = read + self.segment
        bias = torch.cat((asked.bias[request], mask_bias(mask, offered.dtype)), -1)
        for layer, (keys, values) in zip(self.backbone.layers[self.split :], asked.keys_values, strict=True):
            own_keys, own_values = keys_values(layer, offered)
            both = torch.cat((keys[request], own_keys), 2), torch.cat((values[request], own_values), 2)
            offered = self.backbone.step(layer, offered, *both, bias)
        return self.head(mean_pool(offered, mask), asked.vector[request] * alone)

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
    """A trained joint teacher and its knobs, from the folder of its version (where its tokenizer lies as well).

    Raises BadInput for a teacher of another architecture, which shares no layer with a student.
    """
    about = json.loads((folder / "teacher.json").read_text())
    if (found := about.get("architecture", CrossEncoder.architecture)) != CrossEncoder.architecture:
        raise BadInput(f"the teacher's architecture is {found}", where=str(folder), cure="set warm_start: false")
    config = TeacherConfig.model_validate(about["config"])
    ordinal = config.targets == "ordinal"
    model = CrossEncoder(folder, tuple(about["tasks"]), config.joint_layers, trained=False, ordinal=ordinal)
    load_model(model, str(folder / "model.safetensors"))
    return model.eval(), config
