"""An index from its folder: every part is read, and all are held against each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.errors import BadInput, IndexMismatch, NotReady
from contracts.validation import first_line
from retrieval.engines.codes import ByteCodes
from retrieval.engines.device import exact_engine
from retrieval.engines.faiss_engine import FaissEngine
from retrieval.engines.vectors import StoredVectors
from retrieval.filters.attributes import AttributeTable
from retrieval.index.manifest import BUILD_AGAIN, CODES, IndexManifest, check_files, read_index_manifest
from retrieval.index.parts import IndexParts, built_parts
from retrieval.links.store import LinkStore
from retrieval.popularity import JobActivity
from retrieval.sources.registry import SOURCES
from retrieval.words.terms import TermIndex
from retrieval.words.titles import TitleWords

T = TypeVar("T")
_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    RuntimeError,
    EOFError,
    BadZipFile,
    pa.ArrowException,
    NotReady,
)


def read_parts(folder: Path, device: str | None = None) -> IndexParts:
    """The parts of the index in a folder that `build_index` wrote.

    Args:
        folder: Of the index.
        device: The PyTorch device that scans the vectors of the exact engine, such as "cuda". None: NumPy does.

    Raises:
        NotReady: There is no index.
        IndexMismatch: The index is of another format, a part is not as it was built, or parts disagree.
        BadInput: The device is not there or too small, or the engine does not take one.
    """
    manifest = read_index_manifest(folder)
    if device is not None and manifest.engine != "exact":
        problem = f"device {device!r} for an index with engine {manifest.engine}"
        raise BadInput(problem, where=str(folder), cure="leave the device out: FAISS takes a GPU where it knows one")
    check_files(folder, manifest)
    jobs = _read(folder / "jobs.parquet", pq.read_table)
    vectors = _read(folder / "vectors.npy", _open_array, manifest)
    title_vectors = _read(folder / "title_vectors.npy", _open_array, manifest)
    items = _read(folder / "items.npy", _open_array, manifest) if manifest.bundle_version else None
    attributes = _read(folder / "attributes", AttributeTable.load)
    titles = _read(folder / "titles", TitleWords.load)
    activity = _read(folder / "activity.npz", JobActivity.load, jobs.num_rows)
    terms = _read(folder / "terms", TermIndex.load, jobs.num_rows)
    groups = _read(folder / "groups.npy", np.load)
    links = _read(folder / "links", LinkStore.load) if manifest.links else None
    names = manifest.retrieval.sources
    sources = {name: _read(folder / "sources" / name, SOURCES.get(name).load) for name in names}
    faiss = None
    if manifest.engine == "faiss":
        faiss = _read(folder / "faiss.index", FaissEngine.load, vectors, manifest.faiss)
    codes = _read(folder / CODES, ByteCodes.load) if (folder / CODES).is_dir() else None
    sizes = {
        "jobs": jobs.num_rows,
        "vectors": len(vectors),
        "vectors as bytes": manifest.jobs if codes is None else len(codes),
        "title vectors": len(title_vectors),
        "attributes": len(attributes),
        "groups": len(groups),
        "titles": len(titles),
        "jobs with item tokens": manifest.jobs if items is None else len(items),
        "jobs of the links": manifest.jobs if links is None else len(links.jobs),
    }
    for name, size in sizes.items():
        if size != manifest.jobs:
            raise IndexMismatch(f"{size:,} {name} for {manifest.jobs:,} jobs", where=str(folder), cure=BUILD_AGAIN)
    return built_parts(
        manifest,
        jobs,
        faiss or exact_engine(StoredVectors(vectors), device, codes),
        terms,
        titles,
        attributes,
        activity,
        title_vectors=title_vectors,
        items=items,
        links=links,
        groups=groups,
        sources=sources,
    )


def _read(path: Path, load: Callable[..., T], *arguments: Any) -> T:
    """A part of an index, by `load(path, *arguments)`. Raises IndexMismatch with its path where it cannot be read."""
    try:
        return load(path, *arguments)
    except _UNREADABLE as error:
        problem = f"missing or broken: {first_line(error)}"
        raise IndexMismatch(problem, where=str(path), cure=BUILD_AGAIN) from error


def _open_array(path: Path, manifest: IndexManifest) -> np.ndarray:
    # An empty file cannot be mapped. As a plain array, since each access to a `memmap` makes another one.
    return np.asarray(np.load(path, mmap_mode="r" if manifest.jobs and manifest.dim else None, allow_pickle=False))
