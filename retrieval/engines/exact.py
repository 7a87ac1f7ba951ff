"""Exhaustive inner-product search with the filter inside: every vector that passes is scored, none other is returned.

Two plans give the same answer (after LiNR, arXiv 2407.13218): where many pass, score all and mask; where few pass,
gather them first. The third, which must be asked for, first keeps a stated number of rows by the signs of random
directions and may so miss some. Without it this is also the reference that other engines are tested against.

The scan runs in float32, whose last bits depend on how rows are blocked; what it leaves near the top is scored again
in float64. So rows and scores are those of a plain loop, whatever the plan, the batch or the machine's BLAS, and equal
vectors tie.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from contracts.errors import BadInput, ShapeMismatch
from retrieval.engines.side_by_side import side_by_side
from retrieval.engines.signs import Signs
from retrieval.engines.vectors import Stored, check_stored, decode

Plan = Literal["mask", "gather"]
GATHER_BELOW, GATHER_BELOW_FOR_ONE = 0.4, 0.25
"""Share of rows that pass under which gathering costs less than scoring everything (100k to 1M float32, two cores). A
single query is scored where the vectors lie, so that scoring everything costs it less."""
BLOCK = 1_024
"""Rows that are gathered or decoded at a time: they stay in the cache until all queries have been scored on them."""
CACHED = 3 * 2**17
"""Numbers of such a block where a query is scored on it by itself: fewer, and the time goes to calls."""
FEW = 4
"""Queries up to which that is faster than BLAS, whose threads besides turn in circles for a while after each call and
take the cores from what a service does next."""
NARROW = 256
"""Rows that are settled at a time, in float64."""
A_CORE = 131_072
"""Numbers that are worth a core of their own: with fewer, waking it costs more than it saves."""
WIDE = 8_192
"""Rows that are copied and multiplied with a batch of queries at a time: each time waits for all of BLAS's threads."""
SETTLED = 4
"""Times k: so few rows are settled at once, which costs less than finding out which of them are near the top."""
BATCH = 32
"""Queries scored in one scan: it bounds the scores that are held, n for each."""
_SAMPLE = 16_384
_LARGEST_SCORE = 1e37
"""Above this an inner product may overflow in float32."""


class Hits(NamedTuple):
    """What one query found, best first. rows: (m,) int32; scores: (m,) float32; m is k, or fewer where fewer pass."""

    rows: np.ndarray
    scores: np.ndarray


NOTHING = Hits(np.zeros(0, np.int32), np.zeros(0, np.float32))


class ExactEngine:
    """Searches n stored vectors of width d. It copies nothing; the arrays may be memory-mapped."""

    def __init__(
        self,
        vectors: np.ndarray,
        scales: np.ndarray | None = None,
        signs: Signs | None = None,
        largest: float | None = None,
    ) -> None:
        """vectors, scales: as `Stored`; signs: `build_signs`, for `preselect`; largest: the largest absolute number in
        the vectors, or a bound on it, None: found at the first search. Raises ShapeMismatch as `check_stored`.
        """
        self.vectors, self.signs = vectors, signs
        self._stored = Stored(np.asarray(vectors), scales)
        self._largest = largest
        check_stored(self._stored)

    def search(
        self,
        vectors: np.ndarray,
        mask: np.ndarray | None,
        k: int,
        *,
        preselect: int | None = None,
        plan: Plan | None = None,
    ) -> list[Hits]:
        """The k rows with the highest inner product for each query; ties by row, lower first.

        vectors: (q, d) float32 queries; mask: (n,) bool, the rows that may be returned, None: all; preselect: how many
        of those rows to keep by their signs before exact scores are taken, None: all; plan: how to score them, None:
        by the share that passes. Raises BadInput for k < 1, a query that is not finite, vectors so long that scores
        overflow, or a preselection without signs or of fewer than k; ShapeMismatch for a wrong width.
        """
        check_search(vectors, mask, k, self.vectors.shape)
        queries = np.ascontiguousarray(vectors, np.float32)
        self._check_lengths(queries)
        if preselect is not None:
            return self._preselected(queries, mask, k, preselect)
        if mask is None:
            return self._best(queries, k, None, None)
        if (plan or _plan(mask, len(queries))) == "gather":
            return self._best(queries, k, np.flatnonzero(mask), None)
        return self._best(queries, k, None, mask)

    def best_of(self, query: np.ndarray, rows: np.ndarray, k: int) -> Hits:
        """The k best of some rows for one query, scored as `search` does.

        query: (d,) float32; rows: (m,) ascending row numbers.
        """
        scores = np.empty((1, len(rows)), np.float32)
        self._settle(query[None], rows, scores)
        return top_k(scores[0], k, rows)

    @property
    def _a_core(self) -> int:
        """Rows that are worth a core of their own."""
        return max(1, A_CORE // max(1, self.vectors.shape[1]))

    def _preselected(self, queries: np.ndarray, mask: np.ndarray | None, k: int, keep: int) -> list[Hits]:
        if self.signs is None:
            cure = "Collection(bits=512) or ExactEngine(signs=...) has them; or leave preselect out"
            raise BadInput("no signs to preselect by", cure=cure)
        check_count("preselect", keep)
        if keep < k:
            raise BadInput(f"preselect keeps {keep:,} rows, {k:,} are asked for", cure="keep at least k, better 20 k")
        rows = None if mask is None else np.flatnonzero(mask)
        if keep >= (len(self.vectors) if rows is None else len(rows)):
            return self._best(queries, k, rows, None)
        found = []
        for query in queries:
            kept = top_k(self.signs.agreement(query, rows), keep, rows).rows
            found += self._best(query[None], k, np.sort(kept), None)
        return found

    def _best(self, queries: np.ndarray, k: int, rows: np.ndarray | None, mask: np.ndarray | None) -> list[Hits]:
        """The k best of `rows` ((m,) ascending; None: all), of which `mask` ((m,) bool; None: all) passes."""
        if rows is not None and len(rows) <= SETTLED * k:
            return self._of_few(queries, rows, k)
        found: list[Hits] = []
        for some in blocks(slice(0, len(queries)), BATCH):
            found += self._scanned(queries[some], k, rows, mask)
        return found

    def _scanned(self, queries: np.ndarray, k: int, rows: np.ndarray | None, mask: np.ndarray | None) -> list[Hits]:
        """As `_best`, of at most BATCH queries: score all in float32, then settle what is near the top."""
        scores = self._scores(queries, rows)

        def near(place: int) -> np.ndarray:
            found = contenders(scores[place], k, 2 * self._error(queries[place]), mask)
            return found if rows is None else rows[found]

        if len(queries) == 1:
            return self._of_few(queries, near(0), k)
        found = [NOTHING] * len(queries)

        def answer(part: slice) -> None:
            for place in range(part.start, part.stop):
                found[place] = self.best_of(queries[place], near(place), k)

        side_by_side(answer, len(queries), least=1)
        return found

    def _of_few(self, queries: np.ndarray, rows: np.ndarray, k: int) -> list[Hits]:
        """The k best of `rows` ((m,) ascending) for each query, all of them settled, on all cores."""
        settled = np.empty((len(queries), len(rows)), np.float32)
        side_by_side(lambda part: self._settle(queries, rows[part], settled[:, part]), len(rows), self._a_core)
        return [top_k(scores, k, rows) for scores in settled]

    def _scores(self, queries: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
        """(q, m) float32 inner products with the vectors at `rows`, each off by `_error` at most."""
        n, dim = self._stored.values.shape
        m = n if rows is None else len(rows)
        scores = np.empty((len(queries), m), np.float32)
        as_they_are = self._as_they_are(rows)
        if len(queries) <= FEW:
            size = max(1, m if as_they_are and len(queries) == 1 else CACHED // dim)
            side_by_side(lambda part: self._score_few(queries, rows, part, size, scores), m, self._a_core)
            return scores
        columns = np.ascontiguousarray(queries.T)
        buffer = np.empty((0 if as_they_are else min(WIDE, m), dim), np.float32)
        for wide in blocks(slice(0, m), 8 * WIDE if as_they_are else WIDE):
            vectors = self._stored.values[wide] if as_they_are else self._copied(rows, wide, buffer)
            scores[:, wide] = (vectors @ columns).T
        return scores

    def _as_they_are(self, rows: np.ndarray | None) -> bool:
        """Whether the vectors are scored where they lie, without a copy."""
        return rows is None and self._stored.values.dtype == np.float32

    def _score_few(
        self, queries: np.ndarray, rows: np.ndarray | None, part: slice, size: int, scores: np.ndarray
    ) -> None:
        """Fill scores[:, part] with the vectors at rows[part], of which `size` are held in the cache at a time."""
        copied = 0 if self._as_they_are(rows) else min(size, part.stop - part.start)
        buffer = np.empty((copied, queries.shape[1]), np.float32)
        for block in blocks(part, size):
            vectors = decode(self._stored, block if rows is None else rows[block], buffer)
            for found, query in zip(scores, queries, strict=True):
                np.einsum("ij,j->i", vectors, query, out=found[block])

    def _copied(self, rows: np.ndarray | None, wide: slice, buffer: np.ndarray) -> np.ndarray:
        """(w, d) float32 vectors at rows[wide], in the buffer ((>= w, d) float32)."""

        def copy(part: slice) -> None:
            for block in blocks(part, BLOCK):
                there = slice(wide.start + block.start, wide.start + block.stop)
                decode(self._stored, there if rows is None else rows[there], buffer[block])

        side_by_side(copy, wide.stop - wide.start, least=BLOCK)
        return buffer[: wide.stop - wide.start]

    def _settle(self, queries: np.ndarray, rows: np.ndarray, scores: np.ndarray) -> None:
        """Fill (q, m) float32 `scores` with the inner products with the vectors at `rows` ((m,) row numbers), each
        summed in float64 and always in the same order.
        """
        queries = queries.astype(np.float64)
        narrow = np.empty((min(NARROW, len(rows)), queries.shape[1]), np.float32)
        wide = np.empty(narrow.shape, np.float64)
        for block in blocks(slice(0, len(rows)), NARROW):
            vectors = wide[: block.stop - block.start]
            np.copyto(vectors, decode(self._stored, rows[block], narrow))
            for found, query in zip(scores, queries, strict=True):
                found[block] = np.einsum("ij,j->i", vectors, query)

    def _error(self, query: np.ndarray) -> float:
        """By how much a float32 score can differ from the settled one: the bound that holds for any order of sums.

        Source: Higham, Accuracy and Stability of Numerical Algorithms (2002), section 3.1.
        """
        return (len(query) + 8) * (2.0**-24 * self._longest_product(query) + float(np.finfo(np.float32).tiny))

    def _longest_product(self, query: np.ndarray) -> float:
        """At least the length of the longest vector times the query's."""
        if self._largest is None:
            self._largest = largest(self._stored)
        return self._largest * math.sqrt(len(query)) * float(np.linalg.norm(query.astype(np.float64)))

    def _check_lengths(self, queries: np.ndarray) -> None:
        for query in queries:
            length = self._longest_product(query)
            if length > _LARGEST_SCORE:
                raise BadInput(f"inner products of up to {length:.1e} overflow", cure="normalise the vectors")


def blocks(part: slice, size: int) -> Iterator[slice]:
    """A slice in slices of `size`; the last may be shorter."""
    return (slice(start, min(start + size, part.stop)) for start in range(part.start, part.stop, size))


def largest(stored: Stored) -> float:
    """The largest absolute number in the vectors, 0 where there are none. Raises BadInput where one is not finite."""
    found = 0.0
    for rows in blocks(slice(0, len(stored.values)), BLOCK):
        if not all(np.isfinite(part).all() for part in stored.at(rows) if part is not None):
            raise BadInput(f"a vector in rows {rows.start:,} to {rows.stop - 1:,} holds NaN or infinity")
        block = decode(stored, rows)
        found = max(found, float(block.max(initial=0)), -float(block.min(initial=0)))
    return found


def gather_below(queries: int) -> float:
    """The share under which the engine gathers, for so many queries."""
    return GATHER_BELOW_FOR_ONE if queries == 1 else GATHER_BELOW


def _plan(mask: np.ndarray, queries: int) -> Plan:
    return "gather" if np.count_nonzero(mask) < gather_below(queries) * len(mask) else "mask"


def top_k(scores: np.ndarray, k: int, rows: np.ndarray | None = None) -> Hits:
    """The k highest of (m,) scores, highest first, ties by row.

    rows: (m,) ascending row numbers that the scores belong to; None: 0 to m - 1.
    """
    scores = np.ascontiguousarray(scores, np.float32)
    chosen = contenders(scores, k)
    if len(chosen) > k:
        cut = scores[chosen].min()  # contenders tie at the cut, and nowhere below
        above = chosen[scores[chosen] > cut]
        level = chosen[scores[chosen] == cut][: k - len(above)]
        chosen = np.sort(np.concatenate([above, level]))
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
    found = chosen if rows is None else rows[chosen]
    return Hits(found.astype(np.int32), scores[chosen])


def contenders(scores: np.ndarray, k: int, margin: float = 0.0, mask: np.ndarray | None = None) -> np.ndarray:
    """(c,) ascending positions of all scores that lie at most `margin` below the k-th highest of those that pass.

    scores: (m,) float32; mask: (m,) bool, None: all pass. Fewer than k where fewer pass. A floor that is read off a
    sample leaves few to look at; where it turns out to lie above the k-th, all are looked at.
    """
    for floor in (_floor(scores, k, mask), -math.inf):
        above = scores >= floor - margin
        found = np.flatnonzero(above if mask is None else above & mask)
        if len(found) <= k and floor == -math.inf:
            break
        if len(found) >= k:
            high = scores[found]
            cut = np.partition(high, len(high) - k)[len(high) - k]
            if cut >= floor:
                return found[high >= cut - margin]
    return found


def _floor(scores: np.ndarray, k: int, mask: np.ndarray | None) -> float:
    """A score that most likely at least k that pass reach; minus infinity where a sample cannot tell."""
    stride = max(4, len(scores) // _SAMPLE)
    expected = k / stride
    rank = int(expected + 4 * math.sqrt(expected) + 8)
    sample = scores[::stride] if mask is None else scores[::stride][mask[::stride]]
    return float(np.partition(sample, len(sample) - rank)[len(sample) - rank]) if rank < len(sample) else -math.inf


def check_count(name: str, count: int) -> None:
    """Raises BadInput for a number of jobs that is no whole number or below 1."""
    if not isinstance(count, int | np.integer) or count < 1:
        raise BadInput(f"{name} is {count!r}", cure="ask for at least one job, and a whole number of them")


def check_search(vectors: np.ndarray, mask: np.ndarray | None, k: int, shape: tuple[int, ...]) -> None:
    """Raises what `ExactEngine.search` states of queries, masks and k. shape: (n, d) of the engine's vectors."""
    check_count("k", k)
    if vectors.ndim != 2 or vectors.shape[1] != shape[1]:
        raise ShapeMismatch(f"query vectors are {vectors.shape}, the index has width {shape[1]}", cure="encode again")
    if mask is not None and mask.shape != shape[:1]:
        raise ShapeMismatch(f"the mask is {mask.shape}, the index has {shape[0]:,} rows")
    if not np.isfinite(vectors).all():
        raise BadInput("a query vector holds NaN or infinity", cure="encode the text again")
