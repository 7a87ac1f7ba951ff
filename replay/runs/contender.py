"""Who answers past requests in a run: a bundle with index, rules and objective, a baseline, or a TREC run file."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from contracts.bundle import MANIFEST, Manifest, Objective, OrderName, read_manifest
from contracts.errors import BadInput, IndexMismatch, NotReady
from contracts.records import Surface
from contracts.values import FrozenModel
from contracts.versions import file_hash
from contracts.workspace import Workspace
from replay.results import BM25, ENCODER_ALONE, POPULARITY, RETRIEVAL, WHOLE
from retrieval.index.manifest import read_index_manifest

System = Literal["served", "retrieval", "encoder", "bm25", "popularity"]
SYSTEMS: Mapping[System, str] = {
    "served": WHOLE,
    "retrieval": RETRIEVAL,
    "encoder": ENCODER_ALONE,
    "bm25": BM25,
    "popularity": POPULARITY,
}
"""What the command line calls a system -> its name in tables."""


class Contender(FrozenModel):
    """What is asked. All of it stands in the manifest of a run, so that the run can be made again."""

    bundle: str = Field(description="Version; of it come item tokens, the student and the objective.")
    index: str = Field(description="Version of the index whose knobs and links retrieval takes.")
    system: System = Field("served", description="Whose order is measured.")
    order: OrderName | None = Field(None, description="What jobs are ordered by; null: as the bundle says.")
    weight: float | None = Field(None, ge=0, description="Of relevance beside the blend; null: as the bundle says.")
    floor: float | None = Field(None, ge=0, lt=1, description="Probability of a good match; null: as the bundle says.")
    rules: str = Field("", description="Version of the rules in force; empty for none.")
    rules_file: str = Field("", description="Where they stand.")
    trec: str = Field("", description="A TREC run file with the answers of another engine; empty for none.")
    trec_hash: str = Field("", description="SHA-256 of that file.")

    @property
    def name(self) -> str:
        """What reports call it."""
        if self.trec:
            return f"run file {Path(self.trec).name}"
        knobs = {"order": self.order, "weight": self.weight, "floor": self.floor}
        said = [f"{name} {value}" for name, value in knobs.items() if value is not None]
        said += [f"rules {self.rules}"] if self.rules else []
        what = f"bundle {self.bundle}" if self.system == "served" else SYSTEMS[self.system]
        return ", ".join((what, f"index {self.index}", *said))

    def objective(self, manifest: Manifest, surface: Surface) -> Objective:
        """By what the jobs of a surface are put in order; a replay may leave the bounds that a request has to keep.

        Raises:
            BadInput: The blend is asked for, and the bundle has none; or its relevance, which it does not answer.
        """
        wished = {"order": self.order, "weight": self.weight, "floor": self.floor}
        objective = manifest.objective(surface).model_copy(
            update={name: value for name, value in wished.items() if value is not None}
        )
        lacks = (objective.order == "blend" and manifest.blend is None) or (
            objective.order == "relevance" and "relevance" not in manifest.tasks
        )
        if lacks:
            raise BadInput(
                f"bundle {manifest.version} cannot order by {objective.order}",
                where="--order",
                cure="ask for retrieval" + (" or relevance" if "relevance" in manifest.tasks else ""),
            )
        return objective


def find_contender(
    workspace: Workspace,
    bundle: str = "",
    index: str = "",
    trec: Path | None = None,
    system: str = "served",
    **knobs: Any,
) -> Contender:
    """A contender whose bundle and index are there.

    Args:
        workspace: Holds them.
        bundle: Version or folder name; empty for the current one.
        index: Version; empty for the newest that was built with the bundle, else for the current one.
        trec: A TREC run file with the answers.
        system: One of `SYSTEMS`.
        **knobs: Other fields of `Contender`.

    Raises:
        NotReady: Nothing was exported or indexed yet, or the file is not there.
        BadInput: There is no such version; the error names those there.
        BundleMismatch: The bundle was altered.
    """
    if system not in SYSTEMS:
        raise BadInput(f"no system {system!r}", where="--system", cure=f"one of {', '.join(SYSTEMS)}")
    versions = bundles(workspace)
    version = bundle or workspace.bundle.name
    if version not in versions:
        raise _unknown("bundle", version, versions, workspace.bundles)
    read_manifest(workspace.bundles / version)
    indexes = _indexes(workspace)
    if index and index not in indexes:
        raise _unknown("index", index, list(indexes), workspace.indexes)
    own = [name for name, of in indexes.items() if of == version]
    chosen = index or (workspace.index.name if workspace.index.name in own or not own else own[-1])
    if trec is not None and not trec.is_file():
        raise NotReady(f"no file {trec}", where="--trec", cure="give the path of a TREC run file")
    about = {"trec": str(trec), "trec_hash": file_hash(trec)} if trec else {}
    return Contender(bundle=version, index=chosen, system=system, **about, **knobs)


def bundles(workspace: Workspace) -> list[str]:
    """The versions of bundles that are there, by the time at which they were made."""
    found = sorted(workspace.bundles.glob(f"*/{MANIFEST}"), key=lambda path: (path.stat().st_mtime, path))
    return [path.parent.name for path in found]


def _indexes(workspace: Workspace) -> dict[str, str]:
    """Version of an index -> of its bundle, by the time at which they were made."""
    found = sorted(workspace.indexes.glob("*/index.json"), key=lambda path: (path.stat().st_mtime, path))
    versions = {}
    for path in found:
        with suppress(IndexMismatch):  # of another format: it cannot be asked
            versions[path.parent.name] = read_index_manifest(path.parent).bundle_version
    return versions


def _unknown(what: str, version: str, there: list[str], where: Path) -> BadInput:
    known = ", ".join(there) or "none"
    return BadInput(f"no {what} {version!r}", where=str(where), cure=f"there are: {known}")
