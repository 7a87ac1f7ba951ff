"""A product: where its versions lie, what decides its content, and how the rows that it is made from become its own.

A product is one class in one file, named in `backfill.products`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from backfill.versions import Plan
from contracts.workspace import Workspace

Maker = Callable[[str, pa.Table], pa.Table]
"""From a table's name and the rows of one part that it is made from, in the order of `Product.order`, to its rows."""


class Piece(NamedTuple):
    """Rows to make a table from that one worker reads at once: a row group of a part, or some keys.

    Attributes:
        name: Of the rows, by what they are: the same for the same rows in a run that goes on.
        table: Which table they are made into.
        counts: Date range (a month, such as "202609"; "" where the table has no time) -> how many rows are of it.
        what: Whatever `Product.read` reads them by.
    """

    name: str
    table: str
    counts: Mapping[str, int]
    what: Any


class Product(Protocol):
    """One product. It is sent to the workers, so it holds settings and nothing that is open."""

    name: str
    key: Mapping[str, str]
    """Table -> the column of the rows it is made from whose hash deals them into parts. A version lies in a folder
    each, the table "" in the version's own."""
    order: Sequence[str]
    """Columns by which the rows of a part are put in order, so that the same rows make the same bytes."""
    time: str
    """The column whose month is the date range of a row; empty where they have no time."""
    part_rows: int
    """Rows a part, about: what a run that is killed loses of each worker's work at most."""
    alone: bool
    """Whether a row comes out the same whatever else is in its part, so that a few can be made again by themselves."""

    exact: bool
    """Whether one row comes of each, so that their number is known beforehand."""

    def folder(self, workspace: Workspace) -> Path:
        """Where its versions lie."""

    def in_place(self, workspace: Workspace) -> Sequence[Path]:
        """The folders of its tables, where the incremental job wrote them before there was a version; () for none."""

    def inputs(self, workspace: Workspace) -> dict[str, Any]:
        """Versions and settings of all that decides its content, as JSON can hold them. Raises NotReady."""

    def pieces(self, workspace: Workspace, time: datetime) -> list[Piece]:
        """All rows to make it from that were known at a time."""

    def read(self, workspace: Workspace, piece: Piece) -> Iterator[pa.Table]:
        """The rows of a piece, in a worker."""

    def prefix(self, plan_inputs: Mapping[str, Any], table: str) -> str:
        """What the names of a table's parts begin with, by which the incremental job knows who made them."""

    def begin(self, workspace: Workspace, plan: Plan, version: Path) -> None:
        """Write what is switched with the version beside its tables. Done again where a run goes on."""

    def carry(self, workspace: Workspace, now: Path | None, version: Path) -> None:
        """Take over what others wrote to what is in use and no run makes. now: the version in use; None: in place.

        Called before a switch to the version and after it, with what was in use before.
        """

    def open(self, workspace: Workspace, plan: Plan, threads: int | None) -> Maker:
        """What makes rows, in a worker. threads: that a model may use; None: all cores."""

    def touches(self, workspace: Workspace, plan: Plan) -> Sequence[str]:
        """What follows a switch, a sentence each."""
