"""Neighbourhoods of the market graph as of a moment, by metapath: who is reached, on how many ways, with what weight.

A step from a node goes to the latest edges that were known before the query's own time, at most `fanout` of them, so
that a hub of a million edges costs as much as any node. Their weights halve with each `half_life` of an event's age and
sum to 1: the weight of a node is the chance that a walk of the metapath ends there. Edges between the two nodes of the
query's pair are never taken, and no walk comes back to where it began.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from history.graph.config import WalkConfig
from history.graph.graph import RELATIONS, Graph

DAY = 86_400_000_000
LOOKED_AT = 4
"""Latest edges that a step looks at, as a multiple of the fan-out: what has ended or is barred makes room for older."""
AGING = frozenset({"opened", "applied"})
"""Relations whose edges weigh less with age; a skill does not."""

MEMBER_PATHS: Mapping[str, tuple[str, ...]] = {
    "opened": ("opened",),
    "applied": ("applied",),
    "worked at": ("worked_at",),
    "held": ("held_title",),
    "wants": ("wants_title",),
    "skills": ("has_skill",),
    "companies of opened": ("opened", "posted_by"),
    "titles of opened": ("opened", "has_title"),
    "jobs of employers": ("worked_at", "~posted_by"),
    "opened by like members": ("like_member", "opened"),
}
JOB_PATHS: Mapping[str, tuple[str, ...]] = {
    "company": ("posted_by",),
    "title": ("has_title",),
    "skills asked": ("asks_skill",),
    "opened by": ("~opened",),
    "applied by": ("~applied",),
    "opened with": ("~opened", "opened"),
    "applied with": ("~applied", "applied"),
    "of the company": ("posted_by", "~posted_by"),
    "like jobs": ("like_job",),
    "opened by, of like jobs": ("like_job", "~opened"),
}
"""Metapaths from a member and from a job: their name -> the relations that are walked, one or two."""


@dataclass(frozen=True)
class Queries:
    """n neighbourhoods that are asked for.

    Attributes:
        origins: (n,) int64 nodes; -1 has no neighbourhood.
        times: (n,) int64 microseconds; only edges from before are known.
        barred: (n,) int64 the other node of the pair, edges to which are not taken; -1: none.
    """

    origins: np.ndarray
    times: np.ndarray
    barred: np.ndarray


class Reached(NamedTuple):
    """(m,) each, sorted by query and node: what walks of a metapath reach, each node once a query.

    Attributes:
        query: int64 number of the query.
        node: int64.
        weight: float64 chance that a walk ends there.
        ways: float64 number of walks that do.
    """

    query: np.ndarray
    node: np.ndarray
    weight: np.ndarray
    ways: np.ndarray


def walk(graph: Graph, path: Sequence[str], queries: Queries, config: WalkConfig) -> Reached:
    """What the walks of a metapath reach from each query's origin.

    Args:
        graph: Of the market.
        path: Relations, each as in `Graph.adjacency`.
        queries: n of them.
        config: Fan-out and aging.
    """
    query = np.flatnonzero(queries.origins >= 0)
    reached = Reached(query, queries.origins[query], np.ones(len(query)), np.ones(len(query)))
    for relation in path:
        reached = step(graph, relation, queries, reached, config)
    return _merged(reached, len(graph))


def step(graph: Graph, relation: str, queries: Queries, at: Reached, config: WalkConfig) -> Reached:
    """One step of walks by a relation, from where they are; as `Reached`, but a node may stand there several times."""
    adjacency = graph.adjacency[relation]
    if not len(adjacency.target) or not len(at.node):
        none = np.zeros(0, np.int64)
        return Reached(none, none, np.zeros(0), np.zeros(0))
    times = queries.times[at.query]
    end = adjacency.known(at.node, times)
    begin = np.maximum(adjacency.starts[at.node], end - LOOKED_AT * config.fanout)
    size = end - begin
    parent = np.repeat(np.arange(len(size)), size)
    edge = np.arange(len(parent)) - np.repeat(np.cumsum(size) - size, size) + np.repeat(begin, size)
    target = adjacency.target[edge].astype(np.int64)
    origin, barred = queries.origins[at.query[parent]], queries.barred[at.query[parent]]
    here = at.node[parent]
    between = ((here == origin) & (target == barred)) | ((here == barred) & (target == origin))
    taken = (adjacency.until[edge] > times[parent]) & ~between & (target != origin)
    parent, edge, target = parent[taken], edge[taken], target[taken]
    left = np.bincount(parent, minlength=len(size))
    from_end = np.repeat(np.cumsum(left), left) - np.arange(len(parent))  # 1 for the latest
    latest = from_end <= config.fanout
    parent, edge, target = parent[latest], edge[latest], target[latest]
    weight = np.ones(len(parent))
    if relation.lstrip("~") in AGING:
        age = (times[parent] - adjacency.since[edge]) / (config.half_life * DAY)
        weight = 0.5 ** np.minimum(age, 1_000)
    total = np.bincount(parent, weight, minlength=len(size))
    share = weight / np.maximum(total[parent], 1e-300)
    return Reached(at.query[parent], target, at.weight[parent] * share, at.ways[parent])


def _merged(reached: Reached, nodes: int) -> Reached:
    key, place = np.unique(reached.query * nodes + reached.node, return_inverse=True)
    weight, ways = (np.bincount(place, values, minlength=len(key)) for values in (reached.weight, reached.ways))
    return Reached(key // nodes, key % nodes, weight, ways)


class Neighbours(NamedTuple):
    """(n, k) each: the neighbours of n queries, the heaviest first; -1 in `nodes` where there are no more.

    Attributes:
        nodes: int64.
        paths: int8, place of the metapath among those asked for; that of the heaviest where several reach the node.
        hops: int8, its length.
        weights: float32, chance of the walk; under `pagerank` the sum over metapaths, without restarts.
    """

    nodes: np.ndarray
    paths: np.ndarray
    hops: np.ndarray
    weights: np.ndarray


def sample(graph: Graph, paths: Sequence[Sequence[str]], queries: Queries, k: int, config: WalkConfig) -> Neighbours:
    """Up to k neighbours of each query over some metapaths, each node once.

    By recency each metapath offers its heaviest in turn; by PageRank the weights of all metapaths are summed, one a
    relation of equal chance, and the heaviest are taken. Ties go to the lower node number.
    """
    n = len(queries.origins)
    found = [walk(graph, path, queries, config) for path in paths]
    query = np.concatenate([one.query for one in found])
    node = np.concatenate([one.node for one in found])
    path = np.repeat(np.arange(len(paths)), [len(one.query) for one in found])
    hops = np.array([len(path) for path in paths])[path]
    weight = np.concatenate([one.weight for one in found]) * (1 - config.restart) ** hops
    if config.sampling == "pagerank":
        key = query * len(graph) + node
        _, place = np.unique(key, return_inverse=True)
        total = np.bincount(place, weight)
        order = np.lexsort((path, -weight, key))
        rank: np.ndarray = -total[place]
    else:
        total = None
        turn = np.empty(len(query))
        order = np.lexsort((node, -weight, path, query))
        turn[order] = _place_in_run(query[order] * len(paths) + path[order])
        key = query * len(graph) + node
        order = np.lexsort((-weight, turn, key))
        rank = turn
    first = order[np.concatenate([[True], key[order][1:] != key[order][:-1]])] if len(order) else order
    order = first[np.lexsort((node[first], -weight[first], rank[first], query[first]))]
    place = _place_in_run(query[order])
    order, place = order[place < k], place[place < k]
    out = Neighbours(
        np.full((n, k), -1, np.int64),
        np.zeros((n, k), np.int8),
        np.zeros((n, k), np.int8),
        np.zeros((n, k), np.float32),
    )
    sums = weight if total is None else -rank
    for array, values in zip(out, (node, path, hops, sums), strict=True):
        array[query[order], place] = values[order]
    return out


def _place_in_run(values: np.ndarray) -> np.ndarray:
    """(n,) int64: how many equal values stand right before each of sorted ones."""
    if not len(values):
        return np.zeros(0, np.int64)
    begins = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    return np.arange(len(values)) - np.repeat(begins, np.diff(np.append(begins, len(values))))


def ends_in(path: Sequence[str]) -> str:
    """The kind of node that a metapath ends in."""
    relation = RELATIONS[path[-1].lstrip("~")]
    return relation.source if path[-1].startswith("~") else relation.target
