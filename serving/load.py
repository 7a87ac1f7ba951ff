"""Opens what a service answers with, and refuses parts that do not belong together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from contracts.bundle import Manifest
from contracts.errors import BundleMismatch, NotReady, UnreadableFile
from contracts.text import Percentiles, Verbalizer
from contracts.workspace import Workspace
from feature_repo.online import OnlineMembers
from ranking.scorer import BundleScorer
from retrieval.encoder import TextEncoder
from retrieval.index import JobIndex, check_index


@dataclass(frozen=True)
class Loaded:
    """One bundle and what fits it. All of it may be shared between threads."""

    manifest: Manifest
    scorer: BundleScorer
    encoder: TextEncoder
    index: JobIndex
    members: OnlineMembers
    verbalizer: Verbalizer


def load(workspace: Workspace, bundle: Path | None, index: Path | None, threads: int | None) -> Loaded:
    """Open bundle, index, encoder and feature store. None: the workspace's current one; for threads: all cores.

    Raises NotReady for what is missing; BundleMismatch where the bundle was altered, reads text of another version
    than the workspace writes, or a feature service that the repository lacks; IndexMismatch where the index was built
    with another bundle, text version or encoder; NotAFeatureRepo.
    """
    verbalizer = open_verbalizer(workspace)
    folder = bundle or workspace.bundle
    scorer = BundleScorer(folder, threads)
    manifest = scorer.manifest
    if manifest.text_version != verbalizer.version:
        raise BundleMismatch(
            f"bundle {manifest.version} reads text version {manifest.text_version}, the workspace writes "
            f"{verbalizer.version}",
            where=str(folder),
            cure="train and export a bundle on this workspace's text",
        )
    encoder = TextEncoder(workspace.encoder, threads)
    jobs = JobIndex.load(index or workspace.index)
    check_index(jobs, manifest, encoder)
    members = OnlineMembers(workspace, manifest.feature_service, manifest.version)
    return Loaded(manifest, scorer, encoder, jobs, members, verbalizer)


def open_verbalizer(workspace: Workspace) -> Verbalizer:
    """The verbaliser with the workspace's break points: the one that wrote its text.

    Raises NotReady where there are none, UnreadableFile where they are broken.
    """
    if not workspace.percentiles.is_file():
        raise NotReady(f"no {workspace.percentiles.name} in {workspace.root}", cure="run `rolecall verbalize` first")
    try:
        return Verbalizer(Percentiles.model_validate_json(workspace.percentiles.read_bytes()))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]["msg"]
        raise UnreadableFile(problem, where=str(workspace.percentiles), cure="restore the file") from error
