"""The job index as it was before the held-out requests: no later edit of a job, and later jobs kept back."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from contracts.errors import IndexMismatch, NotReady
from contracts.features import JOB_KEY, JOB_TEXT, JOB_VECTOR
from contracts.tables import parts, read_records, read_table
from contracts.text.verbalizer import title_of_text
from contracts.time.as_of import newest_rows, rows_as_of
from contracts.workspace import Workspace
from history.as_of import KNOWN
from ranking.scorer import ItemEncoder
from retrieval.encoder import TextEncoder
from retrieval.index.build import write_index
from retrieval.index.job_index import JobIndex
from retrieval.index.manifest import read_index_manifest
from retrieval.index.tables import IndexTables, one_text_version, read_engagement

log = logging.getLogger("rolecall")


@dataclass(frozen=True)
class PastIndex:
    """The index of the replay; known_from: job -> when it became known, of jobs that became known after its cut."""

    index: JobIndex
    known_from: Mapping[str, datetime]


@contextmanager
def past_index(
    workspace: Workspace, cut: datetime, item_encoder: ItemEncoder, encoder: TextEncoder
) -> Iterator[PastIndex]:
    """The jobs as they were at `cut`, as `find_past_index`; what is written for it is gone when the context ends."""
    with tempfile.TemporaryDirectory(prefix="rolecall-replay-") as scratch:
        folder, known_from = find_past_index(workspace, cut, item_encoder, encoder, workspace.index, Path(scratch))
        yield PastIndex(JobIndex.load(folder), known_from)


def find_past_index(
    workspace: Workspace,
    cut: datetime,
    item_encoder: ItemEncoder,
    encoder: TextEncoder,
    like: Path,
    scratch: Path,
    any_bundle: bool = False,
) -> tuple[Path, Mapping[str, datetime]]:
    """The folder of an index of the jobs as they were at `cut`; jobs that came later as they were at first.

    Where these are today's versions of all jobs it is `like`. Else, and where that is of another bundle, an index is
    written with the same knobs and links.

    Args:
        workspace: Holds the records, texts and vectors of all versions.
        cut: The time of the first request.
        item_encoder: Encodes item tokens of versions that have none stored.
        encoder: Encodes vectors of versions that have none stored.
        like: An index, whose knobs and links are taken.
        scratch: Where an index is written.
        any_bundle: Whether `like` may be of another bundle; else that is found by whoever checks the index.

    Returns:
        The folder, and the jobs that it would offer before they were known, with when they became known.

    Raises:
        NotReady: Jobs were never encoded.
        IndexMismatch: The bundle reads another text than that in use, as after a backfill of text: requests would be
            told in that one, whatever the index holds.
    """
    jobs, texts = read_records(workspace.records, "jobs"), read_table(workspace.features / JOB_TEXT)
    if (text := one_text_version(texts)) != item_encoder.manifest.text_version:
        of = item_encoder.manifest
        raise IndexMismatch(
            f"bundle {of.version} reads text {of.text_version}, the text in use is {text}",
            where=str(workspace.features),
            cure="ask a bundle that was trained on it, or `rolecall backfill rollback --what text`",
        )
    records = _versions_at(jobs, "id", ["updated_at"], cut)
    of_texts = _versions_at(texts, JOB_KEY, KNOWN, cut)
    # The text says since when a job counts as known: a first record may be trusted back (`beam_jobs.verbalize`).
    have_text = set(texts[JOB_KEY].unique().to_pylist())
    later = {job: time for job, time in records.known_from.items() if job not in have_text} | of_texts.known_from
    served, bundle = read_index_manifest(like), item_encoder.manifest.version
    other = any_bundle and served.bundle_version != bundle
    if records.all_newest and of_texts.all_newest and not other:
        return like, _not_guarded(JobIndex.load(like), later)
    if other:
        log.info("replay: index %s is of another bundle; building one like it for %s", served.version, bundle)
    else:
        log.info("replay: job texts changed after %s; building the index as of then", cut.isoformat())
    tables = _tables(workspace, jobs.take(records.rows), texts.take(of_texts.rows), item_encoder, encoder)
    folder = write_index(
        tables,
        scratch,
        terms=served.terms,
        retrieval=served.retrieval,
        links=like / "links" if served.links else None,
    )
    return folder, _not_guarded(JobIndex.load(folder), later)


def _not_guarded(index: JobIndex, known_from: Mapping[str, datetime]) -> Mapping[str, datetime]:
    """Those jobs which the index would offer before they were known: a later `posted_at` keeps back the others."""
    posted = dict(zip(index.ids, index.attributes.number("posted_at").tolist(), strict=True))
    return {
        job: time
        for job, time in known_from.items()
        if job in posted and not posted[job] >= time.timestamp()  # not given is NaN, which is not >= anything
    }


class _Versions(NamedTuple):
    """rows: (keys,) int64, one row of each key; all_newest: each is its key's newest; known_from: of later keys."""

    rows: pa.Array
    all_newest: bool
    known_from: dict[str, datetime]


def _versions_at(table: pa.Table, key: str, order: Sequence[str], cut: datetime) -> _Versions:
    """One row of each key: the newest that was known at the cut, else the first that was known at all."""
    history = pl.DataFrame(table.select([key, *order]))
    keys = history.select(pl.col(key).unique(maintain_order=True))
    moments = keys.with_columns(pl.lit(cut, history.schema[order[0]]).alias("cut"))
    rows = rows_as_of(history, moments, [key], "cut", order, else_first=True)
    since = keys.with_columns(history.select(pl.max_horizontal(*order).alias("since")).to_series().gather(rows))
    all_newest = set(rows) == set(newest_rows(history, [key], order))
    return _Versions(rows.to_arrow(), all_newest, dict(since.filter(pl.col("since") > cut).iter_rows()))


def _tables(
    workspace: Workspace, jobs: pa.Table, texts: pa.Table, item_encoder: ItemEncoder, encoder: TextEncoder
) -> IndexTables:
    """The tables of an index of these job records and texts, one version a job."""
    rows = pc.index_in(jobs["id"], value_set=texts[JOB_KEY].combine_chunks())
    missing = rows.null_count
    if missing:
        log.warning("index: %s of %s jobs left out: no vector", f"{missing:,}", f"{jobs.num_rows:,}")
    jobs = jobs.append_column("text_row", rows).filter(pc.is_valid(rows)).sort_by("id")
    texts = texts.take(jobs["text_row"])
    manifest = item_encoder.manifest
    width = manifest.item_tokens * manifest.hidden

    def encode_items(of: list[str]) -> np.ndarray:
        return item_encoder.encode(of).reshape(len(of), width)

    def encode_jobs(of: list[str]) -> np.ndarray:
        return encoder.encode(of, "job")

    def encode_job_titles(of: list[str]) -> np.ndarray:
        return encoder.titles([title_of_text(text) for text in of])

    made_here = pc.field("encoder_version") == encoder.version
    vectors, title_vectors = (
        _encoded(texts, encode, _stored(workspace.features / JOB_VECTOR, "vector_hash", column, texts, made_here))
        for encode, column in ((encode_jobs, "vector"), (encode_job_titles, "title_vector"))
    )
    folder = workspace.items / manifest.version
    if parts(folder):
        stored = _stored(folder, "text_hash", "tokens", texts)
    else:
        log.info("index: bundle %s has no item tokens stored; %s texts are encoded", manifest.version, texts.num_rows)
        stored = {}
    tokens = _encoded(texts, encode_items, stored).astype(np.float16)
    return IndexTables(
        jobs=jobs.drop_columns("text_row"),
        text_hashes=texts["text_hash"].to_pylist(),
        vectors=vectors,
        title_vectors=title_vectors.astype(np.float16),
        events=read_engagement(workspace),
        encoder_version=encoder.version,
        text_version=one_text_version(texts),
        manifest=manifest,
        write_items=lambda path: np.save(
            path, tokens.reshape(-1, manifest.item_tokens, manifest.hidden), allow_pickle=False
        ),
        left_out={"no vector": missing} if missing else {},
    )


def _encoded(texts: pa.Table, encode: Callable[[list[str]], np.ndarray], stored: dict[str, np.ndarray]) -> np.ndarray:
    """(n, width) float: the stored values of each text, by its hash, encoded where none are stored."""
    hashes = texts["text_hash"].to_pylist()
    missing = [row for row, text_hash in enumerate(hashes) if text_hash not in stored]
    encoded = encode([texts["text"][row].as_py() for row in missing])
    stored = stored | dict(zip((hashes[row] for row in missing), encoded, strict=True))
    return np.stack([stored[text_hash] for text_hash in hashes])


def _stored(
    folder: Path, hash_column: str, column: str, texts: pa.Table, only: pc.Expression | None = None
) -> dict[str, np.ndarray]:
    """Text hash -> (width,) stored values, of the hashes that `texts` have."""
    if not parts(folder):
        raise NotReady(f"no table in {folder}", cure="run `rolecall embed` first")
    wanted = pc.field(hash_column).isin(texts["text_hash"].combine_chunks())
    table = read_table(folder, [hash_column, column], wanted if only is None else wanted & only)
    values = table[column].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(table.num_rows, -1)
    return dict(zip(table[hash_column].to_pylist(), values, strict=True))
