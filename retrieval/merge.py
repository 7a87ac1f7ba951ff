"""Several ranked lists into one, with a place kept for each list's best: by evidence or by learned weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from contracts.errors import BadInput
from retrieval.config import Weight
from retrieval.engines.hits import NO_HITS, Hits

Order = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(m,) ascending rows and their (m, S) scores, NaN where a list lacks the row, to (m,) float64, higher is better."""


def merge(
    lists: Sequence[Hits],
    shares: Sequence[float],
    k: int,
    order: Order,
    down: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The k best of several lists; each list's first `share * k` are among them whatever the others say.

    Args:
        lists: S lists, each best first, without repeats in itself.
        shares: Of the lists: non-negative, at most 1 together.
        k: Rows to return at most.
        order: What the rows are ordered by.
        down: (n,) bool by row of the index, the rows that come after all others and have no sure place.

    Returns:
        rows (m,) int32 in fused order, ties by row; fused (m,) float32; scores (m, S) float32, NaN where a list lacks
        the row.

    Raises:
        BadInput: k is below 1, or the shares add up to more than 1.
    """
    if k < 1 or sum(shares) > 1 + 1e-9:
        raise BadInput(f"k is {k} and the shares add up to {sum(shares):g}", cure="k of 1 or more, shares up to 1")
    rows, place = np.unique(np.concatenate([NO_HITS.rows, *(hits.rows for hits in lists)]), return_inverse=True)
    scores = np.full((len(rows), len(lists)), np.nan, np.float32)
    kept = np.zeros(len(rows), dtype=bool)
    start = 0
    for column, (hits, share) in enumerate(zip(lists, shares, strict=True)):
        places = place[start : start + len(hits.rows)]
        scores[places, column] = hits.scores
        kept[places[: int(share * k)]] = True
        start += len(places)
    fused = order(rows, scores)
    if down is not None:
        fused, kept = below_others(fused, down[rows]), kept & ~down[rows]
    first = np.lexsort((rows, -fused, ~kept))[:k]  # the kept ones first, so that the cut spares them
    first = first[np.lexsort((rows[first], -fused[first]))]
    return rows[first].astype(np.int32), fused[first].astype(np.float32), scores[first]


def below_others(scores: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Lower the scores of some rows by one amount, so that they lie below all others in their own order.

    Args:
        scores: (n,) float.
        down: (n,) bool.
    """
    if not down.any() or down.all():
        return scores
    spread = float(scores.max() - scores.min())
    return scores - down * (2 * spread or 1.0)


def linear_scores(scores: np.ndarray, weights: Sequence[Weight]) -> np.ndarray:
    """A learned linear order: what each source adds to a candidate that it found, and for its score.

    Args:
        scores: (n, S) float, NaN where a source did not find the candidate.
        weights: Of the S sources.

    Returns:
        (n,) float64, the weighted sum of each candidate.
    """
    flat = np.array([presence for presence, _ in weights] + [score for _, score in weights], np.float64)
    return fusion_inputs(scores) @ flat


def fusion_inputs(scores: np.ndarray) -> np.ndarray:
    """(n, 2S) float64: whether each source found the candidate, then its score divided by the largest of its column."""
    found = ~np.isnan(scores)
    filled = np.where(found, scores, 0.0).astype(np.float64)
    largest = np.abs(filled).max(axis=0, initial=0.0)
    scaled = filled / np.where(largest > 0, largest, 1.0)
    return np.concatenate([found.astype(np.float64), scaled], axis=1)
