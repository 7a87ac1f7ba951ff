"""The retrieval encoder of a workspace: as it came or trained, exported, and with what it has learned by itself."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from contracts.encoder import ENCODER, EncoderManifest, read_encoder
from contracts.errors import BadInput, NotReady
from contracts.features import JOB_TEXT
from contracts.tables import parts as stored
from contracts.text.parts import PartWeights
from contracts.versions import content_hash, json_hash, staged_file
from contracts.workspace import Workspace
from models.config import MODEL_FORMAT, EncoderConfig, HeadTraining
from models.encoder.advert_pairs import advert_pairs, as_positives, as_searches, split_pairs, title_pairs
from models.encoder.log_positives import check_lists, first_texts, log_positives
from models.encoder.positives import Positives
from models.encoder.validation import Searches, valid_searches

log = logging.getLogger("rolecall")

CHOICE = "choice.json"


class _Material(NamedTuple):
    """judged_by: whose requests `searches` are; source and pairs: what a head learns from, None where too little."""

    judged_by: str
    searches: Searches
    learn: tuple[str, Positives] | None


def make_encoder(workspace: Workspace, config: EncoderConfig, seed: int = 0) -> None:
    """Bring a workspace's retrieval encoder to its knobs; an encoder that is up to date stays as it is.

    Args:
        workspace: Where the encoder lies.
        config: The knobs. A training without a backbone of its own starts from the encoder's.
        seed: Of the draw of requests.

    Raises:
        RolecallError: As `log_positives`, `check_lists`, `train_encoder` and `export_encoder`.
    """
    from models.encoder.export import encoder_version, export_encoder
    from models.layers.sentences import EncoderOverrides

    overrides = EncoderOverrides(config.pooling, config.prompts, config.max_tokens)
    made_of, train = config.backbone, config.train
    workspace.towers.mkdir(parents=True, exist_ok=True)  # DVC looks for it, trained or not
    if train is not None:
        from models.encoder.towers import train_encoder

        if train.lists is not None:
            check_lists(workspace, Workspace(train.lists))
        if train.backbone is None:
            train = train.model_copy(update={"backbone": config.backbone})
        positives = log_positives(workspace, train.max_requests, seed)
        made_of = train_encoder(workspace.towers, positives, train, overrides)
    graph = encoder_version(made_of, config.precision, config.dim, overrides)
    there = read_encoder(workspace.encoder) if (workspace.encoder / ENCODER).is_file() else None
    if there is None or there.graph != graph:
        export_encoder(workspace.encoder, made_of, config.precision, config.dim, overrides)
    if config.learn is None:
        _keep(workspace, config.parts or PartWeights(), None)
    else:
        _learn(workspace, config.parts, config.learn, seed)


def _learn(workspace: Workspace, parts: PartWeights | None, config: HeadTraining, seed: int) -> None:
    """Choose how texts are read and whether a head is kept, unless that was done with the same pairs and knobs."""
    from models.encoder.choice import Choice, choose, read_choice
    from retrieval.encoder import TextEncoder

    material = _material(workspace, config, seed)
    manifest = read_encoder(workspace.encoder)
    made_from = json_hash(
        [
            MODEL_FORMAT,
            manifest.graph,
            material.searches.version,
            [material.learn[0], material.learn[1].version] if material.learn else [],
            parts and parts.model_dump(),
            config.model_dump(mode="json", exclude={"titles"}),
        ]
    )
    before = read_choice(workspace.encoder / CHOICE)
    if before is not None and before.made_from == made_from:
        log.info("encoder: version %s is up to date; %s", manifest.version, before.why)
        return
    if len(material.searches) < config.least_requests:
        few = f"{len(material.searches)} validation requests, {config.least_requests} are wanted"
        choice = Choice(made_from=made_from, judged_by="nothing", requests=len(material.searches), why=few)
        _keep(workspace, parts or PartWeights(), None)
    else:
        about = {"made_from": made_from, "judged_by": material.judged_by}
        encoder = TextEncoder(workspace.encoder)
        choice, chosen, head = choose(encoder, material.searches, material.learn, parts, config, about)
        _keep(workspace, chosen, head)
    with staged_file(workspace.encoder / CHOICE) as staged:
        staged.write_text(choice.model_dump_json(indent=2))
    log.info("encoder: kept %r by %s: %s", choice.kept, choice.judged_by, choice.why)


def _material(workspace: Workspace, config: HeadTraining, seed: int) -> _Material:
    """What the log teaches and asks; where it holds too little of either, the adverts and the table of titles."""
    searches, positives = Searches([], [], [], [], []), None
    try:
        searches = valid_searches(workspace, config.valid_requests, config.max_jobs, seed)
        positives = log_positives(workspace, config.max_requests, seed, config.max_jobs)
    except (NotReady, BadInput) as error:
        log.info("encoder: nothing to learn from in the log: %s", error)
    if positives is not None and len(positives) < config.least_pairs:
        log.info("encoder: %s jobs were taken on training requests, %s are wanted", len(positives), config.least_pairs)
        positives = None
    titles = title_pairs(config.titles) if config.titles else []
    if positives is not None and not titles:
        return _Material("log", searches, ("the log", positives))
    pairs = titles
    if positives is None:
        has_text = bool(stored(workspace.features / JOB_TEXT))
        pairs = [*titles, *advert_pairs(list(first_texts(workspace).values()) if has_text else [])]
        pairs = [pairs[i] for i in np.random.default_rng(seed).permutation(len(pairs))[: config.max_jobs]]
    kept, held = split_pairs(pairs)
    by_log = len(searches) >= config.least_requests
    if not by_log:
        searches = as_searches(held, kept, config.valid_requests)
    own = as_positives(kept) if len(kept) >= config.least_pairs else None
    sources = [name for name, some in (("the log", positives), ("titles" if positives else "adverts", own)) if some]
    found = [some for some in (positives, own) if some is not None]
    learn = (" and ".join(sources), Positives.joined(found)) if found else None
    return _Material("log" if by_log else "adverts", searches, learn)


def _keep(workspace: Workspace, parts: PartWeights, head: np.ndarray | None) -> None:
    """Write the manifest of the encoder with these parts and this head; its name is what they are."""
    folder = workspace.encoder
    manifest = read_encoder(folder)
    name, version = "", manifest.graph
    made: Mapping[str, object] = {} if parts == PartWeights() else parts.model_dump()
    if made or head is not None:
        digest = content_hash([json_hash(dict(made)), *([head.tobytes()] if head is not None else [])], 8)
        version = f"{manifest.graph}-{digest}"
    if head is not None:
        name = f"head-{version.rpartition('-')[2]}.npy"
        with staged_file(folder / name) as staged, staged.open("wb") as file:
            np.save(file, head, allow_pickle=False)
    new = EncoderManifest.model_validate(manifest.model_dump() | {"parts": parts, "head": name, "version": version})
    if new != manifest:
        with staged_file(folder / ENCODER) as staged:
            staged.write_text(new.model_dump_json(indent=2))
    (folder / CHOICE).unlink(missing_ok=True)
    for stale in folder.glob("head-*.npy"):
        if stale.name != name:
            stale.unlink()
    log.info("encoder: version %s", version)
