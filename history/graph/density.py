"""Densification: cold members and jobs get edges to like ones of which much is known.

Source: LiGNN (arXiv 2402.11139), section on graph densification.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from history.graph.edges import FOREVER
from history.graph.graph import RELATIONS, Columns, Graph, assembled, columns_of

NEAR = {"member": "like_member", "job": "like_job"}
BLOCK = 4_096


def degrees(graph: Graph, time: int, relations: Sequence[str] = tuple(RELATIONS)) -> np.ndarray:
    """(nodes,) int64: edges that are known of each node at a moment, those to it and from it, over some relations."""
    both = (f"{way}{name}" for name in relations if name not in NEAR.values() for way in ("", "~"))
    return np.asarray(np.sum([graph.adjacency[name].degrees(time) for name in both], axis=0))


def densify(
    graph: Graph,
    vectors: np.ndarray,
    known: np.ndarray,
    moments: Sequence[int],
    near: int = 10,
    low: float = 0.3,
    high: float = 0.9,
) -> Graph:
    """The graph with edges from each cold node to the nearest well-connected ones of its kind.

    Degrees are those of each moment, and the edges hold from it to the next one, or from when both vectors are known:
    no request knows degrees or texts of later.

    Args:
        graph: Without such edges, or with older ones, which are replaced.
        vectors: (nodes, dim) float32 of unit length, zeros where a node has none.
        known: (nodes,) int64 microseconds since when each vector is known.
        moments: Ascending microseconds at which degrees are taken.
        near: Edges of a cold node at most.
        low: A node below this quantile of its kind's degrees, or at it, is cold.
        high: One above this quantile, and with an edge, is well connected.

    Returns:
        The graph with the relations `like_member` and `like_job`.
    """
    columns: dict[str, Columns] = {name: columns_of(graph, name) for name in RELATIONS if name not in NEAR.values()}
    made: Mapping[str, list[list[np.ndarray]]] = {name: [] for name in NEAR.values()}
    has_vector: np.ndarray = np.asarray(vectors.any(axis=1))
    for moment, until in zip(moments, [*moments[1:], FOREVER], strict=True):
        degree = degrees(graph, moment)
        for kind, name in NEAR.items():
            nodes = np.arange(len(graph.keys[kind])) + graph.first[kind]
            if not len(nodes):
                continue
            coldest, warmest = np.quantile(degree[nodes], (low, high))
            cold = nodes[(degree[nodes] <= coldest) & has_vector[nodes]]
            warm = nodes[(degree[nodes] > max(warmest, coldest, 0)) & has_vector[nodes]]
            for start in range(0, len(cold) if len(warm) else 0, BLOCK):
                some = cold[start : start + BLOCK]
                cosines = vectors[some] @ vectors[warm].T
                most = min(near, len(warm))
                nearest = np.argpartition(-cosines, most - 1, axis=1)[:, :most]
                source, target = np.repeat(some, most), warm[nearest].ravel()
                since = np.maximum(np.maximum(known[source], known[target]), moment)
                columns_made = source, target, since, np.full(len(target), until, np.int64)
                made[name].append([column[since < until] for column in columns_made])
    none = np.zeros(0, np.int64)
    for name, blocks in made.items():
        columns[name] = tuple(np.concatenate(column) for column in zip(*blocks, strict=True)) if blocks else (none,) * 4
    return assembled(graph.keys, graph.first, columns, graph.dropped)
