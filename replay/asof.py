"""The world as it was: a request as it would have been made at its time, and the job index without later texts."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contracts.errors import NotReady
from contracts.features import CREATED_TIME, EVENT_TIME, JOB_KEY, JOB_TEXT, JOB_VECTOR
from contracts.tables import parts, read_table, write_part
from contracts.text.verbalizer import Percentiles
from contracts.time.as_of import newest_rows, rows_as_of
from contracts.workspace import Workspace
from history.as_of import KNOWN, PastAsk, link
from history.as_of import requests_as_of as past_requests_as_of
from ranking.scorer import ItemEncoder
from replay.holdout import HeldOut
from retrieval.encoder import TextEncoder
from retrieval.index.build import build_index
from retrieval.index.job_index import JobIndex
from retrieval.index.manifest import read_index_manifest
from retrieval.request import Request

log = logging.getLogger("rolecall")


def requests_as_of(
    workspace: Workspace,
    held: Sequence[HeldOut],
    unknown_until: Mapping[str, datetime],
    percentiles: Percentiles | None = None,
) -> list[Request]:
    """The request of each held-out one, with the member's text and activity as known just before it.

    unknown_until: jobs that were not there from the start, and when they became known; see `JobsAsOf`. percentiles: of
    the member texts, for rules that compare pay. What was shown before a request is not known to a rule.
    """
    asked = [
        PastAsk(
            request.member_id,
            request.query,
            request.time,
            (*request.viewed, *(job for job, time in unknown_until.items() if time > request.time)),
        )
        for request in held
    ]
    return past_requests_as_of(workspace, asked, percentiles)


@dataclass(frozen=True)
class JobsAsOf:
    """The index of the replay, and the jobs that only became known after its cut, each with the time when."""

    index: JobIndex
    unknown_until: Mapping[str, datetime]


@contextmanager
def jobs_as_of(workspace: Workspace, cut: datetime, items: ItemEncoder, encoder: TextEncoder) -> Iterator[JobsAsOf]:
    """The jobs as they were at `cut`, the time of the first held-out request; later jobs as they were at first.

    Each job stands with one version: its newest one known at the cut or, of a job that came later, its first. Where all
    of these are today's versions the current index is taken; else one that is asked the same is built in a scratch
    folder with the very same code and the same links, and is gone when the context ends.
    """
    versions = _Versions(workspace, cut)
    if versions.all_newest:
        yield _jobs(JobIndex.load(workspace.index), versions)
        return
    log.info("replay: job texts changed after %s; building the index as of then", cut.isoformat())
    with tempfile.TemporaryDirectory(prefix="rolecall-replay-") as scratch:
        then = Workspace(Path(scratch))
        versions.write(then, items, encoder)
        served = read_index_manifest(workspace.index)
        links = workspace.index / "links" if served.links else None
        folder = build_index(
            then, workspace.bundle, "exact", terms=served.terms, retrieval=served.retrieval, links=links
        )
        yield _jobs(JobIndex.load(folder), versions)


def _jobs(index: JobIndex, versions: _Versions) -> JobsAsOf:
    """A job that says when it was posted is guarded by the index itself, unless it became known later still."""
    posted = dict(zip(index.ids, index.attributes.number("posted_at").tolist(), strict=True))
    later = {
        job: time
        for job, time in versions.unknown_until.items()
        if job in posted and not posted[job] >= time.timestamp()  # not given is NaN, which is not >= anything
    }
    return JobsAsOf(index, later)


class _Versions:
    """Which version of each job's record and text was known at the cut."""

    def __init__(self, workspace: Workspace, cut: datetime) -> None:
        self._workspace = workspace
        self._jobs = read_table(workspace.records / "jobs")
        self._texts = read_table(workspace.features / JOB_TEXT)
        record = _chosen(self._jobs, "id", ["updated_at"], cut)
        text = _chosen(self._texts, JOB_KEY, KNOWN, cut)
        self._record_rows, self._text_rows = record.rows, text.rows
        self.all_newest = record.all_newest and text.all_newest
        both = record.later.keys() & text.later.keys()
        self.unknown_until = record.later | text.later | {job: max(record.later[job], text.later[job]) for job in both}

    def write(self, then: Workspace, items: ItemEncoder, encoder: TextEncoder) -> None:
        """What `build_index` reads, one version a job; vectors and item tokens of older texts are made here."""
        texts = self._texts.take(self._text_rows)
        write_part(then.records / "jobs", self._jobs.take(self._record_rows), "asof")
        write_part(then.features / JOB_TEXT, texts, "asof")
        link(then.records / "events", self._workspace.records / "events")
        link(then.encoder, self._workspace.encoder)
        folder = self._workspace.features / JOB_VECTOR
        vectors = _lists(folder, "vector_hash", "vector", texts, encoder.encode, encoder.version)
        made_by = pa.array([encoder.version] * len(vectors), pa.string())
        table = _with(texts, "vector", vectors, "vector_hash").append_column("encoder_version", made_by)
        write_part(then.features / JOB_VECTOR, table, "asof")
        width = items.manifest.item_tokens * items.manifest.hidden

        def encode(found: list[str]) -> np.ndarray:
            return items.encode(found).reshape(len(found), width)

        folder = self._workspace.items / items.manifest.version
        tokens = _lists(folder, "text_hash", "tokens", texts, encode)
        out = then.items / items.manifest.version
        write_part(out, _with(texts, "tokens", tokens.astype(np.float16), "text_hash"), "asof")


class _Chosen(NamedTuple):
    """rows: (keys,) int64; all_newest: each is its key's newest; later: keys unknown at the cut, since when known."""

    rows: pa.Array
    all_newest: bool
    later: dict[str, datetime]


def _chosen(table: pa.Table, key: str, order: Sequence[str], cut: datetime) -> _Chosen:
    """One row of each key: the newest that was known at the cut, else the first that was known at all."""
    history = pl.DataFrame(table.select([key, *order]))
    keys = history.select(pl.col(key).unique(maintain_order=True))
    moments = keys.with_columns(pl.lit(cut, history.schema[order[0]]).alias("cut"))
    rows = rows_as_of(history, moments, [key], "cut", order, else_first=True)
    since = keys.with_columns(history.select(pl.max_horizontal(*order).alias("since")).to_series().gather(rows))
    all_newest = set(rows) == set(newest_rows(history, [key], order))
    return _Chosen(rows.to_arrow(), all_newest, dict(since.filter(pl.col("since") > cut).iter_rows()))


def _lists(
    folder: Path, hash_column: str, column: str, texts: pa.Table, make: Any, encoder_version: str = ""
) -> np.ndarray:
    """(n, width): the stored list of each text's hash, made by `make` where none (of that encoder) is stored."""
    hashes = texts["text_hash"].to_pylist()
    stored = _stored(folder, hash_column, column, hashes, encoder_version)
    missing = [row for row, name in enumerate(hashes) if name not in stored]
    made = make([texts["text"][row].as_py() for row in missing])
    stored.update(zip((hashes[row] for row in missing), made, strict=True))
    return np.stack([stored[name] for name in hashes])


def _stored(
    folder: Path, hash_column: str, column: str, hashes: Sequence[str], encoder_version: str
) -> dict[str, np.ndarray]:
    if not parts(folder):
        raise NotReady(f"no table in {folder}", cure="run `rolecall embed` first")
    found: dict[str, np.ndarray] = {}
    names = [hash_column, column, *(["encoder_version"] if encoder_version else [])]
    for part in parts(folder):
        for batch in pq.ParquetFile(part).iter_batches(4_096, columns=names):
            batch = batch.filter(pc.is_in(batch[hash_column], pa.array(hashes, pa.string())))
            if encoder_version:
                batch = batch.filter(pc.equal(batch["encoder_version"], encoder_version))
            values = batch[column].flatten().to_numpy(zero_copy_only=False).reshape(batch.num_rows, -1)
            found.update(zip(batch[hash_column].to_pylist(), values, strict=True))
    return found


def _with(texts: pa.Table, column: str, values: np.ndarray, hash_column: str) -> pa.Table:
    """The keys and times of `texts` with one more list column."""
    flat = pa.array(np.ascontiguousarray(values).ravel())
    lists = pa.ListArray.from_arrays(np.arange(len(values) + 1, dtype=np.int32) * values.shape[1], flat)
    names = [JOB_KEY, hash_column, EVENT_TIME, CREATED_TIME]
    columns = [texts[JOB_KEY], texts["text_hash"], texts[EVENT_TIME], texts[CREATED_TIME]]
    return pa.table([*columns, lists], names=[*names, column])
