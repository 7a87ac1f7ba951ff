"""The job index as it is asked: candidates for a request, and what a result needs of a job. Loaded from its folder.

An immutable value but for live activity: a change makes a new one, which shares the memory of the old (`changed`). What
was built is read-only and shared between processes through memory maps; what came later lies behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from datetime import datetime
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from contracts.arrow import to_table
from contracts.bundle import Manifest
from contracts.errors import BadInput, IndexMismatch, NotReady
from contracts.records import Job
from contracts.time.open import is_open
from contracts.validation import first_line, typed
from contracts.values import FrozenModel
from retrieval.candidates import Candidates
from retrieval.config import FaissConfig, RetrievalConfig, TermsConfig
from retrieval.encoder import TextEncoder
from retrieval.engines.append_only import AppendOnlyArray, SegmentedArray
from retrieval.engines.delta import DeltaEngine, VectorEngine
from retrieval.engines.device import exact_engine
from retrieval.engines.faiss_engine import FaissEngine
from retrieval.engines.hits import Hits
from retrieval.engines.vectors import StoredVectors
from retrieval.filters.attributes import AttributeTable, job_attributes, split_location
from retrieval.index.changes import Upsert, check_changes
from retrieval.index.job_rows import JobRows
from retrieval.index.popularity import JobActivity, popular_nearby
from retrieval.links.store import LinkStore
from retrieval.merge import merge
from retrieval.request import RECENT_JOBS, Request
from retrieval.rules.rules import Rule, demoted, demoted_by, without_removed
from retrieval.words.terms import TermIndex, best
from retrieval.words.titles import TitleWords
from retrieval.words.tokens import job_words

FORMAT = 3
CANDIDATES = 500
"""What a request is answered from where nobody says how many."""
_NO_NODES = np.zeros(0, np.int32)


class IndexManifest(FrozenModel):
    """index.json. left_out: reason -> number of jobs that are not in the index; faiss, terms: what it is built with;
    retrieval: how it is asked; links: the version of the learned links in it, empty where there are none; position: the
    last change of the feed that the records held when it was built, empty where nobody said.
    """

    format: int = FORMAT
    version: str
    engine: str
    bundle_version: str
    encoder_version: str
    text_version: str
    jobs: int
    dim: int
    left_out: Mapping[str, int] = {}
    faiss: FaissConfig = FaissConfig()
    terms: TermsConfig = TermsConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    links: str = ""
    position: str = ""


class JobIndex:
    """n rows; a row is a job's number in all arrays. `search` gives candidates, the rest describes rows."""

    def __init__(
        self,
        manifest: IndexManifest,
        jobs: pa.Table,
        engine: VectorEngine,
        terms: TermIndex,
        titles: TitleWords,
        attributes: AttributeTable,
        activity: JobActivity,
        item_tokens: np.ndarray | None,
        links: LinkStore | None = None,
        groups: np.ndarray | None = None,
    ) -> None:
        """groups: (n,) int32, near-duplicates share a number; None: there are none."""
        self.manifest = manifest
        self.links = links
        self._groups = AppendOnlyArray(np.arange(jobs.num_rows, dtype=np.int32) if groups is None else groups)
        self.terms, self.titles, self.attributes, self.activity = terms, titles, attributes, activity
        self._engine, self._jobs, self.position = DeltaEngine(engine), JobRows(jobs), manifest.position
        self._items = None if item_tokens is None else SegmentedArray(item_tokens)
        self._later_items = None if item_tokens is None else AppendOnlyArray(item_tokens[:0])

    @classmethod
    def load(cls, folder: Path, device: str | None = None) -> JobIndex:
        """The index in a folder that `build_index` wrote.

        device: the PyTorch device that scans the vectors of the exact engine, such as "cuda", None: NumPy does. Raises
        NotReady where there is no index, IndexMismatch where it is of another format or its parts disagree, BadInput
        for a device that is not there, is too small, or that the engine does not take.
        """
        manifest = read_index_manifest(folder)
        if device is not None and manifest.engine != "exact":
            what = f"device {device!r} for an index with engine {manifest.engine}"
            raise BadInput(what, where=str(folder), cure="leave the device out: FAISS takes a GPU where it knows one")
        try:
            jobs = pq.read_table(folder / "jobs.parquet")
            vectors = _open_array(folder / "vectors.npy", manifest)
            items = _open_array(folder / "items.npy", manifest) if manifest.bundle_version else None
            attributes = AttributeTable.load(folder / "attributes")
            titles = TitleWords.load(folder / "titles")
            activity = JobActivity.load(folder / "activity.npz", jobs.num_rows)
            terms = TermIndex.load(folder / "terms", jobs.num_rows)
            groups = np.load(folder / "groups.npy", allow_pickle=False)
            links = LinkStore.load(folder / "links") if manifest.links else None
            found = None
            if manifest.engine == "faiss":
                found = FaissEngine.load(folder / "faiss.index", vectors, manifest.faiss)
        except (
            OSError,
            ValueError,
            KeyError,
            RuntimeError,
            EOFError,
            BadZipFile,
            pa.ArrowException,
            NotReady,
        ) as error:
            problem = first_line(error)
            raise IndexMismatch(f"a part is missing or broken: {problem}", where=str(folder), cure=_AGAIN) from error
        sizes = {"jobs": jobs.num_rows, "vectors": len(vectors), "attributes": len(attributes), "groups": len(groups)}
        sizes["titles"] = len(titles)
        if items is not None:
            sizes["jobs with item tokens"] = len(items)
        if links is not None:
            sizes["jobs of the links"] = len(links.jobs)
        for name, size in sizes.items():
            if size != manifest.jobs:
                raise IndexMismatch(f"{size:,} {name} for {manifest.jobs:,} jobs", where=str(folder), cure=_AGAIN)
        engine = found or exact_engine(StoredVectors(vectors), device)
        return cls(manifest, jobs, engine, terms, titles, attributes, activity, items, links, groups)

    def __len__(self) -> int:
        """Rows, those of jobs that were replaced or deleted included."""
        return len(self._jobs)

    @property
    def jobs(self) -> JobRows:
        return self._jobs

    @property
    def ids(self) -> list[str]:
        """The job of each row."""
        return self._jobs.ids

    @property
    def groups(self) -> np.ndarray:
        """(n,) int32: near-duplicates share a number. A job that came after the build has its own, unless it is one
        that was there and says what it said.
        """
        return self._groups.first(len(self))

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
        return self.manifest.encoder_version

    @property
    def text_version(self) -> str:
        return self.manifest.text_version

    @property
    def vectors(self) -> SegmentedArray:
        """(n, dim) float32 unit vectors; those that were built are memory-mapped."""
        return self._engine.vectors

    def changed(self, upserts: Sequence[Upsert], deletes: Mapping[str, datetime], position: str) -> JobIndex:
        """This index with jobs added, replaced and deleted; what asks this one meanwhile sees nothing of it.

        upserts, deletes (id -> when): each id once, in one of them; whether a change is newer than what the index has
        is not asked (`retrieval.index.updates`). position: of the last change of the feed that it then holds. It
        costs what
        the changes cost and a byte a row. Raises BadInput and ShapeMismatch, naming the job, and OtherWriter where this
        index was changed before; nothing has changed then.
        """
        items = None if self._items is None else self._items.shape[1:]
        check_changes(upserts, deletes, self.vectors.shape[1:], items)
        jobs = [upsert.job for upsert in upserts]
        # Whatever may fail comes before the first part is appended to: there is no way back from there.
        words = list(job_words(to_table(jobs, Job), self.manifest.terms.weights))
        attributes = [job_attributes(job.model_dump()) for job in jobs]
        hashes = [upsert.text_hash for upsert in upserts]
        former = self.rows((job.id for job in jobs), ended=True)
        groups = self._groups_of(jobs, hashes, former)
        vectors = _stacked([upsert.vector for upsert in upserts], self.vectors, jobs)
        later_items = None if self._items is None else _stacked([upsert.items for upsert in upserts], self._items, jobs)
        made = copy(self)
        made.terms = self.terms.appended(words)  # a new value, which nothing of this one knows of
        made._jobs, made.position = self._jobs.appended(jobs, hashes, deletes), position
        made._engine = self._engine.appended(vectors)
        if self._items is not None and self._later_items is not None and later_items is not None:
            self._later_items.append(later_items)
            made._items = self._items.with_later(self._later_items.first(self._later_items.n))
        made.titles = self.titles.appended([job.title for job in jobs])
        made.attributes = self.attributes.appended(attributes)
        made.activity = self.activity.appended(former)
        self._groups.append(groups)
        return made

    def _groups_of(self, jobs: Sequence[Job], hashes: Sequence[str], former: np.ndarray) -> np.ndarray:
        """(m,) int32: the group of each job that comes, which is that of its former row where it says what that said.

        hashes: of the texts; former: (m,) int32, the rows that the jobs had, -1: none.
        """
        groups = np.arange(len(self), len(self) + len(jobs), dtype=np.int32)
        for i, (job, text_hash, row) in enumerate(zip(jobs, hashes, former.tolist(), strict=True)):
            if row >= 0 and self._jobs.text_hash(row) == text_hash:
                before = self._jobs.display(row)
                if all(before[name] == getattr(job, name) for name in ("title", "company", "location")):
                    groups[i] = self.groups[row]
        return groups

    def added(
        self, wanted: Callable[[str, datetime, bool], bool] = lambda *version: True
    ) -> tuple[list[Upsert], dict[str, datetime]]:
        """What came since it was built: the jobs that it holds of it, and those that are deleted (id -> when).

        wanted: asked of the id and the version (`JobRows.version`) of each.
        """
        jobs, deleted = self._jobs.added()
        jobs = {row: job for row, job in jobs.items() if wanted(job.id, job.updated_at, False)}
        deleted = {job_id: time for job_id, time in deleted.items() if wanted(job_id, time, True)}
        found = [
            Upsert(job, self.vectors[row], None if self._items is None else self._items[row], self._jobs.text_hash(row))
            for row, job in jobs.items()
        ]
        return found, deleted

    def asked_by(self, config: RetrievalConfig) -> JobIndex:
        """The same jobs asked in another way; near-duplicates are those of the build, or none."""
        made = copy(self)
        made.manifest = self.manifest.model_copy(update={"retrieval": config})
        if config.duplicates is None:
            made._groups = AppendOnlyArray(np.arange(len(self), dtype=np.int32))
        return made

    def rows(self, job_ids: Iterable[str], ended: bool = False) -> np.ndarray:
        """(m,) int32: the row of each id, -1 where the index does not hold it. ended: also of what was deleted."""
        return np.array([self._jobs.row(job_id, ended) for job_id in job_ids], np.int32)

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
    ) -> Candidates:
        """Up to k candidates of those that `mask` lets through; fewer where fewer exist.

        vector: (dim,) float32, the encoded request text; None: that source is left out.
        Raises BadInput for k < 1, UnknownAttribute and BadInput from the filter, ShapeMismatch for a wrong vector.
        """
        if k < 1:
            raise BadInput(f"k is {k}", cure="ask for at least one job")
        mask, removed = self.allowed(request, rules)
        config = self.manifest.retrieval
        asked = config.asked(request.query)
        vectors = {"dense": vector, "recent": self.recent_vector(request)}
        close = [(name, v) for name, v in vectors.items() if v is not None and name in asked]
        found: dict[str, Hits] = {}
        if close:
            stacked = np.stack([np.asarray(v, np.float32) for _, v in close])
            found.update(zip((name for name, _ in close), self._engine.search(stacked, mask, k), strict=True))
        shares = self.term_shares(request)
        if "terms" in asked:
            found["terms"] = best(shares, k, mask)
        if "popular" in asked:
            found["popular"] = popular_nearby(self.activity.popularity(request.time), self.nearness(request), k, mask)
        nodes = self.member_nodes(request, mask) if "links" in asked else _NO_NODES
        if self.links is not None and len(nodes):
            found["links"] = self.links.jobs.search(nodes, k, mask, "sum")
        names = tuple(name for name in asked if name in found)
        learned = config.weights(request.query)
        weights = [learned.get(name, (0.0, 0.0)) for name in names] if learned else None
        down = demoted(rules, self, request)
        last = np.logical_or.reduce(list(down.values())) if down else None
        rows, fused, scores = merge([found[n] for n in names], [asked[n] for n in names], k, weights, last)
        reasons: list[str] = []
        if self.links is not None and "links" in found:
            linked = np.flatnonzero(~np.isnan(scores[:, names.index("links")]))
            told = dict(zip(linked.tolist(), self.links.reasons(nodes, rows[linked]), strict=True))
            reasons = [told.get(place, "") for place in range(len(rows))]
        ids = [self.ids[row] for row in rows]
        return Candidates(
            rows,
            ids,
            names,
            scores,
            fused,
            shares[rows],
            reasons=reasons,
            removed=removed,
            demoted=demoted_by(down, rows),
        )

    def member_nodes(self, request: Request, mask: np.ndarray) -> np.ndarray:
        """(q,) int32: the learned links of who asks, best first; none without a member, or one who is not known.

        mask: (n,) bool, what counts towards the liquidity of a member who is known by their record.
        """
        if self.links is None:
            return _NO_NODES
        if request.member is not None:
            return self.links.nodes_of(request.member, mask)
        return self.links.nodes(request.member_id)

    def mask(self, request: Request, rules: Sequence[Rule] = ()) -> np.ndarray:
        """(n,) bool: the jobs that may be answered with: alive at its time, in its filter, with every phrase that the
        query puts in quotes, not excluded or removed by a rule.
        """
        return self.allowed(request, rules)[0]

    def allowed(self, request: Request, rules: Sequence[Rule] = ()) -> tuple[np.ndarray, dict[str, int]]:
        """`mask`, and rule -> jobs that it removed."""
        mask = self.alive(np.arange(len(self)), request.time)
        if request.filter:
            mask &= request.filter.mask(self.attributes)
        quoted = self.terms.holding(request.words)
        if quoted is not None:
            mask &= quoted
        mask[self.known_rows(request.exclude)] = False
        return without_removed(rules, self, request, mask)

    def alive(self, rows: np.ndarray, time: datetime) -> np.ndarray:
        """(m,) bool: which jobs are open at `time` (`contracts.time.open`) and were not deleted since the build."""
        posted, expires = self.attributes.number("posted_at")[rows], self.attributes.number("expires_at")[rows]
        return is_open(posted, expires, ~self._jobs.open(rows), time.timestamp())

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
        scores[self._jobs.ended] = 0
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
        return self._jobs.display(int(row))


def check_index(index: JobIndex | IndexManifest, manifest: Manifest, encoder: TextEncoder | None = None) -> None:
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


def _stacked(arrays: Sequence[np.ndarray | None], like: SegmentedArray, jobs: Sequence[Job]) -> np.ndarray:
    """(m, ...) rows like those of `like`, of one array a job. Raises BadInput for numbers that its type cannot hold."""
    with np.errstate(over="ignore"):
        found = np.array(arrays, like.dtype).reshape(len(arrays), *like.shape[1:])
    for job, numbers in zip(jobs, found, strict=True):
        if not np.isfinite(numbers).all():
            raise BadInput(f"a number is too large for {like.dtype}", where=job.id, cure="encode it again")
    return found


def _open_array(path: Path, manifest: IndexManifest) -> np.ndarray:
    # An empty file cannot be mapped.
    return np.load(path, mmap_mode="r" if manifest.jobs and manifest.dim else None, allow_pickle=False)


_AGAIN = "run `rolecall index`"


def read_index_manifest(folder: Path) -> IndexManifest:
    """index.json of an index. Raises NotReady where there is none, IndexMismatch where it is of another format."""
    path = folder / "index.json"
    try:
        manifest = IndexManifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise NotReady(f"no index in {folder}", cure=_AGAIN) from error
    except ValidationError as error:
        raise typed(error, IndexMismatch, where=str(path), cure=_AGAIN) from error
    if manifest.format != FORMAT:
        raise IndexMismatch(f"format {manifest.format}, expected {FORMAT}", where=str(path), cure=_AGAIN)
    return manifest
