"""The job index: candidates for a request, and what a result needs of a job. Loaded from its folder.

An immutable value but for live activity: a change makes a new index, which shares the memory of the old (`changed`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from contracts.errors import IndexMismatch
from contracts.text.places import read_place
from contracts.time.open import is_open
from retrieval.candidates import Candidates
from retrieval.engines.append_only import SegmentedArray
from retrieval.index import searching
from retrieval.index.changes import Upsert
from retrieval.index.load import read_parts
from retrieval.index.parts import IndexParts, changed_parts
from retrieval.request import RECENT_JOBS, Request
from retrieval.rules.rules import Rule

CANDIDATES = 500
"""Candidates of a request where no number is given."""


class JobIndex:
    """n rows; a row is a job's number in all arrays. `search` gives candidates, the rest describes rows."""

    def __init__(self, parts: IndexParts) -> None:
        """Take the parts of an index, from `read_parts` or `built_parts`."""
        self.parts, self.manifest, self.position = parts, parts.manifest, parts.position
        self.jobs, self.engine, self.sources, self.links = parts.jobs, parts.engine, parts.sources, parts.links
        self.terms, self.titles = parts.terms, parts.titles
        self.attributes, self.activity = parts.attributes, parts.activity

    @classmethod
    def load(cls, folder: Path, device: str | None = None) -> JobIndex:
        """The index in a folder that `build_index` wrote. Arguments and errors are those of `read_parts`."""
        index = cls(read_parts(folder, device))
        pa.default_memory_pool().release_unused()  # what reading took beside: 16 MB of 40,000 jobs
        return index

    def __len__(self) -> int:
        """Rows, those of jobs that were replaced or deleted included."""
        return len(self.jobs)

    @property
    def ids(self) -> list[str]:
        """The job of each row."""
        return self.jobs.ids

    @property
    def groups(self) -> np.ndarray:
        """(n,) int32: near-duplicates share a number.

        A job that came after the build has its own, unless it is one that was there and whose text is as it was.
        """
        return self.parts.groups.first(len(self))

    @property
    def version(self) -> str:
        """Of the build, and behind a "+" the last change of the feed that it holds, where there is one."""
        return f"{self.manifest.version}+{self.position}" if self.position else self.manifest.version

    @property
    def bundle_version(self) -> str:
        """Empty where the index holds no item tokens."""
        return self.manifest.bundle_version

    @property
    def encoder_version(self) -> str:
        """Of the encoder that made the vectors."""
        return self.manifest.encoder_version

    @property
    def text_version(self) -> str:
        """Of the verbaliser that wrote the texts."""
        return self.manifest.text_version

    @property
    def match_version(self) -> str:
        """Of the comparisons that its columns are made for."""
        return self.manifest.match_version

    @property
    def lineage(self) -> object:
        """The same object for an index and all that `changed` makes of it, where a row holds one version of a job."""
        return self.parts.groups

    @property
    def vectors(self) -> SegmentedArray:
        """(n, dim) float32 unit vectors; those of the build are memory-mapped."""
        return self.engine.vectors

    @property
    def title_vectors(self) -> SegmentedArray:
        """(n, dim) float16 unit vectors of the titles; those of the build are memory-mapped."""
        return self.parts.title_vectors

    def changed(self, upserts: Sequence[Upsert], deletes: Mapping[str, datetime], position: str) -> JobIndex:
        """This index with jobs added, replaced and deleted. Arguments and errors are those of `changed_parts`."""
        return JobIndex(changed_parts(self.parts, upserts, deletes, position))

    def added(
        self, needed: Callable[[str, datetime, bool], bool] = lambda *version: True
    ) -> tuple[list[Upsert], dict[str, datetime]]:
        """What came since the build: the jobs that the index holds, and those that were deleted (id to when).

        Args:
            needed: Whether a job is to be returned, by its id and version (`JobRows.version`).
        """
        jobs, deleted = self.jobs.added()
        jobs = {row: job for row, job in jobs.items() if needed(job.id, job.updated_at, False)}
        deleted = {job_id: time for job_id, time in deleted.items() if needed(job_id, time, True)}
        items = self.parts.items
        upserts = [
            Upsert(
                job,
                self.vectors[row],
                None if items is None else items[row],
                self.jobs.text_hash(row),
                self.title_vectors[row],
            )
            for row, job in jobs.items()
        ]
        return upserts, deleted

    def rows(self, job_ids: Iterable[str], ended: bool = False) -> np.ndarray:
        """(m,) int32: the row of each id, -1 where the index does not hold it. ended: also rows of deleted jobs."""
        return np.array([self.jobs.row(job_id, ended) for job_id in job_ids], np.int32)

    def known_rows(self, job_ids: Iterable[str]) -> np.ndarray:
        """`rows` without the unknown ones."""
        rows = self.rows(job_ids)
        return rows[rows >= 0]

    def search(
        self,
        request: Request,
        vector: np.ndarray | None = None,
        k: int = CANDIDATES,
        rules: Sequence[Rule] = (),
        shares: Mapping[str, float] | None = None,
        opened: searching.Opened | None = None,
    ) -> Candidates:
        """The best candidates of those that `mask` passes.

        Args:
            request: What is looked for.
            vector: (dim,) float32, the encoded request text. None: sources that need it are left out.
            k: Candidates at most; fewer where fewer exist.
            rules: Those in force.
            shares: Source to its share, of those that are asked; None: as the index was built.
            opened: Of `open_to` for this request, whatever its filter was then; None: it is looked up here.

        Raises:
            BadInput: k is below 1, the index was built without a source, or the filter does not fit.
            UnknownAttribute: The filter names an attribute that the index lacks.
            ShapeMismatch: The vector has another width.
        """
        return searching.search(self, request, vector, k, rules, shares, opened)

    def mask(self, request: Request, rules: Sequence[Rule] = ()) -> np.ndarray:
        """(n,) bool: the jobs that may be returned, as `allowed`."""
        return self.allowed(request, rules)[0]

    def open_to(self, request: Request, rules: Sequence[Rule] = ()) -> searching.Opened:
        """What a request may be given whatever its filter, for `search` and `allowed`."""
        return searching.open_to(self, request, rules)

    def allowed(
        self, request: Request, rules: Sequence[Rule] = (), opened: searching.Opened | None = None
    ) -> tuple[np.ndarray, dict[str, int]]:
        """The jobs that may be returned, and how many each rule removed. opened: as `search` takes it.

        Returns:
            (n,) bool: open at the request's time, in its filter, with every phrase that the query puts in quotes,
            neither excluded nor removed by a rule; and rule to number of jobs.
        """
        return searching.allowed(self, request, rules, opened)

    def alive(self, rows: np.ndarray | slice, time: datetime) -> np.ndarray:
        """(m,) bool: which jobs are open at `time` (`contracts.time.open`) and were not deleted since the build."""
        posted, expires = self.attributes.number("posted_at")[rows], self.attributes.number("expires_at")[rows]
        return is_open(posted, expires, ~self.jobs.open(rows), time.timestamp())

    def term_scores(self, request: Request) -> np.ndarray:
        """(n,) float32: BM25 of each job for the request's words."""
        scores = self.terms.scores(request.words).copy()
        scores[self.jobs.ended] = 0
        return scores

    def term_shares(self, request: Request) -> np.ndarray:
        """(n,) float32 in [0, 1]: `term_scores` divided by the best job's."""
        scores = self.term_scores(request)
        return scores / max(float(scores.max(initial=0)), 1e-12)

    def places(self, request: Request, attribute: str) -> list[str]:
        """The "place" or "region" of each of the member's recent jobs, empty where one has none, and of their home."""
        codes = self.attributes.codes(attribute)[self.known_rows(request.recent[:RECENT_JOBS])]
        recent = [self.attributes.value(attribute, code) if code >= 0 else "" for code in codes.tolist()]
        home = getattr(read_place(request.location, self.attributes.home), attribute)
        return [*recent, home] if home else recent

    def nearness(self, request: Request) -> np.ndarray:
        """(n,) int8: 2 for a job in one of the request's places, 1 in one of its regions, else 0."""
        near = np.zeros(len(self), np.int8)
        for tier, attribute in ((1, "region"), (2, "place")):
            near[self.attributes.holds_any(attribute, filter(None, self.places(request, attribute)))] = tier
        return near

    def items(self, rows: np.ndarray) -> np.ndarray:
        """(m, T, H) float32 item tokens. Raises IndexMismatch where the index was built without a bundle."""
        if self.parts.items is None:
            raise IndexMismatch(
                f"index {self.version} holds no item tokens", cure="build the index with a bundle: `rolecall index`"
            )
        return self.parts.items[rows].astype(np.float32)

    def display(self, row: int) -> dict[str, Any]:
        """The fields of a job that a person is shown: `contracts.records.Job` without the long text, and since when
        its advert has been posted (`first_posted_at`) and how often before (`reposts`)."""
        return self.displays([int(row)])[0]

    def displays(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """`display` of each row, read at once."""
        if not rows:
            return []
        first, reposts = (self.attributes.number(name)[list(rows)] for name in ("first_posted_at", "reposts"))
        began = [None if np.isnan(seconds) else datetime.fromtimestamp(seconds, UTC) for seconds in first.tolist()]
        return [
            record | {"first_posted_at": since, "reposts": int(times)}
            for record, since, times in zip(self.jobs.displays(rows), began, reposts.tolist(), strict=True)
        ]
