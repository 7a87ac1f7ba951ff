"""Versions that nobody goes back to any more are removed, but never one that something still needs."""

from __future__ import annotations

import logging
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from backfill.product import Product
from backfill.versions import GOES_ON, MANIFEST, RUNNING, is_finished, is_verified, read_plan, versions
from contracts.lock import SWITCHING, locked
from contracts.versions import current
from contracts.workspace import Workspace

log = logging.getLogger("rolecall")


class Kept(NamedTuple):
    """A version. why: what it is needed for; empty: it may go."""

    path: Path
    why: str

    @property
    def bytes(self) -> int:
        """Its size on the disk."""
        return sum(path.stat().st_size for path in self.path.rglob("*") if path.is_file())


def judged(workspace: Workspace, product: Product, keep: int) -> list[Kept]:
    """All versions of a product, the oldest first, each with what it is needed for.

    Needed are the one in use, the verified one before it, to which a rollback goes, the newest `keep` verified ones,
    one that an index or a bundle was made with, and one that a run may go on with or somebody verify yet.

    Args:
        workspace: Whose product.
        product: Whose versions.
        keep: Verified versions that stay.
    """
    folder = product.folder(workspace)
    there, now = versions(folder), current(folder)
    verified = [path for path in there if is_verified(path)]
    before = next((path for path in reversed(verified) if now in there and path.name < now.name), None)

    def why(path: Path) -> str:
        if path == now:
            return "in use"
        if path == before:
            return "before the one in use"
        if path in verified[max(0, len(verified) - keep) :]:
            return f"of the newest {keep}"
        if path not in verified and not (now in there and path.name < now.name):
            return "may be verified yet" if is_finished(path) else "may be gone on with"
        if not is_finished(path) and datetime.now(UTC) - read_plan(path).time < GOES_ON:
            return "may be gone on with"
        return product.pinned(workspace, path)

    return [Kept(path, why(path)) for path in there]


def prune(workspace: Workspace, product: Product, keep: int) -> list[str]:
    """Remove the versions that nothing needs. Gives their names; one that cannot be removed is said, and is no version
    any more.

    Args:
        workspace: Whose product.
        product: Whose versions.
        keep: Verified versions that stay.

    Raises:
        OtherWriter: A run or a switch of this product is at work.
    """
    folder = product.folder(workspace)
    if not folder.is_dir():
        return []
    with locked(folder / RUNNING, f"prune {product.name}"), locked(folder / SWITCHING, f"prune {product.name}"):
        gone = [one.path for one in judged(workspace, product, keep) if not one.why]
        for path in gone:
            try:
                (path / MANIFEST).unlink(missing_ok=True)  # first, so that a broken removal is no version
                shutil.rmtree(path)
            except OSError as error:  # what was made is in use all the same
                log.warning("%s could not be removed: %s", path, error)
    return [path.name for path in gone if not path.exists()]
