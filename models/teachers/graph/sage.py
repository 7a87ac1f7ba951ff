"""G1: two layers of message passing over the typed edges around a member and around a job.

Each relation, in each direction, has a matrix of its own; the state of a node is that of its own vector and of the
means over its neighbours. The contrast of a member's job with all other jobs of the step, among which are random ones,
is learned beside the loss of the lists. Two auxiliary tasks read a member of whom one neighbour, and all skills and
ways of working, were taken away: which neighbour was it, and which skills and ways, each answered by the product with
the states of the nodes themselves, so that a label is a token and never made up.

Source: GraphSAGE, Hamilton, Ying and Leskovec 2017 (arXiv 1706.02216); a matrix a relation as in R-GCN, Schlichtkrull
et al. 2018 (arXiv 1703.06103); InfoNCE with a correction for how often a job is drawn, Yi et al. (RecSys 2019).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from history.graph.graph import RELATIONS
from history.graph.walks import Queries, Reached, step
from models.teachers.graph.config import GraphConfig
from models.teachers.graph.correction import CorrectedPairs, Correction
from models.teachers.graph.market import Market
from models.teachers.graph.structure import Neighbourhood
from models.training.device import device_of, to_device

FIRST, SECOND = 8, 5
"""Neighbours that are read of an origin and of its neighbours, a relation, at most."""
LABELS = 256
"""Nodes at most that stand as labels: the most frequent skills, and all ways of working."""
HIDDEN = ("has_skill", "wants_way")
"""Relations that the auxiliary tasks ask for."""


class Hop(NamedTuple):
    """The neighbours of some nodes by one relation.

    Attributes:
        relation: Its name, with "~" where it is walked backwards.
        parent: (i,) int64, which node each is a neighbour of.
        node: (i,) int64; the number after the last node, of zeros, where the node's vector is not known yet.
        share: (i,) float32, weights that sum to 1 over a node's neighbours.
        below: Their own neighbours, whose `parent` counts these.
    """

    relation: str
    parent: np.ndarray
    node: np.ndarray
    share: np.ndarray
    below: tuple[Hop, ...] = ()


def hops(market: Market, queries: Queries, kind: str, config: GraphConfig) -> tuple[Hop, ...]:
    """The two hops around each origin: one `Hop` a relation that leaves its kind, without those that find nothing."""
    here = np.arange(len(queries.origins))
    at = Reached(here, queries.origins, np.ones(len(here)), np.ones(len(here)))
    known = Reached(*(column[queries.origins >= 0] for column in at))
    found = []
    for relation, then in _leaving(kind):
        one = step(market.graph, relation, queries, known, config.walks.model_copy(update={"fanout": FIRST}))
        if not len(one.node):
            continue
        items = np.arange(len(one.node))
        around = Queries(queries.origins[one.query], queries.times[one.query], queries.barred[one.query])
        start = Reached(items, one.node, np.ones(len(items)), np.ones(len(items)))
        knobs = config.walks.model_copy(update={"fanout": SECOND})
        below = [(name, step(market.graph, name, around, start, knobs)) for name, _ in _leaving(then)]
        lower = tuple(
            Hop(name, two.query, told(market, two.node, around.times[two.query]), two.weight.astype(np.float32))
            for name, two in below
            if len(two.node)
        )
        node = told(market, one.node, queries.times[one.query])
        found.append(Hop(relation, one.query, node, one.weight.astype(np.float32), lower))
    return tuple(found)


def told(market: Market, nodes: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Nodes (n,) as their vectors are read at times (n,): the number after the last where one is not known yet."""
    return np.where((nodes < 0) | market.told(nodes, times), nodes, len(market.graph))


def _leaving(kind: str) -> list[tuple[str, str]]:
    """The relations that leave a kind of node, and the kinds that they lead to."""
    forwards = [(name, ends.target) for name, ends in RELATIONS.items() if ends.source == kind]
    return forwards + [(f"~{name}", ends.source) for name, ends in RELATIONS.items() if ends.target == kind]


class Sage(Correction):
    """The two layers. A state (n, width) of a member and of a job; their product gives the logits."""

    def __init__(self, tasks: tuple[str, ...], position: Tensor, vectors: np.ndarray, config: GraphConfig) -> None:
        super().__init__(tasks, position, vectors, config)
        names = [f"{way}{name}" for name in RELATIONS for way in ("", "~")]
        width = config.width
        self.enter = nn.Linear(self.inputs, width)
        self.own = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.by = nn.ModuleList(
            nn.ModuleDict({name: nn.Linear(width, width, bias=False) for name in names}) for _ in range(2)
        )
        self.drop = nn.Dropout(config.dropout)
        self.neighbour, self.label = nn.Linear(width, width), nn.Linear(width, width)
        self.out = nn.Linear(width, len(tasks))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def states(self, nodes: Tensor, origins: np.ndarray, around: tuple[Hop, ...]) -> Tensor:
        """States (q, width) of origins (q,) with the hops around them; nodes: (all nodes, width) from `enter`."""
        device = nodes.device
        own = nodes[to_device(np.maximum(origins, 0), device)]
        own = torch.where(to_device(origins >= 0, device)[:, None], own, 0.0)
        first, second = self.own[0](own), torch.zeros_like(own)
        for hop in around:
            of_hop = nodes[to_device(hop.node, device)]
            first = first + self.by[0][hop.relation](_mean(of_hop, hop, len(origins)))  # type: ignore[index]
            state = self.own[0](of_hop)
            for below in hop.below:
                lower = _mean(nodes[to_device(below.node, device)], below, len(hop.node))
                state = state + self.by[0][below.relation](lower)  # type: ignore[index]
            mean = _mean(self.drop(nn.functional.gelu(state)), hop, len(origins))
            second = second + self.by[1][hop.relation](mean)  # type: ignore[index]
        return nn.functional.gelu(second + self.own[1](self.drop(nn.functional.gelu(first))))


def _mean(states: Tensor, hop: Hop, parents: int) -> Tensor:
    """(parents, width): the weighted sums of the states (i, width) of a hop."""
    weighted = states * to_device(hop.share, states.device)[:, None]
    out = torch.zeros(parents, states.shape[1], device=states.device, dtype=weighted.dtype)
    return out.index_add(0, to_device(hop.parent, states.device), weighted)


class SagePairs(CorrectedPairs):
    """Rows with the hops around their members and jobs, which are read once a step and kept."""

    model: Sage

    def take(self, hood: Neighbourhood) -> None:
        read = self.model.read(self.market.vectors)
        self._read = np.concatenate([read, np.zeros((1, read.shape[1]), np.float32)])  # the last: not known yet
        self._kept: dict[bytes, tuple] = {}
        self._last: tuple[Tensor, Tensor, np.ndarray] | None = None
        skills = np.diff(self.market.graph.adjacency["~has_skill"].starts)
        wanted = np.diff(self.market.graph.adjacency["~wants_way"].starts)
        labels = np.flatnonzero((skills > 0) | (wanted > 0))
        self.labels = np.sort(labels[np.argsort(-(skills + 1_000_000 * (wanted > 0))[labels], kind="stable")][:LABELS])

    def around(self, places: np.ndarray) -> Tensor:
        key = places.tobytes()
        if key not in self._kept:
            rows, kept = self.needed[places], []
            for kind in ("member", "job"):
                side = self.market.side(rows, kind)
                kept.append((side, hops(self.market, side.queries, kind, self.config)))
            if not self.model.training:
                self._kept.clear()
            self._kept[key] = tuple(kept)
        device, read = device_of(self.model), to_device(self._read, device_of(self.model))
        nodes = self.model.enter(read)
        states = []
        for side, found in self._kept[key]:
            origins = told(self.market, side.queries.origins, side.queries.times)
            of_side = self.model.states(nodes, origins, found)
            states.append(of_side[to_device(side.of_pair, device)])
        member, job = states
        self._last = member, job, places
        logits: Tensor = self.model.out(member * job)
        return logits.float()

    def contrast(self, targets: np.ndarray) -> Tensor:
        """InfoNCE of the last step: each member's job against all jobs of the step that are not theirs.

        targets: (m, tasks) of the pairs of that step, in their order; a pair with any outcome is a positive.
        """
        assert self._last is not None
        member, job, places = self._last
        rows = self.needed[places]
        positive = np.flatnonzero((np.nan_to_num(targets) > 0).any(axis=1) & self.found[places])
        if not len(positive):
            return member.sum() * 0.0
        member, job = nn.functional.normalize(member, dim=1), nn.functional.normalize(job, dim=1)
        _, which, often = np.unique(self.market.job[rows], return_inverse=True, return_counts=True)
        logits = (member[positive] @ job.T).float() / self.config.temperature
        logits = logits - to_device(np.log(often[which]).astype(np.float32), logits.device)
        same_member = self.market.member[rows][positive][:, None] == self.market.member[rows]
        theirs = same_member & (np.nan_to_num(targets) > 0).any(axis=1)
        same_job = self.market.job[rows][positive][:, None] == self.market.job[rows]
        barred = (theirs | same_job) & (np.arange(len(rows)) != positive[:, None])
        logits = logits.masked_fill(to_device(barred, logits.device), -1e4)
        return nn.functional.cross_entropy(logits, to_device(positive, logits.device))

    def auxiliary(self, rng: np.random.Generator) -> Tensor:
        """The loss of the auxiliary tasks over the members of the last step."""
        assert self._last is not None
        places = self._last[2]
        side, found = self._kept[places.tobytes()][0]
        device, q = device_of(self.model), len(side.queries.origins)
        nodes = self.model.enter(to_device(self._read, device))
        kept = [hop for hop in found if hop.relation not in HIDDEN]
        parent = np.concatenate([np.zeros(0, np.int64), *(hop.parent for hop in kept)])
        if not len(parent):
            return nodes.sum() * 0.0
        order = rng.permutation(len(parent))
        asked, first = np.unique(parent[order], return_index=True)
        taken = np.zeros(len(parent), bool)
        taken[order[first]] = True
        node = np.concatenate([hop.node for hop in kept])
        masked = node[order[first]]
        ends = np.cumsum([len(hop.parent) for hop in kept])[:-1]
        shorn = tuple(
            hop._replace(share=np.where(gone, 0, hop.share).astype(np.float32))
            for hop, gone in zip(kept, np.split(taken, ends), strict=True)
        )
        state = self.model.states(nodes, np.full(q, -1), shorn)  # its own text would tell
        of_asked = state[to_device(asked, device)]
        answers, place = np.unique(masked, return_inverse=True)
        against = nodes[to_device(answers, device)]
        which = self.model.neighbour(of_asked) @ against.T / np.sqrt(against.shape[1])
        loss = nn.functional.cross_entropy(which.float(), to_device(place, device))
        known = [hop for hop in found if hop.relation in HIDDEN]
        if not known or not len(self.labels):
            return loss
        has = np.zeros((q, len(self.labels)), np.float32)
        for hop in known:
            label = np.minimum(np.searchsorted(self.labels, hop.node), len(self.labels) - 1)
            is_label = self.labels[label] == hop.node
            has[hop.parent[is_label], label[is_label]] = 1
        tokens = nodes[to_device(self.labels, device)]
        told = self.model.label(state) @ tokens.T / np.sqrt(tokens.shape[1])
        of_labels = nn.functional.binary_cross_entropy_with_logits(told.float(), to_device(has, device))
        return loss + of_labels
