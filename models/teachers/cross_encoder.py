"""The joint teacher: a cross-encoder over the full text of request and job, on a backbone of the BERT family.

The lower layers run on each text alone, once a text instead of once a pair; in the top layers every token of the job
attends to every token of the request. The request does not attend to the job, as the prefix of a decoder does not
attend to what follows: it is encoded once for all its jobs, and the student differs by its item tokens alone.

Source: PreTTR, MacAvaney et al. 2020 (arXiv 2004.14255); DeFormer, Cao et al. 2020 (arXiv 2005.00697).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_model
from torch import Tensor, nn

from contracts.errors import BadInput
from contracts.match import SIZES, offsets
from models.config import TeacherConfig
from models.layers.backbone import Backbone, TaskHead, keys_values, l2_normalize, mask_bias, mean_pool, sentence_vectors
from models.teachers.teacher_model import TeacherModel, other_shape, stored_config

READING_WIDTH = 256
"""Numbers in a layer of `MatchReading`."""


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


class MatchReading(nn.Module):
    """A second reading of a pair, of both texts' vectors and of the match: an additive embedding of the bins.

    It costs next to nothing a pair, so it learns from every graded pair, where the layers in which the texts attend to
    each other can read a few thousand. Its logit is mixed with theirs.

    Attributes:
        mix: (3,) weights of the joint logit and of its own, and a constant; (1, 0, 0) until it has learned.
    """

    offsets: Tensor

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.bins = nn.Embedding(sum(SIZES), READING_WIDTH)
        nn.init.normal_(self.bins.weight, std=0.02)
        self.texts = nn.Linear(4 * hidden, READING_WIDTH)
        self.inner = nn.Linear(READING_WIDTH, READING_WIDTH)
        self.out = nn.Linear(READING_WIDTH, 1)
        self.mix = nn.Parameter(torch.tensor([1.0, 0.0, 0.0]), requires_grad=False)
        self.register_buffer("offsets", torch.from_numpy(offsets()), persistent=False)

    def forward(self, request: Tensor, job: Tensor, match: Tensor) -> Tensor:
        """Logits (n,) float32 of n pairs: unit vectors (n, H) of both texts, and bins (n, C) of any integer type."""
        both = torch.cat((request * job, (request - job).abs(), request, job), -1) * math.sqrt(request.shape[-1])
        hidden = nn.functional.gelu(self.texts(both) + self.bins(match.long() + self.offsets).sum(-2))
        logits: Tensor = self.out(nn.functional.gelu(self.inner(hidden)))[:, 0]
        return logits.float()

    def leave_out(self) -> None:
        """Keep it from learning and from having a say."""
        self.requires_grad_(False)
        self.mix.copy_(self.mix.new_tensor([1.0, 0.0, 0.0]))

    def mixed(self, joint: Tensor, own: Tensor) -> Tensor:
        """(n,) of the joint logits (n,) and its own (n,)."""
        return self.mix[0] * joint + self.mix[1] * own + self.mix[2]


class CrossEncoder(TeacherModel):
    """A job's tokens attend to the request and to each other, are mean-pooled, and give one logit for each task.

    Relevance is mixed with a second reading of the pair, `MatchReading`, which knows what both have in common.

    Attributes:
        split: First joint layer.
        segment: (H,) added to the job's states that enter layer `split`, to mark them as the job's.
        reading: The second reading; None where the match is not read.
    """

    architecture = "joint"
    backbone: Backbone

    def __init__(
        self,
        folder: Path,
        tasks: tuple[str, ...],
        joint_layers: int,
        trained: bool = True,
        ordinal: bool = False,
        match: bool = False,
    ) -> None:
        """Build the model.

        Args:
            folder: Of the backbone, with its tokenizer.
            tasks: In the order of the logits.
            joint_layers: Top layers in which the job attends to the request.
            trained: As `Backbone`.
            ordinal: As `TeacherModel`.
            match: Whether the match of a pair is read; by a teacher that answers relevance by soft targets.
        """
        super().__init__(tasks, ordinal)
        self.backbone = Backbone(folder, trained)
        self.split = max(0, self.backbone.depth - joint_layers)
        self.segment = nn.Parameter(torch.zeros(self.backbone.hidden))
        self.head = TaskHead(tasks, sentence_vectors(self.backbone, folder, tasks))
        is_read = match and not ordinal and "relevance" in tasks
        self.reading = MatchReading(self.backbone.hidden) if is_read else None

    def forward(
        self,
        requests: tuple[Tensor, Tensor],
        jobs: tuple[Tensor, Tensor],
        request: Tensor,
        job: Tensor,
        first: int = 0,
        match: Tensor | None = None,
        beside: Any = None,
    ) -> Tensor:
        """Score n pairs.

        Args:
            requests: States (texts, len, H) that enter layer `first`, and mask (texts, len); each text once.
            jobs: The same of jobs.
            request: (n,) int64 index of each pair's request in `requests`.
            job: (n,) int64 index of each pair's job in `jobs`.
            first: At most `split`.
            match: (n, C) bins of each pair, None where nothing is known; not read by a teacher without a match.
            beside: What else is known of the pairs, for a subclass.

        Returns:
            (n, tasks) float32 logits.
        """
        states = self.backbone.run(*jobs, first, self.split)
        vectors = self.encode_item(states, jobs[1])
        prefix = self.encode_prefix(*requests, first)
        return self.score(prefix, states[job], jobs[1][job], vectors[job], request, match, beside)

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

    def score(
        self,
        requests: RequestStates,
        states: Tensor,
        mask: Tensor,
        vectors: Tensor,
        request: Tensor,
        match: Tensor | None = None,
        beside: Any = None,
    ) -> Tensor:
        """Score n pairs of encoded requests and jobs.

        Args:
            requests: From `encode_prefix`.
            states: (n, len, H) of each pair's job, as they enter layer `split`.
            mask: (n, len) of the jobs.
            vectors: (n, H) of the jobs, from `encode_item`.
            request: (n,) int64 index of each pair's request in `requests`.
            match: As in `forward`.
            beside: As in `forward`.

        Returns:
            (n, tasks) float32 logits.
        """
        hidden = states + self.segment
        bias = torch.cat((requests.bias[request], mask_bias(mask, hidden.dtype)), -1)
        for number, (keys, values) in enumerate(requests.keys_values, self.split):
            own_keys, own_values = keys_values(self.backbone.layers[number], hidden)
            both = torch.cat((keys[request], own_keys), 2), torch.cat((values[request], own_values), 2)
            hidden = self.joint_step(number, hidden, *both, bias, beside)
        logits: Tensor = self.head(mean_pool(hidden, mask), requests.vector[request] * vectors)
        if self.reading is None:
            return logits
        bins = torch.zeros_like(request)[:, None].expand(-1, len(SIZES)) if match is None else match
        column = self.tasks.index("relevance")
        mixed = self.reading.mixed(logits[:, column], self.reading(requests.vector[request], vectors, bins))
        return torch.cat((logits[:, :column], mixed[:, None], logits[:, column + 1 :]), 1)

    def joint_step(
        self, number: int, hidden: Tensor, keys: Tensor, values: Tensor, bias: Tensor, beside: Any
    ) -> Tensor:
        """Run layer `number` over the jobs' states (n, len, H), which attend to both texts; the rest as `run_layer`."""
        return self.backbone.step(self.backbone.layers[number], hidden, keys, values, bias)

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
    config = stored_config(about)
    tasks, ordinal = tuple(about["tasks"]), config.targets == "ordinal"
    model = CrossEncoder(folder, tasks, config.joint_layers, trained=False, ordinal=ordinal, match=config.match)
    load_model(model, str(folder / "model.safetensors"))
    return model.eval(), config
