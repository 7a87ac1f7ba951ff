"""The model of the decoder teacher: a language model that is asked several tasks about several jobs in one prompt."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_model
from torch import Tensor, nn

from contracts.errors import BadInput
from contracts.text.verbalizer import Percentiles
from models.config import DecoderConfig
from models.layers.folder import open_pretrained
from models.layers.packing import Packed, Prompt, pack, packed_margins, require_packing
from models.teachers.full_text import WholeBackbone, layer_stack
from models.teachers.prompts import answer_ids
from models.teachers.verbal import SHOTS, Asker, VerbalFrame, Verbalized, fit_numbers, verbal_frame
from models.training.device import device_of
from models.training.rows import Rows

if TYPE_CHECKING:
    from transformers import PreTrainedModel

log = logging.getLogger("rolecall")

PROMPTS_AT_ONCE = 4
"""Prompts of a batch in scoring."""


class PackedDecoder(WholeBackbone):
    """Logit of a task = logit(yes) - logit(no) after its question + bias, in float32 whatever the backbone's precision.

    Attributes:
        frame: Token ids around what is said.
        words: Token ids of yes and no.
        depth: Layers that are kept.
        numbers: Break points of the percentile tags.

    Source: 360Brew (arXiv 2501.16450); monoT5, Nogueira et al. 2020 (arXiv 2003.06713).
    """

    architecture = "packed"

    def __init__(
        self,
        backbone: PreTrainedModel,
        tasks: tuple[str, ...],
        frame: VerbalFrame,
        words: tuple[int, int],
        numbers: Percentiles,
        ordinal: bool = False,
    ) -> None:
        super().__init__(tasks, ordinal)
        self.backbone, self.frame, self.words, self.numbers = backbone, frame, words, numbers
        self.bias = nn.Parameter(torch.zeros(len(tasks)))

    @classmethod
    def begin(
        cls, folder: Path, sentences: Mapping[str, str], config: DecoderConfig, dtype: torch.dtype = torch.float32
    ) -> PackedDecoder:
        """The untrained teacher.

        Args:
            folder: Of a decoder, from `complete_folder`.
            sentences: Task -> question, in the order of the logits.
            config: Its depth and its targets.
            dtype: Of the backbone's weights.

        Raises:
            BadInput: The folder holds no decoder that reads packed questions, or one with fewer layers than `depth`.
        """
        from transformers import AutoModelForCausalLM

        backbone = open_pretrained(AutoModelForCausalLM, folder, dtype)
        keep_layers(backbone, config.depth, str(folder))
        words = answer_ids(folder)
        require_packing(backbone.eval(), words, str(folder))
        frame = verbal_frame(folder, list(sentences.values()))
        return cls(backbone, tuple(sentences), frame, words, Percentiles(), config.targets == "ordinal")

    def asking(self, folder: Path, sentences: Mapping[str, str]) -> PackedDecoder:
        """The same weights asked something else, without a word of training on it.

        Args:
            folder: Of the backbone, with its chat template.
            sentences: Task -> question.
        """
        frame = verbal_frame(folder, list(sentences.values()))
        return PackedDecoder(self.backbone, tuple(sentences), frame, self.words, self.numbers).eval()

    def forward(self, packed: Packed, task: Tensor) -> Tensor:
        """Logits (q,) float32 of the questions of packed prompts; task: (q,) int64, the number of each one's task."""
        return packed_margins(self.backbone, packed, self.words) + self.bias[task]

    def about(self) -> dict[str, Any]:
        depth, numbers = self.backbone.config.num_hidden_layers, self.numbers.model_dump(mode="json")
        return {"frame": self.frame, "words": self.words, "depth": depth, "numbers": numbers}

    def head_parameters(self) -> Iterator[nn.Parameter]:
        yield self.bias
        yield from super().head_parameters()

    def task_bias(self) -> nn.Parameter:
        return self.bias


class PackedPairs:
    """The pairs of a training set as prompts: jobs of one list share a trunk, a few jobs a prompt."""

    def __init__(
        self,
        rows: Rows,
        model: PackedDecoder,
        folder: Path,
        config: DecoderConfig,
        askers: Mapping[str, Asker],
        asked: np.ndarray | None = None,
    ) -> None:
        """Take the pairs.

        Args:
            rows: The pairs.
            model: Scores them; its `numbers` are fitted to the training split where they are not known.
            folder: With the tokenizer.
            config: Budgets, history and styles.
            askers: List id -> who asks.
            asked: (n, tasks of the model) bool, what is asked in training; None: everything.
        """
        self.rows, self.model, self._config, self._askers = rows, model, config, askers
        self._asked = np.ones((len(rows), len(model.tasks)), bool) if asked is None else asked
        self._match = rows.match if config.match else np.zeros_like(rows.match)
        self._views = rows.views
        if not model.numbers.breaks:
            train = rows.of_splits("train")
            of_lists = [len(askers[name].shots) for name in np.unique(rows.list_ids[train]).tolist()]
            model.numbers = fit_numbers(of_lists, self._views[train].tolist())
        self.texts = Verbalized(folder, model.frame, config, model.numbers, model.longest)
        self._drawn = np.random.default_rng(config.seed)

    def logits(self, chosen: np.ndarray) -> Tensor:
        """As `TeacherPairs.logits`, of what is asked; 0 elsewhere. Style and length of the history are drawn."""
        prompts, order, tasks = [], [], []
        for rows in self._chunks(chosen):
            style = int(self._drawn.integers(self._config.styles))
            shots = int(self._drawn.choice([n for n in (*SHOTS, self._config.shots) if n <= self._config.shots]))
            which = [np.flatnonzero(self._asked[chosen[row]]) for row in rows]
            asked = [(row, of_row) for row, of_row in zip(rows, which, strict=True) if len(of_row)]
            if not asked:
                continue
            prompts.append(self._prompt(chosen[[row for row, _ in asked]], [of for _, of in asked], style, shots))
            order += [row for row, of_row in asked for _ in of_row]
            tasks += [int(task) for _, of_row in asked for task in of_row]
        if prompts:
            return self._answered(prompts, order, tasks, len(chosen))
        # Nothing is asked here, yet the model runs, since processes that share its weights gather them together.
        return self._answered([self._prompt(chosen[:1], [np.zeros(1, np.int64)], 0, 0)], [0], [0], len(chosen)) * 0.0

    def scores(self, chosen: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
        """As `TeacherPairs.scores`: in the first style, with all `shots`."""
        every = np.arange(len(self.model.tasks))
        chunks = sorted(self._chunks(chosen), key=len)  # of like length, to pad little
        for start in range(0, len(chunks), PROMPTS_AT_ONCE):
            batch = chunks[start : start + PROMPTS_AT_ONCE]
            prompts = [self._prompt(chosen[rows], [every] * len(rows), 0, self._config.shots) for rows in batch]
            flat = np.concatenate(batch)
            order, tasks = np.repeat(np.arange(len(flat)), len(every)), np.tile(every, len(flat))
            logits = self._answered(prompts, order.tolist(), tasks.tolist(), len(flat))
            yield chosen[flat], self.model.answers(logits)
        self.texts.report()

    def _chunks(self, chosen: np.ndarray) -> list[np.ndarray]:
        """Places in `chosen` of the jobs of each prompt: of one list, at most so many."""
        _, first, which = np.unique(self.rows.list_ids[chosen], return_index=True, return_inverse=True)
        size, chunks = self._config.jobs_a_prompt, []
        for number in np.argsort(first):
            places = np.flatnonzero(which == number)
            chunks += [places[start : start + size] for start in range(0, len(places), size)]
        return chunks

    def _prompt(self, rows: np.ndarray, tasks: Sequence[np.ndarray], style: int, shots: int) -> Prompt:
        """The prompt of some rows of one list, each with its tasks."""
        asker = self._askers[str(self.rows.list_ids[rows[0]])]
        items = [
            self.texts.item(
                asker.item_label,
                self.rows.jobs[self.rows.job[row]],
                self._match[row],
                float(self._views[row]),
                style,
                of_row.tolist(),
            )
            for row, of_row in zip(rows, tasks, strict=True)
        ]
        return Prompt(self.texts.trunk(asker, style, shots), items)

    def _answered(self, prompts: list[Prompt], order: list[int], tasks: list[int], n: int) -> Tensor:
        """(n, tasks) logits, of which those in the order of the questions come from the model, the others are 0."""
        device = device_of(self.model)
        logits = torch.zeros(n, len(self.model.tasks), device=device)
        number = torch.tensor(tasks, dtype=torch.long, device=device)
        found = self.model(pack(prompts).to(device), number)
        return logits.index_put((torch.tensor(order, dtype=torch.long, device=device), number), found)


def keep_layers(backbone: PreTrainedModel, depth: int | None, where: str) -> None:
    """Keep the lowest layers of a backbone, in place; its last norm and its vocabulary stay.

    Raises:
        BadInput: It has fewer layers.
    """
    config = backbone.config
    if depth is None or depth == config.num_hidden_layers:
        return
    if depth > config.num_hidden_layers:
        what = f"depth {depth}: the backbone has {config.num_hidden_layers} layers"
        raise BadInput(what, where=where, cure="lower depth, or leave it out")
    del layer_stack(backbone)[depth:]
    config.num_hidden_layers = depth
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:depth]


def load_packed(folder: Path) -> tuple[PackedDecoder, DecoderConfig]:
    """Load a trained decoder teacher from the folder of its version; return it with its knobs."""
    from transformers import AutoModelForCausalLM

    about = json.loads((folder / "teacher.json").read_text())
    config = DecoderConfig.model_validate(about["config"])
    backbone = open_pretrained(AutoModelForCausalLM, folder, torch.float32, trained=False)
    keep_layers(backbone, about["depth"], str(folder))
    frame, numbers = VerbalFrame(*about["frame"]), Percentiles.model_validate(about["numbers"])
    words, ordinal = (int(about["words"][0]), int(about["words"][1])), config.targets == "ordinal"
    model = PackedDecoder(backbone, tuple(about["tasks"]), frame, words, numbers, ordinal)
    load_model(model, str(folder / "model.safetensors"))
    return model.eval(), config
