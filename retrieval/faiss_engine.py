"""Approximate search through FAISS with the filter inside, for corpora that are too large to scan for every request.

A bitmap selector removes rows during the search. An inverted file or a graph can then find fewer than pass; such a
query is answered exhaustively, so that a strict filter never starves the answer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from retrieval.exact import ExactEngine, Hits, check_search

Kind = Literal["flat", "ivf", "hnsw"]
FLAT_UP_TO = 20_000
"""Rows up to which an approximate index is not worth its training."""
PROBED = 48
CONNECTED = 32
SCAN_BELOW = 0.1
"""Share of rows that pass under which scanning those rows beats walking an index that mostly holds others."""


class FaissEngine:
    """Holds a FAISS index and the (n, d) float32 vectors it was built from."""

    def __init__(self, index: Any, vectors: np.ndarray) -> None:
        self._index = index
        self.vectors = vectors
        self._exact = ExactEngine(vectors)

    def search(self, vectors: np.ndarray, mask: np.ndarray | None, k: int) -> list[Hits]:
        """As `ExactEngine.search`, except that rows may be missed where the index is approximate."""
        n = len(self.vectors)
        check_search(vectors, mask, k, self.vectors.shape)
        passing = n if mask is None else int(np.count_nonzero(mask))
        if passing < SCAN_BELOW * n or not n:
            return self._exact.search(vectors, mask, k)
        wanted = min(k, passing)
        scores, rows = self._index.search(
            np.ascontiguousarray(vectors, np.float32), wanted, params=self._parameters(mask, wanted)
        )
        found = [_hits(r, s) for r, s in zip(rows, scores, strict=True)]
        return [
            hits if len(hits.rows) == wanted else self._exact.search(vectors[i : i + 1], mask, k)[0]
            for i, hits in enumerate(found)
        ]

    def _parameters(self, mask: np.ndarray | None, wanted: int) -> Any:
        faiss = _faiss()
        selector = None if mask is None else faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
        if isinstance(self._index, faiss.IndexIVF):
            return faiss.SearchParametersIVF(sel=selector, nprobe=PROBED)
        if isinstance(self._index, faiss.IndexHNSW):
            return faiss.SearchParametersHNSW(sel=selector, efSearch=max(2 * wanted, 64))
        return faiss.SearchParameters(sel=selector)

    def save(self, path: Path) -> None:
        _faiss().write_index(self._index, str(path))

    @classmethod
    def load(cls, path: Path, vectors: np.ndarray) -> FaissEngine:
        return cls(_faiss().read_index(str(path)), vectors)


def build_faiss(vectors: np.ndarray, kind: Kind | None = None) -> FaissEngine:
    """An engine over (n, d) float32 vectors; kind None: flat up to `FLAT_UP_TO` rows, an inverted file above."""
    faiss = _faiss()
    n, dim = vectors.shape
    kind = kind or ("flat" if n <= FLAT_UP_TO else "ivf")
    index: Any
    if kind == "hnsw":
        index = faiss.IndexHNSWFlat(dim, CONNECTED, faiss.METRIC_INNER_PRODUCT)
    elif kind == "ivf":
        lists = max(1, min(4 * int(n**0.5), n // 39 or 1))  # FAISS asks for 39 training rows a list
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, lists, faiss.METRIC_INNER_PRODUCT)
        if n:
            index.train(np.ascontiguousarray(vectors))
    else:
        index = faiss.IndexFlatIP(dim)
    if n:
        index.add(np.ascontiguousarray(vectors))
    return FaissEngine(index, vectors)


def _faiss() -> Any:
    """The library, loaded at first use; its stubs do not know its keyword arguments."""
    import faiss

    return faiss


def _hits(rows: np.ndarray, scores: np.ndarray) -> Hits:
    real = rows >= 0  # FAISS fills up with -1 where it found fewer than asked
    rows, scores = rows[real], scores[real]
    order = np.lexsort((rows, -scores))
    return Hits(rows[order].astype(np.int32), scores[order])
