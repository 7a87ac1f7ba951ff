"""A text model of any family, from token ids to the vector of a text: by layers where it can, else as transformers runs
it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from contracts.errors import BadInput
from models.config import Pooling
from models.layers.backbone import Backbone, mean_pool
from models.layers.folder import longest_text, model_type, open_pretrained, runs_by_layer


class WholeModel(nn.Module):
    """An encoder that transformers runs as one.

    Attributes:
        hidden: Width H of its states.
        longest: Most tokens of a text.
    """

    def __init__(self, folder: Path) -> None:
        """Open a folder from `complete_folder`. Raises BadInput where it holds no encoder that transformers knows."""
        from transformers import AutoModel

        super().__init__()
        self.model: Any = open_pretrained(AutoModel, folder)
        config = self.model.config
        if getattr(config, "is_encoder_decoder", False) or type(self.model).__name__.endswith("ForCausalLM"):
            raise BadInput(f"a {config.model_type} model is no encoder", where=str(folder), cure="give an encoder")
        self.hidden = int(config.hidden_size)
        self.longest = longest_text(config) or 512
        self.model.set_attn_implementation("eager")  # the one that every family has, and that exports

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Last states (b, n, H) of token ids (b, n) int64 with their mask (b, n) int64."""
        states: Tensor = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        return states


def open_text_model(folder: Path) -> Backbone | WholeModel:
    """The model of a folder from `complete_folder`. Raises BadInput where it holds no encoder."""
    if runs_by_layer(folder):
        return Backbone(folder)
    if not model_type(folder):
        raise BadInput("config.json names no model_type", where=str(folder), cure="give a Hugging Face encoder")
    return WholeModel(folder)


def pool(hidden: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    """(b, H) of states (b, n, H) with their mask (b, n), which is 1 from the left on."""
    if pooling == "cls":
        return hidden[:, 0]
    if pooling == "max":
        return (hidden + (1.0 - mask[..., None].to(hidden.dtype)) * -1e9).amax(1)
    if pooling == "last":
        last = (mask.sum(1) - 1).clamp(min=0)
        return hidden.gather(1, last[:, None, None].expand(-1, 1, hidden.shape[-1]))[:, 0]
    if pooling == "weighted_mean":
        return mean_pool(hidden, mask * torch.arange(1, mask.shape[1] + 1, device=mask.device))
    return mean_pool(hidden, mask)
