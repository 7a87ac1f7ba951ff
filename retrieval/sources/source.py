"""What a retrieval source is: a class that finds candidates for a request in an index."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Protocol, Self

import numpy as np
import pyarrow as pa

from contracts.records import Job
from retrieval.engines.append_only import SegmentedArray
from retrieval.engines.delta import DeltaEngine
from retrieval.engines.hits import Hits
from retrieval.filters.attributes import AttributeTable
from retrieval.links.store import LinkStore
from retrieval.popularity import JobActivity
from retrieval.request import Request

COSINE_STEP = 0.1
"""About the standard deviation of the cosines of unlike texts, for encoders whose cone is wide or was opened."""


class SearchedIndex(Protocol):
    """What sources read of an index of n rows; `retrieval.index.job_index.JobIndex` is one."""

    @property
    def engine(self) -> DeltaEngine: ...

    @property
    def attributes(self) -> AttributeTable: ...

    @property
    def activity(self) -> JobActivity: ...

    @property
    def links(self) -> LinkStore | None: ...

    def __len__(self) -> int: ...

    @property
    def ids(self) -> list[str]: ...

    @property
    def vectors(self) -> SegmentedArray: ...

    def rows(self, job_ids: Iterable[str], ended: bool = False) -> np.ndarray: ...

    def known_rows(self, job_ids: Iterable[str]) -> np.ndarray: ...

    def nearness(self, request: Request) -> np.ndarray: ...

    def term_scores(self, request: Request) -> np.ndarray: ...


@dataclass(frozen=True)
class SourceQuery:
    """What a source is asked.

    Attributes:
        index: The index of n rows.
        request: The request.
        vector: (dim,) float32, the encoded request text; None where there is none.
        mask: (n,) bool, the rows that may be returned.
        k: Rows to return at most.
    """

    index: SearchedIndex
    request: Request
    vector: np.ndarray | None
    mask: np.ndarray
    k: int
    _read: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """(m, dim) float32 vectors of rows, read once for all sources that are asked of the same array of rows."""
        if self._read.get("rows") is not rows:
            self._read.update(rows=rows, vectors=np.asarray(self.index.vectors[rows]))
        return self._read["vectors"]

    @cached_property
    def term_scores(self) -> np.ndarray:
        """(n,) float32: `JobIndex.term_scores`, computed once a search."""
        return self.index.term_scores(self.request)

    @cached_property
    def term_shares(self) -> np.ndarray:
        """(n,) float32 in [0, 1]: `JobIndex.term_shares`."""
        return self.term_scores / max(float(self.term_scores.max(initial=0)), 1e-12)


def by_place(rows: np.ndarray, found: Hits) -> np.ndarray:
    """(m,) float64: 1 for the first row that was found, evenly less for those behind it, 0 for those that were not.

    rows: (m,) ascending; it holds all rows that were found.
    """
    places = np.zeros(len(rows))
    places[np.searchsorted(rows, found.rows)] = 1 - np.arange(len(found.rows)) / max(len(found.rows), 1)
    return places


class Source(ABC):
    """One way to find candidates. An instance belongs to one build of an index and is shared between threads.

    A subclass names itself in `retrieval.sources.registry.SOURCES`. It needs `why` and `search`; a source with data of
    its own also has `build`, `load` and, where jobs that come later are to be found, `appended`.
    """

    why: ClassVar[str]
    """A clause for a person with the job as its subject, such as "it holds words of the request".

    It is true of every job that the source finds with a score of `least` or more.
    """
    least: ClassVar[float] = -math.inf
    """The score of `search` from which `why` is true."""

    @classmethod
    def build(cls, jobs: pa.Table, folder: Path) -> None:
        """Write what `load` reads.

        Args:
            jobs: n records (`contracts.records.Job` as Arrow), in the order of the index's rows.
            folder: An empty folder of the source's own. It is removed where nothing is written.
        """
        return

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The source of an index whose `build` wrote the folder."""
        return cls()

    def appended(self, jobs: Sequence[Job]) -> Self:
        """This source for an index with `jobs` in the rows behind its own; the old value goes on to serve its index."""
        return self

    @abstractmethod
    def search(self, query: SourceQuery) -> Hits | None:
        """The best rows that `query.mask` passes, at most `query.k`; None where it has nothing to go by."""

    def evidence(self, query: SourceQuery, rows: np.ndarray, found: Hits) -> np.ndarray:
        """How much speaks for each row, on a scale that sources share: unlike rows differ by about 1.

        Args:
            query: What was asked.
            rows: (m,) of the index in ascending order, whether this source found them or not.
            found: What `search` returned.

        Returns:
            (m,) float64, by the row's place among those found: see `by_place`. A source that can score any row
            overrides it, so that a row is not put down because it came just behind the k that were found.
        """
        return by_place(rows, found)

    def reasons(self, query: SourceQuery, rows: np.ndarray) -> list[str]:
        """A sentence for each of (m,) rows that it found, where `why` does not say it all; empty strings elsewhere."""
        return [""] * len(rows)


class VectorSource(Source):
    """A source that returns the rows nearest to a vector; an index scans for all of these at once."""

    @abstractmethod
    def target(self, query: SourceQuery) -> np.ndarray | None:
        """(dim,) float32, what the rows' vectors are compared with; None where there is none."""

    def search(self, query: SourceQuery) -> Hits | None:
        """The rows with the highest inner product with `target`."""
        target = self.target(query)
        return None if target is None else query.index.engine.search(target[None], query.mask, query.k)[0]

    def evidence(self, query: SourceQuery, rows: np.ndarray, found: Hits) -> np.ndarray:
        """The cosine with `target`, in steps of `COSINE_STEP`."""
        target = self.target(query)
        if target is None:
            return np.zeros(len(rows))
        cosines = np.einsum("nd,d->n", query.vectors(rows), np.asarray(target, np.float32))
        return cosines.astype(np.float64) / COSINE_STEP
