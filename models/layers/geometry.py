"""Numbers of heads and neurons of BERT layers, and the cutting of layers to fewer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

LayerSizes = dict[str, list[list[int]]]
"""Stack -> [attention heads, feed-forward neurons] of each layer, bottom first."""


def layer_sizes(stacks: Mapping[str, Any]) -> LayerSizes:
    """The sizes of stacks of BERT layers."""
    return {
        name: [[head_count(layer), layer.output.dense.in_features] for layer in layers]
        for name, layers in stacks.items()
    }


def resize_layers(stacks: Mapping[str, Any], sizes: LayerSizes) -> None:
    """Cut untrained stacks to the sizes of pruned ones, in place, so that their weights can be loaded."""
    for name, layers in stacks.items():
        del layers[len(sizes[name]) :]
        for layer, (number, neurons) in zip(layers, sizes[name], strict=True):
            narrow(layer.intermediate.dense, rows=torch.arange(neurons))
            narrow(layer.output.dense, columns=torch.arange(neurons))
            width = number * layer.attention.self.attention_head_size
            keep_heads(layer, torch.arange(width))
            narrow(layer.attention.output.dense, columns=torch.arange(width))


def head_count(layer: Any) -> int:
    """Attention heads of a layer."""
    attention = layer.attention.self
    return attention.query.out_features // attention.attention_head_size


def keep_heads(layer: Any, inputs: Tensor) -> None:
    """Cut queries, keys and values of a layer, in place, to the rows (k,) int64 of the heads to keep."""
    attention = layer.attention.self
    for linear in (attention.query, attention.key, attention.value):
        narrow(linear, rows=inputs)
    attention.num_attention_heads, attention.all_head_size = head_count(layer), len(inputs)


def narrow(linear: nn.Linear, rows: Tensor | None = None, columns: Tensor | None = None) -> None:
    """Cut a linear map, in place, to outputs `rows` and inputs `columns`, both int64; None keeps all."""
    for name, index, places in (("weight", 0, rows), ("bias", 0, rows), ("weight", 1, columns)):
        if places is not None:
            old = getattr(linear, name)
            kept = old.detach().index_select(index, places.to(old.device))
            setattr(linear, name, nn.Parameter(kept, old.requires_grad))
    linear.out_features, linear.in_features = linear.weight.shape
