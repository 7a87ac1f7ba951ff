"""Many questions about one subject in one prompt: what they share is read once, and none of them sees another.

A prompt is a tree. Its trunk (instruction, member, history) is seen by all; each item (a job) sees trunk and itself;
each ending of an item (a question) sees trunk, its item and itself. Positions go on from what is seen, so every
question stands where it would stand alone, and its logit is that of a prompt of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from contracts.errors import BadInput
from models.layers.decoder import margin

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_TRUNK, _PADDING = -1, -2
TOLERANCE = {torch.float32: 1e-3}
"""Precision of the weights -> most that a packed logit may differ from one alone, of the size of the largest."""
_COARSE = 0.05


class Item(NamedTuple):
    """What is asked about. ids: of its tokens; endings: token ids of each question about it, none of them empty."""

    ids: list[int]
    endings: list[list[int]]


class Prompt(NamedTuple):
    """A trunk of token ids, at least one, and the items below it."""

    trunk: list[int]
    items: list[Item]


class Packed(NamedTuple):
    """b prompts as a model reads them, padded on the right to len tokens.

    Attributes:
        ids: (b, len) int64 token ids.
        places: (b, len) int64 positions.
        sees: (b, 1, len, len) bool, whether the token of the row attends to that of the column. Padding sees itself.
        rows: (q,) int64, the prompt of each question: prompts in turn, in each items in turn, then endings.
        columns: (q,) int64, the last token of each question.
    """

    ids: Tensor
    places: Tensor
    sees: Tensor
    rows: Tensor
    columns: Tensor

    def to(self, device: torch.device) -> Packed:
        """The same on a device."""
        return Packed(*(part.to(device) for part in self))


def pack(prompts: Sequence[Prompt]) -> Packed:
    """Lay prompts out, at least one of them."""
    made = [_lay_out(prompt) for prompt in prompts]
    longest = max(len(ids) for ids, *_ in made)
    ids, places = (np.zeros((len(made), longest), np.int64) for _ in range(2))
    items, endings = (np.full((len(made), longest), _PADDING, np.int64) for _ in range(2))
    rows, columns = [], []
    for row, (tokens, positions, of_items, of_endings, last) in enumerate(made):
        for table, values in ((ids, tokens), (places, positions), (items, of_items), (endings, of_endings)):
            table[row, : len(values)] = values
        rows += [row] * len(last)
        columns += last
    item, ending = torch.from_numpy(items), torch.from_numpy(endings)
    same_item = (item[:, None, :] == _TRUNK) | (item[:, None, :] == item[:, :, None])
    same_ending = (ending[:, None, :] == _TRUNK) | (ending[:, None, :] == ending[:, :, None])
    earlier = torch.ones(longest, longest, dtype=torch.bool).tril()
    there = (item != _PADDING)[:, None, :] & (item != _PADDING)[:, :, None]
    sees = (same_item & same_ending & earlier & there) | torch.eye(longest, dtype=torch.bool)
    return Packed(
        torch.from_numpy(ids), torch.from_numpy(places), sees[:, None], torch.tensor(rows), torch.tensor(columns)
    )


def _lay_out(prompt: Prompt) -> tuple[list[int], list[int], list[int], list[int], list[int]]:
    """Tokens, positions, item and ending of each token, and the last token of each question."""
    ids, places = list(prompt.trunk), list(range(len(prompt.trunk)))
    items, endings = [_TRUNK] * len(ids), [_TRUNK] * len(ids)
    last: list[int] = []
    for number, item in enumerate(prompt.items):
        start = len(prompt.trunk)
        ids += item.ids
        places += range(start, start + len(item.ids))
        items += [number] * len(item.ids)
        endings += [_TRUNK] * len(item.ids)
        start += len(item.ids)
        for ending in item.endings:
            ids += ending
            places += range(start, start + len(ending))
            items += [number] * len(ending)
            endings += [len(last)] * len(ending)
            last.append(len(ids) - 1)
    return ids, places, items, endings, last


def packed_margins(model: PreTrainedModel, packed: Packed, answers: tuple[int, int]) -> Tensor:
    """How much likelier the first answer is than the second after each question, with its gradient.

    Args:
        model: A causal language model of a family that takes a mask of attention.
        packed: From `pack`, on the model's device.
        answers: The tokens of the two answers.

    Returns:
        (q,) float32, as `models.layers.decoder.margin`.
    """
    inner: Any = model
    mask: Tensor = packed.sees
    if inner.config._attn_implementation == "eager":  # which adds the mask to the scores
        mask = torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, torch.finfo(torch.float32).min)
    hidden = inner.base_model(
        input_ids=packed.ids, attention_mask=mask, position_ids=packed.places, use_cache=False
    ).last_hidden_state
    return margin(model, hidden[packed.rows, packed.columns], answers)


def require_packing(model: PreTrainedModel, answers: tuple[int, int], where: str) -> None:
    """Check that a model reads packed questions as it reads one alone.

    Args:
        model: In evaluation.
        answers: The tokens of the two answers, of which the check's prompts are made.
        where: The model's folder, for the error.

    Raises:
        BadInput: It does not, as one that keeps a running state instead of attending.
    """
    yes, no = answers
    items = [Item([yes, no, no], [[no, yes], [yes]]), Item([no, yes], [[yes, yes, no]])]
    alone = [Prompt([no, no], [Item(item.ids, [ending])]) for item in items for ending in item.endings]
    try:
        with torch.inference_mode():
            together = packed_margins(model, pack([Prompt([no, no], items)]), answers)
            each = torch.cat([packed_margins(model, pack([prompt]), answers) for prompt in alone])
    except (TypeError, RuntimeError):  # its forward knows no positions, or no such mask
        together, each = torch.zeros(1), torch.ones(1)
    if not torch.isfinite(together).all():
        raise BadInput("its logits are not finite", where=where, cure="give a folder with whole weights")
    most = TOLERANCE.get(model.dtype, _COARSE) * (1 + float(each.abs().max()))
    reads = bool((together - each).abs().max() <= most)
    if not reads:
        raise BadInput(
            f"a {model.config.model_type} model does not read several questions of one prompt apart",
            where=where,
            cure="give a decoder whose attention takes a mask, such as one of Llama's make",
        )
