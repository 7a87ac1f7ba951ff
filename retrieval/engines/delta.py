"""A built engine and a delta: rows that came after the build are scanned exactly, and the best of both are returned."""

from __future__ import annotations

from copy import copy
from typing import Protocol

import numpy as np

from retrieval.engines.append_only import AppendOnlyArray, SegmentedArray
from retrieval.engines.exact import ExactEngine
from retrieval.engines.hits import Hits
from retrieval.engines.vectors import StoredVectors, max_absolute


class VectorEngine(Protocol):
    """An engine over (n, d) vectors: `search` as `ExactEngine.search`."""

    vectors: np.ndarray

    def search(self, vectors: np.ndarray, mask: np.ndarray | None, k: int) -> list[Hits]: ...


class DeltaEngine:
    """Searches n built rows and m later ones, all of width d. As exact as the built engine is.

    An immutable value; `appended` as `AttributeTable.appended`.
    """

    def __init__(self, built: VectorEngine) -> None:
        self._built = built
        self._delta = AppendOnlyArray(np.zeros((0, built.vectors.shape[1]), np.float32))
        self._delta_rows, self._max_absolute = 0, 0.0

    @property
    def vectors(self) -> SegmentedArray:
        """(n + m, d) float32."""
        return SegmentedArray(self._built.vectors, self._delta.first(self._delta_rows))

    def search(self, vectors: np.ndarray, mask: np.ndarray, k: int) -> list[Hits]:
        """As `ExactEngine.search`; what the built engine misses is missed.

        Args:
            vectors: (q, d) float32 queries.
            mask: (n + m,) bool, the rows that may be returned.
            k: Rows a query, at least 1.
        """
        n = len(self._built.vectors)
        built = self._built.search(vectors, mask[:n], k)
        if not self._delta_rows:
            return built
        delta = ExactEngine(self._delta.first(self._delta_rows), max_absolute=self._max_absolute)
        later = delta.search(vectors, mask[n:], k)
        return [_best(*both, n, k) for both in zip(built, later, strict=True)]

    def appended(self, vectors: np.ndarray) -> DeltaEngine:
        """This engine with (m, d) float32 rows behind its own. Raises BadInput for a vector that is not finite."""
        larger = copy(self)
        larger._max_absolute = max(self._max_absolute, max_absolute(StoredVectors(vectors)))
        self._delta.append(vectors)
        larger._delta_rows += len(vectors)
        return larger


def _best(built: Hits, delta: Hits, n: int, k: int) -> Hits:
    rows, scores = np.concatenate([built.rows, delta.rows + n]), np.concatenate([built.scores, delta.scores])
    order = np.lexsort((rows, -scores))[:k]
    return Hits(rows[order].astype(np.int32), scores[order])
