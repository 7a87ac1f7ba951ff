"""A bundle's graphs, run by ONNX Runtime: a request becomes a prefix once, each candidate attends to it alone.

Source of the shape: MixLM (arXiv 2512.07846), item tokens made offline and a prefix shared by all candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from contracts.bundle import Manifest, read_manifest
from contracts.errors import ShapeMismatch
from contracts.machine import cores
from contracts.match import COMPARISONS
from contracts.text.token_ids import open_tokenizer, pad, token_ids
from contracts.text.work import WorkReader
from retrieval.encoder import batches_by_length
from retrieval.engines.side_by_side import ahead, at_once, spare
from retrieval.engines.vectors import blocks
from retrieval.onnx_session import Opener, open_session

BATCH_TOKENS = 4_096
SCORED_AT_ONCE = 1_024
"""Candidates a call of the graph; more are scored in turns, so that memory is bounded."""
SHARED_FROM = 50
"""Candidates that are worth a call of their own: a candidate costs the same from there on."""
ALONE = ("int8_static", "float32")
"""Precisions of a bundle whose scores of a candidate are the same bits whichever others are scored with it."""


class ScoredIndex(Protocol):
    """What a scorer reads of an index; `retrieval.index.job_index.JobIndex` is one."""

    @property
    def lineage(self) -> object: ...

    def items(self, rows: np.ndarray) -> np.ndarray: ...


class BundleScorer:
    """Scores candidates with one bundle; safe to share between threads."""

    def __init__(
        self, folder: Path, threads: int | None = None, manifest: Manifest | None = None, opened: Opener = open_session
    ) -> None:
        """folder: a bundle. threads: cores that one call of a graph may use; where it leaves others, and scores are the
        same bits for it, candidates are scored in several calls at once; None: all.

        manifest: of graphs that are not a bundle yet; None: the folder's own, verified with every file's hash.
        opened: what runs the graphs, ONNX Runtime unless another is measured.
        Raises BundleMismatch where the bundle was altered, NotReady or UnreadableFile for an absent or broken graph.
        """
        self.manifest = manifest or read_manifest(folder)
        self.tasks = self.manifest.tasks
        self.work = WorkReader(self.manifest.vocabulary)
        self._tokenizer = open_tokenizer(folder, self.manifest.max_prefix_tokens)
        self._prefix = opened(folder / "prefix.onnx", threads)
        self._score = opened(folder / "score.onnx", threads)
        self._leaves_cores = threads is not None and threads < cores()

    def prefix(self, request_text: str) -> np.ndarray:
        """(L, 2, A, len, D) float32 keys and values of a request's text (`contracts.text.verbalizer.request_text`)."""
        ids, mask = pad([self._tokenizer.encode(request_text).ids])
        return self._prefix.run(["prefix_kv"], {"input_ids": ids, "attention_mask": mask})[0]

    def prefix_ahead(self, request_text: str) -> Callable[[], np.ndarray]:
        """`prefix`, begun on a core that nothing needs before it is asked for; the function gives it, once."""
        return ahead(partial(self.prefix, request_text))

    def scores(
        self,
        request_text: str,
        index: ScoredIndex,
        rows: np.ndarray,
        match: np.ndarray | None = None,
        prefix: Callable[[], np.ndarray] | None = None,
    ) -> np.ndarray:
        """(n, tasks) float32 `logits` of (n,) rows of an index for the text of a request. Raises what `logits` does.

        prefix: of `prefix_ahead` for the same text; None: it is read here.
        """
        return self.logits((prefix or partial(self.prefix, request_text))(), index.items(rows), match)

    def logits(self, prefix_kv: np.ndarray, items: np.ndarray, match: np.ndarray | None = None) -> np.ndarray:
        """(n, tasks) float32; row i depends on the prefix, items[i] and match[i] alone.

        Of a bundle of precision int8 or int8_token it depends on the other rows a little: activations share scales.

        prefix_kv: from `prefix`; items: (n, T, H) float32 from `ItemEncoder` or `JobIndex.items`, any n, 0 included;
        match: (n, C) uint8 from `ranking.match.match_bins`, None where nothing is known; a bundle without a match does
        not read it. Raises ShapeMismatch where T or H differ from the bundle's, or match is not (n, C).
        """
        expected = (self.manifest.item_tokens, self.manifest.hidden)
        if items.ndim != 3 or items.shape[1:] != expected:
            raise ShapeMismatch(
                f"item tokens are {items.shape}, bundle {self.manifest.version} reads {('n', *expected)}",
                cure="build the index with this bundle",
            )
        inputs: dict[str, np.ndarray] = {"items": np.asarray(items, np.float32)}
        if self.manifest.match_version:
            inputs["match"] = _bins(match, len(items))
        logits = np.empty((len(items), len(self.tasks)), np.float32)

        def score(share: slice) -> None:
            for part in blocks(share, SCORED_AT_ONCE):
                size = part.stop - part.start
                # A single row is multiplied in another order, and its last bit may differ: it is scored twice.
                batch = {
                    name: np.repeat(values[part], 2, 0) if size == 1 else values[part]
                    for name, values in inputs.items()
                }
                batch = {name: np.ascontiguousarray(values) for name, values in batch.items()}
                logits[part] = self._score.run(["logits"], {"prefix_kv": prefix_kv, **batch})[0][:size]

        if self._leaves_cores and self.manifest.precision in ALONE:
            share = -(-len(items) // max(1, min(1 + spare(), len(items) // SHARED_FROM)))
            at_once([partial(score, part) for part in blocks(slice(0, len(items)), max(1, share))])
        else:
            score(slice(0, len(items)))
        return logits


def _bins(match: np.ndarray | None, n: int) -> np.ndarray:
    """(n, C) uint8; zeros for None. Raises ShapeMismatch for another shape."""
    expected = (n, len(COMPARISONS))
    if match is None:
        return np.zeros(expected, np.uint8)
    if match.shape != expected:
        raise ShapeMismatch(f"match bins are {match.shape}, expected {expected}", cure="give each candidate its bins")
    return np.asarray(match, np.uint8)


class ItemEncoder:
    """Job texts to item tokens with one bundle: done offline, kept beside the index."""

    def __init__(
        self, folder: Path, threads: int | None = None, manifest: Manifest | None = None, opened: Opener = open_session
    ) -> None:
        """As `BundleScorer`."""
        self.manifest = manifest or read_manifest(folder)
        self._tokenizer = open_tokenizer(folder, self.manifest.max_item_tokens)
        self._session = opened(folder / "item.onnx", threads)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """(n, T, H) float32, row i of texts[i] (`contracts.text.verbalizer.Verbalizer.job`). Any n, 0 included."""
        items = np.zeros((len(texts), self.manifest.item_tokens, self.manifest.hidden), np.float32)
        tokens = token_ids(self._tokenizer, texts)
        for chosen in batches_by_length([len(ids) for ids in tokens], BATCH_TOKENS):
            ids, mask = pad([tokens[i] for i in chosen])
            items[chosen] = self._session.run(["items"], {"input_ids": ids, "attention_mask": mask})[0]
        return items
