"""The parts of an index, and the same parts with jobs added, replaced and deleted.

Every part is a value whose `appended` makes the next one, which shares its memory (docs/decisions/0015). What was built
is read-only and memory-mapped; later rows lie behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import pyarrow as pa

from contracts.arrow import to_table
from contracts.errors import BadInput
from contracts.records import Job
from retrieval.engines.append_only import AppendOnlyArray, SegmentedArray
from retrieval.engines.delta import DeltaEngine, VectorEngine
from retrieval.filters.attributes import AttributeTable, job_attributes
from retrieval.index.changes import Upsert, check_changes
from retrieval.index.job_rows import JobRows
from retrieval.index.manifest import IndexManifest
from retrieval.links.store import LinkStore
from retrieval.popularity import JobActivity
from retrieval.sources.registry import SOURCES
from retrieval.sources.source import Source
from retrieval.words.terms import TermIndex
from retrieval.words.titles import TitleWords
from retrieval.words.tokens import job_languages, job_words


@dataclass(frozen=True)
class IndexParts:
    """What an index of n rows consists of; a row is a job's number in all parts.

    Attributes:
        groups: (n,) int32, near-duplicates share a number.
        title_vectors: (n, dim) float16 unit vectors of the titles.
        later_titles: Those of the rows that came after the build.
        items: (n, T, H) float16 item tokens; None where the index was built without a bundle.
        later_items: The item tokens of the rows that came after the build.
        links: Learned links over the jobs of the build.
        sources: The sources that are searched, by name.
        position: The last change of the feed that the parts hold; empty where not known.
    """

    manifest: IndexManifest
    jobs: JobRows
    engine: DeltaEngine
    terms: TermIndex
    titles: TitleWords
    attributes: AttributeTable
    activity: JobActivity
    groups: AppendOnlyArray
    title_vectors: SegmentedArray
    later_titles: AppendOnlyArray
    items: SegmentedArray | None = None
    later_items: AppendOnlyArray | None = None
    links: LinkStore | None = None
    sources: Mapping[str, Source] = field(default_factory=dict)
    position: str = ""


def built_parts(
    manifest: IndexManifest,
    jobs: pa.Table,
    engine: VectorEngine,
    terms: TermIndex,
    titles: TitleWords,
    attributes: AttributeTable,
    activity: JobActivity,
    *,
    title_vectors: np.ndarray | None = None,
    items: np.ndarray | None = None,
    links: LinkStore | None = None,
    groups: np.ndarray | None = None,
    sources: Mapping[str, Source] | None = None,
) -> IndexParts:
    """The parts of an index as it was built.

    Args:
        manifest: Of the index.
        jobs: The columns `SHOWN` and `TEXT_HASH` of n jobs.
        engine: Over their (n, dim) vectors.
        terms: Their words.
        titles: Their titles.
        attributes: What filters read of them.
        activity: Views and applies of them.
        title_vectors: (n, dim) float16 unit vectors of their titles. None: zeros, which are like no title.
        items: (n, T, H) float16 item tokens.
        links: Learned links over the same rows.
        groups: (n,) int32, near-duplicates share a number. None: there are none.
        sources: By name. None: those that the manifest asks, without data of their own.
    """
    if title_vectors is None:
        title_vectors = np.zeros(engine.vectors.shape, np.float16)
    return IndexParts(
        manifest,
        JobRows(jobs),
        DeltaEngine(engine),
        terms,
        titles,
        attributes,
        activity,
        AppendOnlyArray(np.arange(jobs.num_rows, dtype=np.int32) if groups is None else groups),
        SegmentedArray(title_vectors),
        AppendOnlyArray(title_vectors[:0]),
        None if items is None else SegmentedArray(items),
        None if items is None else AppendOnlyArray(items[:0]),
        links,
        {name: SOURCES.get(name)() for name in manifest.retrieval.sources} if sources is None else sources,
        manifest.position,
    )


def changed_parts(
    parts: IndexParts, upserts: Sequence[Upsert], deletes: Mapping[str, datetime], position: str
) -> IndexParts:
    """The parts with jobs added, replaced and deleted; whoever reads the old parts sees nothing of it.

    It costs what the changes cost, and a byte a row. Whether a change is newer than what the index has is not checked
    here (`retrieval.index.updates`).

    Args:
        parts: The newest parts of a build.
        upserts: Jobs with vectors and item tokens, each id once.
        deletes: Id to when it was deleted; ids that are not among the upserts.
        position: The last change of the feed that the new parts hold.

    Raises:
        BadInput: A job is changed twice, or its numbers are not finite; nothing has changed then.
        ShapeMismatch: A vector or item tokens have another shape; nothing has changed then.
        OtherWriter: These parts were changed before.
    """
    vectors, items = parts.engine.vectors, parts.items
    check_changes(upserts, deletes, vectors.shape[1:], None if items is None else items.shape[1:])
    jobs, hashes = [upsert.job for upsert in upserts], [upsert.text_hash for upsert in upserts]
    # What may fail comes before the first part is appended to: there is no way back from there.
    table = to_table(jobs, Job)
    languages = job_languages(table)
    words = list(job_words(table, parts.manifest.terms.weights, languages))
    home = parts.attributes.home
    attributes = [job_attributes(job.model_dump(), name, home) for job, name in zip(jobs, languages, strict=True)]
    former = np.array([parts.jobs.row(job.id, ended=True) for job in jobs], np.int32)
    groups = _groups(parts, jobs, hashes, former)
    later_vectors = _stacked([upsert.vector for upsert in upserts], vectors, jobs)
    later_titles = _stacked([upsert.title_vector for upsert in upserts], parts.title_vectors, jobs)
    later_items = None if items is None else _stacked([upsert.items for upsert in upserts], items, jobs)
    sources = {name: source.appended(jobs) for name, source in parts.sources.items()}
    terms = parts.terms.appended(words, languages)  # a new value, which the old one knows nothing of
    rows = parts.jobs.appended(jobs, hashes, deletes)
    if items is not None and parts.later_items is not None and later_items is not None:
        parts.later_items.append(later_items)
        items = items.with_later(parts.later_items.first(parts.later_items.n))
    parts.groups.append(groups)
    parts.later_titles.append(later_titles)
    return replace(
        parts,
        jobs=rows,
        engine=parts.engine.appended(later_vectors),
        terms=terms,
        titles=parts.titles.appended([job.title for job in jobs], languages),
        attributes=parts.attributes.appended(attributes),
        activity=parts.activity.appended(former),
        title_vectors=parts.title_vectors.with_later(parts.later_titles.first(parts.later_titles.n)),
        items=items,
        sources=sources,
        position=position,
    )


def _groups(parts: IndexParts, jobs: Sequence[Job], hashes: Sequence[str], former: np.ndarray) -> np.ndarray:
    """(m,) int32: the group of each later job: that of its former row where text, title, company and place are as then.

    former: (m,) int32, the rows that the jobs had, -1: none.
    """
    n = len(parts.jobs)
    groups = np.arange(n, n + len(jobs), dtype=np.int32)
    for i, (job, text_hash, row) in enumerate(zip(jobs, hashes, former.tolist(), strict=True)):
        if row >= 0 and parts.jobs.text_hash(row) == text_hash:
            before = parts.jobs.display(row)
            if all(before[name] == getattr(job, name) for name in ("title", "company", "location")):
                groups[i] = parts.groups.first(n)[row]
    return groups


def _stacked(arrays: Sequence[np.ndarray | None], like: SegmentedArray, jobs: Sequence[Job]) -> np.ndarray:
    """(m, ...) rows like those of `like`, one array a job. Raises BadInput for numbers that its dtype cannot hold."""
    with np.errstate(over="ignore"):
        rows = np.array(arrays, like.dtype).reshape(len(arrays), *like.shape[1:])
    for job, numbers, row in zip(jobs, arrays, rows, strict=True):
        if not np.isfinite(row).all():
            problem = f"a number of {np.max(np.abs(np.asarray(numbers))):.0e} is too large for {like.dtype}"
            raise BadInput(problem, where=job.id, cure="encode it again")
    return rows
