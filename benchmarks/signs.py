"""Preselection by one-bit codes: the signs of random directions, packed. The share of equal signs estimates the angle.

Measured beside the exact engine (`benchmarks.retrieval_plans`); docs/decisions/0017 says why no engine does it.

Source: LiNR (arXiv 2407.13218), Sign-OPORP pre-selection; the directions here are orthogonal ones, as in Super-Bit LSH
(Ji et al., NeurIPS 2012), which estimate the angle with less noise than bins of a permutation at the same bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from retrieval.engines.exact import ExactEngine
from retrieval.engines.hits import Hits, top_k
from retrieval.engines.vectors import StoredVectors, decode

BITS = 512
WORD = 64
_BLOCK = 16_384


class Signs(NamedTuple):
    """directions: (d, bits) float32; codes: (bits / 64, n) uint64, a word of all rows beside each other."""

    directions: np.ndarray
    codes: np.ndarray

    def agreement(self, query: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """(m,) float32: how many signs of the vectors at `rows` ((m,) row numbers; None: all) agree with the query's.

        query: (d,) float32.
        """
        query_code = ~sign_codes(query[None], self.directions)[:, 0]  # agreeing bits of x and y are those of x ^ ~y
        m = self.codes.shape[1] if rows is None else len(rows)
        agreeing = np.empty(m, np.float32)
        for start in range(0, m, _BLOCK):
            block = slice(start, min(start + _BLOCK, m))
            counts = np.zeros(block.stop - start, np.uint16)
            for column, word in zip(self.codes, query_code, strict=True):
                counts += np.bitwise_count(column[block if rows is None else rows[block]] ^ word)
            agreeing[block] = counts
        return agreeing


def random_directions(dim: int, bits: int = BITS, seed: int = 0) -> np.ndarray:
    """(dim, bits) float32, orthonormal within each `dim` of them; bits is a multiple of `WORD`."""
    random = np.random.default_rng(seed)
    rotations = [np.linalg.qr(random.standard_normal((dim, dim)))[0] for _ in range(-(-bits // dim))]
    return np.ascontiguousarray(np.concatenate(rotations, axis=1)[:, :bits], np.float32)


def sign_codes(vectors: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """(bits / 64, m) uint64 codes of (m, d) float32 vectors."""
    packed = np.packbits(vectors @ directions > 0, axis=1)
    return np.ascontiguousarray(packed.view(np.uint64).T)


def build_signs(stored: StoredVectors, bits: int = BITS, seed: int = 0) -> Signs:
    """The codes of n stored vectors: bits / 8 bytes each."""
    n, dim = stored.values.shape
    directions = random_directions(dim, bits, seed)
    codes = np.empty((bits // WORD, n), np.uint64)
    for start in range(0, n, _BLOCK):
        block = slice(start, min(start + _BLOCK, n))
        codes[:, block] = sign_codes(decode(stored, block), directions)
    return Signs(directions, codes)


def preselected(
    engine: ExactEngine, signs: Signs, queries: np.ndarray, mask: np.ndarray | None, k: int, keep: int
) -> list[Hits]:
    """The k best of the `keep` rows whose signs agree most with each query's; may miss some.

    Args:
        engine: Scores the rows that are kept.
        signs: Of the engine's vectors.
        queries: (q, d) float32.
        mask: (n,) bool, the rows that may be returned. None: all.
        k: Rows a query.
        keep: Rows that are scored a query, at least k.
    """
    rows = None if mask is None else np.flatnonzero(mask)
    hits = []
    for query in queries:
        kept = top_k(signs.agreement(query, rows), keep, rows).rows
        hits.append(engine.best_of(query, np.sort(kept), k))
    return hits
