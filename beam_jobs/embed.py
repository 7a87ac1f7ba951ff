"""Text -> vectors for retrieval, or item tokens for a bundle; only what has none yet.

    python -m beam_jobs.embed --workspace W
    python -m beam_jobs.embed --workspace W --what items --bundle W/bundles/<version>

A text is encoded once, however many keys and versions share it, and never again under the same encoder. By default
every job version gets a vector but of a member the newest one alone, because nothing reads the older ones: a training
row joins text, and retrieval for a past request encodes the text of that time. `--history` embeds them all. Items are
of the newest job versions: they are what an index serves. A job's vector comes with that of its title alone, which the
match compares titles by. What the service would encode of a member who asks is made beforehand as well
(`beam_jobs.encodings`): run `activity` before.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import apache_beam as beam
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.options.pipeline_options import PipelineOptions

from beam_jobs import feature_tables
from beam_jobs.config import EmbedFlags
from beam_jobs.encodings import COUNTED, MemberChunk, chunks_to_encode, drop_outdated
from beam_jobs.feature_tables import PART, ROW
from beam_jobs.flags import read_flags
from beam_jobs.pipeline import Counts, command, count, finish, run_id, run_pipeline
from beam_jobs.workers import Mark, Share, processes
from contracts.arrow import TIME
from contracts.bundle import read_manifest
from contracts.encoder import Side, read_encoder
from contracts.erased import ErasedMembers
from contracts.errors import BadInput, BundleMismatch, NotReady
from contracts.features import (
    CREATED_TIME,
    EVENT_TIME,
    JOB_KEY,
    JOB_TEXT,
    JOB_VECTOR,
    KEYS,
    MEMBER_ENCODING,
    MEMBER_KEY,
    MEMBER_TEXT,
    MEMBER_VECTOR,
)
from contracts.progress import Progress
from contracts.tables import adding, in_use, parts, write_part
from contracts.text.verbalizer import title_of_text
from contracts.workspace import Workspace

if TYPE_CHECKING:
    from ranking.scorer import ItemEncoder
    from retrieval.encoder import TextEncoder

VIEWS = {"members": (MEMBER_TEXT, MEMBER_VECTOR), "jobs": (JOB_TEXT, JOB_VECTOR)}
CHUNK_TEXTS = 2_048
SLICE_TEXTS = 256
"""Texts a call of the encoder: of like length, and few enough that progress is seen on a slow machine."""


class Target(NamedTuple):
    """Where encoded text of one table goes.

    Attributes:
        text: The table of texts.
        out: The table of what is made of them.
        key: Column of the key.
        values: Columns of numbers: of the text and, where there are two, of its title.
        hash: Column of the text's hash.
        version: Of what makes the rows, in the names of the parts.
        side: Whose texts they are, for the retrieval encoder; None for item tokens.
        encoder_version: A column where the table keeps history by the text row's two times; empty: it keeps none.
    """

    text: Path
    out: Path
    key: str
    values: tuple[str, ...]
    hash: str
    version: str
    side: Side | None = None
    encoder_version: str = ""


class TextChunk(NamedTuple):
    """Texts to encode, and the rows that they become.

    rows: places of the texts in the text part; fan_out: target columns but the value, and `place`, the index of its
    text in `rows`.
    """

    target: Target
    path: Path
    rows: np.ndarray
    fan_out: pa.Table
    name: str

    @property
    def out(self) -> Path:
        return self.target.out

    @property
    def counted(self) -> str:
        return f"{self.target.key}.written"

    def made(self, model: TextEncoder | ItemEncoder, done: Callable[[int], object]) -> pa.Table:
        """The rows of these texts, which are encoded in slices of like length."""
        texts = pq.read_table(self.path, columns=["text"])["text"].take(pa.array(self.rows)).to_pylist()
        values = encode_texts(model, self.target, texts, done)
        places = self.fan_out["place"].to_numpy()
        return with_values(self.target, self.fan_out.drop(["place"]), [column[places] for column in values])


Chunk = TextChunk | MemberChunk


class Made(NamedTuple):
    """A chunk's rows, the part that they become, and what they are counted as."""

    rows: pa.Table
    out: Path
    name: str
    counted: str


class Encode(beam.DoFn):
    """Chunk -> Made: reads a chunk's texts and encodes them.

    Not Beam's `RunInference`, whose module takes PyTorch along wherever that is installed: two seconds of each run.
    """

    def __init__(self, what: str, folder: Path, share: Share, progress: Progress) -> None:
        self._what, self._folder, self._share, self._progress = what, folder, share, progress
        self._model: TextEncoder | ItemEncoder | None = None

    def process(self, chunk: Chunk) -> Iterator[Made]:
        if self._model is None:  # not in `setup`: a worker that does not see the workspace opens nothing
            self._model = open_encoder(self._what, self._folder, self._share.threads())
        self._progress.start()
        yield Made(chunk.made(cast(Any, self._model), self._progress.add), chunk.out, chunk.name, chunk.counted)


def open_encoder(what: str, folder: Path, threads: int | None) -> TextEncoder | ItemEncoder:
    """What makes item tokens ("items") or vectors, from the folder of a bundle or of an encoder."""
    if what == "items":
        from ranking.scorer import ItemEncoder

        return ItemEncoder(folder, threads=threads)
    from retrieval.encoder import TextEncoder

    return TextEncoder(folder, threads=threads)


def encode_texts(
    model: TextEncoder | ItemEncoder, target: Target, texts: Sequence[str], done: Callable[[int], object]
) -> list[np.ndarray]:
    """The target's values of n texts, which are encoded in slices of like length.

    Args:
        model: Of `open_encoder`.
        target: Says whose texts they are and which values are made.
        texts: n texts, one at least.
        done: Is told how many texts were encoded, as they are.

    Returns:
        (n, width) of each column: float32 vectors of the texts and of their titles, or float16 item tokens.
    """
    order = np.argsort([len(text) for text in texts], kind="stable")[::-1]
    values: np.ndarray | None = None
    for start in range(0, len(texts), SLICE_TEXTS):
        rows = order[start : start + SLICE_TEXTS]
        some = [texts[i] for i in rows]
        if target.side is None:
            encoded = cast("ItemEncoder", model).encode(some)
        else:
            encoded = cast("TextEncoder", model).encode(some, target.side)
        encoded = encoded.reshape(len(rows), -1)
        if values is None:
            values = np.empty((len(texts), encoded.shape[1]), np.float16 if target.side is None else np.float32)
        values[rows] = encoded
        done(len(rows))
    assert values is not None  # there is at least one text
    if len(target.values) == 1:
        return [values]
    titles, place = np.unique([title_of_text(text) for text in texts], return_inverse=True)
    return [values, cast("TextEncoder", model).titles(titles.tolist())[place]]


def run(argv: Sequence[str] | None = None) -> Counts:
    """Bring vectors or item tokens up to the text features.

    Args:
        argv: The job's and Beam's flags, see `beam_jobs.config.EmbedFlags`; None for those of the process.

    Returns:
        Counts of rows.

    Raises:
        NotReady: There is no text or no encoder.
        BundleMismatch: The bundle was altered, or made for another text version.
        OtherWriter: Somebody switches to another version of them at this moment.
    """
    workspace, config, options = read_flags("embed", __doc__, EmbedFlags, argv)
    table = workspace.features / MEMBER_VECTOR
    if config.what == "items":
        table = workspace.items / read_manifest(config.bundle or workspace.bundle).version
    with adding(table, f"embed --what {config.what}"):
        return _embed(workspace, config, options)


def _embed(workspace: Workspace, config: EmbedFlags, options: PipelineOptions) -> Counts:
    started = time.monotonic()
    folder, targets = targets_of(workspace, config)
    name = run_id()
    chunks: list[Chunk] = []
    counts: dict[str, Counts] = {}
    for table, target in targets.items():
        newest = config.what == "items" or (table == "members" and not config.history)
        rows = text_rows(target, newest)
        todo = _pending(target, rows)
        new = _copy_encoded(target, todo, name)
        chunks += _chunks(target, new, name)
        counts[table] = Counts(len(rows), written=len(todo) - len(new), skipped=len(rows) - len(todo))
    encodings = workspace.features / MEMBER_ENCODING
    members = targets.get("members") if config.what == "vectors" else None
    if members:
        rows = text_rows(members, newest=True)
        of_members = chunks_to_encode(
            workspace, members.text, rows, in_use(encodings), members.version, members.encoder_version, name
        )
        chunks += of_members
        counts["encodings"] = Counts(len(rows), skipped=len(rows) - sum(len(chunk.rows) for chunk in of_members))
    done = _run(workspace, config.what, folder, chunks, options) if chunks else Counter[str]()
    for table, target in targets.items():
        for path in feature_tables.made_by_others(target.out, target.version):
            path.unlink()
        counts[table] += Counts(written=done[f"{target.key}.written"])
    if members:
        for path in feature_tables.made_by_others(in_use(encodings), members.version):
            path.unlink()
        drop_outdated(in_use(encodings), members.version)
        counts["encodings"] += Counts(written=done[COUNTED])
    texts = sum(len(chunk.rows) for chunk in chunks)
    return finish("embed", f"{config.what} of {folder.name}; {texts:,} texts encoded", counts, started)


def targets_of(workspace: Workspace, config: EmbedFlags, encoder: Path | None = None) -> tuple[Path, dict[str, Target]]:
    """The folder of the encoder or bundle, and a target for each table that has text. Raises as `run`.

    Args:
        workspace: With text.
        config: What is made of which tables.
        encoder: Of vectors; None: that of the workspace.
    """
    tables = [table.strip() for table in config.tables.split(",")]
    unknown = [table for table in tables if table not in VIEWS]
    if unknown:
        raise BadInput(f"no text of {', '.join(unknown)}", where="--tables", cure=f"of {', '.join(VIEWS)}")
    if config.what == "items":
        folder = config.bundle or workspace.bundle
        manifest = read_manifest(folder)
        out = in_use(workspace.items / manifest.version)
        text = in_use(workspace.features / JOB_TEXT)
        version = _text_version(workspace, text)
        if version != manifest.text_version:
            raise BundleMismatch(
                f"the bundle was made for text version {manifest.text_version}, the text is of {version}",
                where=str(folder),
                cure="train and export a bundle on this text",
            )
        return folder, {"jobs": Target(text, out, JOB_KEY, ("tokens",), "text_hash", version)}
    encoder = encoder or workspace.encoder
    encoder_version = read_encoder(encoder).version  # from its file: a run with nothing to do loads no model
    targets = {}
    for table in tables:
        text, out = (in_use(workspace.features / view) for view in VIEWS[table])
        if table == "members" and not parts(text):
            continue  # jobs alone can be searched
        version = f"{_text_version(workspace, text)}.{encoder_version}"
        values: tuple[str, ...] = ("vector",)
        side: Side = "job" if table == "jobs" else "request"
        if table == "jobs":
            values, version = ("vector", "title_vector"), f"{version}.titles"
        targets[table] = Target(text, out, KEYS[VIEWS[table][0]], values, "vector_hash", version, side, encoder_version)
    return encoder, targets


def _text_version(workspace: Workspace, folder: Path) -> str:
    paths = parts(folder)
    cure = f"run `rolecall verbalize --workspace {workspace.root}` first"
    if not paths:
        raise NotReady(f"no text in {folder}", cure=cure)
    versions = set(feature_tables.places(paths, ["text_version"])["text_version"].unique())
    if len(versions) > 1:
        raise NotReady(f"text of {len(versions)} versions in {folder}: a run was broken off", cure=cure)
    return versions.pop()


def text_rows(target: Target, newest: bool, until: datetime | None = None) -> pl.DataFrame:
    """The text rows to look at: key, text_hash, the two times, PART and ROW; of a key its newest version or all.

    until: rows that came to be known later are left out; None: none is.
    """
    rows = feature_tables.places(parts(target.text), [target.key, "text_hash", EVENT_TIME, CREATED_TIME])
    if until is not None and not rows.is_empty():
        rows = rows.filter(pl.col(CREATED_TIME) <= until)
    if not newest:
        return rows
    ordered = rows.sort(EVENT_TIME, CREATED_TIME, PART, ROW)
    return ordered.unique(target.key, keep="last", maintain_order=True)


def _pending(target: Target, rows: pl.DataFrame) -> pl.DataFrame:
    times = [EVENT_TIME] if target.encoder_version else []
    match = [target.key, target.hash, *times]
    done = feature_tables.places(feature_tables.made_by(target.out, target.version), match)
    return feature_tables.without(rows, done, [target.key, "text_hash", *times], match)


def _copy_encoded(target: Target, todo: pl.DataFrame, name: str) -> pl.DataFrame:
    """Write the rows whose text has a value under another key or time; returns the other rows."""
    made = feature_tables.made_by(target.out, target.version)
    if not made or todo.is_empty():
        return todo
    have = feature_tables.places(made, [target.hash]).unique(target.hash)
    copies = todo.join(have, left_on="text_hash", right_on=target.hash, how="semi")
    if copies.is_empty():
        return todo
    first = have.join(copies.select("text_hash").unique(), left_on=target.hash, right_on="text_hash", how="semi")
    by_hash: dict[str, tuple[np.ndarray, ...]] = {}
    for part, places in feature_tables.by_part(first):
        values = pq.read_table(made[part], columns=list(target.values)).take(pa.array(places[ROW]))
        of_columns = zip(*(_matrix(values[name]) for name in target.values), strict=True)
        by_hash |= dict(zip(places[target.hash], of_columns, strict=True))
    of_rows = zip(*(by_hash[text_hash] for text_hash in copies["text_hash"]), strict=True)
    table = with_values(target, fan_out(target, copies), [np.stack(values) for values in of_rows])
    write_part(target.out, table, f"{feature_tables.part_name(target.version, name, 0)}-copied")
    return feature_tables.without(todo, have, ["text_hash"], [target.hash])


def _chunks(target: Target, todo: pl.DataFrame, name: str) -> list[TextChunk]:
    """The texts of the rows, each once, cut into chunks by the part that the text stands in."""
    if todo.is_empty():
        return []
    paths = parts(target.text)
    unique = todo.sort(PART, ROW).unique("text_hash", keep="first", maintain_order=True)
    chunks: list[TextChunk] = []
    for part, rows in feature_tables.by_part(unique):
        for start in range(0, len(rows), CHUNK_TEXTS):
            texts = rows.slice(start, CHUNK_TEXTS)
            places = texts.select("text_hash").with_row_index("place")
            spread = todo.join(places, on="text_hash", how="inner", maintain_order="left")
            table = fan_out(target, spread).append_column("place", spread["place"].to_arrow())
            part_name = feature_tables.part_name(target.version, name, len(chunks))
            chunks.append(TextChunk(target, paths[part], texts[ROW].to_numpy(), table, part_name))
    return chunks


def fan_out(target: Target, rows: pl.DataFrame) -> pa.Table:
    """Every column of the target but its values."""
    columns = {
        target.key: rows[target.key].to_arrow().cast(pa.string()),
        target.hash: rows["text_hash"].to_arrow().cast(pa.string()),
    }
    if target.encoder_version:
        columns["encoder_version"] = pa.array([target.encoder_version] * len(rows), pa.string())
        columns |= {name: rows[name].to_arrow().cast(TIME) for name in (EVENT_TIME, CREATED_TIME)}
    return pa.table(columns)


def _write(made: Made, workspace: Workspace) -> None:
    rows = made.rows
    if MEMBER_KEY in rows.schema.names:
        erased = ErasedMembers(workspace)  # also those who went while these were made
        rows = rows.filter(pa.array([member not in erased for member in rows[MEMBER_KEY].to_pylist()], pa.bool_()))
    write_part(made.out, rows, made.name)
    count(made.counted, rows.num_rows)


def with_values(target: Target, columns: pa.Table, values: Sequence[np.ndarray]) -> pa.Table:
    """The columns, and for each of the target's values a list column of (rows, width) numbers."""
    for name, numbers in zip(target.values, values, strict=True):
        offsets = np.arange(len(numbers) + 1, dtype=np.int32) * numbers.shape[1]
        columns = columns.append_column(name, pa.ListArray.from_arrays(pa.array(offsets), pa.array(numbers.ravel())))
    return columns


def _matrix(lists: pa.ChunkedArray) -> np.ndarray:
    """(rows, width) of a list column whose lists are equally long."""
    return lists.combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(len(lists), -1)


def _run(workspace: Workspace, what: str, folder: Path, chunks: list[Chunk], options: PipelineOptions) -> Counter[str]:
    texts = sum(len(chunk.rows) for chunk in chunks)
    progress = Progress("embed", "texts", texts // min(processes(options), len(chunks)))
    worker = Encode(what, folder, Share.of(options), progress)

    def build(pipeline: beam.Pipeline, mark: Mark) -> None:
        (
            pipeline
            | "pending texts" >> beam.Create(chunks)
            | "on the workspace" >> beam.Map(mark.checked)
            | "encode" >> beam.ParDo(worker)
            | "write" >> beam.Map(_write, workspace)
        )

    return run_pipeline(options, workspace, build)


if __name__ == "__main__":  # by its module name, so that workers import what runs here instead of unpickling it
    from beam_jobs import embed

    command(embed.run)
