"""Shares of the retrieval sources, chosen on validation requests: how far a surface leans on vectors or on words.

The requests are those of the split `valid` that led to something; they are asked of an index of the jobs as they were
first known. Another mix than the configured one is chosen for a surface where it finds more of the jobs that were taken
among its first hundred candidates, by an interval over requests that excludes zero.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import polars as pl

from contracts.errors import NotReady
from contracts.progress import Progress
from contracts.tables import read_table
from contracts.workspace import Workspace
from history.as_of import LoggedRequest, first_versions, requests_as_of
from history.requests import EVENT_COLUMNS, gains, past_requests
from replay.measures import Estimate, mean_estimates
from retrieval.config import RetrievalConfig
from retrieval.encoder import TextEncoder
from retrieval.index.build import build_index
from retrieval.index.job_index import JobIndex
from retrieval.links.store import current_links
from retrieval.request import Request

log = logging.getLogger("rolecall")

DEPTH = 100
LEANS: Mapping[str, tuple[float, ...]] = {"dense": (0.4, 0.7, 0.95), "terms": (0.7, 0.95)}
"""Source -> the shares that are tried of it; the others keep their proportions in what is left."""
LEAST_REQUESTS = 30
SURFACES = ("recommend", "search")


class Mix(NamedTuple):
    """Shares of a surface, what they find (recall@100), and what they find above the configured ones."""

    shares: dict[str, float]
    found: float
    gain: Estimate


def choose_shares(
    workspace: Workspace, config: RetrievalConfig, most: int = 400, seed: int = 0
) -> dict[str, list[Mix]]:
    """Surface -> the mixes that were compared, the chosen one first and the configured one among them.

    A surface with fewer than `LEAST_REQUESTS` validation requests is left out.

    Raises:
        NotReady: There is no log, no vector or no validation request that led to something.
    """
    events = pl.DataFrame(read_table(workspace.records / "events", EVENT_COLUMNS)).unique("id")
    drawn = past_requests(events, {"train": 0, "valid": len(events), "test": 0}, seed)
    led = [(one, worth) for one in drawn if (worth := gains(one))][:most]
    if not led:
        raise NotReady("no validation request led to a view or more", cure="ingest a longer log")
    asks = [LoggedRequest(one.member_id, one.query, one.time, one.viewed) for one, _ in led]
    requests = requests_as_of(workspace, asks)
    vectors = TextEncoder(workspace.encoder).encode([request.request_text for request in requests], "request")
    with TemporaryDirectory() as scratch:
        place = Workspace(Path(scratch))
        first_versions(workspace, place)
        plain = config.model_copy(update={"duplicates": None, "diversity": None})
        links = current_links(workspace) if "links" in config.sources else None
        index = JobIndex.load(build_index(place, retrieval=plain, links=links))
        chosen = {}
        for surface in SURFACES:
            mine = [i for i, request in enumerate(requests) if bool(request.query) == (surface == "search")]
            if len(mine) < LEAST_REQUESTS:
                log.info("shares: %s validation requests of %s, too few to choose by", len(mine), surface)
                continue
            asked = [(requests[i], vectors[i], set(led[i][1])) for i in mine]
            chosen[surface] = _ranked(_measured(index, plain, surface, asked, seed))
    return chosen


def mixes(shares: Mapping[str, float]) -> Iterator[dict[str, float]]:
    """The configured shares, then those of `LEANS`, each adding up to what the configured ones do."""
    yield dict(shares)
    total = sum(shares.values())
    for source, tried in LEANS.items():
        others = total - shares.get(source, 0.0)
        for share in tried:
            if others > 0 and share < total:
                scale = (total - share) / others
                mix = {name: share if name == source else own * scale for name, own in shares.items()}
                yield {name: math.floor(own * 1e4) / 1e4 for name, own in mix.items()}  # so that no sum exceeds 1


def _measured(
    index: JobIndex,
    config: RetrievalConfig,
    surface: str,
    asked: Sequence[tuple[Request, np.ndarray, set[str]]],
    seed: int,
) -> list[Mix]:
    tried = list(mixes(getattr(config, surface)))
    progress = Progress("shares", "mixes", len(tried))
    found = np.zeros((len(asked), len(tried)))
    for column, shares in enumerate(tried):
        manifest = index.manifest.model_copy(update={"retrieval": config.model_copy(update={surface: shares})})
        mixed = JobIndex(replace(index.parts, manifest=manifest))
        for row, (request, vector, wanted) in enumerate(asked):
            first = mixed.search(request, vector, DEPTH).ids[:DEPTH]
            found[row, column] = len(wanted.intersection(first)) / len(wanted)
        progress.add(1)
    estimates = mean_estimates(found - found[:, :1], seed)
    return [Mix(*row) for row in zip(tried, found.mean(axis=0).tolist(), estimates, strict=True)]


def _ranked(tried: Sequence[Mix]) -> list[Mix]:
    """The configured mix stands first unless another finds more for certain; then the best of these does."""
    certain = [mix for mix in tried if mix.gain.low > 0]
    first = max(certain, key=lambda mix: mix.found, default=tried[0])
    return [first, *(mix for mix in tried if mix is not first)]
