"""A product: where its versions lie, what decides its content, and how the rows that it is made from become its own.

A product is one class in one file, named in `backfill.products`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from backfill.versions import Plan
from contracts.errors import NotReady
from contracts.workspace import Workspace

Maker = Callable[[str, pa.Table], Sequence[pa.Table]]
"""From a table's name and the rows of one part that it is made from, in the order of `Product.order`, to its rows and
those of each table that comes out beside it (`Product.beside`)."""


class Piece(NamedTuple):
    """Rows to make a table from that one worker reads at once: a row group of a part, or some keys.

    Attributes:
        name: Of the rows, by what they are: the same for the same rows in a run that goes on.
        table: Which table they are made into.
        counts: Range (a month, such as "202609"; "" where the rows have none) -> how many rows are of it.
        what: Whatever `Product.read` reads them by.
    """

    name: str
    table: str
    counts: Mapping[str, int]
    what: Any


class Product(ABC):
    """One product. It is sent to the workers, so it holds settings and nothing that is open."""

    name: str
    key: Mapping[str, str]
    """Table -> the column of the rows it is made from whose hash deals them into parts. A version lies in a folder
    each, the table "" in the version's own."""
    order: Sequence[str]
    """Columns by which the rows of a part are put in order, so that the same rows make the same bytes."""
    range: str = ""
    """The column that says a row's range: the month of a time, or a text as it is; empty where they have none."""
    part_rows: int
    """Rows a part, about: what a run that is killed loses of each worker's work at most."""
    alone: bool
    """Whether a row comes out the same whatever else is in its part, so that a few can be made again by themselves."""
    exact: bool
    """Whether one row comes of each, so that their number is known beforehand."""
    beside: Sequence[str] = ()
    """Tables that come out of the same rows as the first one and at the same time, a part of the same name each."""
    sample = 12
    """Rows of a table that an estimate makes, which may cost money."""

    @abstractmethod
    def folder(self, workspace: Workspace) -> Path:
        """Where its versions lie."""

    def in_place(self, workspace: Workspace) -> Sequence[Path]:
        """The folders of its tables, where the incremental job wrote them before there was a version; () for none."""
        return ()

    @abstractmethod
    def inputs(self, workspace: Workspace) -> dict[str, Any]:
        """Versions and settings of all that decides its content, as JSON can hold them. Raises NotReady."""

    @abstractmethod
    def pieces(self, workspace: Workspace, time: datetime) -> list[Piece]:
        """All rows to make it from that were known at a time."""

    @abstractmethod
    def read(self, workspace: Workspace, piece: Piece) -> Iterator[pa.Table]:
        """The rows of a piece, in a worker."""

    def prefix(self, plan_inputs: Mapping[str, Any], table: str) -> str:
        """What the names of a table's parts begin with, by which the incremental job knows who made them."""
        return ""

    def as_made(self, version: Path, plan: Plan) -> Product:
        """The product with the settings of a version that holds them, however it is set now."""
        return self

    def pinned(self, workspace: Workspace, version: Path) -> str:
        """What was made with a version and finds there what it goes on with, such as an index; empty: nothing."""
        return ""

    def begin(self, workspace: Workspace, plan: Plan, version: Path) -> None:  # noqa: B027
        """Write what is switched with the version beside its tables. Done again where a run goes on."""

    def end(self, workspace: Workspace, version: Path, counters: Counter[str]) -> None:  # noqa: B027
        """Write what is known once all parts are there, before the manifest. counters: of the run that ends."""

    def carry(self, workspace: Workspace, now: Path | None, then: Path | None) -> None:  # noqa: B027
        """Take over what others wrote to what is in use and no run makes, from the version in use to another one.

        None is what stands in place. By default nothing: the next job makes what lacks.
        """

    @abstractmethod
    def open(self, workspace: Workspace, plan: Plan, threads: int | None) -> Maker:
        """What makes rows, in a worker. threads: that a model may use; None: all cores."""

    @abstractmethod
    def touches(self, workspace: Workspace, plan: Plan) -> Sequence[str]:
        """What follows a switch, a sentence each."""

    def require_pinned(self, workspace: Workspace, plan: Plan) -> None:
        """Raise NotReady where something that decides the content is another than when it was planned."""
        now = self.inputs(workspace)
        if changed := [name for name, value in now.items() if plan.inputs.get(name) != value]:
            what = f"{', '.join(changed)} changed since version {plan.version} was planned"
            raise NotReady(what, where=str(self.folder(workspace)), cure="run again, which begins a new version")
