"""The indexes of a workspace that could serve, each with its bundle, and which of them is current."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from contracts.bundle import read_manifest
from contracts.errors import BadInput, BundleMismatch, IndexMismatch, NotReady, NotWritten
from contracts.versions import current, set_current
from contracts.workspace import Workspace
from retrieval.index.manifest import read_index_manifest


@dataclass(frozen=True)
class Built:
    """An index and the bundle that it was made for; `bundle` is empty where it is for retrieval alone."""

    index: str
    bundle: str
    jobs: int
    made: float


def built_versions(workspace: Workspace) -> list[Built]:
    """The indexes of a workspace that could serve, the newest first; `made` is in seconds since 1970."""
    found = []
    for folder in sorted(workspace.indexes.glob("*/index.json")):
        try:
            manifest = read_index_manifest(folder.parent)
            if manifest.bundle_version:
                read_manifest(workspace.bundles / manifest.bundle_version)
        except (IndexMismatch, BundleMismatch, NotReady):
            continue  # of an older format, or its bundle is gone: it could not serve
        found.append(Built(folder.parent.name, manifest.bundle_version, manifest.jobs, folder.stat().st_mtime))
    return sorted(found, key=lambda built: -built.made)


def earlier(workspace: Workspace, to: str = "") -> Built:
    """The version to go back to.

    Args:
        workspace: Holds indexes and bundles.
        to: Version of an index; empty: the newest one before the current one.

    Raises:
        NotReady: There is no earlier index that could serve.
        BadInput: `to` is none of those that could.
    """
    versions = built_versions(workspace)
    if to:
        chosen = next((built for built in versions if built.index == to), None)
        if chosen is None:
            known = ", ".join(built.index for built in versions) or "none"
            raise BadInput(f"no index {to[:80]} that could serve", where=str(workspace.indexes), cure=f"one of {known}")
        return chosen
    chosen = _before(versions, current(workspace.indexes))
    if chosen is None:
        cure = "run `rolecall index` to build one"
        raise NotReady("no earlier index that could serve", where=str(workspace.indexes), cure=cure)
    return chosen


def make_current(workspace: Workspace, chosen: Built) -> None:
    """Point CURRENT at an index and its bundle; a running service swaps them in by itself.

    Raises:
        NotWritten: As on a full disk; both are then what they were.
    """
    former = current(workspace.bundles)
    if chosen.bundle:
        set_current(workspace.bundles, chosen.bundle)
    try:
        set_current(workspace.indexes, chosen.index)
    except NotWritten:
        if chosen.bundle and former is not None:
            set_current(workspace.bundles, former.name)
        raise


def _before(versions: list[Built], now: Path | None) -> Built | None:
    """The newest that was made before the current one; the newest of all where that is none of them."""
    places = [i for i, built in enumerate(versions) if now is not None and built.index == now.name]
    return next(iter(versions[places[0] + 1 if places else 0 :]), None)
