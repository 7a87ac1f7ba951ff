"""Builds the job index: everything that candidates are selected with and ranked from, in one folder.

Building again from the same input gives the same version and is skipped.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.errors import BadInput, IndexMismatch, NotReady, NotWritten
from contracts.match import MATCH_VERSION
from contracts.reading.rates import DAYS_HELD, read_rates
from contracts.text.words import LANGUAGE
from contracts.versions import set_current, staged_folder
from contracts.workspace import Workspace
from retrieval.config import RetrievalConfig
from retrieval.engines.codes import LEAST_ROWS, byte_codes
from retrieval.engines.config import FaissConfig
from retrieval.engines.faiss_engine import build_faiss
from retrieval.engines.vectors import check_vectors
from retrieval.filters.attributes import PAID_AT, PAY, AttributeTable, build_attributes
from retrieval.index.duplicates import duplicate_groups
from retrieval.index.job_rows import SHOWN, TEXT_HASH
from retrieval.index.load import read_parts
from retrieval.index.manifest import CODES, FORMAT, IndexManifest, file_hashes
from retrieval.index.tables import IndexTables, read_index_tables
from retrieval.links.store import LinkStore
from retrieval.popularity import build_activity
from retrieval.sources.registry import SOURCES
from retrieval.words.config import TermsConfig
from retrieval.words.synonyms import load_synonyms
from retrieval.words.terms import build_terms
from retrieval.words.titles import build_titles
from retrieval.words.tokens import job_languages, job_words

log = logging.getLogger("rolecall")

ENGINES = ("exact", "faiss")
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
    rates: Path | None = None,
    position: str = "",
) -> Path:
    """Write the index of a workspace to `workspace.indexes/<version>/`, make it the current one, and return it.

    Args:
        workspace: Its newest records, texts and vectors are read.
        bundle: Folder of the bundle whose item tokens go in; None: an index for retrieval alone.
        engine: As `write_index`, and so are the rest.

    Raises:
        NotReady: Jobs, texts, vectors, the encoder or the bundle's item tokens are missing.
        IndexMismatch: Texts, vectors or item tokens are of another version or shape than expected.
        BadInput, NotWritten: As `write_index`.
    """
    _check_engine(engine)
    tables = read_index_tables(workspace, bundle)
    folder = write_index(
        tables,
        workspace.indexes,
        engine,
        faiss=faiss,
        terms=terms,
        retrieval=retrieval,
        links=links,
        rates=rates,
        position=position,
    )
    set_current(workspace.indexes, folder.name)
    return folder


def write_index(
    tables: IndexTables,
    parent: Path,
    engine: str = "exact",
    *,
    faiss: FaissConfig | None = None,
    terms: TermsConfig | None = None,
    retrieval: RetrievalConfig | None = None,
    links: Path | None = None,
    rates: Path | None = None,
    position: str = "",
) -> Path:
    """Write an index to `parent/<version>/` and return that folder; a whole one of the same version stays.

    Args:
        tables: What it is made from.
        parent: Folder of the versions.
        engine: One of `ENGINES`.
        faiss: Knobs of that engine; the defaults where None, as for the next two.
        terms: Knobs of the inverted index.
        retrieval: How the index is asked.
        links: Folder of learned links, which go in over the index's jobs; None: that source is absent.
        rates: CSV file of exchange rates (`contracts.reading.rates`); None: pay is compared within one currency alone.
        position: In the feed, of the last change that the records hold, from where a service reads on; empty: it reads
            from the first change, and skips what the records have.

    Raises:
        BadInput: The engine is unknown, its knobs do not fit the vectors, a vector is not finite or too large
            (`check_vectors`), a file of synonyms holds none, or the rates lack one that a job's pay needs.
        NotWritten: The disk does not take the index; what was there before is untouched.
    """
    _check_engine(engine)
    faiss, terms, retrieval = faiss or FaissConfig(), terms or TermsConfig(), retrieval or RetrievalConfig()
    synonyms = load_synonyms(terms.synonyms)
    learned = LinkStore.load(links) if links else None
    exchange = read_rates(rates) if rates else None
    jobs, vectors, events = tables.jobs, tables.vectors, tables.events
    for numbers in (vectors, tables.title_vectors):
        check_vectors(jobs["id"].to_pylist(), numbers)
    bundle_version = tables.manifest.version if tables.manifest else ""
    links_version = learned.version if learned else ""
    knobs: list[object] = [
        faiss.model_dump(),
        terms.weights.model_dump(),
        synonyms.model_dump(),
        retrieval.model_dump(),
    ]
    knobs += [exchange.rows()] if exchange else []
    made_with = (bundle_version, tables.encoder_version, tables.text_version, MATCH_VERSION, links_version, position)
    version = _content_version((FORMAT, knobs, engine, *made_with), jobs, vectors, events)
    folder = parent / version
    about = IndexManifest(
        version=version,
        engine=engine,
        bundle_version=bundle_version,
        encoder_version=tables.encoder_version,
        text_version=tables.text_version,
        jobs=jobs.num_rows,
        dim=vectors.shape[1],
        left_out=dict(tables.left_out),
        faiss=faiss,
        terms=terms,
        retrieval=retrieval,
        links=links_version,
        position=position,
    )

    def write(staged: Path) -> None:
        texts = pa.array(tables.text_hashes, pa.string())
        pq.write_table(jobs.select(SHOWN).append_column(TEXT_HASH, texts), staged / "jobs.parquet")
        np.save(staged / "vectors.npy", vectors, allow_pickle=False)
        np.save(staged / "title_vectors.npy", tables.title_vectors, allow_pickle=False)
        if tables.write_items:
            tables.write_items(staged / "items.npy")
        languages = job_languages(jobs)
        spoken = list(dict.fromkeys(languages)) or [LANGUAGE]
        build_terms(job_words(jobs, terms.weights, languages), synonyms, spoken).save(staged / "terms")
        build_titles(jobs["title"].to_pylist(), languages).save(staged / "titles")
        groups = duplicate_groups(jobs, vectors, retrieval.duplicates, retrieval.across_companies)
        attributes = build_attributes(jobs, languages, groups, exchange)
        if rates:
            _check_rates(attributes, jobs["id"].to_pylist(), rates)
        attributes.save(staged / "attributes")
        build_activity(jobs["id"].to_pylist(), events).save(staged / "activity.npz")
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
        elif len(vectors) >= LEAST_ROWS:
            byte_codes(vectors).save(staged / CODES)
        hashes = file_hashes(staged)
        for name in hashes:
            (staged / name).chmod(0o444)  # a part that is cut short in place kills whoever has it mapped
        (staged / "index.json").write_text(about.model_copy(update={"files": hashes}).model_dump_json(indent=2))

    if _is_whole(folder):
        log.info("index: version %s is already built", version)
    else:
        try:
            with staged_folder(folder) as staged:
                write(staged)
        except OSError as error:
            cure = "make room; the index before it still serves"
            raise NotWritten(str(error), where=str(folder), cure=cure) from error
        kind = engine if engine != "faiss" else f"faiss, {faiss.kind or 'by size'}"
        log.info("index: version %s with %s jobs, engine %s", version, f"{jobs.num_rows:,}", kind)
    return folder


def _check_rates(attributes: AttributeTable, job_ids: Sequence[str], file: Path) -> None:
    """Raise BadInput where the pay of a job cannot be compared with that of most."""
    for name in PAY:
        currency, rows = attributes.other_pay(name, None)
        codes = attributes.codes("currency")
        rows = rows[codes[rows] >= 0] if len(rows) else rows
        for row in rows[:1].tolist():
            said = attributes.value("currency", int(codes[row]))
            day = datetime.fromtimestamp(attributes.number(PAID_AT)[row], UTC).date()
            problem = f"no rate from {said.upper()} to {currency.upper()} for {day} or the {DAYS_HELD} days before"
            raise BadInput(
                f"{problem}, the day of job {job_ids[row]!r} ({len(rows):,} jobs lack one)",
                where=str(file),
                cure=f"add a line {day},{said.upper()},{currency.upper()},RATE, or leave money: {{rates: ...}} out",
            )


def _check_engine(engine: str) -> None:
    if engine not in ENGINES:
        raise BadInput(f"no engine {engine!r}", cure=f"one of {', '.join(ENGINES)}")


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
