"""What an index is made from, read from a workspace.

A job without a vector or without item tokens is counted and left out. Wide columns are streamed, so that memory holds
one copy of the vectors and no item tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contracts.arrow import arrow_schema
from contracts.bundle import Manifest, read_manifest
from contracts.encoder import read_encoder
from contracts.errors import IndexMismatch, NotReady
from contracts.features import CREATED_TIME, EVENT_TIME, JOB_KEY, JOB_TEXT, JOB_VECTOR
from contracts.records import Event
from contracts.tables import in_use, latest, parts, read_records, read_table
from contracts.workspace import Workspace

log = logging.getLogger("rolecall")

_PLACE = "place"
_BATCH = 4_096


@dataclass(frozen=True)
class IndexTables:
    """What an index is made from: n jobs in ascending order of their ids, each with one version.

    Attributes:
        jobs: n job records, with their `row_hash`.
        text_hashes: n hashes of the texts that vectors and item tokens were made from.
        vectors: (n, dim) float32.
        title_vectors: (n, dim) float16, of the titles.
        events: Views and applies (id, job_id, time, action), of one person, job and day the first.
        encoder_version: Of the vectors.
        text_version: Of the texts.
        manifest: Of the bundle that made the item tokens; None: an index for retrieval alone.
        write_items: Writes the item tokens, (n, item_tokens, hidden) float16, to a file of NumPy's format.
        left_out: Reason -> jobs that were left out.
    """

    jobs: pa.Table
    text_hashes: Sequence[str]
    vectors: np.ndarray
    title_vectors: np.ndarray
    events: pa.Table
    encoder_version: str
    text_version: str
    manifest: Manifest | None = None
    write_items: Callable[[Path], None] | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)


def read_index_tables(workspace: Workspace, bundle: Path | None = None) -> IndexTables:
    """The newest jobs of a workspace that have a vector and, with a bundle, item tokens. Raises as `build_index`."""
    encoder = read_encoder(workspace.encoder)
    jobs = latest(read_records(workspace.records, "jobs"), "id", "updated_at").sort_by("id")
    text_folder, vector_folder = (in_use(workspace.features / view) for view in (JOB_TEXT, JOB_VECTOR))
    texts = latest(_keys(text_folder, "text_hash", "text_version"), JOB_KEY, EVENT_TIME, CREATED_TIME)
    text_version = one_text_version(texts)
    manifest = read_manifest(bundle) if bundle else None
    if manifest and manifest.text_version != text_version:
        raise IndexMismatch(
            f"bundle {manifest.version} reads text version {manifest.text_version}, the jobs have {text_version}",
            cure="verbalize with the version of the bundle, or train on the present texts",
        )

    hash_of = dict(zip(texts[JOB_KEY].to_pylist(), texts["text_hash"].to_pylist(), strict=True))
    keys = [(job_id, hash_of.get(job_id)) for job_id in jobs["id"].to_pylist()]
    vector_rows = _vector_rows(vector_folder, keys, encoder.version)
    item_folder = in_use(workspace.items / manifest.version) if manifest else None
    item_rows = np.zeros(jobs.num_rows, np.int64)
    if manifest and item_folder:
        item_rows = _item_rows(workspace, item_folder, manifest, keys)
    left_out = {
        "no vector": int((vector_rows < 0).sum()),
        "no item tokens": int(((vector_rows >= 0) & (item_rows < 0)).sum()),
    }
    for reason, count in left_out.items():
        if count:
            log.warning("index: %s of %s jobs left out: %s", f"{count:,}", f"{jobs.num_rows:,}", reason)
    complete = np.flatnonzero((vector_rows >= 0) & (item_rows >= 0))
    vectors = np.zeros((len(complete), encoder.dim), np.float32)
    title_vectors = np.zeros(vectors.shape, np.float16)
    for column, values in (("vector", vectors), ("title_vector", title_vectors)):
        _fill(values, vector_folder, column, vector_rows[complete])

    def write_items(path: Path) -> None:
        assert manifest is not None and item_folder is not None
        shape = (len(complete), manifest.item_tokens, manifest.hidden)
        _write_items(path, shape, item_folder, item_rows[complete])

    return IndexTables(
        jobs=jobs.take(complete),
        text_hashes=[hash_of[keys[row][0]] for row in complete],
        vectors=vectors,
        title_vectors=title_vectors,
        events=read_engagement(workspace),
        encoder_version=encoder.version,
        text_version=text_version,
        manifest=manifest,
        write_items=write_items if manifest else None,
        left_out={reason: count for reason, count in left_out.items() if count},
    )


def one_text_version(texts: pa.Table) -> str:
    """The version of all job texts. Raises IndexMismatch where there are several."""
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


def _vector_rows(folder: Path, job_keys: Sequence[tuple[str, str | None]], encoder_version: str) -> np.ndarray:
    """(jobs,) int64: the place of the vector of each (job, text hash), -1 where this encoder made none.

    Raises IndexMismatch where there are vectors and none of them is a job's, as after a switch of one of both alone.
    """
    table = _keys(folder, "vector_hash", "encoder_version")
    made = table.num_rows
    table = table.filter(pc.equal(table["encoder_version"], encoder_version))
    keys = zip(table[JOB_KEY].to_pylist(), table["vector_hash"].to_pylist(), strict=True)
    stored = dict(zip(keys, table[_PLACE].to_pylist(), strict=True))
    places = np.array([stored.get(key, -1) for key in job_keys], np.int64)
    if made and len(places) and (places < 0).all():
        raise IndexMismatch(
            f"{made:,} vectors, and none is of the text of one of {len(places):,} jobs by encoder {encoder_version}",
            where=str(folder),
            cure="run `rolecall embed`, which makes those of the text in use",
        )
    return places


def _item_rows(
    workspace: Workspace, folder: Path, manifest: Manifest, job_keys: Sequence[tuple[str, str | None]]
) -> np.ndarray:
    """(jobs,) int64: the place of the item tokens of each (job, text hash), -1 where there are none."""
    if not parts(folder):
        raise NotReady(
            f"no item tokens of bundle {manifest.version} in {folder}",
            cure=f"run `rolecall embed --what items --workspace {workspace.root}` first",
        )
    table = pa.concat_tables(pq.read_table(part, columns=[JOB_KEY, "text_hash"]) for part in parts(folder))
    stored = {key: place for place, key in enumerate(zip(*table.to_pydict().values(), strict=True))}
    return np.array([stored.get(key, -1) for key in job_keys], np.int64)


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
            chosen = np.flatnonzero(rows >= 0)
            lists = batch.column(0).take(pa.array(chosen))
            widths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
            if (widths != out.shape[1]).any():
                raise IndexMismatch(
                    f"a {column} of {widths[widths != out.shape[1]][0]:,} numbers, expected {out.shape[1]:,}",
                    where=str(part),
                    cure="run `rolecall embed` again",
                )
            out[rows[chosen]] = lists.flatten().to_numpy(zero_copy_only=False).reshape(-1, out.shape[1])


def _write_items(path: Path, shape: tuple[int, int, int], folder: Path, places: np.ndarray) -> None:
    if not shape[0]:
        np.save(path, np.zeros(shape, np.float16), allow_pickle=False)  # nothing can be mapped of an empty file
        return
    items = np.lib.format.open_memmap(path, "w+", np.float16, shape)
    _fill(items.reshape(shape[0], -1), folder, "tokens", places)
    items.flush()


def read_engagement(workspace: Workspace) -> pa.Table:
    """Views and applies of the records: id, job_id, time, action.

    People count, not clicks: of one person, job, action and day (UTC) only the first counts. All who are not among the
    members are one person, for nothing tells ten visitors from one program.
    """
    import polars as pl  # an index that is loaded needs none

    columns = ["id", "job_id", "time", "action"]
    folder = workspace.records / "events"
    if not parts(folder):
        schema = arrow_schema(Event)
        return pa.schema([schema.field(name) for name in columns]).empty_table()
    events = pl.DataFrame(read_table(folder, [*columns, "member_id"], pc.field("action").isin(["view", "apply"])))
    members = workspace.records / "members"
    known = pl.Series(read_table(members, ["id"])["id"].unique() if parts(members) else [], dtype=pl.String)
    person = pl.when(pl.col("member_id").is_in(known.implode())).then("member_id").otherwise(pl.lit(""))
    a_day = [person.alias("person"), pl.col("time").dt.truncate("1d").alias("day")]
    first = events.sort("time", "id").with_columns(a_day).unique(["person", "job_id", "action", "day"], keep="first")
    return first.select(columns).sort("time", "id").to_arrow()
