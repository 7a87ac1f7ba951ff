"""Opens a servable (a bundle with the index, encoder and feature store that fit it); refuses parts that do not fit."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

from contracts.bundle import Manifest
from contracts.encoder import encoder_of, read_encoder
from contracts.errors import BundleMismatch
from contracts.text.fitted import open_verbalizer
from contracts.text.verbalizer import Verbalizer
from contracts.workspace import Workspace
from feature_repo.online import OnlineMembers
from ranking.caching_scorer import CachingScorer
from ranking.canaries import check_canaries
from ranking.scorer import ItemEncoder
from retrieval.encoder import TextEncoder
from retrieval.index.job_index import JobIndex
from retrieval.index.manifest import check_index, read_index_manifest
from retrieval.onnx_session import open_session
from serving.caches import Caches
from serving.config import ServeConfig
from serving.logger import log


@dataclass(frozen=True)
class Loaded:
    """One bundle and what fits it, but for the store of features. All of it may be shared between threads.

    folders: of the bundle and of the index; item_encoder: None where jobs are not encoded while it serves.
    """

    folders: tuple[Path, Path]
    manifest: Manifest
    scorer: CachingScorer
    encoder: TextEncoder
    index: JobIndex
    verbalizer: Verbalizer
    item_encoder: ItemEncoder | None
    caches: Caches

    @property
    def encoded_by(self) -> tuple[str, str, str]:
        """Versions of the text, the encoder and the bundle that a job is encoded with."""
        return self.verbalizer.version, self.encoder.version, self.manifest.version

    @property
    def served(self) -> tuple[str, str, int]:
        """Versions of the bundle and of the index as it was built, and how many jobs it holds now."""
        return self.manifest.version, self.index.manifest.version, self.index.jobs.current

    def is_current(self, workspace: Workspace, config: ServeConfig) -> bool:
        """Whether `load` would load the same. Raises what finding that out raises."""
        if self.folders != config.folders(workspace):
            return False
        encoder = encoder_of(workspace, self.index.manifest.encoder_version)
        of_now = open_verbalizer(workspace, self.manifest.text_version).version, read_encoder(encoder).version
        return of_now == (self.verbalizer.version, self.encoder.version)


@dataclass(frozen=True)
class Servable(Loaded):
    """What answers requests: one bundle, what fits it, and who reads members."""

    members: OnlineMembers


def load_servable(
    workspace: Workspace,
    config: ServeConfig,
    former: Servable | None = None,
    members: OnlineMembers | None = None,
    loaded: Loaded | None = None,
) -> Servable:
    """Open a bundle, an index, the encoder and the feature store.

    Args:
        workspace: Its current bundle and index are opened where `config` names none.
        config: Which bundle and index, on how many threads and which device; with a feed the bundle's item encoder too.
        former: What is served now; the parts that did not change are shared with it.
        members: Who reads members, in place of the online store.
        loaded: What was loaded before; it is taken where it is still what would be loaded.

    Raises what `load` raises, and:
        BundleMismatch: The repository lacks the feature service that the bundle reads.
        NotAFeatureRepo: The workspace has no feature repository.
    """
    if loaded is None or not loaded.is_current(workspace, config):
        loaded = load(workspace, config, former)
    if members is None and former and former.folders[0] == loaded.folders[0]:
        members = former.members
    if members is None:
        service = loaded.manifest.feature_service, loaded.manifest.version
        members = OnlineMembers(workspace, *service, config.store.within(config.deadline))
    return Servable(**{part.name: getattr(loaded, part.name) for part in fields(Loaded)}, members=members)


def load(workspace: Workspace, config: ServeConfig, former: Loaded | None = None) -> Loaded:
    """Open a bundle, an index and the encoder. The arguments are those of `load_servable`.

    Raises:
        NotReady: A part is missing.
        BundleMismatch: The bundle was altered, scores its canaries otherwise than at its export, or reads text of
            another version than the workspace writes.
        IndexMismatch: The index was built with another bundle, text version or encoder.
    """
    folders = config.folders(workspace)
    opened = partial(open_session, providers=config.providers)
    same = former if former and former.folders[0] == folders[0] else None
    caches = former.caches if former else Caches(config.cache)
    scorer = same.scorer if same else None
    if scorer is None:
        scorer = CachingScorer(folders[0], config.call_threads, opened=opened, caches=caches.of_scorer)
    manifest = scorer.manifest
    # A backfill may have switched texts or vectors: what is served goes on with those that it was made with.
    verbalizer = open_verbalizer(workspace, manifest.text_version)
    if manifest.text_version != verbalizer.version:
        raise BundleMismatch(
            f"bundle {manifest.version} reads text version {manifest.text_version}, the workspace writes "
            f"{verbalizer.version}",
            where=str(folders[0]),
            cure="train and export a bundle on this workspace's text",
        )
    if same is None and not check_canaries(folders[0], scorer):
        log.warning("no_canaries", bundle=manifest.version)  # of an export before there were any
    encoder = former.encoder if former else None
    built = read_index_manifest(folders[1])
    made_by = encoder_of(workspace, built.encoder_version)
    if encoder is None or encoder.version != read_encoder(made_by).version:
        encoder = TextEncoder(made_by, config.call_threads, opened)
    check_index(built, manifest, encoder)  # cheap, so it comes before the slow loading
    item_encoder = None
    if config.changes:
        item_encoder = same.item_encoder if same else ItemEncoder(folders[0], config.call_threads, manifest, opened)
    index = JobIndex.load(folders[1], config.device)
    return Loaded(folders, manifest, scorer, encoder, index, verbalizer, item_encoder, caches)
