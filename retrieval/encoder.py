"""Text to vector: the retrieval encoder that `models.encoder.export` exported, run by ONNX Runtime.

It knows a folder and nothing of workspaces. Texts of like length share a batch, so that little of it is padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from contracts.encoder import read_encoder
from contracts.text.token_ids import open_tokenizer, pad, token_ids
from retrieval.onnx_session import Opener, open_session

BATCH_TOKENS = 4_096
"""Padded tokens a batch: enough to fill two cores, small enough that its activations stay in the cache."""


class TextEncoder:
    """Texts to unit vectors, by an ONNX session and a tokenizer; safe to share between threads."""

    def __init__(self, folder: Path, threads: int | None = None, opened: Opener = open_session) -> None:
        """Open an exported encoder.

        Args:
            folder: `encoder.onnx` (input_ids, attention_mask int64 (n, len) -> vectors (n, dim) float32),
                `tokenizer.json` and `encoder.json` (`EncoderManifest`).
            threads: Cores that one call may use. None: all.
            opened: Opens the graph.

        Raises:
            NotReady: The folder holds no encoder.
            UnreadableFile: One of its files is broken.
        """
        manifest = read_encoder(folder)
        self.name, self.version = manifest.name, manifest.version
        self.dim, self.max_tokens = manifest.dim, manifest.max_tokens
        self._tokenizer = open_tokenizer(folder, self.max_tokens)
        self._session = opened(folder / "encoder.onnx", threads)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32 unit vectors, row i of texts[i]; an empty text has a vector too. Any n, 0 included."""
        vectors = np.zeros((len(texts), self.dim), np.float32)
        tokens = token_ids(self._tokenizer, texts)
        for chosen in batches_by_length([len(ids) for ids in tokens], BATCH_TOKENS):
            ids, mask = pad([tokens[i] for i in chosen])
            vectors[chosen] = self._session.run(["vectors"], {"input_ids": ids, "attention_mask": mask})[0]
        return vectors


def batches_by_length(lengths: Sequence[int], budget: int) -> Iterator[np.ndarray]:
    """Index arrays that cover every item once, longest first, each of at most `budget` padded tokens (or one item)."""
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    start = 0
    while start < len(order):
        size = max(1, budget // max(1, lengths[order[start]]))
        yield order[start : start + size]
        start += size
