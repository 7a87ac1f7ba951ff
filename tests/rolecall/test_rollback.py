"""`rolecall rollback`: an index that served before is current again, with its bundle."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from contracts.errors import BadInput, NotReady
from contracts.versions import current
from contracts.workspace import Workspace
from retrieval.config import RetrievalConfig
from retrieval.index.build import build_index
from tests.make import refused


@pytest.fixture
def workspace(tmp_path: Path, two_jobs: Callable[[Path, Mapping[str, str]], Workspace]) -> Workspace:
    """Three indexes, the last of them current."""
    found = two_jobs(tmp_path, {"Nurse": "Denver, CO", "Cook": "Austin, TX"})
    for number, cosine in enumerate((0.9, 0.95, 0.99)):
        folder = build_index(found, retrieval=RetrievalConfig(duplicates=cosine))
        os.utime(folder, (number, number))
    return found


def served(workspace: Workspace) -> str:
    folder = current(workspace.indexes)
    return folder.name if folder else ""


def test_each_call_goes_one_index_back_and_one_can_be_named(rolecall: Callable[..., str], workspace: Workspace) -> None:
    listed = rolecall("rollback", "--list", "-w", workspace.root).splitlines()
    newest, middle, oldest = (line.split()[1].rstrip(",") for line in listed)
    assert listed[0].endswith("current") and served(workspace) == newest
    assert rolecall("rollback", "-w", workspace.root).strip() == f"current now: index {middle}, bundle none"
    rolecall("rollback", "-w", workspace.root)
    assert served(workspace) == oldest
    rolecall("rollback", "--to", newest, "-w", workspace.root)
    assert served(workspace) == newest


def test_without_an_earlier_index_nothing_changes(rolecall: Callable[..., str], workspace: Workspace) -> None:
    for _ in range(2):
        rolecall("rollback", "-w", workspace.root)
    before = served(workspace)
    with refused(NotReady, "no earlier index", where=workspace.indexes):
        rolecall("rollback", "-w", workspace.root)
    assert served(workspace) == before


def test_a_version_that_could_not_serve_is_refused(rolecall: Callable[..., str], workspace: Workspace) -> None:
    broken = rolecall("rollback", "--list", "-w", workspace.root).splitlines()[1].split()[1].rstrip(",")
    (workspace.indexes / broken / "index.json").write_text("{}")
    for version in (broken, "nothing"):
        with refused(BadInput, version):
            rolecall("rollback", "--to", version, "-w", workspace.root)
