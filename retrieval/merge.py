"""Several ranked lists into one, with a place kept for each list's best.

Source of the fusion: Cormack, Clarke and Buettcher, Reciprocal rank fusion outperforms Condorcet (SIGIR 2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contracts.errors import BadInput
from retrieval.exact import Hits

RANK_OFFSET = 60
"""The paper's constant: how slowly a rank's weight falls."""


@dataclass(frozen=True)
class Candidates:
    """What retrieval found for one request, best first.

    rows: (n,) int32; ids: n job ids; sources: S names; scores: (n, S) float32, each source's own, NaN where it did not
    find the job; fused: (n,) float32 fused score, descending; terms: (n,) float32, see `JobIndex.term_shares`.
    """

    rows: np.ndarray
    ids: list[str]
    sources: tuple[str, ...]
    scores: np.ndarray
    fused: np.ndarray
    terms: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def found_by(self, i: int) -> tuple[str, ...]:
        """The sources that found candidate i."""
        return tuple(name for name, score in zip(self.sources, self.scores[i], strict=True) if not np.isnan(score))


def merge(lists: Sequence[Hits], shares: Sequence[float], k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The k best of several lists by reciprocal rank; each list's first `share * k` are in whatever the others say.

    lists: each best first, without repeats in itself; shares: non-negative, at most 1 together; a list's share is its
    weight in the fusion too.
    Returns rows (m,) int32 in fused order (ties by row), fused (m,) float32, scores (m, S) float32 with NaN where a
    list lacks the row. Raises BadInput for k < 1 or shares above 1.
    """
    if k < 1 or sum(shares) > 1 + 1e-9:
        raise BadInput(f"k is {k} and the shares add up to {sum(shares):g}", cure="k of 1 or more, shares up to 1")
    every = np.concatenate([hits.rows for hits in lists]) if lists else np.zeros(0, np.int32)
    rows, place = np.unique(every, return_inverse=True)
    weights = [share / (RANK_OFFSET + 1 + np.arange(len(h.rows))) for h, share in zip(lists, shares, strict=True)]
    fused = np.bincount(place, np.concatenate(weights) if weights else None, minlength=len(rows))
    scores = np.full((len(rows), len(lists)), np.nan, np.float32)
    kept = np.zeros(len(rows), dtype=bool)
    start = 0
    for column, (hits, share) in enumerate(zip(lists, shares, strict=True)):
        mine = place[start : start + len(hits.rows)]
        scores[mine, column] = hits.scores
        kept[mine[: int(share * k)]] = True
        start += len(mine)
    order = np.lexsort((rows, -fused, ~kept))[:k]  # the kept ones first, so that the cut spares them
    order = order[np.lexsort((rows[order], -fused[order]))]
    return rows[order].astype(np.int32), fused[order].astype(np.float32), scores[order]
