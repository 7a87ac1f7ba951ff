"""Which index and bundle are current."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import NotWritten
from contracts.versions import CURRENT, current, set_current
from contracts.workspace import Workspace
from retrieval.index.versions import Built, make_current


def test_where_one_of_both_cannot_be_written_both_are_what_they_were(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    set_current(workspace.bundles, "b1")
    (workspace.indexes / CURRENT).mkdir(parents=True)  # no file can take its place
    with pytest.raises(NotWritten):
        make_current(workspace, Built("i2", "b2", 1, 0.0))
    assert current(workspace.bundles) == workspace.bundles / "b1"
