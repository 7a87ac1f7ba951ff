"""A bundle's scorer that remembers: prefixes by the text they were read from, and scores by text, job and match."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from contracts.bundle import Manifest
from ranking.byte_cache import ByteCache, text_key
from ranking.scorer import ALONE, BundleScorer, ScoredIndex
from retrieval.onnx_session import Opener, open_session


class KeptScores(NamedTuple):
    """Scores of one text's last candidates.

    Attributes:
        lineage: Of the index whose rows they are (`JobIndex.lineage`): a row there holds one version of a job for good.
        rows: (m,) int32, ascending.
        match: (m, C) uint8 as the student read them; (m, 0) for a bundle without a match.
        logits: (m, tasks) float32.
    """

    lineage: object
    rows: np.ndarray
    match: np.ndarray
    logits: np.ndarray


class ScoreCaches(NamedTuple):
    """What a scorer remembers. prefixes: by text; scores: by text."""

    prefixes: ByteCache[np.ndarray]
    scores: ByteCache[KeptScores]


def score_caches(prefix_bytes: int, score_bytes: int) -> ScoreCaches:
    """Empty caches of so many bytes; 0: none is kept."""

    def size(kept: KeptScores) -> int:
        return kept.rows.nbytes + kept.match.nbytes + kept.logits.nbytes

    return ScoreCaches(ByteCache(prefix_bytes, lambda prefix: prefix.nbytes), ByteCache(score_bytes, size))


class CachingScorer(BundleScorer):
    """As `BundleScorer`, to the bit. Of a bundle whose scores depend on the other candidates of a call (`ALONE` has the
    others) prefixes alone are remembered."""

    def __init__(
        self,
        folder: Path,
        threads: int | None = None,
        manifest: Manifest | None = None,
        opened: Opener = open_session,
        *,
        caches: ScoreCaches,
    ) -> None:
        """caches: shared by scorers of several bundles; the other arguments and errors are those of `BundleScorer`."""
        super().__init__(folder, threads, manifest, opened)
        self._caches = caches

    def prefix(self, request_text: str) -> np.ndarray:
        read = super().prefix
        return self._caches.prefixes.get_or_make(self._key(request_text), lambda: _fixed(read(request_text)))

    def prefix_ahead(self, request_text: str) -> Callable[[], np.ndarray]:
        if self._key(request_text) in self._caches.scores:  # then it may never be asked for
            return partial(self.prefix, request_text)
        return super().prefix_ahead(request_text)

    def scores(
        self,
        request_text: str,
        index: ScoredIndex,
        rows: np.ndarray,
        match: np.ndarray | None = None,
        prefix: Callable[[], np.ndarray] | None = None,
    ) -> np.ndarray:
        if self.manifest.precision not in ALONE or not self._caches.scores.most:
            return super().scores(request_text, index, rows, match, prefix)
        key, lineage = self._key(request_text), index.lineage
        bins = np.zeros((len(rows), 0), np.uint8) if match is None else match
        logits = np.empty((len(rows), len(self.tasks)), np.float32)
        known = _known(self._caches.scores.get(key), lineage, rows, bins, logits)
        if not known.all():
            new = np.flatnonzero(~known)
            bins_of_new = None if match is None else match[new]
            logits[new] = super().scores(request_text, index, rows[new], bins_of_new, prefix)
            order = np.argsort(rows)
            kept = KeptScores(lineage, _fixed(rows[order]), _fixed(bins[order]), _fixed(logits[order]))
            self._caches.scores.put(key, kept)
        return logits

    def _key(self, request_text: str) -> bytes:
        return text_key(self.manifest.version, request_text)


def _known(
    kept: KeptScores | None, lineage: object, rows: np.ndarray, bins: np.ndarray, logits: np.ndarray
) -> np.ndarray:
    """(n,) bool, the rows whose scores are kept for the same match; their logits are filled in."""
    if kept is None or kept.lineage is not lineage or not len(kept.rows) or kept.match.shape[1] != bins.shape[1]:
        return np.zeros(len(rows), dtype=bool)
    place = np.minimum(np.searchsorted(kept.rows, rows), len(kept.rows) - 1)
    known = (kept.rows[place] == rows) & (kept.match[place] == bins).all(axis=1)
    logits[known] = kept.logits[place[known]]
    return np.asarray(known)


def _fixed(values: np.ndarray) -> np.ndarray:
    values.flags.writeable = False
    return values
