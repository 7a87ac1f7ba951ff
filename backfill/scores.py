"""A teacher's scores of the lists' pairs, made anew by the teacher as it was trained: after lists were made otherwise.

A pair's logits hang a little on what is scored with it, so that a part is scored as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from backfill.product import Maker, Piece, Product
from backfill.versions import Plan
from contracts.errors import BadInput
from contracts.versions import current, json_hash, require_current
from contracts.workspace import Workspace
from models.registry import TEACHERS
from models.training.rows import KEYS

if TYPE_CHECKING:
    from models.training.rows import Rows

_ROW = "row"


class Scores(Product):
    """The logits of one teacher for the pairs of the training set that it is to score."""

    name = "scores"
    key: Mapping[str, str] = {"": KEYS[0]}
    order: Sequence[str] = (_ROW,)
    part_rows = 4_096
    alone, exact = False, True

    def __init__(self, teacher: str) -> None:
        """teacher: Of `models.registry.TEACHERS`.

        Raises:
            BadInput: There is none of that name, or it reads more than both texts, which is not stored.
        """
        from models.teachers.text import TextTeacher

        kind = TEACHERS.get(teacher)
        if not issubclass(kind, TextTeacher) or kind.reads:
            what = f"the {teacher} teacher reads more of a pair than its texts, and is not kept as it was trained"
            raise BadInput(what, where="--teacher", cure=f"run `rolecall train {teacher}`, which scores all pairs")
        self._teacher = teacher

    def folder(self, workspace: Workspace) -> Path:
        """`scores/<teacher>`, whose pointer names a version or the file that was written when the teacher learned."""
        return workspace.scores / self._teacher

    def in_place(self, workspace: Workspace) -> Sequence[Path]:
        """The file of `rolecall train`, of the teacher in use."""
        trained = current(workspace.teachers / self._teacher)
        return [] if trained is None else [self.folder(workspace) / f"{trained.name}.parquet"]

    def inputs(self, workspace: Workspace) -> dict[str, Any]:
        """Teacher and training set. Raises NotReady without one of them."""
        trained = self._trained(workspace)
        return {"teacher": self._teacher, "version": trained.name, "training": self._rows(workspace).version}

    def pieces(self, workspace: Workspace, time: datetime) -> list[Piece]:
        """The pairs to score, as one piece."""
        from models.training.lists import scored_rows

        rows = self._rows(workspace)
        chosen = scored_rows(rows)
        if not len(chosen):
            return []
        keys = pa.table({name: pa.array(column[chosen]) for name, column in zip(KEYS, _keys(rows), strict=True)})
        return [Piece(json_hash([rows.version]), "", {"": len(chosen)}, keys.append_column(_ROW, pa.array(chosen)))]

    def read(self, workspace: Workspace, piece: Piece) -> Iterator[pa.Table]:
        """Keys of the pairs, and their numbers in the training set."""
        yield piece.what

    def open(self, workspace: Workspace, plan: Plan, threads: int | None) -> Maker:
        """Opens the teacher.

        Raises:
            NotReady: Teacher or training set is another now than when it was planned.
        """
        from models.teachers.scores import scores_table
        from models.teachers.train import logits_of

        self.require_pinned(workspace, plan)
        rows, folder = self._rows(workspace), self._trained(workspace)

        def make(table: str, of: pa.Table) -> Sequence[pa.Table]:
            some = rows.only(of[_ROW].to_numpy())
            tasks, logits = logits_of(folder, some)
            return (scores_table(folder.name, some, tasks, logits),)

        return make

    def touches(self, workspace: Workspace, plan: Plan) -> Sequence[str]:
        """Who reads them."""
        return (
            "the student, and the teachers and the encoder that learn from them: their next training reads these",
            "`rolecall train` of this teacher puts its own scores in their place",
        )

    def _trained(self, workspace: Workspace) -> Path:
        cure = f"run `rolecall train {self._teacher}` first"
        return require_current(workspace.teachers / self._teacher, f"{self._teacher} teacher", cure)

    def _rows(self, workspace: Workspace) -> Rows:
        from models.training.rows import read_rows

        return read_rows(workspace.training)


def _keys(rows: Rows) -> tuple[np.ndarray, ...]:
    return rows.list_ids, rows.job_ids
