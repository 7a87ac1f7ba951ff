"""Vectors as bytes, scanned for the rows that may be among the best: a quarter of the memory that float32 reads.

FAISS multiplies the bytes of a query with those of every row as integers. How far such a score lies from the inner
product is bounded by what rounding took from the query and, at most, from any row. So a scan returns some rows, and a
bound that the inner product of no other passes. Where the k-th best of those rows, scored exactly, lies above it, they
hold the k best: no answer depends on the bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from contracts.errors import NotWritten
from contracts.validation import first_line
from retrieval.engines.vectors import blocks

LEAST_ROWS = 8_192
"""Rows from which codes are worth their file: fewer are scored in float32 as fast."""
LOOKED_AT = 4
"""Times k: rows that a scan returns."""
_LEVELS = 127
_BLOCK_ROWS = 8_192
_INDEX, _ABOUT = "codes.faiss", "about.json"


class Rounding(NamedTuple):
    """How bytes stand for vectors.

    Attributes:
        step: A row's vector less the mean is about its bytes times this.
        residual: The longest of what rounding took from a row.
        longest: The longest of what the bytes of a row stand for.
        mean: The d numbers of the mean vector. What all rows share needs no bytes, and leaves finer steps to the rest.
    """

    step: float
    residual: float
    longest: float
    mean: Sequence[float]


class Looked(NamedTuple):
    """What a scan of bytes leaves of the rows that pass.

    Attributes:
        rows: (m,) ascending.
        others: No other row has a higher inner product; minus infinity where there is no other.
    """

    rows: np.ndarray
    others: float


class ByteCodes:
    """n vectors of width d as bytes, which may be memory-mapped; safe to share between threads."""

    def __init__(self, index: Any, rounding: Rounding) -> None:
        """index: a FAISS scalar quantiser of signed bytes."""
        self._index, self._rounding = index, rounding

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def max_absolute(self) -> float:
        """A bound on the largest absolute number in the vectors, for which none of them has to be read."""
        step, mean = self._rounding.step, self._rounding.mean
        return (1 + 1e-6) * (step * _LEVELS + max(map(abs, mean)))

    def look(self, query: np.ndarray, mask: np.ndarray | None, k: int) -> Looked:
        """The rows whose bytes are nearest to those of one query, `LOOKED_AT` times k of them.

        Args:
            query: (d,) float32.
            mask: (n,) bool, the rows that may be returned. None: all.
            k: At least 1.
        """
        faiss = _faiss()
        scale = float(np.abs(query).max()) / _LEVELS or 1.0
        bytes_ = np.rint(query / scale)
        most = min(LOOKED_AT * k, len(self))
        selector = None if mask is None else faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
        with _one_thread():
            scores, rows = self._index.search(bytes_[None], most, params=faiss.SearchParameters(sel=selector))
        rows = rows[0][rows[0] >= 0]
        if len(rows) < most or most == len(self):
            return Looked(np.sort(rows), -math.inf)
        last = float(scores[0][-1]) + self._error_bound(query, bytes_, scale)
        shared = float(query.astype(np.float64) @ np.asarray(self._rounding.mean))
        return Looked(np.sort(rows), shared + scale * self._rounding.step * last)

    def _error_bound(self, query: np.ndarray, bytes_: np.ndarray, scale: float) -> float:
        """How far a score can lie from the inner product, in units of a score.

        With v - mean = step c + r and q = scale b + s: q.(v - mean) = scale step (b.c) + q.r + s.(step c), and by
        Cauchy and Schwarz the rest is at most |q| |r| + |s| |step c|. A sum of products of bytes is exact in float32 up
        to 2^24, behind which it may be rounded once.
        """
        step, residual, longest, _ = self._rounding
        wide = query.astype(np.float64)
        lost = float(np.linalg.norm(wide - scale * bytes_.astype(np.float64)))
        off = float(np.linalg.norm(wide)) * residual + lost * longest
        rounded = len(query) * _LEVELS**2 * 2.0**-24
        return (1 + 1e-6) * off / (scale * step) + rounded

    def save(self, folder: Path) -> None:
        """Raises NotWritten, where a part of it may be left."""
        folder.mkdir(parents=True)
        try:
            _faiss().write_index(self._index, str(folder / _INDEX))
        except RuntimeError as error:
            raise NotWritten(first_line(error), where=str(folder), cure="make room") from error
        (folder / _ABOUT).write_text(json.dumps(self._rounding._asdict()))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The codes that `save` wrote, memory-mapped: processes that load one folder share its memory."""
        faiss = _faiss()
        index = faiss.read_index(str(folder / _INDEX), faiss.IO_FLAG_MMAP_IFC)
        return cls(index, Rounding(**json.loads((folder / _ABOUT).read_text())))


def byte_codes(vectors: np.ndarray) -> ByteCodes:
    """The codes of (n, d) float32 vectors, n at least 1. One step serves all rows: theirs are unit vectors."""
    faiss = _faiss()
    parts = list(blocks(slice(0, len(vectors)), _BLOCK_ROWS))
    mean = np.sum([np.sum(vectors[part], axis=0, dtype=np.float64) for part in parts], axis=0) / len(vectors)
    step = max(float(np.abs(vectors[part] - mean).max()) for part in parts) / _LEVELS or 1.0
    index = faiss.IndexScalarQuantizer(
        vectors.shape[1], faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT
    )
    residual = longest = 0.0
    for part in parts:
        block = vectors[part] - mean
        codes = np.rint(block / step)
        index.add(codes.astype(np.float32))
        residual = max(residual, float(np.linalg.norm(block - step * codes, axis=1).max()))
        longest = max(longest, step * float(np.linalg.norm(codes, axis=1).max()))
    return ByteCodes(index, Rounding(step, residual, longest, mean.tolist()))


@contextmanager
def _one_thread() -> Iterator[None]:
    """FAISS shares the queries of a call among threads; of a single query that only wakes them."""
    faiss = _faiss()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _faiss() -> Any:
    """The library, loaded at first use; its stubs do not know its keyword arguments."""
    import faiss

    return faiss
