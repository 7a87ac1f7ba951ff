"""Several ranked lists into one, with a place kept for each list's best: by reciprocal ranks or by learned weights.

Source of the fusion: Cormack, Clarke and Buettcher, Reciprocal rank fusion outperforms Condorcet (SIGIR 2009).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contracts.errors import BadInput
from retrieval.config import Weight
from retrieval.engines.hits import Hits
from retrieval.fuse import linear_scores

RANK_OFFSET = 60
"""The paper's constant: how slowly a rank's weight falls."""


def merge(
    lists: Sequence[Hits],
    shares: Sequence[float],
    k: int,
    weights: Sequence[Weight] | None = None,
    down: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The k best of several lists; each list's first `share * k` are in whatever the others say.

    lists: each best first, without repeats in itself; shares: non-negative, at most 1 together; a list's share is its
    weight in reciprocal-rank fusion too. weights: of the lists, see `retrieval.fuse`; None: reciprocal ranks. down:
    (jobs of the index,) bool, those that come after all others and have no sure place.
    Returns rows (m,) int32 in fused order (ties by row), fused (m,) float32, scores (m, S) float32 with NaN where a
    list lacks the row. Raises BadInput for k < 1 or shares above 1.
    """
    if k < 1 or sum(shares) > 1 + 1e-9:
        raise BadInput(f"k is {k} and the shares add up to {sum(shares):g}", cure="k of 1 or more, shares up to 1")
    every = np.concatenate([hits.rows for hits in lists]) if lists else np.zeros(0, np.int32)
    rows, place = np.unique(every, return_inverse=True)
    reciprocal = [share / (RANK_OFFSET + 1 + np.arange(len(h.rows))) for h, share in zip(lists, shares, strict=True)]
    fused = np.bincount(place, np.concatenate(reciprocal) if reciprocal else None, minlength=len(rows))
    scores = np.full((len(rows), len(lists)), np.nan, np.float32)
    kept = np.zeros(len(rows), dtype=bool)
    start = 0
    for column, (hits, share) in enumerate(zip(lists, shares, strict=True)):
        mine = place[start : start + len(hits.rows)]
        scores[mine, column] = hits.scores
        kept[mine[: int(share * k)]] = True
        start += len(mine)
    if weights is not None:
        fused = linear_scores(scores, weights)
    if down is not None:
        fused, kept = below_others(fused, down[rows]), kept & ~down[rows]
    order = np.lexsort((rows, -fused, ~kept))[:k]  # the kept ones first, so that the cut spares them
    order = order[np.lexsort((rows[order], -fused[order]))]
    return rows[order].astype(np.int32), fused[order].astype(np.float32), scores[order]


def below_others(scores: np.ndarray, down: np.ndarray) -> np.ndarray:
    """(n,) float scores with those of `down` ((n,) bool) less one amount: lower than all others, in their own order."""
    if not down.any() or down.all():
        return scores
    spread = float(scores.max() - scores.min())
    return scores - down * (2 * spread or 1.0)
