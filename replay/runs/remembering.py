"""What a worker remembers between requests, where that changes no bit: vectors of parts of texts, scores of words.

An encoder of dynamic INT8 gives a text other bits beside other texts, so that each part of a text is read alone: then
it does not matter which process reads it, after which others, or how the requests are dealt.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from contracts.encoder import Side
from ranking.byte_cache import ByteCache, text_key
from retrieval.encoder import TextEncoder
from retrieval.index.job_index import JobIndex
from retrieval.request import Request

VECTOR_BYTES, WORD_BYTES = 64 << 20, 32 << 20


class RememberingEncoder(TextEncoder):
    """As `TextEncoder`, each part of a text read alone, and once as long as it is remembered."""

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        """As `TextEncoder`."""
        super().__init__(folder, threads)
        self._vectors: ByteCache[np.ndarray] = ByteCache(VECTOR_BYTES, lambda vector: vector.nbytes)

    def plain(self, texts: Sequence[str], side: Side) -> np.ndarray:
        read = super().plain
        vectors = np.zeros((len(texts), self.dim), np.float32)
        for i, text in enumerate(texts):
            vectors[i] = self._vectors.get_or_make(text_key(side, text), lambda text=text: read([text], side)[0])  # type: ignore[misc]
        return vectors


class TermShares:
    """`JobIndex.term_shares` of one index, those of words that were asked before remembered."""

    def __init__(self, index: JobIndex) -> None:
        """index: one that does not change."""
        self._index = index
        self._shares: ByteCache[np.ndarray] = ByteCache(WORD_BYTES, lambda shares: shares.nbytes)

    def of(self, request: Request) -> np.ndarray:
        """(n,) float32, not to be written to."""
        return self._shares.get_or_make(text_key(request.words), lambda: self._index.term_shares(request))
