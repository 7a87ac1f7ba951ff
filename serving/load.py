"""Opens what a service answers with, and refuses parts that do not belong together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from contracts.bundle import Manifest
from contracts.encoder import read_encoder
from contracts.errors import BundleMismatch, NotReady, UnreadableFile
from contracts.text.verbalizer import Percentiles, Verbalizer
from contracts.validation import typed
from contracts.workspace import Workspace
from feature_repo.online import OnlineMembers
from ranking.scorer import BundleScorer, ItemEncoder
from retrieval.encoder import TextEncoder
from retrieval.index.job_index import JobIndex, check_index, read_index_manifest


@dataclass(frozen=True)
class Loaded:
    """One bundle and what fits it. All of it may be shared between threads.

    folders: of the bundle and the index; items: None where jobs are not encoded while it serves.
    """

    folders: tuple[Path, Path]
    manifest: Manifest
    scorer: BundleScorer
    encoder: TextEncoder
    index: JobIndex
    members: OnlineMembers
    verbalizer: Verbalizer
    items: ItemEncoder | None

    @property
    def models(self) -> tuple[str, str, str]:
        """Versions of all that a job is encoded with."""
        return self.verbalizer.version, self.encoder.version, self.manifest.version

    @property
    def served(self) -> tuple[str, str, int]:
        """Versions of the bundle and of the index as it was built, and how many jobs it holds now."""
        return self.manifest.version, self.index.manifest.version, self.index.jobs.held


def load(
    workspace: Workspace,
    bundle: Path | None,
    index: Path | None,
    threads: int | None,
    encodes: bool = False,
    former: Loaded | None = None,
    device: str | None = None,
) -> Loaded:
    """Open bundle, index, encoder and feature store. None: the workspace's current one; for threads: all cores.

    encodes: jobs will be encoded while it serves; former: what is served now, of which is kept what did not change;
    device: as `JobIndex.load`.
    Raises NotReady for what is missing; BundleMismatch where the bundle was altered, reads text of another version
    than the workspace writes, or a feature service that the repository lacks; IndexMismatch where the index was built
    with another bundle, text version or encoder; NotAFeatureRepo.
    """
    verbalizer = open_verbalizer(workspace)
    folders = bundle or workspace.bundle, index or workspace.index
    kept = former if former and former.folders[0] == folders[0] else None
    scorer = kept.scorer if kept else BundleScorer(folders[0], threads)
    manifest = scorer.manifest
    if manifest.text_version != verbalizer.version:
        raise BundleMismatch(
            f"bundle {manifest.version} reads text version {manifest.text_version}, the workspace writes "
            f"{verbalizer.version}",
            where=str(folders[0]),
            cure="train and export a bundle on this workspace's text",
        )
    encoder = former.encoder if former else None
    if encoder is None or encoder.version != read_encoder(workspace.encoder).version:
        encoder = TextEncoder(workspace.encoder, threads)
    # What is cheap to check comes before what takes long to load.
    check_index(read_index_manifest(folders[1]), manifest, encoder)
    items = None
    if encodes:
        items = kept.items if kept else ItemEncoder(folders[0], threads, manifest)
    members = kept.members if kept else OnlineMembers(workspace, manifest.feature_service, manifest.version)
    try:
        return Loaded(folders, manifest, scorer, encoder, JobIndex.load(folders[1], device), members, verbalizer, items)
    except BaseException:
        if kept is None:
            members.close()
        raise


def open_verbalizer(workspace: Workspace) -> Verbalizer:
    """The verbaliser with the workspace's break points: the one that wrote its text.

    Raises NotReady where there are none, UnreadableFile where they are broken.
    """
    if not workspace.percentiles.is_file():
        raise NotReady(f"no {workspace.percentiles.name} in {workspace.root}", cure="run `rolecall verbalize` first")
    try:
        return Verbalizer(Percentiles.model_validate_json(workspace.percentiles.read_bytes()))
    except ValidationError as error:
        raise typed(error, UnreadableFile, where=str(workspace.percentiles), cure="restore the file") from error
