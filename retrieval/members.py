"""The vectors of members, for the question in reverse: who fits a job?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow.compute as pc

from contracts.errors import NotReady
from contracts.features import CREATED_TIME, EVENT_TIME, MEMBER_KEY, MEMBER_VECTOR
from contracts.tables import latest, parts, read_table
from contracts.workspace import Workspace
from retrieval.engines.hits import NO_HITS, Hits, top_k


@dataclass(frozen=True)
class MemberVectors:
    """The newest vector of each member, all in memory: four bytes a number.

    Attributes:
        ids: n member ids.
        vectors: (n, dim) float32 unit vectors of the member texts.
        state: Of the feature table that they were read from.
    """

    ids: list[str]
    vectors: np.ndarray
    state: tuple[tuple[str, int], ...]

    @classmethod
    def load(cls, workspace: Workspace, encoder_version: str) -> Self:
        """The vectors that `rolecall embed` wrote.

        Raises:
            NotReady: There are none of this encoder.
        """
        folder = workspace.features / MEMBER_VECTOR
        cure = f"run `rolecall embed --workspace {workspace.root}`: it reads the members' texts too"
        if not parts(folder):
            raise NotReady("no member has a vector", cure=cure)
        state = table_state(folder)
        columns = [MEMBER_KEY, "vector", EVENT_TIME, CREATED_TIME]
        table = read_table(folder, columns, pc.field("encoder_version") == encoder_version)
        if not table.num_rows:
            raise NotReady(f"no member has a vector of encoder {encoder_version}", cure=cure)
        table = latest(table, MEMBER_KEY, EVENT_TIME, CREATED_TIME).combine_chunks()
        values = table["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False).astype(np.float32)
        return cls(table[MEMBER_KEY].to_pylist(), values.reshape(table.num_rows, -1), state)

    def nearest(self, vector: np.ndarray, k: int, without: frozenset[str] = frozenset()) -> Hits:
        """The k members nearest to a vector ((dim,) float32), the nearest first, by a scan of all."""
        out = [row for member_id in without if (row := self._rows.get(member_id)) is not None]
        if len(out) == len(self.ids):
            return NO_HITS
        scores = self.vectors @ np.asarray(vector, np.float32)
        scores[out] = -np.inf
        return top_k(scores, min(k, len(self.ids) - len(out)))

    @cached_property
    def _rows(self) -> dict[str, int]:
        """Member id -> row."""
        return {member_id: row for row, member_id in enumerate(self.ids)}


def table_state(folder: Path) -> tuple[tuple[str, int], ...]:
    """The names and sizes of a table's parts, which tell whether it changed."""
    return tuple((part.name, part.stat().st_size) for part in parts(folder))
