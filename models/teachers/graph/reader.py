"""G2: node tokens beside the two texts, in the layers of the text teacher in which the job reads the request.

A node token is the projected text vector of a neighbour plus what it is, how it is reached, how far it is and whether
both sides reach it; tokens have no positions, so their order cannot matter. The tokens of the job attend to them with
the layer's own queries, keys and values; a learned bias a head says what proximity is worth, and what is read is added
by a gate a head that starts at zero: before it has learned, and where a pair has no neighbours, the model is the text
teacher to the last digit. The text teacher's weights stay as they are.

Source: PLM4Job, Zhu et al. 2024 (arXiv 2408.04381), with projected text vectors in place of a token a node, so that a
new job is read untrained; zero-initialised gates over a softmax of their own, LLaMA-Adapter, Zhang et al. 2023 (arXiv
2303.16199); the mark of nodes that both sides reach, labelling trick, Zhang et al. 2021 (arXiv 2010.16103).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from contracts.errors import BadInput
from history.graph.graph import KINDS
from history.graph.walks import JOB_PATHS, MEMBER_PATHS, sample
from models.config import TeacherConfig
from models.layers.backbone import attend, finish_layer, mask_bias, split_heads
from models.teachers.cross_encoder import CrossEncoder, RequestStates, load_teacher
from models.teachers.graph.config import GraphConfig
from models.teachers.graph.market import Market
from models.teachers.graph.structure import FEATURES, Neighbourhood, Structure
from models.teachers.pairs import JointPairs
from models.training.device import device_of, to_device
from models.training.rows import Rows

BUCKETS = 8
"""Of proximity: bucket b holds weights from 2 ** -(b + 1) up, the last all below; each twice, for whether both sides
reach the node."""
PATHS = (*MEMBER_PATHS, *JOB_PATHS)
HOPS = 3


class NodeTokens(NamedTuple):
    """The node tokens of n pairs, k at most.

    Attributes:
        vectors: (n, k, dim) float32 text vectors.
        kinds: (n, k) int64, places in `KINDS`.
        paths: (n, k) int64, places in `PATHS`.
        hops: (n, k) int64.
        shared: (n, k) int64, 1 where walks of both sides reach the node.
        weights: (n, k) float32 proximities.
        mask: (n, k) int64, 1 for a token.
        meetings: (n, FEATURES) float32.
    """

    vectors: Tensor
    kinds: Tensor
    paths: Tensor
    hops: Tensor
    shared: Tensor
    weights: Tensor
    mask: Tensor
    meetings: Tensor


class NodeReader(nn.Module):
    """Node tokens as states of the text model's width, and how its heads attend to them."""

    def __init__(self, dim: int, hidden: int, layers: int, heads: int) -> None:
        super().__init__()
        self.project = nn.Linear(dim, hidden)
        self.kind, self.path = nn.Embedding(len(KINDS), hidden), nn.Embedding(len(PATHS), hidden)
        self.hop, self.shared = nn.Embedding(HOPS, hidden), nn.Embedding(2, hidden)
        for table in (self.kind, self.path, self.hop, self.shared):
            nn.init.normal_(table.weight, std=0.02)
        self.norm = nn.LayerNorm(hidden)
        self.proximity = nn.Parameter(torch.zeros(layers, heads, 2 * BUCKETS))
        self.gate = nn.Parameter(torch.zeros(layers, heads))

    def forward(self, tokens: NodeTokens) -> Tensor:
        """States (n, k, hidden) of the tokens."""
        what = self.kind(tokens.kinds) + self.path(tokens.paths) + self.hop(tokens.hops) + self.shared(tokens.shared)
        states: Tensor = self.norm(self.project(tokens.vectors) + what)
        return states

    def bias(self, tokens: NodeTokens, layer: int) -> Tensor:
        """(n, heads, 1, k) attention bias of a layer: by proximity, and against padding."""
        bucket = (-torch.log2(tokens.weights.clamp(min=1e-9))).long().clamp(0, BUCKETS - 1) + BUCKETS * tokens.shared
        near = self.proximity[layer][:, bucket].transpose(0, 1)[:, :, None]
        return near + mask_bias(tokens.mask, near.dtype)


class GraphReader(CrossEncoder):
    """The joint text teacher with node tokens.

    Attributes:
        nodes: Reads them.
        structure: Of how walks meet; None where that is not read.
        alignment: Divergence of the last call's attention from proximity, where `aligns` is set.
    """

    def __init__(
        self, folder: Path, tasks: tuple[str, ...], text: TeacherConfig, dim: int, config: GraphConfig
    ) -> None:
        """Build it on the shape of a text teacher in `folder`, with its knobs `text`; dim: of the nodes' vectors."""
        ordinal = text.targets == "ordinal"
        super().__init__(folder, tasks, text.joint_layers, trained=False, ordinal=ordinal, match=text.match)
        layers = self.backbone.depth - self.split
        self.nodes = NodeReader(dim, self.backbone.hidden, layers, self.backbone.heads)
        self.structure = Structure(len(tasks), config.width, config.dropout) if config.structure else None
        self.aligns, self.alignment = config.align > 0, torch.zeros(())

    @classmethod
    def start(cls, text: Path, dim: int, config: GraphConfig) -> GraphReader:
        """A reader that says what the text teacher in a folder says."""
        teacher, knobs = load_teacher(text)
        model = cls(text, teacher.tasks, knobs, dim, config)
        found = model.load_state_dict(teacher.state_dict(), strict=False)
        absent = [name for name in found.missing_keys if not name.startswith(("nodes.", "structure."))]
        if absent or found.unexpected_keys:
            what = f"its weights are not those of the text teacher: {', '.join((absent + found.unexpected_keys)[:3])}"
            raise BadInput(what, where=str(text), cure="train the text teacher again")
        return model.only_nodes()

    def only_nodes(self) -> GraphReader:
        """Let what reads the graph learn, and the logits of places, and nothing of the text teacher."""
        self.requires_grad_(False)
        for part in (self.nodes, self.structure, self.position):
            if part is not None:
                part.requires_grad_(True)
        return self

    def score(
        self,
        requests: RequestStates,
        states: Tensor,
        mask: Tensor,
        vectors: Tensor,
        request: Tensor,
        match: Tensor | None = None,
        beside: NodeTokens | None = None,
    ) -> Tensor:
        self.alignment = torch.zeros((), device=states.device)
        read = None if beside is None else (beside, self.nodes(beside))
        logits: Tensor = super().score(requests, states, mask, vectors, request, match, read)
        if beside is not None and self.structure is not None:
            logits = logits + self.structure(beside.meetings) * beside.mask.any(1)[:, None]
        return logits

    def joint_step(
        self,
        number: int,
        hidden: Tensor,
        keys: Tensor,
        values: Tensor,
        bias: Tensor,
        beside: tuple[NodeTokens, Tensor] | None,
    ) -> Tensor:
        if beside is None:
            return super().joint_step(number, hidden, keys, values, bias, None)
        tokens, states = beside
        layer: Any = self.backbone.layers[number]
        attention, place = layer.attention.self, number - self.split
        queries = split_heads(layer, attention.query(hidden))
        of_texts = attend(queries, keys, values, bias)
        node_keys = split_heads(layer, attention.key(states))
        node_values = split_heads(layer, attention.value(states))
        near = queries / math.sqrt(queries.shape[-1]) @ node_keys.transpose(-1, -2) + self.nodes.bias(tokens, place)
        shares = torch.softmax(near.float(), -1)
        gate = torch.tanh(self.nodes.gate[place])[:, None, None] * tokens.mask.any(1)[:, None, None, None]
        of_nodes = gate * (shares.to(node_values.dtype) @ node_values)
        if self.aligns:
            self.alignment = self.alignment + _divergence(tokens, shares) / (self.backbone.depth - self.split)
        return finish_layer(layer, hidden, (of_texts + of_nodes).transpose(1, 2).flatten(2))


def _divergence(tokens: NodeTokens, shares: Tensor) -> Tensor:
    """KL of the mean attention (over heads and the job's tokens) to node tokens from their normalised proximity."""
    has = tokens.mask.any(1)
    weights = tokens.weights * tokens.mask
    near = weights / weights.sum(1, keepdim=True).clamp(min=1e-9)
    paid = shares.mean((1, 2)).clamp(min=1e-9)
    of_pairs = (near * (near.clamp(min=1e-9).log() - paid.log())).sum(1)
    return (of_pairs * has).sum() / has.sum().clamp(min=1)


class GraphPairs(JointPairs):
    """The pairs for `GraphReader`: both texts, and the node tokens of each row."""

    def __init__(
        self,
        rows: Rows,
        model: GraphReader,
        folder: Path,
        text: TeacherConfig,
        market: Market,
        needed: np.ndarray,
        config: GraphConfig,
    ) -> None:
        """Tokenise the texts and sample the neighbours.

        Args:
            rows: The pairs.
            model: Scores them.
            folder: With the tokenizer.
            text: The text teacher's knobs.
            market: Of the rows.
            needed: (m,) numbers of the rows that are learned from or scored, ascending.
            config: Knobs.
        """
        super().__init__(rows, model, folder, text, len(model.layers()))
        self.market, self.needed, self.config = market, needed, config
        hood = Neighbourhood(market, needed, config.walks)
        self.found = hood.found
        self.meetings = hood.meetings() if config.structure else np.zeros((len(needed), FEATURES), np.float32)
        sides = []
        for side, paths, offset in ((hood.members, MEMBER_PATHS, 0), (hood.jobs, JOB_PATHS, len(MEMBER_PATHS))):
            found = sample(market.graph, tuple(paths.values()), side.queries, config.nodes // 2, config.walks)
            sides.append([column[side.of_pair] for column in found._replace(paths=found.paths + np.int8(offset))])
        self.nodes, self.paths, self.hops, self.weights = (
            np.concatenate(both, axis=1) for both in zip(*sides, strict=True)
        )
        self.nodes[~hood.found] = -1
        self.shared = _shared(self.nodes, hood, len(market.graph))
        self.kinds = market.graph.kinds()

    def standardise(self, chosen: np.ndarray) -> None:
        """Take scales from the training rows."""
        assert isinstance(self.model, GraphReader)
        if self.model.structure is not None:
            self.model.structure.standardise(self.meetings[np.searchsorted(self.needed, chosen)])

    def beside(self, chosen: np.ndarray) -> NodeTokens:
        places = np.searchsorted(self.needed, chosen)
        nodes = self.nodes[places]
        there = np.maximum(nodes, 0)
        told = self.market.told(nodes, self.market.time[chosen][:, None])
        columns = (
            np.where(told[..., None], self.market.vectors[there], np.float32(0)),
            self.kinds[there].astype(np.int64),
            self.paths[places].astype(np.int64),
            self.hops[places].astype(np.int64),
            self.shared[places].astype(np.int64),
            self.weights[places].astype(np.float32),
            (nodes >= 0).astype(np.int64),
            self.meetings[places],
        )
        device = device_of(self.model)
        return NodeTokens(*(to_device(column, device) for column in columns))


def _shared(nodes: np.ndarray, hood: Neighbourhood, size: int) -> np.ndarray:
    """(m, k) bool: whether walks of both sides reach a node."""
    both = []
    for side, walks in ((hood.members, hood.of_members), (hood.jobs, hood.of_jobs)):
        reached = [walked.weight.tocoo() for walked in walks.values()]
        keys = np.unique(np.concatenate([one.row.astype(np.int64) * size + one.col for one in reached]))
        asked = side.of_pair[:, None].astype(np.int64) * size + np.maximum(nodes, 0)
        both.append(np.isin(asked, keys))
    return np.asarray(both[0] & both[1] & (nodes >= 0))
