"""What an encoder makes of texts, made anew: vectors by another encoder, and item tokens of a bundle.

Both deal texts by their hash, so that one that several keys share is encoded once; numbers of the quantised encoder
hang on what shares their batch, so that a part is made as a whole, in one order.
"""

from __future__ import annotations

import shutil
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from backfill.deal import ranges_of
from backfill.product import Maker, Piece, Product
from backfill.versions import Plan
from beam_jobs import feature_tables
from beam_jobs.config import EmbedFlags
from beam_jobs.embed import Target, encode_texts, fan_out, open_encoder, targets_of, text_rows, with_values
from beam_jobs.encodings import encoding_rows, newest_activity
from beam_jobs.feature_tables import PART, ROW
from contracts.bundle import read_manifest
from contracts.encoder import read_encoder
from contracts.erased import ErasedMembers
from contracts.errors import IndexMismatch, NotReady
from contracts.features import EVENT_TIME, JOB_KEY, JOB_VECTOR, MEMBER_ENCODING, MEMBER_KEY, MEMBER_VECTOR
from contracts.tables import parts, reading
from contracts.versions import json_hash, staged_folder, writing
from contracts.workspace import ENCODER, Workspace
from retrieval.index.manifest import read_index_manifest

if TYPE_CHECKING:
    from retrieval.encoder import TextEncoder

TABLES = {MEMBER_VECTOR: "members", MEMBER_ENCODING: "members", JOB_VECTOR: "jobs"}
PIECE_ROWS = 20_000


class _Encoded(Product):
    """What both have in common. `_targets` of the next versions, by table; `_what` is made by `_folder`."""

    part_rows = 256
    alone, exact = False, True
    _what: Literal["vectors", "items"]

    @abstractmethod
    def _targets(self, workspace: Workspace) -> tuple[Path, dict[str, Target]]: ...

    @abstractmethod
    def _newest(self, table: str) -> bool:
        """Whether the newest text of a key is all that is encoded of it."""

    def pieces(self, workspace: Workspace, time: datetime) -> list[Piece]:
        """The texts that were known at a time, some of one part each."""
        found = []
        for table, target in self._targets(workspace)[1].items():
            rows = text_rows(target, self._newest(table), time)
            if target.key == MEMBER_KEY:
                erased = ErasedMembers(workspace)
                rows = rows.filter(pl.Series([member not in erased for member in rows[target.key]], dtype=pl.Boolean))
            paths = parts(target.text)
            for part, of_part in feature_tables.by_part(rows):
                for some in of_part.iter_slices(PIECE_ROWS):
                    counts = {"": len(some)}
                    if self.range:
                        counts = dict(ranges_of(some[EVENT_TIME]).value_counts().iter_rows())
                    name = json_hash([table, paths[part].name, some[ROW].to_list()])
                    found.append(Piece(name, table, counts, (target, paths[part], some.drop(PART).to_arrow())))
        return found

    def read(self, workspace: Workspace, piece: Piece) -> Iterator[pa.Table]:
        """The columns of the rows to be, and their text."""
        target, path, rows = piece.what
        with reading(path):
            texts = pq.read_table(path, columns=["text"])["text"].take(rows[ROW])
        columns = fan_out(target, pl.DataFrame(rows)).append_column("text", texts)
        if piece.table == MEMBER_ENCODING:
            columns = columns.append_column("activity_text", rows["activity_text"].cast(pa.string()))
        yield columns

    def prefix(self, plan_inputs: Mapping[str, Any], table: str) -> str:
        """Versions of the text and of what encodes it."""
        return f"{plan_inputs['texts'][table]}."

    def open(self, workspace: Workspace, plan: Plan, threads: int | None) -> Maker:
        """Loads what encodes.

        Raises:
            NotReady: Text or encoder is another now than when it was planned.
        """
        self.require_pinned(workspace, plan)
        folder, targets = self._targets(workspace)
        model, erased = open_encoder(self._what, folder, threads), ErasedMembers(workspace)

        def make(table: str, rows: pa.Table) -> Sequence[pa.Table]:
            target = targets[table]
            if target.key == MEMBER_KEY:
                kept = [member not in erased for member in rows[MEMBER_KEY].to_pylist()]
                rows = rows.filter(pa.array(kept, pa.bool_()))
            if table == MEMBER_ENCODING:
                members = rows.rename_columns({target.hash: "text_hash"})
                model_of_texts = cast("TextEncoder", model)
                return (encoding_rows(model_of_texts, members, rows["text"].to_pylist(), plan.time, lambda _: None),)
            texts = dict(zip(rows[target.hash].to_pylist(), rows["text"].to_pylist(), strict=True))
            columns = rows.drop_columns(["text"])
            if not texts:
                nothing = np.empty((0, 1), np.float16 if target.side is None else np.float32)
                return (with_values(target, columns, [nothing] * len(target.values)),)
            values = encode_texts(model, target, list(texts.values()), lambda _: None)
            number = {text_hash: i for i, text_hash in enumerate(texts)}
            places = np.array([number[text_hash] for text_hash in rows[target.hash].to_pylist()])
            return (with_values(target, columns, [of_column[places] for of_column in values]),)

        return make


class Vectors(_Encoded):
    """Vectors of members' and jobs' texts by an encoder, and what it makes of members who ask."""

    name = "vectors"
    key: Mapping[str, str] = dict.fromkeys(TABLES, "vector_hash")
    order: Sequence[str] = ("vector_hash", EVENT_TIME)
    range = EVENT_TIME
    _what = "vectors"

    def __init__(self, encoder: Path | None = None) -> None:
        """encoder: Folder of one, which is switched to with its vectors; None: that of the vectors in use."""
        self._encoder = encoder

    def folder(self, workspace: Workspace) -> Path:
        """`features/vectors`: both tables and the encoder are switched by its pointer."""
        return workspace.features / "vectors"

    def as_made(self, version: Path, plan: Plan) -> Vectors:
        """With the encoder that it holds, if it is not the workspace's own."""
        there = version / ENCODER
        return Vectors(there) if there.is_dir() else Vectors(version.parents[2] / ENCODER)

    def pinned(self, workspace: Workspace, version: Path) -> str:
        """An index of its vectors, which finds its encoder here."""
        if not (version / ENCODER).is_dir():
            return ""
        encoder = read_encoder(version / ENCODER).version
        for manifest in workspace.indexes.glob("*/index.json"):
            with suppress(IndexMismatch):  # one that nothing serves
                if read_index_manifest(manifest.parent).encoder_version == encoder:
                    return f"index {manifest.parent.name} has its vectors"
        return ""

    def in_place(self, workspace: Workspace) -> Sequence[Path]:
        """What `rolecall embed` wrote."""
        return [workspace.features / view for view in TABLES]

    def pieces(self, workspace: Workspace, time: datetime) -> list[Piece]:
        """The texts that were known at a time, those of members' encodings with the activity of then."""
        activity = newest_activity(workspace, time)

        def with_activity(piece: Piece) -> Piece:
            target, path, rows = piece.what
            told = pl.DataFrame(rows).join(activity, on=MEMBER_KEY, how="left", maintain_order="left")
            told = told.with_columns(pl.col("activity_text").fill_null(""))
            return piece._replace(what=(target, path, told.to_arrow()))

        found = super().pieces(workspace, time)
        return [with_activity(piece) if piece.table == MEMBER_ENCODING else piece for piece in found]

    def inputs(self, workspace: Workspace) -> dict[str, Any]:
        """Encoder and text. Raises NotReady without one of them."""
        folder, targets = self._targets(workspace)
        return {
            "encoder": read_encoder(folder).version,
            "texts": {table: target.version for table, target in targets.items()},
        }

    def begin(self, workspace: Workspace, plan: Plan, version: Path) -> None:
        """A copy of the encoder, but of the workspace's own. Raises NotWritten as on a full disk."""
        there, encoder = version / ENCODER, self._encoder or workspace.encoder  # this may be that of the version in use
        if encoder == workspace.root / ENCODER:
            return
        if there.is_dir() and read_encoder(there).version == plan.inputs["encoder"]:
            return
        with writing(there, "the encoder"), staged_folder(there) as staged:
            shutil.copytree(encoder, staged, dirs_exist_ok=True)

    def touches(self, workspace: Workspace, plan: Plan) -> Sequence[str]:
        """Indexes hold vectors of their own; what is built anew reads these."""
        found = ["labelling, replay and the next `rolecall index`: they read the new vectors"]
        try:
            index = read_index_manifest(workspace.index)
        except NotReady:
            return found
        if index.encoder_version == plan.inputs["encoder"]:
            return found
        return [
            *found,
            f"index {index.version}, made by encoder {index.encoder_version}: it is served on with that encoder until "
            "`rolecall index` has built one; the search for members has no vectors until then",
        ]

    def _newest(self, table: str) -> bool:
        return table in (MEMBER_VECTOR, MEMBER_ENCODING)  # as the incremental job does

    def _targets(self, workspace: Workspace) -> tuple[Path, dict[str, Target]]:
        folder, targets = targets_of(workspace, EmbedFlags(), self._encoder)
        return folder, {view: targets[table] for view, table in TABLES.items() if table in targets}


class Items(_Encoded):
    """Item tokens of the newest jobs for a bundle."""

    name = "items"
    key: Mapping[str, str] = {"": "text_hash"}
    order: Sequence[str] = ("text_hash", JOB_KEY)
    _what = "items"

    def __init__(self, bundle: Path | None = None) -> None:
        """bundle: Its folder; None: the current one."""
        self._bundle = bundle

    def folder(self, workspace: Workspace) -> Path:
        """`items/<bundle version>`."""
        return workspace.items / read_manifest(self._bundle or workspace.bundle).version

    def in_place(self, workspace: Workspace) -> Sequence[Path]:
        """What `rolecall embed --what items` wrote."""
        return [self.folder(workspace)]

    def inputs(self, workspace: Workspace) -> dict[str, Any]:
        """Bundle and text.

        Raises:
            NotReady: There is no text or no bundle.
            BundleMismatch: The bundle was altered, or made for another text version.
        """
        folder, targets = self._targets(workspace)
        return {"bundle": read_manifest(folder).version, "texts": {"": targets[""].version}}

    def touches(self, workspace: Workspace, plan: Plan) -> Sequence[str]:
        """Indexes hold item tokens of their own."""
        return (f"the next `rolecall index` with bundle {plan.inputs['bundle']}: indexes in use keep their own tokens",)

    def _newest(self, table: str) -> bool:
        return True  # an index serves no other

    def _targets(self, workspace: Workspace) -> tuple[Path, dict[str, Target]]:
        folder, targets = targets_of(workspace, EmbedFlags(what="items", bundle=self._bundle))
        return folder, {"": targets["jobs"]}
