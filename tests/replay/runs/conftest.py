"""A market whose log has propensities, two bundles that order differently, and runs of both."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.bundle import Blend, read_manifest
from contracts.workspace import Workspace
from replay.runs.contender import find_contender
from replay.runs.folder import RunFolder
from replay.runs.run import Asked, run
from tests.make import write_manifest


def other_bundle(workspace: Workspace) -> str:
    """A bundle beside the current one, which orders the other way round; its version."""
    folder = workspace.bundles / "other"
    shutil.copytree(workspace.bundle, folder)
    (folder / "bundle.json").unlink()
    kept = read_manifest(workspace.bundle)
    fields = {name: getattr(kept, name) for name in type(kept).model_fields if name not in ("version", "files")}
    assert kept.blend is not None
    blend = Blend(**{**kept.blend.model_dump(), "weights": tuple(-weight for weight in kept.blend.weights)})
    version = write_manifest(folder, **fields | {"blend": blend}).version
    folder.rename(workspace.bundles / version)
    return version


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The market of `shown` with two bundles."""
    from tests.replay.conftest import shown_market

    workspace = shown_market().write(tmp_path_factory.mktemp("two"))
    other_bundle(workspace)
    return workspace


@pytest.fixture
def copied(two: Workspace, tmp_path: Path) -> Workspace:
    """A copy of it without the runs of other tests, which a test may write to."""
    shutil.copytree(two.root, tmp_path / "copy", symlinks=True, ignore=shutil.ignore_patterns("replay_runs"))
    return Workspace(tmp_path / "copy")


@pytest.fixture
def ask() -> Callable[..., RunFolder]:
    """Ask a workspace's whole log again of a contender: `ask(workspace, bundle=..., rank_only=...)`."""

    def of(workspace: Workspace, **given: object) -> RunFolder:
        asked = Asked()
        which = {name: given.pop(name) for name in list(given) if name in type(asked.which).__annotations__}
        about = {name: given.pop(name) for name in list(given) if name in Asked.__annotations__}
        contender = find_contender(workspace, **given)  # type: ignore[arg-type]
        return run(workspace, contender, replace(asked, which=replace(asked.which, **which), **about))  # type: ignore[arg-type]

    return of
