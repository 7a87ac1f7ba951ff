"""Exhaustive inner-product search with the filter inside: every vector that passes is scored, none other is returned.

Two plans give the same answer (after LiNR, arXiv 2407.13218): where many rows pass, score all and mask; where few pass,
gather them first. This engine is also the reference that other engines are tested against.

The scan runs in float32, whose last bits depend on how rows are blocked; rows near the top are scored again in
float64. So rows and scores are those of a plain loop, whatever the plan, the batch or the machine's BLAS, and equal
vectors tie. Where the vectors are there as bytes too (`retrieval.engines.codes`), those are scanned first.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from contracts.errors import BadInput
from retrieval.engines.codes import ByteCodes, Looked
from retrieval.engines.hits import NO_HITS, Hits, check_search, contenders, top_k
from retrieval.engines.side_by_side import side_by_side
from retrieval.engines.vectors import StoredVectors, blocks, check_stored, decode, max_absolute

Plan = Literal["mask", "gather"]
GATHER_BELOW, GATHER_BELOW_FOR_ONE = 0.4, 0.25
"""Share of rows that pass under which gathering costs less than scoring everything (100k to 1M float32, two cores). A
single query is scored where the vectors lie, so that scoring everything costs it less."""
GATHER_BELOW_CODED = 0.05
"""The same for up to `EINSUM_MAX_QUERIES` queries where there are codes, whose scan costs less."""
BLOCK_ROWS = 1_024
"""Rows that are gathered or decoded at a time: they stay in the cache until all queries have been scored on them."""
CACHE_NUMBERS = 3 * 2**17
"""Numbers of a block that one query is scored on by `einsum`: with fewer, the time goes to calls."""
EINSUM_MAX_QUERIES = 4
"""Queries up to which `einsum` is faster than BLAS, whose threads also spin for a while after each call and take the
cores from what a service does next."""
RESCORE_BLOCK_ROWS = 256
"""Rows that are scored again in float64 at a time."""
MIN_NUMBERS_PER_CORE = 131_072
"""Numbers that are worth a core of their own: with fewer, waking the core costs more than it saves."""
BLAS_BLOCK_ROWS = 8_192
"""Rows that are copied and multiplied with a batch of queries at a time: each time waits for all of BLAS's threads."""
RESCORE_ALL_BELOW = 4
"""Times k: if at most so many rows pass the filter, the float32 scan is skipped and all are scored in float64."""
MAX_QUERIES_PER_SCAN = 32
"""Queries scored in one scan: it bounds the memory for scores, n numbers a query."""
_MAX_SCORE = 1e37
"""Above this an inner product may overflow in float32."""


class ExactEngine:
    """Searches n stored vectors of width d. It copies nothing; the arrays may be memory-mapped."""

    def __init__(
        self,
        vectors: np.ndarray,
        scales: np.ndarray | None = None,
        max_absolute: float | None = None,
        codes: ByteCodes | None = None,
    ) -> None:
        """Take vectors as they are stored.

        Args:
            vectors: (n, d) float32, float16 or int8, finite.
            scales: (n,) float32 for int8, else None.
            max_absolute: The largest absolute number in the vectors, or a bound on it. None: found at the first search.
            codes: The same vectors as bytes, which few queries are compared with first; None: there are none.

        Raises:
            ShapeMismatch: Vectors or scales have another shape or dtype.
        """
        self.vectors = vectors
        self._stored = StoredVectors(np.asarray(vectors), scales)
        self._max_absolute, self._codes = max_absolute, codes
        check_stored(self._stored)

    def search(self, vectors: np.ndarray, mask: np.ndarray | None, k: int, *, plan: Plan | None = None) -> list[Hits]:
        """The k rows with the highest inner product for each query; equal scores by row, lower first.

        Args:
            vectors: (q, d) float32 queries.
            mask: (n,) bool, the rows that may be returned. None: all.
            k: Rows a query, at least 1.
            plan: How rows are scored. None: by the share of rows that pass.

        Returns:
            One `Hits` a query.

        Raises:
            BadInput: k is below 1, a query is not finite, or vectors are so long that scores overflow.
            ShapeMismatch: The queries or the mask have another width than the vectors.
        """
        check_search(vectors, mask, k, self.vectors.shape)
        queries = np.ascontiguousarray(vectors, np.float32)
        self._check_lengths(queries)
        if mask is None:
            return self._best(queries, k, None, None)
        if (plan or self._chosen_plan(mask, len(queries))) == "gather":
            return self._best(queries, k, np.flatnonzero(mask), None)
        return self._best(queries, k, None, mask)

    def _chosen_plan(self, mask: np.ndarray, queries: int) -> Plan:
        below = GATHER_BELOW_CODED if self._codes and queries <= EINSUM_MAX_QUERIES else gather_below(queries)
        return "gather" if np.count_nonzero(mask) < below * len(mask) else "mask"

    def best_of(self, query: np.ndarray, rows: np.ndarray, k: int) -> Hits:
        """The k best of some rows for one query, scored as `search` scores them.

        Args:
            query: (d,) float32.
            rows: (m,) ascending row numbers.
            k: At least 1.
        """
        scores = np.empty((1, len(rows)), np.float32)
        self._rescore(query[None], rows, scores)
        return top_k(scores[0], k, rows)

    @property
    def _core_rows(self) -> int:
        """Rows that are worth a core of their own."""
        return max(1, MIN_NUMBERS_PER_CORE // max(1, self.vectors.shape[1]))

    def _best(self, queries: np.ndarray, k: int, rows: np.ndarray | None, mask: np.ndarray | None) -> list[Hits]:
        """The k best of `rows` ((m,) ascending; None: all), of which `mask` ((m,) bool; None: all) passes."""
        if rows is not None and len(rows) <= RESCORE_ALL_BELOW * k:
            return self._rescored(queries, rows, k)
        if rows is None and self._codes is not None and len(queries) <= EINSUM_MAX_QUERIES:
            return self._coded(queries, self._codes, k, mask)
        hits: list[Hits] = []
        for batch in blocks(slice(0, len(queries)), MAX_QUERIES_PER_SCAN):
            hits += self._scanned(queries[batch], k, rows, mask)
        return hits

    def _coded(self, queries: np.ndarray, codes: ByteCodes, k: int, mask: np.ndarray | None) -> list[Hits]:
        """As `_best`, by codes; the queries that they do not settle are compared with all rows together."""
        found: list[Hits | None] = [None] * len(queries)

        def settle(part: slice) -> None:
            for i in range(part.start, part.stop):
                found[i] = self._settled(queries[i], codes.look(queries[i], mask, k), k)

        side_by_side(settle, len(queries), least=1)
        left = [i for i, hits in enumerate(found) if hits is None]
        scanned = iter(self._scanned(queries[left], k, None, mask)) if left else iter(())
        return [next(scanned) if hits is None else hits for hits in found]

    def _settled(self, query: np.ndarray, looked: Looked, k: int) -> Hits | None:
        """The k best of all rows that pass, where the rows looked at are known to hold them."""
        rows, error = looked.rows, self._error_bound(query)
        scores = np.empty((1, len(rows)), np.float32)
        self._einsum_scores(query[None], rows, slice(0, len(rows)), BLOCK_ROWS, scores)
        if looked.others > -math.inf and np.partition(scores[0], -k)[-k] - 2 * error <= looked.others:
            return None
        return self.best_of(query, rows[contenders(scores[0], k, 2 * error)], k)

    def _scanned(self, queries: np.ndarray, k: int, rows: np.ndarray | None, mask: np.ndarray | None) -> list[Hits]:
        """As `_best`, for one batch: score all rows in float32, then rescore those near the top."""
        scores = self._scores(queries, rows)

        def near_top(i: int) -> np.ndarray:
            positions = contenders(scores[i], k, 2 * self._error_bound(queries[i]), mask)
            return positions if rows is None else rows[positions]

        if len(queries) == 1:
            return self._rescored(queries, near_top(0), k)
        hits = [NO_HITS] * len(queries)

        def rescore(part: slice) -> None:
            for i in range(part.start, part.stop):
                hits[i] = self.best_of(queries[i], near_top(i), k)

        side_by_side(rescore, len(queries), least=1)
        return hits

    def _rescored(self, queries: np.ndarray, rows: np.ndarray, k: int) -> list[Hits]:
        """The k best of `rows` ((m,) ascending) for each query, all of them rescored, on all cores."""
        exact = np.empty((len(queries), len(rows)), np.float32)
        side_by_side(lambda part: self._rescore(queries, rows[part], exact[:, part]), len(rows), self._core_rows)
        return [top_k(scores, k, rows) for scores in exact]

    def _scores(self, queries: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
        """(q, m) float32 inner products with the vectors at `rows`, each off by `_error_bound` at most."""
        n, dim = self._stored.values.shape
        m = n if rows is None else len(rows)
        scores = np.empty((len(queries), m), np.float32)
        in_place = self._scored_in_place(rows)
        if len(queries) <= EINSUM_MAX_QUERIES:
            size = max(1, m if in_place and len(queries) == 1 else CACHE_NUMBERS // dim)
            side_by_side(lambda part: self._einsum_scores(queries, rows, part, size, scores), m, self._core_rows)
            return scores
        columns = np.ascontiguousarray(queries.T)
        buffer = np.empty((0 if in_place else min(BLAS_BLOCK_ROWS, m), dim), np.float32)
        for wide in blocks(slice(0, m), 8 * BLAS_BLOCK_ROWS if in_place else BLAS_BLOCK_ROWS):
            vectors = self._stored.values[wide] if in_place else self._decoded(rows, wide, buffer)
            scores[:, wide] = (vectors @ columns).T
        return scores

    def _scored_in_place(self, rows: np.ndarray | None) -> bool:
        """Whether the vectors are scored where they lie, without a copy."""
        return rows is None and self._stored.values.dtype == np.float32

    def _einsum_scores(
        self, queries: np.ndarray, rows: np.ndarray | None, part: slice, size: int, scores: np.ndarray
    ) -> None:
        """Fill scores[:, part] with the vectors at rows[part], of which `size` are held in the cache at a time."""
        copied = 0 if self._scored_in_place(rows) else min(size, part.stop - part.start)
        buffer = np.empty((copied, queries.shape[1]), np.float32)
        for block in blocks(part, size):
            vectors = decode(self._stored, block if rows is None else rows[block], buffer)
            for row_scores, query in zip(scores, queries, strict=True):
                np.einsum("ij,j->i", vectors, query, out=row_scores[block])

    def _decoded(self, rows: np.ndarray | None, wide: slice, buffer: np.ndarray) -> np.ndarray:
        """(w, d) float32 vectors at rows[wide], in the buffer ((>= w, d) float32)."""

        def copy(part: slice) -> None:
            for block in blocks(part, BLOCK_ROWS):
                there = slice(wide.start + block.start, wide.start + block.stop)
                decode(self._stored, there if rows is None else rows[there], buffer[block])

        side_by_side(copy, wide.stop - wide.start, least=BLOCK_ROWS)
        return buffer[: wide.stop - wide.start]

    def _rescore(self, queries: np.ndarray, rows: np.ndarray, scores: np.ndarray) -> None:
        """Fill (q, m) float32 `scores` with the inner products with the vectors at `rows` ((m,) row numbers), each
        summed in float64 and always in the same order.
        """
        queries = queries.astype(np.float64)
        narrow = np.empty((min(RESCORE_BLOCK_ROWS, len(rows)), queries.shape[1]), np.float32)
        wide = np.empty(narrow.shape, np.float64)
        for block in blocks(slice(0, len(rows)), RESCORE_BLOCK_ROWS):
            vectors = wide[: block.stop - block.start]
            np.copyto(vectors, decode(self._stored, rows[block], narrow))
            for row_scores, query in zip(scores, queries, strict=True):
                row_scores[block] = np.einsum("ij,j->i", vectors, query)

    def _error_bound(self, query: np.ndarray) -> float:
        """How far a float32 score can lie from the float64 one: the bound that holds for any order of sums.

        Source: Higham, Accuracy and Stability of Numerical Algorithms (2002), section 3.1.
        """
        return (len(query) + 8) * (2.0**-24 * self._max_product(query) + float(np.finfo(np.float32).tiny))

    def _max_product(self, query: np.ndarray) -> float:
        """An upper bound of the longest vector's length times the query's."""
        if self._max_absolute is None:
            self._max_absolute = self._codes.max_absolute if self._codes else max_absolute(self._stored)
        return self._max_absolute * math.sqrt(len(query)) * float(np.linalg.norm(query.astype(np.float64)))

    def _check_lengths(self, queries: np.ndarray) -> None:
        for query in queries:
            length = self._max_product(query)
            if length > _MAX_SCORE:
                raise BadInput(f"inner products of up to {length:.1e} overflow", cure="normalise the vectors")


def gather_below(queries: int) -> float:
    """The share of passing rows under which the engine gathers them, for a number of queries."""
    return GATHER_BELOW_FOR_ONE if queries == 1 else GATHER_BELOW
