"""A product: where its versions lie, what decides its content, and how keys become rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from backfill.versions import Plan
from contracts.workspace import Workspace

Maker = Callable[[Sequence[str]], pa.Table]
"""From keys to their rows, in the order of the keys. What it makes of a key hangs on no other key."""


class Product(Protocol):
    """One product. It is sent to the workers, so it holds settings and nothing that is open."""

    name: str
    key: str
    """The column of its rows that holds the key."""

    def folder(self, workspace: Workspace) -> Path:
        """Where its versions lie."""

    def inputs(self, workspace: Workspace) -> dict[str, Any]:
        """Versions and settings of all that decides its content, as JSON can hold them. Raises NotReady."""

    def keys(self, workspace: Workspace, time: datetime) -> list[str]:
        """Every key as of a time, in ascending order."""

    def open(self, workspace: Workspace, plan: Plan, threads: int | None) -> Maker:
        """What makes rows, in a worker. threads: that a model may use; None: all cores."""

    def touches(self, workspace: Workspace) -> Sequence[str]:
        """What follows a switch, a sentence each."""
