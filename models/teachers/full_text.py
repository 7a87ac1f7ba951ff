"""Teachers that read request and job as one text, on a Hugging Face backbone of any family.

Every layer attends to both texts, so every pair costs the tokens of both. An encoder gives the logits of all tasks in
one pass; a decoder gets one prompt for each task and answers by the next token, yes or no.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_model
from torch import Tensor, nn

from contracts.tasks import TASKS
from contracts.text.token_ids import open_tokenizer
from models.config import TeacherConfig
from models.layers.backbone import TaskHead, l2_normalize, mean_pool
from models.layers.decoder import answer_margin
from models.layers.folder import longest_text, open_pretrained
from models.teachers.prompts import Frame, answer_ids, decoder_frame, encoder_frame
from models.teachers.teacher_model import TeacherModel, other_shape, stored_config

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class WholeBackbone(TeacherModel):
    """A teacher on a backbone that transformers runs as one."""

    backbone: PreTrainedModel

    @property
    def longest(self) -> int | None:
        """Most tokens of a prompt; None where there is no limit."""
        return longest_text(self.backbone.config)

    def layers(self) -> list[nn.Module]:
        return list(layer_stack(self.backbone))

    def units(self) -> list[nn.Module]:
        return self.layers()

    def freeze(self, layers: int) -> None:
        if layers:
            self.backbone.get_input_embeddings().requires_grad_(False)
        for layer in self.layers()[:layers]:
            layer.requires_grad_(False)

    def enable_gradient_checkpointing(self) -> None:
        self.backbone.activation_checkpointing_enable({"use_reentrant": False})

    def start_from(self, other: TeacherModel, where: str) -> None:
        own, others = _sizes(self.backbone), _sizes(other.backbone) if isinstance(other, WholeBackbone) else ""
        if other.architecture != self.architecture or own != others:
            raise other_shape(f"{others} ({other.architecture})".strip(), own, where)
        self.backbone.load_state_dict(other.backbone.state_dict())


class FullText(WholeBackbone):
    """A teacher over the joined text of request and job.

    Attributes:
        frame: Token ids before, between and after the two texts.
    """

    frame: Frame

    @abstractmethod
    def forward(self, ids: Tensor, mask: Tensor, segments: Tensor) -> Tensor:
        """Score n pairs.

        Args:
            ids: Token ids, from `prompts.PromptTexts.batch` with this model's frame, as are the other two.
            mask: Of the shape of `ids`, 1 for a token, 0 for padding.
            segments: Of the shape of `ids`, 1 in the request, 2 in the job, 0 elsewhere.

        Returns:
            (n, tasks) float32 logits.
        """


class FullTextEncoder(FullText):
    """A plain cross-encoder: a `TaskHead` reads the mean of all tokens, and the means of request and of job.

    Source: Nogueira and Cho 2019 (arXiv 1901.04085).
    """

    architecture = "encoder"

    def __init__(
        self,
        folder: Path,
        tasks: tuple[str, ...],
        ordinal: bool = False,
        trained: bool = True,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        from transformers import AutoModel

        super().__init__(tasks, ordinal)
        self.backbone = open_pretrained(AutoModel, folder, dtype, trained)
        self.frame = encoder_frame(folder)
        self.head = TaskHead(tasks, self._sentences(folder))
        self._types = getattr(self.backbone.config, "type_vocab_size", 0) > 1

    def forward(self, ids: Tensor, mask: Tensor, segments: Tensor) -> Tensor:
        types = {"token_type_ids": _types(segments, mask)} if self._types else {}
        hidden = self.backbone(input_ids=ids, attention_mask=mask, **types).last_hidden_state.float()
        request, job = (l2_normalize(mean_pool(hidden, segments == side)) for side in (1, 2))
        return self.head(mean_pool(hidden, mask), request * job)

    def head_parameters(self) -> Iterator[nn.Parameter]:
        yield from self.head.parameters()
        yield from super().head_parameters()

    def task_bias(self) -> nn.Parameter:
        return self.head.bias

    def start_from(self, other: TeacherModel, where: str) -> None:
        super().start_from(other, where)
        assert isinstance(other, FullTextEncoder)
        self.head.start_from(other.head)

    def _sentences(self, folder: Path) -> Tensor:
        """Unit vectors (tasks, H) of the tasks' sentences by the untrained backbone."""
        tokenizer = open_tokenizer(folder, 64)
        with torch.no_grad():
            sentences = [torch.tensor([tokenizer.encode(TASKS[task]).ids]) for task in self.tasks]
            vectors = [self.backbone(input_ids=ids).last_hidden_state[0].float().mean(0) for ids in sentences]
        return l2_normalize(torch.stack(vectors))


class FullTextDecoder(FullText):
    """A language model whose prompt puts each task as a question: logit = logit(yes) - logit(no) + bias.

    The logits are those of the answer's first token; of the output layer only these two rows are computed.

    Source: monoT5, Nogueira et al. 2020 (arXiv 2003.06713).
    """

    architecture = "decoder"

    def __init__(
        self,
        folder: Path,
        tasks: tuple[str, ...],
        ordinal: bool = False,
        trained: bool = True,
        dtype: torch.dtype = torch.float32,
        frame: Frame | None = None,
        words: tuple[int, int] | None = None,
    ) -> None:
        """Build the model.

        Args:
            folder: Of the backbone, with its tokenizer.
            tasks: In the order of the logits.
            ordinal: As `TeacherModel`.
            trained: Load the folder's weights.
            dtype: Of the backbone's weights.
            frame: Of a stored teacher, whose folder has no chat template; None: made from the folder's.
            words: Token ids of yes and no of a stored teacher; None: from the folder's tokenizer.
        """
        from transformers import AutoModelForCausalLM

        super().__init__(tasks, ordinal)
        self.backbone = open_pretrained(AutoModelForCausalLM, folder, dtype, trained)
        self.frame = frame or decoder_frame(folder, tasks)
        self.words = words or answer_ids(folder)
        self.bias = nn.Parameter(torch.zeros(len(tasks)))

    def forward(self, ids: Tensor, mask: Tensor, segments: Tensor) -> Tensor:
        margin = answer_margin(self.backbone, ids, mask, self.words)
        return margin.unflatten(0, (-1, len(self.tasks))) + self.bias

    def about(self) -> dict[str, Any]:
        return {"frame": self.frame, "words": self.words}

    def head_parameters(self) -> Iterator[nn.Parameter]:
        yield self.bias
        yield from super().head_parameters()

    def task_bias(self) -> nn.Parameter:
        return self.bias


ARCHITECTURES: dict[str, type[FullTextEncoder] | type[FullTextDecoder]] = {
    "encoder": FullTextEncoder,
    "decoder": FullTextDecoder,
}


def load_full_text(folder: Path) -> tuple[FullText, TeacherConfig]:
    """Load a trained full-text teacher from the folder of its version; return it with its knobs."""
    about = json.loads((folder / "teacher.json").read_text())
    config = stored_config(about)
    tasks, ordinal = tuple(about["tasks"]), config.targets == "ordinal"
    model: FullText
    if about["architecture"] == "decoder":
        frame, words = Frame(*about["frame"]), tuple(about["words"])
        model = FullTextDecoder(folder, tasks, ordinal, trained=False, frame=frame, words=words)
    else:
        model = FullTextEncoder(folder, tasks, ordinal, trained=False)
    load_model(model, str(folder / "model.safetensors"))
    return model.eval(), config


def layer_stack(backbone: PreTrainedModel) -> nn.ModuleList:
    """The layers of a backbone, lowest first, as the backbone holds them."""
    depth = backbone.config.num_hidden_layers
    stacks = (part for part in backbone.modules() if isinstance(part, nn.ModuleList) and len(part) == depth)
    return next(stacks)


def _types(segments: Tensor, mask: Tensor) -> Tensor:
    """Token types of a pair of texts: 0 up to the job's first token, 1 from there on."""
    return (torch.cumsum(segments == 2, 1) > 0).long() * mask


def _sizes(backbone: PreTrainedModel) -> str:
    config = backbone.config
    return f"{config.num_hidden_layers} layers of {config.hidden_size} ({config.model_type})"
