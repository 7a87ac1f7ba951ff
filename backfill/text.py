"""Text of members and jobs, made anew from their records: by another verbaliser, or with break points fitted again.

Each row of text that there is becomes one of the new version, with its times: from when something counts as known does
not hang on how it is told. Text of records that have none yet is made by the incremental job, in any version.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from backfill.deal import ranges_of
from backfill.product import Maker, Piece, Product
from backfill.versions import Plan
from beam_jobs import feature_tables
from beam_jobs.feature_tables import ROW
from beam_jobs.ledger import note_text_from
from beam_jobs.verbalize import VIEWS, fit_percentiles, row_groups, verbalize_batch
from contracts.arrow import arrow_schema
from contracts.bundle import read_manifest
from contracts.erased import ErasedMembers
from contracts.errors import BundleMismatch, NotReady
from contracts.features import CREATED_TIME, EVENT_TIME, KEYS, MEMBER_KEY
from contracts.records import RECORDS
from contracts.tables import parts, reading
from contracts.text.fitted import keep_verbalizer, open_verbalizer, read_verbalizer
from contracts.text.form import TextForm
from contracts.text.verbalizer import Verbalizer
from contracts.versions import json_hash
from contracts.workspace import PERCENTILES, Workspace

log = logging.getLogger("rolecall")

TABLES = {view: table for table, view in VIEWS.items()}


class _Rows(NamedTuple):
    """Rows of one row group of records: their places in it, and the two times of each one's text."""

    path: Path
    row_group: int
    places: np.ndarray
    times: pa.Table


class Text(Product):
    """A text for each record version that has one."""

    name = "text"
    key: Mapping[str, str] = dict.fromkeys(TABLES, "id")
    order: Sequence[str] = ("id", "row_hash")
    range = EVENT_TIME
    part_rows = 1_024
    alone, exact = False, True

    def __init__(self, refit: bool = False, since: datetime | None = None, form: TextForm | None = None) -> None:
        """Set what is made.

        Args:
            refit: Fit the break points of pay to the jobs that there are now; else they stay.
            since: Of each member and job the text as of then and all later ones; None: all.
            form: Of the text; None: that which nobody chose. The incremental job has to be told the same.
        """
        self._refit, self._since, self._form = refit, since, form
        self._kept: Verbalizer | None = None

    def as_made(self, version: Path, plan: Plan) -> Text:
        """With the break points, the form and the time that it was made with."""
        since = plan.inputs["from"]
        made = Text(since=datetime.fromisoformat(since) if since else None)
        made._kept = read_verbalizer(version / PERCENTILES)
        return made

    def pinned(self, workspace: Workspace, version: Path) -> str:
        """A bundle that reads its text, and finds its break points and form here."""
        path = version / PERCENTILES
        text = read_verbalizer(path).version if path.is_file() else None
        for manifest in workspace.bundles.glob("*/bundle.json"):
            with suppress(BundleMismatch):  # one that nothing serves
                if read_manifest(manifest.parent).text_version == text:
                    return f"bundle {manifest.parent.name} reads its text"
        return ""

    def folder(self, workspace: Workspace) -> Path:
        """`features/text`: both tables are switched by its pointer."""
        return workspace.features / "text"

    def in_place(self, workspace: Workspace) -> Sequence[Path]:
        """What `rolecall verbalize` wrote."""
        return [workspace.features / view for view in TABLES]

    def inputs(self, workspace: Workspace) -> dict[str, Any]:
        """The text version, which holds break points and form. Raises NotReady without jobs, or text of them."""
        verbalizer = self._verbalizer(workspace)
        return {
            "text": verbalizer.version,
            "percentiles": json_hash(verbalizer.percentiles.model_dump(mode="json")),
            "form": verbalizer.form.digest,
            "from": self._since.isoformat() if self._since else None,
        }

    def pieces(self, workspace: Workspace, time: datetime) -> list[Piece]:
        """The records whose text was known at a time, a row group each."""
        return [piece for view in TABLES for piece in self._pieces(workspace, view, time)]

    def read(self, workspace: Workspace, piece: Piece) -> Iterator[pa.Table]:
        """Records with the two times of their text."""
        of: _Rows = piece.what
        schema = arrow_schema(RECORDS[TABLES[piece.table]]).append(pa.field("row_hash", pa.string()))
        with reading(of.path), pq.ParquetFile(of.path) as file:
            there = [name for name in schema.names if name in file.schema_arrow.names]
            rows = file.read_row_group(of.row_group, there).take(pa.array(of.places))
        for name in schema.names:
            if name not in there:  # of a part of before there was its field
                rows = rows.append_column(schema.field(name), pa.nulls(rows.num_rows, schema.field(name).type))
        rows = pa.table({name: rows[name].cast(schema.field(name).type) for name in schema.names})
        for name in (EVENT_TIME, CREATED_TIME):
            rows = rows.append_column(name, of.times[name])
        yield rows

    def prefix(self, plan_inputs: Mapping[str, Any], table: str) -> str:
        """The text version."""
        return f"{plan_inputs['text']}."

    def begin(self, workspace: Workspace, plan: Plan, version: Path) -> None:
        """Break points, form, and from when it holds all. Raises NotReady where the text version is another now."""
        verbalizer = self._verbalizer(workspace)
        if verbalizer.version != plan.inputs["text"]:
            cure = "run again, which begins a new version"
            raise NotReady("the text version is another than when it was planned", where=str(version), cure=cure)
        keep_verbalizer(version / PERCENTILES, verbalizer)
        if self._since is not None:
            for view in TABLES:
                note_text_from(version / view, self._since)

    def open(self, workspace: Workspace, plan: Plan, threads: int | None) -> Maker:
        """The verbaliser of the plan."""
        verbalizer, erased = self._verbalizer(workspace), ErasedMembers(workspace)

        def make(table: str, rows: pa.Table) -> Sequence[pa.Table]:
            if KEYS[table] == MEMBER_KEY:
                rows = rows.filter(pa.array([member not in erased for member in rows["id"].to_pylist()], pa.bool_()))
            made = verbalize_batch(rows, TABLES[table], rows[CREATED_TIME].combine_chunks(), verbalizer)
            at = made.schema.get_field_index(EVENT_TIME)
            return (made.set_column(at, made.schema.field(at), rows[EVENT_TIME]),)

        return make

    def touches(self, workspace: Workspace, plan: Plan) -> Sequence[str]:
        """What reads text, and what another version of it asks for."""
        now, new = open_verbalizer(workspace).version, plan.inputs["text"]
        readers = "labelling, training and replay: they read the new text from their next start on"
        if now == new:
            return (readers,)
        found = [readers, f"vectors and item tokens: they are of text {now}; make those of {new} after the switch"]
        try:
            bundle = read_manifest(workspace.bundle)
        except NotReady:
            return found
        return [
            *found,
            f"bundle {bundle.version}, which reads text {bundle.text_version}: it is served on with its index as they "
            f"are; a new index, and the online store, wait for a bundle that was trained on {new}",
        ]

    def _verbalizer(self, workspace: Workspace) -> Verbalizer:
        if self._kept is not None:
            return self._kept
        percentiles = fit_percentiles(workspace) if self._refit else open_verbalizer(workspace).percentiles
        return Verbalizer(percentiles, self._form)

    def _pieces(self, workspace: Workspace, view: str, time: datetime) -> Iterator[Piece]:
        paths, key = parts(workspace.records / TABLES[view]), KEYS[view]
        columns = [key, "row_hash", EVENT_TIME, CREATED_TIME]
        texts = feature_tables.places(parts(workspace.features / view), columns)
        if not paths or texts.is_empty():
            return
        texts = texts.select(columns).filter(pl.col(CREATED_TIME) <= time).unique([key, "row_hash"], keep="first")
        if self._since is not None:
            texts = _since(texts, key, self._since)
        if key == MEMBER_KEY:
            erased = ErasedMembers(workspace)
            texts = texts.filter(pl.Series([member not in erased for member in texts[key]], dtype=pl.Boolean))
        records = feature_tables.places(paths, ["id", "row_hash"]).unique(["id", "row_hash"], keep="first")
        todo = records.join(texts, left_on=["id", "row_hash"], right_on=[key, "row_hash"])
        if len(todo) < len(texts):
            log.warning("text: %s rows of %s have no record any more and are left out", len(texts) - len(todo), view)
        for part, rows in feature_tables.by_part(todo):
            for group, start, size in row_groups(paths[part]):
                inside = rows.filter(pl.col(ROW).is_between(start, start + size, closed="left"))
                if inside.is_empty():
                    continue
                counts = dict(ranges_of(inside[EVENT_TIME]).value_counts().iter_rows())
                places = inside[ROW].to_numpy().astype(np.int64) - start
                times = inside.select(EVENT_TIME, CREATED_TIME).to_arrow()
                name = json_hash([view, paths[part].name, group, places.tolist()])
                yield Piece(name, view, counts, _Rows(paths[part], group, places, times))


def _since(rows: pl.DataFrame, key: str, since: datetime) -> pl.DataFrame:
    """Of each key the newest row as of a time, and all later ones."""
    before = rows.filter(pl.col(EVENT_TIME) <= since).sort(EVENT_TIME, CREATED_TIME)
    later = rows.filter(pl.col(EVENT_TIME) > since)
    return pl.concat([before.unique(key, keep="last", maintain_order=True), later])
