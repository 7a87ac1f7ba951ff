"""Links as they are served: nodes of a request in, rows of jobs out. A match is a shared node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from contracts.errors import BadInput
from retrieval.engines.hits import NO_HITS, Hits

Score = Literal["best", "mean", "sum"]
"""Of the quality of the links that a member and a job share. Weights of a regression add up: the sum is what the model
that they are from would say of the pair, but for the links that liquidity kept from the member."""


class LinkedJobs:
    """n jobs by node: the rows of node q are rows[offsets[q]:offsets[q + 1]], ascending.

    quality: (nodes,) float32.
    """

    def __init__(self, offsets: np.ndarray, rows: np.ndarray, quality: np.ndarray, n: int) -> None:
        self._offsets, self._rows, self._quality, self._n = offsets, rows, quality, n

    @classmethod
    def of(cls, nodes: Sequence[np.ndarray], quality: np.ndarray) -> LinkedJobs:
        """From the node ids of each job: the attribute that an index would hold."""
        flat = np.concatenate([np.zeros(0, np.int32), *nodes]).astype(np.int64)
        rows = np.repeat(np.arange(len(nodes), dtype=np.int32), [len(of_job) for of_job in nodes])
        order = np.argsort(flat, kind="stable")
        offsets = np.concatenate([[0], np.cumsum(np.bincount(flat, minlength=len(quality)))])
        return cls(offsets.astype(np.int64), rows[order], quality, len(nodes))

    def __len__(self) -> int:
        return self._n

    def rows(self, node: int) -> np.ndarray:
        """(r,) int32 ascending: the jobs of a node."""
        return self._rows[self._offsets[node] : self._offsets[node + 1]]

    def search(self, nodes: np.ndarray, k: int, mask: np.ndarray | None = None, score: Score = "best") -> Hits:
        """The k jobs that share nodes, by the quality of those shared; ties by row.

        nodes: (q,) int, each once; mask: (n,) bool, the jobs that may be answered with. Raises BadInput for k < 1.
        """
        if k < 1:
            raise BadInput(f"k is {k}", cure="ask for at least one job")
        if not len(nodes):
            return NO_HITS
        rows_of = [self.rows(node) for node in nodes]
        quality = np.repeat(self._quality[nodes].astype(np.float64), [len(rows) for rows in rows_of])
        all_rows = np.concatenate(rows_of)
        if mask is not None:
            kept = mask[all_rows]
            all_rows, quality = all_rows[kept], quality[kept]
        rows, place = np.unique(all_rows, return_inverse=True)
        if score == "best":
            scores = np.full(len(rows), -np.inf)
            np.maximum.at(scores, place, quality)
        else:
            scores = np.bincount(place, quality, minlength=len(rows))
            if score == "mean":
                scores = scores / np.bincount(place, minlength=len(rows))
        scores = scores.astype(np.float32)
        order = np.lexsort((rows, -scores))[:k]
        return Hits(rows[order].astype(np.int32), scores[order])

    def best_shared(self, nodes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(m,) int32: of each of `rows` the first node of `nodes` (best first) that it has, -1 where it has none."""
        best = np.full(self._n, -1, np.int32)
        for node in nodes[::-1]:
            best[self.rows(node)] = node
        return best[rows]
