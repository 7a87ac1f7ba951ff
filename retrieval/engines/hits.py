"""Rows with scores, best first: what an engine returns for a query, and how the best of many scores are chosen."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from contracts.errors import BadInput, ShapeMismatch

_SAMPLE_SIZE = 16_384


class Hits(NamedTuple):
    """The best rows of one query.

    Attributes:
        rows: (m,) int32, best first; m is k, or fewer where fewer rows pass the filter.
        scores: (m,) float32, descending.
    """

    rows: np.ndarray
    scores: np.ndarray


NO_HITS = Hits(np.zeros(0, np.int32), np.zeros(0, np.float32))


def top_k(scores: np.ndarray, k: int, rows: np.ndarray | None = None) -> Hits:
    """The k highest scores, highest first, equal scores by row.

    Args:
        scores: (m,) float.
        k: At least 1.
        rows: (m,) ascending row numbers that the scores belong to. None: 0 to m - 1.
    """
    scores = np.ascontiguousarray(scores, np.float32)
    chosen = contenders(scores, k)
    if len(chosen) > k:
        cut = scores[chosen].min()  # contenders tie at the cut, and nowhere below
        above = chosen[scores[chosen] > cut]
        level = chosen[scores[chosen] == cut][: k - len(above)]
        chosen = np.sort(np.concatenate([above, level]))
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
    best = chosen if rows is None else rows[chosen]
    return Hits(best.astype(np.int32), scores[chosen])


def contenders(scores: np.ndarray, k: int, margin: float = 0.0, mask: np.ndarray | None = None) -> np.ndarray:
    """Positions of all scores that lie at most `margin` below the k-th highest of those that pass.

    A floor estimated from a sample leaves few scores to partition; where the floor turns out to lie above the k-th
    highest score, all scores are partitioned.

    Args:
        scores: (m,) float32.
        k: At least 1.
        margin: Non-negative.
        mask: (m,) bool, the positions that pass. None: all.

    Returns:
        (c,) int64 ascending; fewer than k where fewer pass.
    """
    for floor in (_sampled_floor(scores, k, mask), -math.inf):
        above = scores >= floor - margin
        positions = np.flatnonzero(above if mask is None else above & mask)
        if len(positions) <= k and floor == -math.inf:
            break
        if len(positions) >= k:
            high = scores[positions]
            cut = np.partition(high, len(high) - k)[len(high) - k]
            if cut >= floor:
                return positions[high >= cut - margin]
    return positions


def _sampled_floor(scores: np.ndarray, k: int, mask: np.ndarray | None) -> float:
    """A score that at least k passing scores most likely reach; minus infinity where a sample cannot tell."""
    stride = max(4, len(scores) // _SAMPLE_SIZE)
    expected = k / stride
    rank = int(expected + 4 * math.sqrt(expected) + 8)
    sample = scores[::stride] if mask is None else scores[::stride][mask[::stride]]
    return float(np.partition(sample, len(sample) - rank)[len(sample) - rank]) if rank < len(sample) else -math.inf


def check_count(name: str, count: int) -> None:
    """Raise BadInput for a number of jobs that is no whole number or is below 1."""
    if not isinstance(count, int | np.integer) or count < 1:
        raise BadInput(f"{name} is {count!r}", cure="ask for at least one job, and a whole number of them")


def check_search(vectors: np.ndarray, mask: np.ndarray | None, k: int, shape: tuple[int, ...]) -> None:
    """Check queries, mask and k against the (n, d) shape of an engine's vectors.

    Raises:
        BadInput: k is below 1, or a query is not finite.
        ShapeMismatch: The queries are not (q, d), or the mask is not (n,).
    """
    check_count("k", k)
    if vectors.ndim != 2 or vectors.shape[1] != shape[1]:
        raise ShapeMismatch(f"query vectors are {vectors.shape}, the index has width {shape[1]}", cure="encode again")
    if mask is not None and mask.shape != shape[:1]:
        raise ShapeMismatch(f"the mask is {mask.shape}, the index has {shape[0]:,} rows", cure="one mark a row")
    if not np.isfinite(vectors).all():
        raise BadInput("a query vector holds NaN or infinity", cure="encode the text again")
