"""Search through FAISS with the filter inside, for corpora that are too large to scan for every request.

A bitmap selector removes rows during the search. What the index finds is scored again by the vectors themselves, so
that scores are those of the exact engine whatever the kind. The stricter the filter, the more of the index is looked
at. Where that would cost as much as scanning the rows that pass, and where too few are found, the exact engine answers.
"""

from __future__ import annotations

import logging
import math
import threading
from pathlib import Path
from typing import Any

import numpy as np

from contracts.errors import BadInput, IndexMismatch, NotWritten
from contracts.validation import first_line
from retrieval.engines.config import FaissConfig
from retrieval.engines.exact import ExactEngine
from retrieval.engines.hits import Hits, check_search

log = logging.getLogger("rolecall")

FLAT_UP_TO = 20_000
"""Rows up to which an approximate index is not worth its training."""
FLAT_BELOW = 0.1
"""Share of rows that pass under which the exact engine is the faster flat one."""
NEIGHBOURS = 32
CODES = 256
"""Centres of each part of a product code: a byte tells which."""
TRAINED = 64
"""Rows a list that its centre is learned from: FAISS warns below 39, and more than this changes recall little."""
MOST_ON_GPU = 2_048
"""Rows that FAISS can find in a search on a GPU, and lists that it can probe (facebookresearch/faiss#2103, #932)."""


class FaissEngine:
    """Holds a FAISS index and the (n, d) float32 vectors it was built from, which may be memory-mapped."""

    def __init__(self, index: Any, vectors: np.ndarray, config: FaissConfig | None = None) -> None:
        """config: what the index was built with; the knobs of the search are read of it.

        Raises IndexMismatch where the index holds other vectors, as far as their number and width tell.
        """
        if (index.ntotal, index.d) != vectors.shape:
            problem = f"a FAISS index of {index.ntotal:,} vectors of width {index.d} for vectors {vectors.shape}"
            raise IndexMismatch(problem, cure="build the index again")
        self._index, self.vectors, self._config = index, vectors, config or FaissConfig()
        self._exact = ExactEngine(vectors)
        faiss = _faiss()
        self._lists = index.nlist if isinstance(index, faiss.IndexIVF) else 0
        self._neighbours = index.hnsw.nb_neighbors(1) if isinstance(index, faiss.IndexHNSW) else 0
        coded = isinstance(index, faiss.IndexIVF) and not isinstance(index, faiss.IndexIVFFlat)
        self._rows_per_hit = self._config.rescored if coded else 1
        self._gpu = _on_gpu(index, self._config)
        self._turn = threading.Lock()  # a GPU index takes one search at a time

    def search(self, vectors: np.ndarray, mask: np.ndarray | None, k: int) -> list[Hits]:
        """As `ExactEngine.search`, except that rows may be missed where the index is approximate."""
        n = len(self.vectors)
        check_search(vectors, mask, k, self.vectors.shape)
        passing = n if mask is None else int(np.count_nonzero(mask))
        reachable = min(k, passing)
        if not reachable or self._scans(reachable, passing / n):
            return self._exact.search(vectors, mask, k)
        queries = np.ascontiguousarray(vectors, np.float32)
        count = min(reachable * self._rows_per_hit, passing)
        rows_found = self._index_rows(queries, count, mask if passing < n else None, passing / n)
        return [
            self._exact.best_of(query, np.sort(rows[rows >= 0]), k)
            if np.count_nonzero(rows >= 0) >= reachable
            else self._exact.search(query[None], mask, k)[0]
            for query, rows in zip(queries, rows_found, strict=True)
        ]

    def _scans(self, k: int, share: float) -> bool:
        """Whether the exact engine would look at no more rows than the index. share: of the rows, what passes."""
        if self._lists:
            return share < 1 and self._probed(share) >= self._lists
        if self._neighbours:
            return self._in_sight(k, share) * self._neighbours >= share * len(self.vectors)
        return share < FLAT_BELOW

    def _probed(self, share: float) -> int:
        """Lists to look into, so that as many rows pass in them as if all did."""
        return min(math.ceil(self._config.nprobe / share), self._lists)

    def _in_sight(self, k: int, share: float) -> int:
        return math.ceil(max(2 * k, self._config.ef_search) / share)

    def _index_rows(self, queries: np.ndarray, k: int, mask: np.ndarray | None, share: float) -> np.ndarray:
        """(q, k) int64 rows, -1 where fewer were found."""
        if self._gpu is not None and mask is None and k <= MOST_ON_GPU:
            with self._turn:
                return self._gpu.search(queries, k)[1]
        return self._index.search(queries, k, params=self._parameters(k, mask, share))[1]

    def _parameters(self, k: int, mask: np.ndarray | None, share: float) -> Any:
        faiss = _faiss()
        selector = None if mask is None else faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
        if self._lists:
            return faiss.SearchParametersIVF(sel=selector, nprobe=self._probed(share))
        if self._neighbours:
            return faiss.SearchParametersHNSW(sel=selector, efSearch=self._in_sight(k, share))
        return faiss.SearchParameters(sel=selector)

    def save(self, path: Path) -> None:
        """Raises NotWritten, where a part of it may be left."""
        try:
            _faiss().write_index(self._index, str(path))
        except RuntimeError as error:
            raise NotWritten(first_line(error), where=str(path), cure="make room") from error

    @classmethod
    def load(cls, path: Path, vectors: np.ndarray, config: FaissConfig | None = None) -> FaissEngine:
        return cls(_faiss().read_index(str(path)), vectors, config)


def build_faiss(vectors: np.ndarray, config: FaissConfig | None = None) -> FaissEngine:
    """An engine over (n, d) float32 vectors.

    Raises BadInput for more lists than vectors, codes whose bytes do not divide the width, and too few vectors to learn
    codes from.
    """
    config = config or FaissConfig()
    index = _empty(vectors.shape, config)
    if len(vectors):
        rows = np.ascontiguousarray(vectors, np.float32)
        index.train(rows)
        index.add(rows)
    return FaissEngine(index, vectors, config)


def _empty(shape: tuple[int, ...], config: FaissConfig) -> Any:
    faiss = _faiss()
    n, dim = shape
    kind = config.kind or ("flat" if n <= FLAT_UP_TO else "ivf")
    product = faiss.METRIC_INNER_PRODUCT
    if kind == "flat":
        return faiss.IndexFlatIP(dim)
    if kind == "hnsw":
        return faiss.IndexHNSWFlat(dim, config.m or NEIGHBOURS, product)
    lists = config.lists or max(1, min(4 * math.isqrt(n), n // TRAINED))
    if n and lists > n:
        raise BadInput(f"{lists:,} lists for {n:,} vectors", where="index.faiss.lists", cure="fewer, or leave it out")
    centres = faiss.IndexFlatIP(dim)
    if kind == "ivf":
        index = faiss.IndexIVFFlat(centres, dim, lists, product)
    elif kind == "sq8":
        index = faiss.IndexIVFScalarQuantizer(centres, dim, lists, faiss.ScalarQuantizer.QT_8bit, product)
    else:
        size = config.m or max(part for part in range(1, max(dim // 4, 1) + 1) if dim % part == 0)
        if dim % size:
            raise BadInput(
                f"{size} bytes for vectors of width {dim}", where="index.faiss.m", cure=f"a divisor of {dim}"
            )
        if 0 < n < CODES:
            problem = f"codes of {CODES} centres cannot be learned from {n} vectors"
            raise BadInput(problem, where="index.faiss.kind", cure="kind: flat, or leave it out")
        index = faiss.IndexIVFPQ(centres, dim, lists, size, 8, product)
        index.pq.cp.min_points_per_centroid = 1  # few rows are for tests and trials: no warning on the console
    index.cp.max_points_per_centroid, index.cp.min_points_per_centroid = TRAINED, 1
    index.nprobe = config.nprobe  # a GPU's index takes it from here
    return index


def _on_gpu(index: Any, config: FaissConfig) -> Any:
    """The index on the first GPU, None where the installed FAISS knows none or the GPU cannot hold this kind."""
    faiss = _faiss()
    if not getattr(faiss, "get_num_gpus", int)() or not index.ntotal:
        return None
    if isinstance(index, faiss.IndexHNSW) or config.nprobe > MOST_ON_GPU:
        log.info("faiss: %s is searched on the CPU: no GPU takes this kind with its knobs", type(index).__name__)
        return None
    try:
        moved = faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index)
    except RuntimeError as error:
        log.warning("faiss: searched on the CPU, the GPU refused: %s", first_line(error))
        return None
    log.info("faiss: on the GPU; searches with a filter or for more than %s rows run on the CPU", f"{MOST_ON_GPU:,}")
    return moved


def _faiss() -> Any:
    """The library, loaded at first use; its stubs do not know its keyword arguments."""
    import faiss

    return faiss
