"""An engine and the rows that came after it was built: it is asked, they are scanned, and the best of both count."""

from __future__ import annotations

from copy import copy
from typing import Protocol

import numpy as np

from retrieval.engines.exact import ExactEngine, Hits, largest
from retrieval.engines.growing import Buffer, Stacked
from retrieval.engines.vectors import Stored


class Engine(Protocol):
    vectors: np.ndarray

    def search(self, vectors: np.ndarray, mask: np.ndarray | None, k: int) -> list[Hits]: ...


class ExtendedEngine:
    """Searches n + m vectors of width d: what `built` searches, then the later ones. As exact as `built` is.

    An immutable value; `extended` as `AttributeTable.extended`.
    """

    def __init__(self, built: Engine) -> None:
        self._built = built
        self._rows, self._n, self._largest = Buffer(np.zeros((0, built.vectors.shape[1]), np.float32)), 0, 0.0

    @property
    def vectors(self) -> Stacked:
        """(n + m, d) float32."""
        return Stacked(self._built.vectors, self._rows.first(self._n))

    def search(self, vectors: np.ndarray, mask: np.ndarray, k: int) -> list[Hits]:
        """As `ExactEngine.search`, with what `built` may miss."""
        n = len(self._built.vectors)
        found = self._built.search(vectors, mask[:n], k)
        if not self._n:
            return found
        scanned = ExactEngine(self._rows.first(self._n), largest=self._largest).search(vectors, mask[n:], k)
        later = [Hits(hits.rows + n, hits.scores) for hits in scanned]
        return [_best(*both, k) for both in zip(found, later, strict=True)]

    def extended(self, vectors: np.ndarray) -> ExtendedEngine:
        """This engine with more rows behind its own. vectors: (m, d) float32. Raises BadInput for one not finite."""
        made = copy(self)
        made._largest = max(self._largest, largest(Stored(vectors)))
        self._rows.add(vectors)
        made._n += len(vectors)
        return made


def _best(first: Hits, second: Hits, k: int) -> Hits:
    rows, scores = np.concatenate([first.rows, second.rows]), np.concatenate([first.scores, second.scores])
    order = np.lexsort((rows, -scores))[:k]
    return Hits(rows[order].astype(np.int32), scores[order])
