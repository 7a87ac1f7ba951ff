"""The student: a prefix scorer. What depends on the request alone is computed once a request, what depends on the job
alone once a job, and a candidate costs a few tokens through a few layers.

- The item encoder reads the job text offline and leaves `T` vectors, the item tokens.
- The prefix encoder reads the request text; the scoring layers keep their keys and values of it: the shared prefix.
- The scorer runs each candidate's item tokens through the scoring layers; they attend to the prefix and to the tokens
  of the same candidate, never to another candidate. Their mean ends in one logit a task.
- With a match, each token of a candidate also says what request and job have in common: the sum of one learned
  embedding a comparison (`contracts.match`) is added to its tokens, and to that mean too. A token of its own costs half
  as much again and orders no better (docs/decisions/0022).

After MixLM (arXiv 2512.07846): embedding-compressed items and shared prefixes. Here the interaction is kept to the top
layers of the backbone, whose weights the scoring layers start from.
"""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from contracts.errors import BadInput
from contracts.match import COMPARISONS, SIZES, offsets
from models.layers.backbone import (
    Backbone,
    TaskHead,
    finish_layer,
    keys_values,
    l2_normalize,
    mask_bias,
    mean_pool,
    mean_state,
    run_layer,
    sentence_vectors,
)
from models.layers.geometry import LayerSizes, layer_sizes, resize_layers
from models.teachers.cross_encoder import CrossEncoder


class Prefix(NamedTuple):
    """What is kept of b requests: keys and values (b, A, len, D) of each scoring layer, and unit vectors (b, H)."""

    keys_values: list[tuple[Tensor, Tensor]]
    vector: Tensor


class PrefixStates(NamedTuple):
    """What a prefix is made of, for b requests: the states (b, len, H) that enter each scoring layer, and unit vectors
    (b, H). Training of the scorer alone leaves them as they are; the keys and values change with its layers."""

    entering: list[Tensor]
    vector: Tensor


class MatchTable(nn.Module):
    """One embedding for each bin of each comparison: the match of a pair is their sum."""

    offsets: Tensor

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(sum(SIZES), hidden)
        nn.init.normal_(self.embeddings.weight, std=0.02)
        self.register_buffer("offsets", torch.from_numpy(offsets()), persistent=False)

    def forward(self, match: Tensor) -> Tensor:
        """match (..., C), the bin of each comparison, any integer type -> (..., H) float32."""
        return self.embeddings(match.long() + self.offsets).sum(-2)


class Student(nn.Module):
    """Prefix encoder, item encoder and scorer over one backbone.

    item_tokens: T; score_layers: L, how many top layers score; match: whether tokens say what request and job
    have in common. H hidden, A heads, D = H / A, C comparisons.
    Raises BadInput for more scoring layers than the backbone has.
    """

    def __init__(
        self,
        folder: Path,
        tasks: tuple[str, ...],
        item_tokens: int,
        score_layers: int,
        trained: bool = True,
        match: bool = False,
    ) -> None:
        super().__init__()
        prefix = Backbone(folder, trained)
        if score_layers > prefix.depth:
            raise BadInput(
                f"score_layers {score_layers}, the backbone has {prefix.depth}",
                cure="score with its top layers or fewer",
            )
        sentences = sentence_vectors(prefix, folder, tasks)
        self.heads, self.hidden, self.item_tokens = prefix.heads, prefix.hidden, item_tokens
        self.item = copy.deepcopy(prefix)
        self.score_layers = nn.ModuleList(copy.deepcopy(layer) for layer in prefix.layers[-score_layers:])
        self.prefix = prefix
        self.split = self.prefix.depth - score_layers
        self.queries = nn.Parameter(torch.randn(item_tokens, self.hidden) * 0.02)
        self.focus = nn.Parameter(torch.tensor(2.0 * item_tokens**2))
        self.slots = nn.Parameter(torch.randn(item_tokens, self.hidden) * 0.02)
        self.head = TaskHead(tasks, sentences)
        self.match = MatchTable(self.hidden) if match else None

    def from_scratch(self) -> list[nn.Parameter]:
        """The parameters that no backbone has: they learn at a rate of their own."""
        match = [] if self.match is None else self.match.parameters()
        return [*self.head.parameters(), self.queries, self.focus, self.slots, *match]

    def sizes(self) -> LayerSizes:
        """Heads and neurons of each layer of the prefix encoder, the item encoder and the scorer."""
        return layer_sizes(self._stacks())

    def resize(self, sizes: LayerSizes) -> None:
        """Cut an untrained student to the sizes of a pruned one, so that its weights can be loaded."""
        resize_layers(self._stacks(), sizes)

    def _stacks(self) -> dict[str, nn.ModuleList]:
        return {"prefix": self.prefix.layers, "item": self.item.layers, "score": self.score_layers}

    def start_from(self, *teachers: CrossEncoder) -> None:
        """Take what trained teachers have learned: the mean of their weights reads each text, its top layers score.

        Each task's row of the head is that of a teacher that answers it. Models that were trained from one start can be
        averaged (model soups, Wortsman et al. 2022); the click teacher began as the policy teacher.
        Raises BadInput for a teacher of another shape.
        """
        for teacher in teachers:
            if teacher.backbone.hidden != self.hidden or teacher.backbone.depth != self.item.depth:
                raise BadInput(
                    f"a teacher has {teacher.backbone.depth} layers of {teacher.backbone.hidden}, the student "
                    f"{self.item.depth} of {self.hidden}",
                    cure="give all one backbone, or set warm_start: false",
                )
        mean = mean_state([teacher.backbone for teacher in teachers])
        for reader in (self.prefix, self.item):
            reader.load_state_dict(mean)
        for layer, start in zip(self.score_layers, self.prefix.layers[self.split :], strict=True):
            layer.load_state_dict(start.state_dict())
        self.head.start_from(*(teacher.head for teacher in teachers))

    def start_from_student(self, base: Student) -> None:
        """Take all that another student has learned; a task that it lacks starts as the mean of those it has.

        Its item tokens may be more or fewer: each takes over from the one at its place in the text. Where it has no
        match, the match table stays as it is.
        Raises BadInput for a student of another shape.
        """
        if (base.hidden, base.split, len(base.score_layers)) != (self.hidden, self.split, len(self.score_layers)):
            raise BadInput(
                f"the base has {len(base.score_layers)} scoring layers of {base.hidden}, this student "
                f"{len(self.score_layers)} of {self.hidden}",
                cure="start from a student of the same backbone and score_layers",
            )
        self.resize(base.sizes())
        for own, other in ((self.prefix, base.prefix), (self.item, base.item), (self.score_layers, base.score_layers)):
            own.load_state_dict(other.state_dict())
        self.head.start_from(base.head)
        place = [int((t + 0.5) / self.item_tokens * base.item_tokens) for t in range(self.item_tokens)]
        with torch.no_grad():
            self.queries.copy_(base.queries[place])
            self.slots.copy_(base.slots[place])
            self.focus.copy_(base.focus * (self.item_tokens / base.item_tokens) ** 2)
        if self.match is not None and base.match is not None:
            self.match.load_state_dict(base.match.state_dict())

    def encode_prefix(self, hidden: Tensor, mask: Tensor, first: int = 0) -> Prefix:
        """Keys and values of each scoring layer and the unit vector, from the states (b, n, H) that enter `first`."""
        return self.prefix_of(self.prefix_states(hidden, mask, first))

    def prefix_states(self, hidden: Tensor, mask: Tensor, first: int = 0) -> PrefixStates:
        """As `encode_prefix`, up to where the scoring layers have a say."""
        hidden = self.prefix.run(hidden, mask, first, self.split)
        entering = []
        for depth in range(self.split, self.prefix.depth):
            entering.append(hidden)
            hidden = self.prefix.run(hidden, mask, depth, depth + 1)
        return PrefixStates(entering, l2_normalize(mean_pool(hidden, mask)))

    def prefix_of(self, states: PrefixStates) -> Prefix:
        """The prefix that the scoring layers make of the states that enter them."""
        kept = [keys_values(layer, hidden) for layer, hidden in zip(self.score_layers, states.entering, strict=True)]
        return Prefix(kept, states.vector)

    def encode_items(self, hidden: Tensor, mask: Tensor, first: int = 0) -> Tensor:
        """Item tokens (n, T, H) from the states (n, len, H) that enter layer `first` of the item encoder."""
        return self.compress(self.item.run(hidden, mask, first), mask)

    def compress(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Item tokens (n, T, H) from the last states (n, len, H) of the item encoder.

        Token t attends over the text with a learned query and a learned focus on its t-th part, so that the tokens
        start as the means of T stretches of the text and differ from the first step on.
        """
        weight = mask.to(hidden.dtype)
        place = (torch.cumsum(weight, 1) - 0.5) / weight.sum(1, keepdim=True).clamp(min=1.0)
        centres = (torch.arange(self.item_tokens, device=hidden.device) + 0.5) / self.item_tokens
        distance = (place[:, None, :] - centres[None, :, None]) ** 2
        logits = (self.queries @ hidden.transpose(1, 2)) / math.sqrt(self.hidden) - self.focus * distance
        attention = torch.softmax(logits + (1.0 - weight[:, None, :]) * -1e4, dim=-1)
        return attention @ hidden

    def score(self, prefix: Prefix, bias: Tensor | None, items: Tensor, match: Tensor | None = None) -> Tensor:
        """Logits (b, n, tasks) float32 of n candidates for each of b requests.

        prefix: from `encode_prefix`, b requests; bias: (b, 1, 1, len) from `mask_bias`, None where nothing is padded;
        items: (b, n, T, H); match: (b, n, C) bins, None where nothing is known, not read by a student without a match.
        Row (i, j) depends on prefix i, items[i, j] and match[i, j] alone.
        """
        return self.read_items(prefix, bias, items, match)[0]

    def matched(self, match: Tensor | None, items: Tensor) -> Tensor | None:
        """(..., H) the match of candidates (..., T, H) by their bins (..., C); None for a student without one."""
        if self.match is None:
            return None
        if match is None:
            match = torch.zeros((*items.shape[:-2], len(COMPARISONS)), dtype=torch.int64, device=items.device)
        return self.match(match)

    def candidate_tokens(self, items: Tensor, match: Tensor | None) -> Tensor:
        """(..., T, H) item tokens in their slots, with the match (..., H) in each."""
        tokens = items + self.slots
        return tokens if match is None else tokens + match[..., None, :]

    def read_items(
        self, prefix: Prefix, bias: Tensor | None, items: Tensor, match: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """As `score`, with the states (b, n, H) that the logits are read from."""
        matched = self.matched(match, items)
        hidden = self.candidate_tokens(items, matched)
        count, tokens = hidden.shape[1:3]
        hidden = hidden.flatten(1, 2)  # (b, n * T, H)
        for layer, (keys, values) in zip(self.score_layers, prefix.keys_values, strict=True):
            seen = self._attend(layer, hidden, keys, values, bias, count, tokens)
            hidden = finish_layer(layer, hidden, seen)
        pooled = hidden.unflatten(1, (count, tokens)).mean(2)
        pooled = pooled if matched is None else pooled + matched
        return self.head(pooled, prefix.vector[:, None] * l2_normalize(items.mean(2))), pooled

    def read_text(
        self,
        prefix: Prefix,
        bias: Tensor,
        request: Tensor,
        text: Tensor,
        mask: Tensor,
        match: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Logits (p, tasks) and states (p, H) of p pairs whose job is read token by token, not as item tokens.

        bias: (b, 1, 1, len) of the prefixes; request: (p,) int64, whose prefix a pair has; text: (p, m, H) last states
        of the item encoder, mask: (p, m); match: (p, C) bins. What the item tokens are held against in training
        (`alignment_loss`).
        """
        matched = self.matched(match, text)
        hidden = text if matched is None else text + matched[:, None]
        both = torch.cat((bias[request], mask_bias(mask, text.dtype)), -1)
        for layer, (keys, values) in zip(self.score_layers, prefix.keys_values, strict=True):
            own_keys, own_values = keys_values(layer, hidden)
            hidden = run_layer(
                layer,
                hidden,
                torch.cat((keys[request], own_keys), 2),
                torch.cat((values[request], own_values), 2),
                both,
            )
        pooled = mean_pool(hidden, mask)
        pooled = pooled if matched is None else pooled + matched
        return self.head(pooled, prefix.vector[request] * l2_normalize(mean_pool(text, mask))), pooled

    def _attend(
        self,
        layer: nn.Module,
        hidden: Tensor,
        keys: Tensor,
        values: Tensor,
        bias: Tensor | None,
        count: int,
        tokens: int,
    ) -> Tensor:
        """Attention (b, n * T, H) of candidates to the prefix and to themselves, for b padded requests under autocast.

        The exported graph has its own (`release.export`): one request, no padding, a layout for the CPU, and the scale
        folded into weights, which rounds differently.
        """
        attention = layer.attention.self  # type: ignore[union-attr]
        queries = attention.query(hidden).unflatten(-1, (-1, keys.shape[-1])) / math.sqrt(keys.shape[-1])  # type: ignore
        own_keys = attention.key(hidden).unflatten(-1, (-1, keys.shape[-1]))  # type: ignore
        own_values = attention.value(hidden).unflatten(-1, (-1, keys.shape[-1]))  # type: ignore
        to_prefix = queries.transpose(1, 2) @ keys.transpose(2, 3)  # (b, A, n * T, len)
        if bias is not None:
            to_prefix = to_prefix + bias
        each = (count, tokens)
        within = queries.unflatten(1, each).transpose(2, 3) @ own_keys.unflatten(1, each).permute(0, 1, 3, 4, 2)
        to_own = within.permute(0, 2, 1, 3, 4).flatten(2, 3)  # (b, A, n * T, T)
        weights = torch.softmax(torch.cat((to_prefix, to_own), dim=-1).float(), dim=-1).to(hidden.dtype)
        length = keys.shape[2]
        from_prefix = (weights[..., :length] @ values).transpose(1, 2)  # (b, n * T, A, D)
        own = weights[..., length:].unflatten(2, each).permute(0, 2, 1, 3, 4)  # (b, n, A, T, T)
        from_own = (own @ own_values.unflatten(1, each).transpose(2, 3)).transpose(2, 3).flatten(1, 2)
        return (from_prefix + from_own).flatten(2)
