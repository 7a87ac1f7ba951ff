"""Builds the job index of a workspace: everything that candidates are selected with and ranked from, in one folder.

A job without a vector or without item tokens is counted and left out. Building again from the same input gives the
same version and is skipped. Wide columns are streamed, so that memory holds one copy of the vectors and no item tokens.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contracts.arrow import arrow_schema
from contracts.bundle import Manifest, read_manifest
from contracts.encoder import read_encoder
from contracts.errors import BadInput, IndexMismatch, NotReady, NotWritten
from contracts.features import CREATED_TIME, EVENT_TIME, JOB_KEY, JOB_TEXT, JOB_VECTOR
from contracts.records import Event
from contracts.tables import latest, parts, read_table
from contracts.versions import set_current
from contracts.workspace import Workspace
from retrieval.config import RetrievalConfig
from retrieval.engines.config import FaissConfig
from retrieval.engines.faiss_engine import build_faiss
from retrieval.engines.vectors import check_vectors
from retrieval.filters.attributes import build_attributes
from retrieval.index.duplicates import duplicate_groups
from retrieval.index.job_rows import SHOWN, TEXT_HASH
from retrieval.index.load import read_parts
from retrieval.index.manifest import FORMAT, IndexManifest
from retrieval.links.store import LinkStore
from retrieval.popularity import build_activity
from retrieval.sources.registry import SOURCES
from retrieval.words.config import TermsConfig
from retrieval.words.synonyms import load_synonyms
from retrieval.words.terms import build_terms
from retrieval.words.titles import build_titles
from retrieval.words.tokens import job_words

log = logging.getLogger("rolecall")

ENGINES = ("exact", "faiss")
_PLACE = "place"
_BATCH = 4_096


def build_index(
    workspace: Workspace,
    bundle: Path | None = None,
    engine: str = "exact",
    *,
    faiss: FaissConfig | None = None,
    terms: TermsConfig | None = None,
    retrieval: RetrievalConfig | None = None,
    links: Path | None = None,
    position: str = "",
) -> Path:
    """Write `workspace.indexes/<version>/`, make it the current one, and return it.

    bundle: the folder of the bundle whose item tokens go in; None: an index for retrieval alone. faiss, terms,
    retrieval: knobs of that engine, of the inverted index, and how it is asked; the defaults where None. links: the
    folder of learned links, which go in over the index's jobs; None: that source is absent. position: of the last
    change of the feed that the records hold, from where a service then reads on; empty: it reads the feed from its
    first change, and passes over what the records have.
    Raises NotReady where jobs, texts, vectors, the encoder or the bundle's item tokens are missing, IndexMismatch where
    texts, vectors or item tokens are of another version or shape than expected, BadInput for an unknown engine, knobs
    that do not fit the vectors, a vector that is not finite or too large (`check_vectors`), or a file of
    synonyms that holds none, NotWritten where it cannot be written whole: the one before it is then still the current
    one.
    """
    if engine not in ENGINES:
        raise BadInput(f"no engine {engine!r}", cure=f"one of {', '.join(ENGINES)}")
    faiss, terms, retrieval = faiss or FaissConfig(), terms or TermsConfig(), retrieval or RetrievalConfig()
    synonyms = load_synonyms(terms.synonyms)
    learned = LinkStore.load(links) if links else None
    encoder = read_encoder(workspace.encoder)
    jobs = latest(read_table(workspace.records / "jobs"), "id", "updated_at").sort_by("id")
    texts = latest(_keys(workspace.features / JOB_TEXT, "text_hash", "text_version"), JOB_KEY, EVENT_TIME, CREATED_TIME)
    text_version = _text_version(texts)
    manifest = read_manifest(bundle) if bundle else None
    if manifest and manifest.text_version != text_version:
        raise IndexMismatch(
            f"bundle {manifest.version} reads text version {manifest.text_version}, the jobs have {text_version}",
            cure="verbalize with the version of the bundle, or train on the present texts",
        )

    present = dict(zip(texts[JOB_KEY].to_pylist(), texts["text_hash"].to_pylist(), strict=True))
    wanted = [(job_id, present.get(job_id)) for job_id in jobs["id"].to_pylist()]
    vector_rows = _vector_rows(workspace, wanted, encoder.version)
    item_rows = _item_rows(workspace, manifest, wanted) if manifest else np.zeros(jobs.num_rows, np.int64)
    left_out = {
        "no vector": int((vector_rows < 0).sum()),
        "no item tokens": int(((vector_rows >= 0) & (item_rows < 0)).sum()),
    }
    for reason, count in left_out.items():
        if count:
            log.warning("index: %s of %s jobs left out: %s", f"{count:,}", f"{jobs.num_rows:,}", reason)
    kept = np.flatnonzero((vector_rows >= 0) & (item_rows >= 0))
    jobs = jobs.take(kept)
    vectors = np.zeros((len(kept), encoder.dim), np.float32)
    _fill(vectors, workspace.features / JOB_VECTOR, "vector", vector_rows[kept])
    check_vectors(jobs["id"].to_pylist(), vectors)
    events = _events(workspace)

    bundle_version = manifest.version if manifest else ""
    links_version = learned.version if learned else ""
    knobs = (faiss.model_dump(), terms.weights.model_dump(), synonyms.model_dump(), retrieval.model_dump())
    versions = (FORMAT, knobs, engine, bundle_version, encoder.version, text_version, links_version, position)
    version = _content_version(versions, jobs, vectors, events)
    folder = workspace.indexes / version
    about = IndexManifest(
        version=version,
        engine=engine,
        bundle_version=bundle_version,
        encoder_version=encoder.version,
        text_version=text_version,
        jobs=len(kept),
        dim=encoder.dim,
        left_out={k: v for k, v in left_out.items() if v},
        faiss=faiss,
        terms=terms,
        retrieval=retrieval,
        links=links_version,
        position=position,
    )

    def write(staged: Path) -> None:
        hashes = pa.array([wanted[row][1] for row in kept], pa.string())
        pq.write_table(jobs.select(SHOWN).append_column(TEXT_HASH, hashes), staged / "jobs.parquet")
        np.save(staged / "vectors.npy", vectors, allow_pickle=False)
        if manifest:
            shape = (len(kept), manifest.item_tokens, manifest.hidden)
            _write_items(staged / "items.npy", shape, _items_folder(workspace, manifest), item_rows[kept])
        build_terms(job_words(jobs, terms.weights), synonyms).save(staged / "terms")
        build_titles(jobs["title"].to_pylist()).save(staged / "titles")
        build_attributes(jobs).save(staged / "attributes")
        build_activity(jobs["id"].to_pylist(), events).save(staged / "activity.npz")
        groups = duplicate_groups(jobs, vectors, retrieval.duplicates)
        np.save(staged / "groups.npy", groups, allow_pickle=False)
        if learned:
            learned.over(row for batch in jobs.to_batches(_BATCH) for row in batch.to_pylist()).write(staged / "links")
        for name in retrieval.sources:
            own = staged / "sources" / name
            own.mkdir(parents=True)
            SOURCES.get(name).build(jobs, own)
            if not any(own.iterdir()):
                own.rmdir()
        if engine == "faiss":
            build_faiss(vectors, faiss).save(staged / "faiss.index")
        (staged / "index.json").write_text(about.model_dump_json(indent=2))

    if _is_whole(folder):
        log.info("index: version %s is already built", version)
    else:
        _write_folder(folder, write)
        told = engine if engine != "faiss" else f"faiss, {faiss.kind or 'by size'}"
        log.info("index: version %s with %s jobs, engine %s", version, f"{len(kept):,}", told)
    set_current(workspace.indexes, version)
    return folder


def _text_version(texts: pa.Table) -> str:
    versions = sorted(pc.unique(texts["text_version"]).to_pylist())
    if len(versions) != 1:
        raise IndexMismatch(
            f"job texts of {len(versions)} versions ({', '.join(versions)})", cure="run `rolecall verbalize` again"
        )
    return versions[0]


def _keys(folder: Path, *columns: str) -> pa.Table:
    """Narrow columns of a feature table with each row's place in it, parts in order of name."""
    read_table(folder, [JOB_KEY])  # says what is wrong with a table that is absent or broken
    names = [JOB_KEY, *columns, EVENT_TIME, CREATED_TIME]
    table = pa.concat_tables(pq.read_table(part, columns=names) for part in parts(folder))
    return table.append_column(_PLACE, pa.array(np.arange(table.num_rows)))


def _vector_rows(workspace: Workspace, wanted: Sequence[tuple[str, str | None]], encoder_version: str) -> np.ndarray:
    """(jobs,) int64: the place of the vector of each (job, text hash), -1 where this encoder made none."""
    table = _keys(workspace.features / JOB_VECTOR, "vector_hash", "encoder_version")
    table = table.filter(pc.equal(table["encoder_version"], encoder_version))
    keys = zip(table[JOB_KEY].to_pylist(), table["vector_hash"].to_pylist(), strict=True)
    stored = dict(zip(keys, table[_PLACE].to_pylist(), strict=True))
    return np.array([stored.get(key, -1) for key in wanted], np.int64)


def _items_folder(workspace: Workspace, manifest: Manifest) -> Path:
    return workspace.items / manifest.version


def _item_rows(workspace: Workspace, manifest: Manifest, wanted: Sequence[tuple[str, str | None]]) -> np.ndarray:
    """(jobs,) int64: the place of the item tokens of each (job, text hash), -1 where there are none."""
    folder = _items_folder(workspace, manifest)
    if not parts(folder):
        raise NotReady(
            f"no item tokens of bundle {manifest.version} in {folder}",
            cure=f"run `rolecall embed --what items --workspace {workspace.root}` first",
        )
    table = pa.concat_tables(pq.read_table(part, columns=[JOB_KEY, "text_hash"]) for part in parts(folder))
    stored = {key: place for place, key in enumerate(zip(*table.to_pydict().values(), strict=True))}
    return np.array([stored.get(key, -1) for key in wanted], np.int64)


def _fill(out: np.ndarray, folder: Path, column: str, places: np.ndarray) -> None:
    """Write the lists at `places` of a table's column into the rows of `out`, a batch at a time.

    out: (m, width); places: (m,) int64. Raises IndexMismatch for a list that is not `width` numbers.
    """
    total = sum(pq.read_metadata(part).num_rows for part in parts(folder))
    target = np.full(total, -1, np.int64)
    target[places] = np.arange(len(places))
    start = 0
    for part in parts(folder):
        for batch in pq.ParquetFile(part).iter_batches(_BATCH, columns=[column]):
            rows = target[start : start + batch.num_rows]
            start += batch.num_rows
            wanted = np.flatnonzero(rows >= 0)
            lists = batch.column(0).take(pa.array(wanted))
            widths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
            if (widths != out.shape[1]).any():
                raise IndexMismatch(
                    f"a {column} of {widths[widths != out.shape[1]][0]:,} numbers, expected {out.shape[1]:,}",
                    where=str(part),
                    cure="run `rolecall embed` again",
                )
            out[rows[wanted]] = lists.flatten().to_numpy(zero_copy_only=False).reshape(-1, out.shape[1])


def _write_items(path: Path, shape: tuple[int, int, int], folder: Path, places: np.ndarray) -> None:
    if not shape[0]:
        np.save(path, np.zeros(shape, np.float16), allow_pickle=False)  # nothing can be mapped of an empty file
        return
    items = np.lib.format.open_memmap(path, "w+", np.float16, shape)
    _fill(items.reshape(shape[0], -1), folder, "tokens", places)
    items.flush()


def _events(workspace: Workspace) -> pa.Table:
    """Views and applies, each once."""
    columns = ["id", "job_id", "time", "action"]
    folder = workspace.records / "events"
    if not parts(folder):
        schema = arrow_schema(Event)
        return pa.schema([schema.field(name) for name in columns]).empty_table()
    events = read_table(folder, columns, pc.field("action").isin(["view", "apply"]))
    return events if pc.count_distinct(events["id"]).as_py() == events.num_rows else latest(events, "id", "time")


def _content_version(versions: Sequence[object], jobs: pa.Table, vectors: np.ndarray, events: pa.Table) -> str:
    """Twelve hex digits over all that the index is made from."""
    digest = hashlib.blake2b(json.dumps(versions).encode(), digest_size=6)
    for column in (jobs["id"], jobs["row_hash"], events["job_id"], events["action"]):
        digest.update("\x00".join(map(str, column.to_pylist())).encode())
    digest.update(events["time"].cast(pa.int64()).to_numpy().tobytes())
    digest.update(vectors.tobytes())
    return digest.hexdigest()


def _is_whole(folder: Path) -> bool:
    """Whether the index in a folder can be loaded."""
    try:
        read_parts(folder)
    except NotReady:
        return False
    except IndexMismatch as error:
        log.warning("index: version %s is broken, and is built again: %s", folder.name, error)
        return False
    return True


def _write_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Make a folder whole or not at all: `write` fills a staged one, which then takes the name. Raises NotWritten."""
    staged = folder.with_name(folder.name + ".staged")
    shutil.rmtree(staged, ignore_errors=True)
    try:
        staged.mkdir(parents=True)
        write(staged)
        shutil.rmtree(folder, ignore_errors=True)
        staged.replace(folder)
    except OSError as error:
        raise NotWritten(str(error), where=str(folder), cure="make room; the index before it still serves") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
