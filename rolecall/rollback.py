"""Back to an index that served before, with the bundle that it was made for: two pointers, moved in one call."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from contracts.bundle import read_manifest
from contracts.errors import BadInput, BundleMismatch, IndexMismatch, NotReady
from contracts.versions import current, set_current
from contracts.workspace import Workspace
from retrieval.index.manifest import read_index_manifest


@dataclass(frozen=True)
class Served:
    """An index and the bundle that it was made for; `bundle` is empty where it is for retrieval alone."""

    index: str
    bundle: str
    jobs: int
    made: float


def served_versions(workspace: Workspace) -> list[Served]:
    """The indexes of a workspace that could serve, the newest first; `made` is in seconds since 1970."""
    found = []
    for folder in sorted(workspace.indexes.glob("*/index.json")):
        try:
            manifest = read_index_manifest(folder.parent)
            if manifest.bundle_version:
                read_manifest(workspace.bundles / manifest.bundle_version)
        except (IndexMismatch, BundleMismatch, NotReady):
            continue  # of an older format, or its bundle is gone: it could not serve
        found.append(Served(folder.parent.name, manifest.bundle_version, manifest.jobs, folder.stat().st_mtime))
    return sorted(found, key=lambda served: -served.made)


def roll_back(workspace: Workspace, to: str = "") -> Served:
    """Make an earlier index current, and its bundle; a running service swaps it in by itself.

    Args:
        workspace: Holds indexes and bundles.
        to: Version of an index; empty: the newest one before the current one.

    Returns:
        What is current now.

    Raises:
        NotReady: There is no earlier index that could serve.
        BadInput: `to` is none of those that could.
    """
    versions = served_versions(workspace)
    if to:
        chosen = next((served for served in versions if served.index == to), None)
        if chosen is None:
            known = ", ".join(served.index for served in versions) or "none"
            raise BadInput(f"no index {to} that could serve", where=str(workspace.indexes), cure=f"one of {known}")
    else:
        chosen = _before(versions, current(workspace.indexes))
        if chosen is None:
            cure = "run `rolecall index` to build one"
            raise NotReady("no earlier index that could serve", where=str(workspace.indexes), cure=cure)
    if chosen.bundle:
        set_current(workspace.bundles, chosen.bundle)
    set_current(workspace.indexes, chosen.index)
    return chosen


def _before(versions: list[Served], now: Path | None) -> Served | None:
    """The newest that was made before the current one; the newest of all where that is none of them."""
    places = [i for i, served in enumerate(versions) if now is not None and served.index == now.name]
    return next(iter(versions[places[0] + 1 if places else 0 :]), None)
