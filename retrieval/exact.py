"""Exhaustive inner-product search with the filter inside: every vector that passes is scored, none other is returned.

Two ways that give the same answer (after LiNR, arXiv 2407.13218): where many pass, score all and mask; where few pass,
gather them first. Nothing is approximated, so this is also the reference that other engines are tested against.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from contracts.errors import BadInput, ShapeMismatch

GATHER_BELOW = 0.4
"""Share of rows that pass under which gathering costs less than scoring everything (100k x 384 float32, two cores)."""
BLOCK = 512
"""Rows scored at a time: they stay in the cache for all queries, where one product of all rows with few queries costs
twice as much (100k x 384 with two queries: 15 ms against 26 ms on one core)."""


class Hits(NamedTuple):
    """What one query found, best first. rows: (m,) int32; scores: (m,) float32; m is k, or fewer where fewer pass."""

    rows: np.ndarray
    scores: np.ndarray


NOTHING = Hits(np.zeros(0, np.int32), np.zeros(0, np.float32))


class ExactEngine:
    """Holds (n, d) float32 vectors, which may be memory-mapped."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors

    def search(self, vectors: np.ndarray, mask: np.ndarray | None, k: int) -> list[Hits]:
        """The k rows with the highest inner product for each query; ties by row, lower first.

        vectors: (q, d) float32 queries; mask: (n,) bool, the rows that may be returned, None: all.
        Raises BadInput for k < 1 or a query that is not finite, ShapeMismatch for a wrong width.
        """
        check_search(vectors, mask, k, self.vectors.shape)
        n = len(self.vectors)
        passing = None if mask is None else np.flatnonzero(mask)
        if passing is None or len(passing) == n:
            return [top_k(scores, k) for scores in self._scores(vectors)]
        if len(passing) < GATHER_BELOW * n:
            return [top_k(scores, k, passing) for scores in self._scores(vectors, passing)]
        return [top_k(scores[passing], k, passing) for scores in self._scores(vectors)]

    def _scores(self, queries: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """(q, m) float32 inner products with the vectors at `rows` ((m,) int64; None: all)."""
        m = len(self.vectors) if rows is None else len(rows)
        queries = np.ascontiguousarray(queries, np.float32)
        scores = np.empty((len(queries), m), np.float32)
        for start in range(0, m, BLOCK):
            stop = min(start + BLOCK, m)
            block = self.vectors[start:stop] if rows is None else self.vectors[rows[start:stop]]
            for query, out in zip(queries, scores, strict=True):
                np.dot(block, query, out=out[start:stop])
        return scores


def top_k(scores: np.ndarray, k: int, rows: np.ndarray | None = None) -> Hits:
    """The k highest of (m,) scores, highest first, ties by row.

    rows: (m,) ascending row numbers that the scores belong to; None: 0 to m - 1.
    """
    scores = np.ascontiguousarray(scores, np.float32)
    if k < len(scores):
        cut = np.partition(scores, len(scores) - k)[len(scores) - k]
        above = np.flatnonzero(scores > cut)
        level = np.flatnonzero(scores == cut)[: k - len(above)]  # argpartition alone would pick any of equal ones
        chosen = np.sort(np.concatenate([above, level]))
    else:
        chosen = np.arange(len(scores))
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
    found = chosen if rows is None else rows[chosen]
    return Hits(found.astype(np.int32), scores[chosen])


def check_search(vectors: np.ndarray, mask: np.ndarray | None, k: int, shape: tuple[int, ...]) -> None:
    """Raises what `ExactEngine.search` states. shape: (n, d) of the engine's vectors."""
    if k < 1:
        raise BadInput(f"k is {k}", cure="ask for at least one job")
    if vectors.ndim != 2 or vectors.shape[1] != shape[1]:
        raise ShapeMismatch(f"query vectors are {vectors.shape}, the index has width {shape[1]}", cure="encode again")
    if mask is not None and mask.shape != shape[:1]:
        raise ShapeMismatch(f"the mask is {mask.shape}, the index has {shape[0]:,} rows")
    if not np.isfinite(vectors).all():
        raise BadInput("a query vector holds NaN or infinity", cure="encode the text again")
