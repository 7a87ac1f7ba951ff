"""What retrieval found for one request: jobs, the sources that found each, and what rules did to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np


@dataclass(frozen=True)
class Candidates:
    """The candidates of one request, best first.

    Attributes:
        rows: (n,) int32, rows of the index.
        ids: n job ids.
        sources: S names.
        scores: (n, S) float32, each source's own score, NaN where it did not find the job.
        fused: (n,) float32, descending.
        terms: (n,) float32, see `JobIndex.term_shares`.
        reasons: n sentences, why a job was found where the names of its sources do not say it all, else empty; () where
            there is none at all.
        removed: Rule to the number of jobs that it kept out.
        demoted: Row to the rules for which it stands after the others.
    """

    rows: np.ndarray
    ids: list[str]
    sources: tuple[str, ...]
    scores: np.ndarray
    fused: np.ndarray
    terms: np.ndarray
    reasons: Sequence[str] = ()
    removed: Mapping[str, int] = field(default_factory=dict)
    demoted: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def first(self, k: int) -> Candidates:
        """The k best candidates."""
        parts = {name: getattr(self, name)[:k] for name in ("rows", "ids", "scores", "fused", "terms", "reasons")}
        return replace(self, **parts)

    def found_by(self, i: int) -> tuple[str, ...]:
        """The sources that found candidate i."""
        return tuple(name for name, score in zip(self.sources, self.scores[i], strict=True) if not np.isnan(score))
