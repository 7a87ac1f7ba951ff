"""An encoder of BERT's make that runs layer by layer, for teachers, retrieval encoders and the student alike.

Families differ in names and in how a position is numbered, not in what a layer computes: projection of queries, keys
and values, attention, and a norm after each of two residuals. Families whose layers do something else (relative
positions, rotary ones, norms first) are read as a whole by `models.layers.whole`.
"""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from contracts.tasks import TASKS
from contracts.text.token_ids import open_tokenizer
from models.layers.folder import NEEDED, WEIGHTS, first_place, open_pretrained
from models.layers.sentences import copy_sentence_files


class TokenEmbeddings(nn.Module):
    """Sum of a token's, its place's and, where there is such, its segment's embedding, normed; perhaps widened.

    Attributes:
        first: Row of the first place: RoBERTa counts from the number of its padding on.
    """

    def __init__(self, embeddings: Any, first: int, project: nn.Module | None) -> None:
        """Take the tables of a model of transformers; project: from their width to that of the layers."""
        super().__init__()
        self.word_embeddings = embeddings.word_embeddings
        self.position_embeddings = embeddings.position_embeddings
        self.token_type_embeddings = getattr(embeddings, "token_type_embeddings", None)
        self.LayerNorm = embeddings.LayerNorm
        self.project = project
        self.first = first

    @property
    def places(self) -> int:
        """Most tokens of a text."""
        return self.position_embeddings.num_embeddings - self.first

    def forward(self, ids: Tensor) -> Tensor:
        """States (b, n, H) of token ids (b, n) int64; no dropout, as layers are run without."""
        places = torch.arange(self.first, self.first + ids.shape[1], device=ids.device)
        states = self.word_embeddings(ids) + self.position_embeddings(places)
        if self.token_type_embeddings is not None:
            states = states + self.token_type_embeddings.weight[0]
        states = self.LayerNorm(states)
        return states if self.project is None else self.project(states)


class Backbone(nn.Module):
    """Embeddings and layers of an encoder of `folder.FAMILIES`.

    Attributes:
        hidden: Width H of its states.
        heads: Attention heads of a layer.
        depth: Number of layers.
        longest: Most tokens of a text.
        checkpointing: Compute a layer's activations again in the backward pass instead of keeping them (gradient
            checkpointing, Chen et al. 2016, arXiv 1604.06174).
    """

    def __init__(self, folder: Path, trained: bool = True) -> None:
        """Build the encoder.

        Args:
            folder: From `backbone_folder`.
            trained: Load the folder's weights; False leaves random ones, for the caller to replace.
        """
        super().__init__()
        from transformers import AutoModel

        model: Any = open_pretrained(AutoModel, folder, trained=trained)
        config = model.config
        self.family: str = config.model_type
        self.hidden: int = config.hidden_size
        self.heads: int = config.num_attention_heads
        self.embeddings = TokenEmbeddings(
            model.embeddings, first_place(config), getattr(model, "embeddings_project", None)
        )
        self.layers = _bert_layers(model) if self.family == "distilbert" else model.encoder.layer
        self.longest: int = self.embeddings.places
        self.checkpointing = False
        self.requires_grad_(True)

    @property
    def depth(self) -> int:
        return len(self.layers)

    def embed(self, ids: Tensor) -> Tensor:
        """States (b, n, H) float32 that enter the first layer, of token ids (b, n) int64."""
        states: Tensor = self.embeddings(ids)
        return states

    def run(self, hidden: Tensor, mask: Tensor, first: int = 0, last: int | None = None) -> Tensor:
        """Run some layers.

        Args:
            hidden: (b, n, H) states that enter layer `first`.
            mask: (b, n) int64, 1 for a token, 0 for padding.
            first: First layer to run.
            last: Layer to stop before; None: run to the end.

        Returns:
            (b, n, H) states that leave the last layer run.
        """
        bias = mask_bias(mask, hidden.dtype)
        for layer in self.layers[first:last]:
            hidden = self.step(layer, hidden, *keys_values(layer, hidden), bias)
        return hidden

    def step(self, layer: nn.Module, hidden: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
        """As `run_layer`; with `checkpointing` on, activations are not kept for the backward pass."""
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(run_layer, layer, hidden, keys, values, bias, use_reentrant=False)
        return run_layer(layer, hidden, keys, values, bias)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Last states (b, n, H) of token ids (b, n) int64 with their mask (b, n) int64."""
        return self.run(self.embed(ids), mask)

    def freeze(self, layers: int) -> None:
        """Exclude the embeddings and the lowest `layers` layers from training; 0 leaves all trainable."""
        if layers:
            self.embeddings.requires_grad_(False)
        for layer in self.layers[:layers]:
            layer.requires_grad_(False)


def save_backbone(backbone: Backbone, source: Path, out: Path) -> None:
    """Write a trained backbone as a Hugging Face folder.

    Args:
        backbone: The trained encoder.
        source: The folder that it was built from, with configuration and tokenizer.
        out: The folder to write.
    """
    out.mkdir(parents=True, exist_ok=True)
    for name in NEEDED:
        shutil.copy(source / name, out)
    copy_sentence_files(source, out)
    tensors = {_stored_name(name, backbone.family): value for name, value in backbone.state_dict().items()}
    save_file({name: value.contiguous() for name, value in tensors.items()}, out / WEIGHTS, {"format": "pt"})


_DISTILBERT = {
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}
"""Part of a BERT layer -> the same of a DistilBERT layer."""


def _bert_layers(model: Any) -> nn.ModuleList:
    """The layers of a DistilBERT as BERT's, which compute the same under other names."""
    from transformers import BertConfig
    from transformers.models.bert.modeling_bert import BertLayer

    config = BertConfig(
        hidden_size=model.config.dim,
        num_attention_heads=model.config.n_heads,
        intermediate_size=model.config.hidden_dim,
        hidden_act=model.config.activation,
    )
    layers = nn.ModuleList()
    for layer in model.transformer.layer:
        made = BertLayer(config)
        for ours, theirs in _DISTILBERT.items():
            made.get_submodule(ours).load_state_dict(layer.get_submodule(theirs).state_dict())
        layers.append(made)
    return layers


def _stored_name(name: str, family: str) -> str:
    """A backbone's tensor as the family's own model names it."""
    name = name.replace("embeddings.project.", "embeddings_project.")
    if family != "distilbert":
        return re.sub(r"^layers\.", "encoder.layer.", name)
    found = re.match(r"layers\.(\d+)\.(.+)\.(\w+)$", name)
    return f"transformer.layer.{found[1]}.{_DISTILBERT[found[2]]}.{found[3]}" if found else name


def mask_bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Attention bias (b, 1, 1, n) of a mask (b, n): 0 for a token, -10,000 for padding."""
    return (1.0 - mask[:, None, None, :].to(dtype)) * -1e4


def keys_values(layer: nn.Module, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values, each (b, heads, n, D), of a layer for states (b, n, H); D is the width of a head."""
    attention = layer.attention.self  # type: ignore[union-attr]
    return split_heads(layer, attention.key(hidden)), split_heads(layer, attention.value(hidden))  # type: ignore


def run_layer(layer: nn.Module, hidden: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
    """Run a layer whose states attend to given keys and values.

    Args:
        layer: One of a `Backbone`.
        hidden: (b, n, H) states that enter it.
        keys: (b, heads, m, D).
        values: (b, heads, m, D).
        bias: (b, 1, 1, m) from `mask_bias`; None where nothing is padded.

    Returns:
        (b, n, H) states that leave it.
    """
    queries = split_heads(layer, layer.attention.self.query(hidden))  # type: ignore
    fused = nn.functional.scaled_dot_product_attention
    seen = (attend if torch.is_grad_enabled() and queries.is_cpu else fused)(queries, keys, values, bias)
    return finish_layer(layer, hidden, seen.transpose(1, 2).flatten(2))


def attend(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
    """Attention without PyTorch's fused kernel.

    Training on a CPU uses it: the fused kernel is no faster there, and its backward pass in bfloat16 takes three times
    as long.

    Args:
        queries: (b, heads, n, D).
        keys: (b, heads, m, D).
        values: (b, heads, m, D).
        bias: (b, 1, 1, m) or None.

    Returns:
        (b, heads, n, D).
    """
    logits = queries / math.sqrt(queries.shape[-1]) @ keys.transpose(-1, -2)
    logits = logits if bias is None else logits + bias
    return torch.softmax(logits.float(), -1).to(values.dtype) @ values


def finish_layer(layer: nn.Module, hidden: Tensor, seen: Tensor) -> Tensor:
    """The part of a BERT layer after attention: output projection and feed-forward, each with residual and norm.

    Args:
        layer: One of a `Backbone`.
        hidden: (..., H) states that entered the layer.
        seen: (..., heads * D) result of its attention.

    Returns:
        (..., H) states that leave it.
    """
    mixed = layer.attention.output.LayerNorm(layer.attention.output.dense(seen) + hidden)  # type: ignore
    inner = layer.intermediate.intermediate_act_fn(layer.intermediate.dense(mixed))  # type: ignore
    return layer.output.LayerNorm(layer.output.dense(inner) + mixed)  # type: ignore


def split_heads(layer: nn.Module, states: Tensor) -> Tensor:
    """(b, n, heads * D) to (b, heads, n, D); D is the layer's, and a pruned layer has fewer heads."""
    return states.unflatten(-1, (-1, layer.attention.self.attention_head_size)).transpose(1, 2)  # type: ignore


def mean_state(modules: Sequence[nn.Module]) -> dict[str, Tensor]:
    """State dict with the mean weights of modules of one shape."""
    states = [module.state_dict() for module in modules]
    return {name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]}


def mean_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean (b, H) over the tokens of states (b, n, H) with their mask (b, n)."""
    weight = mask[..., None].to(hidden.dtype)
    return (hidden * weight).sum(1) / weight.sum(1).clamp(min=1.0)


def l2_normalize(vectors: Tensor) -> Tensor:
    """Vectors (..., H) scaled to length 1."""
    return nn.functional.normalize(vectors, dim=-1)


COSINE_SCALE = 8.0
"""Weight of the cosine of request and job in a logit before training."""


class TaskHead(nn.Module):
    """One logit for each task: logit_t = <f(h), g(s_t)> + <m_t, u * v> + b_t.

    h is the pooled state of the pair, f a layer with GELU, g linear, s_t the frozen unit vector of the task's sentence:
    a new task is a new sentence, and starts where similar sentences are. u and v are the unit vectors of request and
    job. m_t starts constant, so that an untrained ranker orders by the cosine for which the backbone was tuned.
    """

    def __init__(self, tasks: tuple[str, ...], sentences: Tensor) -> None:
        """Build the head.

        Args:
            tasks: Names, in the order of the logits.
            sentences: (tasks, H) float32 from `sentence_vectors`.
        """
        super().__init__()
        self.tasks = tasks
        hidden = sentences.shape[1]
        self.register_buffer("sentences", sentences)
        self.inner = nn.Linear(hidden, hidden)
        self.weights = nn.Linear(hidden, hidden, bias=False)
        self.match = nn.Parameter(torch.full((len(tasks), hidden), COSINE_SCALE))
        self.bias = nn.Parameter(torch.zeros(len(tasks)))

    def forward(self, hidden: Tensor, match: Tensor) -> Tensor:
        """Logits (..., tasks) float32 of pooled states (..., H) and of match = u * v (..., H)."""
        inner = nn.functional.gelu(self.inner(hidden))
        read = inner @ self.weights(self.sentences).T / math.sqrt(hidden.shape[-1]) * 4.0
        alike = (match.float()[..., None, :] * self.match).sum(-1)  # a product would be rounded under autocast
        return read.float() + alike - COSINE_SCALE / 2 + self.bias

    def start_from(self, *others: TaskHead) -> None:
        """Start from trained heads of the same width.

        Shared weights become their mean; a task's own weights those of the first head that has it. A task that none has
        starts as the mean of those they have.
        """
        self.inner.load_state_dict(mean_state([other.inner for other in others]))
        self.weights.load_state_dict(mean_state([other.weights for other in others]))
        rows = {
            task: (other.match[i], other.bias[i]) for other in reversed(others) for i, task in enumerate(other.tasks)
        }
        match, bias = (torch.stack(part).mean(0) for part in zip(*rows.values(), strict=True))
        with torch.no_grad():
            for i, task in enumerate(self.tasks):
                self.match[i], self.bias[i] = rows.get(task, (match, bias))

    def init_bias_to_prior(self, rates: Tensor) -> None:
        """Start each task's bias at its base rate (tasks,) in (0, 1)."""
        with torch.no_grad():
            self.bias.copy_(torch.logit(rates.clamp(0.01, 0.99)))


def sentence_vectors(backbone: Backbone, folder: Path, tasks: tuple[str, ...]) -> Tensor:
    """Unit vectors (tasks, H) of the tasks' sentences by an untrained backbone; folder: with its tokenizer."""
    tokenizer = open_tokenizer(folder, 64)
    vectors = []
    with torch.no_grad():
        for task in tasks:
            ids = torch.tensor([tokenizer.encode(TASKS[task]).ids])
            vectors.append(mean_pool(backbone(ids, torch.ones_like(ids)), torch.ones_like(ids))[0])
    return nn.functional.normalize(torch.stack(vectors), dim=-1)
