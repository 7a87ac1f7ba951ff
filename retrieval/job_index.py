"""The job index as it is asked: candidates for a request, and what a result needs of a job. Loaded from its folder.

One process holds one; everything but live activity and live hiding is read-only and shared through memory maps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.bundle import Manifest
from contracts.errors import BadInput, IndexMismatch, NotReady
from retrieval.attributes import AttributeTable, split_location
from retrieval.encoder import TextEncoder
from retrieval.exact import ExactEngine, Hits
from retrieval.faiss_engine import FaissEngine
from retrieval.merge import Candidates, merge
from retrieval.popularity import JobActivity, popular_nearby
from retrieval.request import RECENT_JOBS, Request
from retrieval.terms import TermIndex, best
from retrieval.titles import TitleWords

FORMAT = 1
SOURCES = ("dense", "recent", "terms", "popular")
RECOMMEND_SHARES = (0.15, 0.2, 0.4, 0.25)
SEARCH_SHARES = (0.4, 0.05, 0.45, 0.02)
"""Share of the candidates that each source is sure of, and its weight in the fusion. A query speaks for itself."""


class IndexManifest(BaseModel):
    """index.json. left_out: reason -> number of jobs that are not in the index."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: int = FORMAT
    version: str
    engine: str
    bundle_version: str
    encoder_version: str
    text_version: str
    jobs: int
    dim: int
    left_out: Mapping[str, int] = {}


class Engine(Protocol):
    vectors: np.ndarray

    def search(self, vectors: np.ndarray, mask: np.ndarray | None, k: int) -> list[Hits]: ...


class JobIndex:
    """n jobs; a row is a job's number in all arrays. `search` gives candidates, the rest describes rows."""

    def __init__(
        self,
        manifest: IndexManifest,
        jobs: pa.Table,
        engine: Engine,
        terms: TermIndex,
        titles: TitleWords,
        attributes: AttributeTable,
        activity: JobActivity,
        item_tokens: np.ndarray | None,
    ) -> None:
        self.manifest = manifest
        self.terms, self.titles, self.attributes, self.activity = terms, titles, attributes, activity
        self.ids: list[str] = jobs["id"].to_pylist()
        self._engine, self._jobs, self._items = engine, jobs, item_tokens
        self._row = {job_id: row for row, job_id in enumerate(self.ids)}
        self._hidden = np.array(jobs["hidden"].to_numpy(zero_copy_only=False), dtype=bool)

    @classmethod
    def load(cls, folder: Path) -> JobIndex:
        """The index in a folder that `build_index` wrote.

        Raises NotReady where there is none, IndexMismatch where it is of another format or its parts disagree.
        """
        manifest = _read_manifest(folder)
        try:
            jobs = pq.read_table(folder / "jobs.parquet")
            vectors = _open_array(folder / "vectors.npy", manifest)
            items = _open_array(folder / "items.npy", manifest) if manifest.bundle_version else None
            attributes = AttributeTable.load(folder / "attributes")
            titles = TitleWords.load(folder / "titles")
            activity = JobActivity.load(folder / "activity.npz", jobs.num_rows)
            terms = TermIndex.load(folder / "terms", jobs.num_rows)
            engine: Engine = ExactEngine(vectors)
            if manifest.engine == "faiss":
                engine = FaissEngine.load(folder / "faiss.index", vectors)
        except (OSError, ValueError, KeyError, RuntimeError, pa.ArrowException) as error:
            raise IndexMismatch(
                f"a part is missing or broken: {str(error).splitlines()[0]}", where=str(folder), cure=_AGAIN
            ) from error
        for name, size in {"jobs": jobs.num_rows, "vectors": len(vectors), "attributes": len(attributes)}.items():
            if size != manifest.jobs:
                raise IndexMismatch(f"{size:,} {name} for {manifest.jobs:,} jobs", where=str(folder), cure=_AGAIN)
        return cls(manifest, jobs, engine, terms, titles, attributes, activity, items)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def version(self) -> str:
        return self.manifest.version

    @property
    def bundle_version(self) -> str:
        """Empty where the index holds no item tokens."""
        return self.manifest.bundle_version

    @property
    def encoder_version(self) -> str:
        return self.manifest.encoder_version

    @property
    def text_version(self) -> str:
        return self.manifest.text_version

    @property
    def vectors(self) -> np.ndarray:
        """(n, dim) float32 unit vectors, memory-mapped."""
        return self._engine.vectors

    def rows(self, job_ids: Iterable[str]) -> np.ndarray:
        """(m,) int32: the row of each id, -1 where the index does not hold it."""
        return np.array([self._row.get(job_id, -1) for job_id in job_ids], np.int32)

    def known_rows(self, job_ids: Iterable[str]) -> np.ndarray:
        """`rows` without the unknown ones."""
        rows = self.rows(job_ids)
        return rows[rows >= 0]

    def search(self, request: Request, vector: np.ndarray | None = None, k: int = 500) -> Candidates:
        """Up to k candidates that are alive, pass the filter and are not excluded; fewer where fewer exist.

        vector: (dim,) float32, the encoded request text; None: that source is left out.
        Raises BadInput for k < 1, UnknownAttribute and BadInput from the filter, ShapeMismatch for a wrong vector.
        """
        if k < 1:
            raise BadInput(f"k is {k}", cure="ask for at least one job")
        mask = self.mask(request)
        recent = self.recent_vector(request)
        asked = [(name, v) for name, v in (("dense", vector), ("recent", recent)) if v is not None]
        found: dict[str, Hits] = {}
        if asked:
            stacked = np.stack([np.asarray(v, np.float32) for _, v in asked])
            found.update(zip((name for name, _ in asked), self._engine.search(stacked, mask, k), strict=True))
        shares = self.term_shares(request)
        found["terms"] = best(shares, k, mask)
        found["popular"] = popular_nearby(self.activity.popularity(request.time), self.nearness(request), k, mask)
        names = tuple(name for name in SOURCES if name in found)
        weights = dict(zip(SOURCES, SEARCH_SHARES if request.query else RECOMMEND_SHARES, strict=True))
        rows, fused, scores = merge([found[n] for n in names], [weights[n] for n in names], k)
        return Candidates(rows, [self.ids[row] for row in rows], names, scores, fused, shares[rows])

    def mask(self, request: Request) -> np.ndarray:
        """(n,) bool: the jobs that may be answered with: alive at its time, in its filter, not excluded."""
        mask = self.alive(np.arange(len(self)), request.time)
        if request.filter:
            mask &= request.filter.mask(self.attributes)
        mask[self.known_rows(request.exclude)] = False
        return mask

    def alive(self, rows: np.ndarray, time: datetime) -> np.ndarray:
        """(m,) bool: not hidden, posted by `time` (or not known when), not expired at `time`."""
        now = time.timestamp()
        posted, expires = self.attributes.number("posted_at")[rows], self.attributes.number("expires_at")[rows]
        return ~self._hidden[rows] & ~(posted > now) & ~(expires <= now)

    def hide(self, job_ids: Iterable[str]) -> int:
        """Never return these jobs again while this index is loaded; how many of them it holds."""
        rows = self.known_rows(job_ids)
        self._hidden[rows] = True
        return len(rows)

    def recent_vector(self, request: Request) -> np.ndarray | None:
        """(dim,) float32 unit mean of the vectors of the last jobs of interest; None where none is known."""
        rows = self.known_rows(request.recent[:RECENT_JOBS])
        if not len(rows):
            return None
        mean = self.vectors[rows].mean(axis=0)
        return mean / max(float(np.linalg.norm(mean)), 1e-12)

    def term_shares(self, request: Request) -> np.ndarray:
        """(n,) float32 in [0, 1]: BM25 of each job for the request's words, divided by the best job's."""
        scores = self.terms.scores(request.words)
        return scores / max(float(scores.max(initial=0)), 1e-12)

    def places(self, request: Request, attribute: str) -> np.ndarray:
        """(m,) int32: codes of "place" or "region" for the member's home (where given) and their recent jobs."""
        rows = self.known_rows(request.recent[:RECENT_JOBS])
        codes = self.attributes.codes(attribute)[rows]
        home = getattr(split_location(request.location), attribute)
        return np.append(codes, self.attributes.code(attribute, home)).astype(np.int32) if home else codes

    def nearness(self, request: Request) -> np.ndarray:
        """(n,) int8: 2 for a job in one of the request's places, 1 in one of its regions, else 0."""
        near = np.zeros(len(self), np.int8)
        for tier, attribute in ((1, "region"), (2, "place")):
            codes = np.unique(self.places(request, attribute))
            near[np.isin(self.attributes.codes(attribute), codes[codes >= 0])] = tier
        return near

    def items(self, rows: np.ndarray) -> np.ndarray:
        """(m, T, H) float32 item tokens. Raises IndexMismatch where the index was built without a bundle."""
        if self._items is None:
            raise IndexMismatch(
                f"index {self.version} holds no item tokens", cure="build the index with a bundle: `rolecall index`"
            )
        return self._items[rows].astype(np.float32)

    def display(self, row: int) -> dict[str, Any]:
        """What a person is shown of a job: `contracts.records.Job` without the long text."""
        return self._jobs.slice(int(row), 1).to_pylist()[0]


def check_index(index: JobIndex, manifest: Manifest, encoder: TextEncoder | None = None) -> None:
    """Raises IndexMismatch where the index was built by another bundle, text version or encoder than these."""
    pairs = [
        ("bundle", index.bundle_version, manifest.version),
        ("text version", index.text_version, manifest.text_version),
    ]
    if encoder is not None:
        pairs.append(("encoder", index.encoder_version, encoder.version))
    for what, found, expected in pairs:
        if found != expected:
            raise IndexMismatch(
                f"index {index.version} was built with {what} {found or 'none'}, not {expected}", cure=_AGAIN
            )


def _open_array(path: Path, manifest: IndexManifest) -> np.ndarray:
    # An empty file cannot be mapped.
    return np.load(path, mmap_mode="r" if manifest.jobs and manifest.dim else None, allow_pickle=False)


_AGAIN = "run `rolecall index`"


def _read_manifest(folder: Path) -> IndexManifest:
    path = folder / "index.json"
    try:
        manifest = IndexManifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise NotReady(f"no index in {folder}", cure=_AGAIN) from error
    except ValidationError as error:
        raise IndexMismatch(error.errors()[0]["msg"], where=str(path), cure=_AGAIN) from error
    if manifest.format != FORMAT:
        raise IndexMismatch(f"format {manifest.format}, expected {FORMAT}", where=str(path), cure=_AGAIN)
    return manifest
