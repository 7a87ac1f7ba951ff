"""The small bundle that the tests of ranking use too, and the graphs of a student that was trained."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contracts.bundle import Manifest
from contracts.workspace import Workspace
from tests.make import once_a_run
from tests.ranking.conftest import bundle

if TYPE_CHECKING:
    from release.export import Graphs

__all__ = ["bundle", "graphs"]


@pytest.fixture(scope="session")
def graphs(distilled: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    """The student's graphs as they are exported by default. Nobody writes to them: an export takes many seconds."""
    from release.export import Graphs, export_graphs

    def export(folder: Path) -> None:
        shutil.copytree(distilled.root, folder / "workspace")
        made = export_graphs(Workspace(folder / "workspace"))
        made.folder.rename(folder / "graphs")
        (folder / "manifest.json").write_text(made.manifest.model_dump_json())

    made = once_a_run(tmp_path_factory, "graphs", export)
    return Graphs(made / "graphs", Manifest.model_validate_json((made / "manifest.json").read_bytes()))
