"""Text to vector: the retrieval encoder that `models.encoder` made, run by ONNX Runtime.

A text is read in its parts (`contracts.text.parts`): each is encoded alone, each once a call however many texts hold
it, and the vector is the normalised sum that the encoder's manifest weighs, mapped by its head where it has one. It
knows a folder and nothing of workspaces. Parts of like length share a batch, so that little of it is padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from contracts.encoder import Side, read_encoder
from contracts.errors import NotReady, UnreadableFile
from contracts.machine import cores
from contracts.text.parts import KINDS, PartWeights, parts_of
from contracts.text.token_ids import open_tokenizer, pad, token_ids
from retrieval.engines.side_by_side import at_once
from retrieval.onnx_session import Opener, open_session

BATCH_TOKENS = 4_096
"""Padded tokens a batch: enough to fill two cores, small enough that its activations stay in the cache."""
CALL_TOKENS = 20
"""Padding that costs as much as another call of the graph: about a millisecond of a small encoder on one core."""


class TextEncoder:
    """Texts to unit vectors, by an ONNX session and a tokenizer; safe to share between threads."""

    def __init__(self, folder: Path, threads: int | None = None, opened: Opener = open_session) -> None:
        """Open an encoder.

        Args:
            folder: `encoder.onnx` (input_ids, attention_mask int64 (n, len) -> vectors (n, dim) float32),
                `tokenizer.json`, `encoder.json` (`EncoderManifest`) and, where that names one, a head.
            threads: Cores that one call may use; where some are left, unlike texts are read at once. None: all.
            opened: Opens the graph.

        Raises:
            NotReady: The folder holds no encoder.
            UnreadableFile: One of its files is broken.
        """
        manifest = read_encoder(folder)
        self.name, self.version = manifest.name, manifest.version
        self.dim, self.max_tokens = manifest.dim, manifest.max_tokens
        self.parts, self.prompts = manifest.parts, manifest.prompts
        self.head = _read_head(folder / manifest.head, self.dim) if manifest.head else None
        self._tokenizer = open_tokenizer(folder, self.max_tokens)
        self._session = opened(folder / "encoder.onnx", threads)
        self._leaves_cores = threads is not None and threads < cores()

    def encode(self, texts: Sequence[str], side: Side) -> np.ndarray:
        """(n, dim) float32 unit vectors, row i of texts[i]; an empty text has a vector too. Any n, 0 included.

        side: whose texts they are; all of one call are of one side.
        """
        if self.parts.whole_alone:
            return mapped(self.plain(texts, side), self.head)
        return summed(self.by_kind(texts, self.parts, side), self.parts, self.head)

    def titles(self, titles: Sequence[str]) -> np.ndarray:
        """(n, dim) float32 unit vectors of titles, those of jobs and of members alike, by which two titles are
        compared: read as one, with no head, whatever was learned of whole texts."""
        return self.plain(titles, "request")

    def plain(self, texts: Sequence[str], side: Side) -> np.ndarray:
        """(n, dim) float32 unit vectors of texts that are each read as one, with no head."""
        prompt = self.prompts.of(side)
        vectors = np.zeros((len(texts), self.dim), np.float32)
        tokens = token_ids(self._tokenizer, [prompt + text for text in texts] if prompt else texts)

        def read(chosen: np.ndarray) -> None:
            ids, mask = pad([tokens[i] for i in chosen])
            vectors[chosen] = self._session.run(["vectors"], {"input_ids": ids, "attention_mask": mask})[0]

        batches = [partial(read, chosen) for chosen in batches_by_length([len(ids) for ids in tokens], BATCH_TOKENS)]
        if self._leaves_cores:
            at_once(batches)
        else:
            for batch in batches:
                batch()
        return vectors

    def by_kind(self, texts: Sequence[str], weights: PartWeights, side: Side) -> np.ndarray:
        """(n, len(KINDS), dim) float32: the mean direction of each text's parts of a kind, zeros where it has none.

        weights: kinds that weigh nothing are left out, except that a text of no other kind is read whole; side: whose
        texts they are.
        """
        directions = np.zeros((len(texts), len(KINDS), self.dim), np.float32)
        place: dict[str, int] = {}
        rows, kinds, which = [], [], []
        for row, text in enumerate(texts):
            parts = parts_of(text, weights.most_sentences)
            for part in [part for part in parts if weights.of(part.kind)] or parts[:1]:
                rows.append(row)
                kinds.append(KINDS.index(part.kind))
                which.append(place.setdefault(part.text, len(place)))
        np.add.at(directions, (rows, kinds), self.plain(list(place), side)[which])
        return directions / np.maximum(np.linalg.norm(directions, axis=2, keepdims=True), 1e-12)


def summed(directions: np.ndarray, weights: PartWeights, head: np.ndarray | None = None) -> np.ndarray:
    """(n, dim) unit vectors of (n, len(KINDS), dim) directions. A text with no kind that weighs is its whole."""
    vectors = np.einsum("nkd,k->nd", directions, np.array([weights.of(kind) for kind in KINDS], np.float32))
    bare = ~vectors.any(axis=1)
    vectors[bare] = directions[bare, KINDS.index("whole")]
    return mapped(_unit(vectors), head)


def mapped(vectors: np.ndarray, head: np.ndarray | None) -> np.ndarray:
    """(n, dim) unit vectors, each multiplied by the (dim, dim) head where there is one."""
    return vectors if head is None else _unit(vectors @ head.T)


def batches_by_length(lengths: Sequence[int], budget: int) -> Iterator[np.ndarray]:
    """Index arrays that cover every item once, longest first, each of at most `budget` padded tokens (or one item).

    A batch ends where padding its next item would cost more than another call (`CALL_TOKENS`).
    """
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    start = 0
    while start < len(order):
        longest = lengths[order[start]]
        last = min(start + max(1, budget // max(1, longest)), len(order))
        end, padding = start + 1, 0
        while end < last and (padding := padding + longest - lengths[order[end]]) <= CALL_TOKENS:
            end += 1
        yield order[start:end]
        start = end


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _read_head(path: Path, dim: int) -> np.ndarray:
    """The (dim, dim) float32 matrix of a file."""
    cure = "delete the encoder's folder and run `rolecall train encoder`"
    try:
        head = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise NotReady(f"no {path.name} in {path.parent}", cure=cure) from error
    except ValueError as error:
        raise UnreadableFile(str(error), where=str(path), cure=cure) from error
    if head.shape != (dim, dim) or head.dtype != np.float32 or not np.isfinite(head).all():
        raise UnreadableFile(f"{head.dtype} of {head.shape}, not float32 of {(dim, dim)}", where=str(path), cure=cure)
    return head
