"""Ways to merge what retrieval's sources find, on the held-out requests of a workspace: which of them earn their place.

    python -m benchmarks.merging --workspace artifacts/demo

Every way is asked by the same code over the same jobs, with one bundle: only what is retrieved, and what orders it
before the student reads the first 200, differs.

- `as configured`: the section `retrieval` of the index.
- `without links`, `links S`: that source left out, and given the share S of recommendations and S / 4 of searches; the
  other sources share the rest in the proportions that they have.
- `..., learned order`: ordered by weights that are fitted on the validation requests (`benchmarks.fusion`), which come
  after the hires that links were learned from. They are printed as a section of the params.
- `..., folded` and `..., diverse`: near-duplicates folded, and at most two jobs of a company among the first ten.

Value: the mean over requests of recall among the first 50, 100, 200 and 500 candidates, and nDCG@10 of the whole system
as the service shows it; then each way less `without links`, paired by request. low and high: 95% bootstrap intervals.
What a request led to is what it counts by; so a job that nobody was shown counts as a miss for whoever finds it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from benchmarks import result_file
from benchmarks.fusion import fit_fusion
from contracts.documents import to_yaml
from contracts.errors import NotReady
from contracts.tables import read_table
from contracts.workspace import Workspace
from history.requests import EVENT_COLUMNS, past_requests
from history.requests import gains as gains_of
from ranking.match import encode_titles
from ranking.rank import RANKED, rank
from ranking.scorer import BundleScorer, ItemEncoder
from replay.holdout import HeldOut, held_out, requests_as_of
from replay.measures import mean_estimates
from replay.past_index import past_index
from replay.systems import as_shown
from retrieval.config import Diversity, Learned, RetrievalConfig, Weights
from retrieval.encoder import TextEncoder
from retrieval.engines.append_only import AppendOnlyArray
from retrieval.index.job_index import CANDIDATES, JobIndex
from retrieval.index.manifest import check_index
from retrieval.request import Request
from retrieval.sources.registry import SOURCES

log = logging.getLogger("rolecall")

DEPTHS = (50, 100, 200, 500)
SHOWN = 10
SHARES = (0.05, 0.1, 0.2)
REFERENCE = "without links"
METRICS = (*(f"recall@{depth} of candidates" for depth in DEPTHS), f"nDCG@{SHOWN} of the whole system")


class Asked(NamedTuple):
    """Past requests with their texts' vectors (n, dim), and what each led to: job -> gain."""

    requests: list[Request]
    vectors: np.ndarray
    gains: list[Mapping[str, int]]


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--workspace", type=Path, default=Path("artifacts/demo"), help="one that the recipe has run in")
    parser.add_argument("--requests", type=int, default=500, help="held-out requests; as many to learn an order from")
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES, help="of the links")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    rows = list(measured(Workspace(options.workspace), options.requests, options.shares))
    simulated = (options.workspace / "raw" / "truth").is_dir()
    result_file.write(
        "merging", result_file.command_line("benchmarks.merging"), rows, simulated=simulated, publish=options.publish
    )


def measured(workspace: Workspace, most: int, shares: Sequence[float]) -> Iterator[dict[str, Any]]:
    """The rows of the result file. Raises NotReady where the workspace has no links, or a step of the recipe lacks."""
    bundle = workspace.bundle
    encoder, scorer, items = TextEncoder(workspace.encoder), BundleScorer(bundle), ItemEncoder(bundle)
    valid, held = _valid(workspace, most), held_out(workspace, most)
    with past_index(workspace, min(valid[0].time, held[0].time), items, encoder) as jobs:
        check_index(jobs.index, scorer.manifest, encoder)
        if jobs.index.links is None:
            cure = "run `rolecall links learn`, where the log tells of hires, and `rolecall index`"
            raise NotReady(f"index {workspace.index.name} holds no links", cure=cure)
        past, later = (
            _asked(found, requests_as_of(workspace, found, jobs.known_from), encoder) for found in (valid, held)
        )
        ways = ways_of(jobs.index, past, shares)
        found = {}
        for name, config in ways.items():
            log.info("merging: %s", name)
            found[name] = _figures(searched_by(jobs.index, config), scorer, encoder, later)
    surfaces = np.array([bool(request.query) for request in later.requests])
    for case, mine in (("recommendations", ~surfaces), ("searches", surfaces), ("all requests", surfaces >= 0)):
        if mine.any():
            yield from _rows(f"{case} ({mine.sum():,})", {name: values[mine] for name, values in found.items()})


def ways_of(index: JobIndex, past: Asked, shares: Sequence[float]) -> dict[str, RetrievalConfig]:
    """Name -> how the index is asked. past: what an order is learned from."""
    own = index.manifest.retrieval
    plain = own.model_copy(update={"learned": Learned(), "duplicates": None, "diversity": None})
    ways = {"as configured": own, REFERENCE: with_links(plain, 0.0)}
    for share in shares:
        name, config = f"links {share:g}", with_links(plain, share)
        ways[name] = config
        learned = learn_order(searched_by(index, config), past)
        told = to_yaml({"retrieval": {"learned": learned.model_dump(mode="json")}})
        log.info("%s, the learned order as params:\n%s", name, told)
        ways[f"{name}, learned order"] = config.model_copy(update={"learned": learned})
    learned = learn_order(searched_by(index, ways[REFERENCE]), past)
    ways[f"{REFERENCE}, learned order"] = ways[REFERENCE].model_copy(update={"learned": learned})
    ways[f"{REFERENCE}, folded"] = ways[REFERENCE].model_copy(update={"duplicates": own.duplicates})
    ways[f"{REFERENCE}, diverse"] = ways[REFERENCE].model_copy(update={"diversity": Diversity(most=2, first=SHOWN)})
    return ways


def searched_by(index: JobIndex, config: RetrievalConfig) -> JobIndex:
    """The same jobs searched in another way; near-duplicates are those of the build, or none."""
    parts = replace(
        index.parts,
        manifest=index.manifest.model_copy(update={"retrieval": config}),
        sources={name: SOURCES.get(name)() for name in config.sources},
    )
    if config.duplicates is None:
        parts = replace(parts, groups=AppendOnlyArray(np.arange(len(index), dtype=np.int32)))
    return JobIndex(parts)


def with_links(config: RetrievalConfig, share: float) -> RetrievalConfig:
    """The links with a share of recommendations and a quarter of it of searches, the others in their proportions."""
    changed = {}
    for surface, mine in (("recommend", share), ("search", share / 4)):
        before = getattr(config, surface)
        others = {name: value for name, value in before.items() if name != "links"}
        room = min(1.0, sum(before.values())) - mine
        scale = room / sum(others.values())
        changed[surface] = {**{name: value * scale for name, value in others.items()}, "links": mine}
    return config.model_copy(update=changed)


def learn_order(index: JobIndex, past: Asked) -> Learned:
    """Weights of each kind of request that led to anything retrieved; none of the other kind."""
    fitted: dict[str, Weights] = {}
    for surface, searched in (("recommend", False), ("search", True)):
        found, gains = [], []
        for request, vector, gain in zip(*past, strict=True):
            if bool(request.query) == searched:
                candidates = index.search(request, vector, CANDIDATES)
                found.append(candidates)
                gains.append(np.array([gain.get(job, 0) for job in candidates.ids], np.float64))
        if any(mine.any() for mine in gains):
            fitted[surface] = fit_fusion(found, gains)
        else:
            log.warning("nothing to learn the order of a %s from; it stays that of evidence", surface)
    return Learned(**fitted)


def _figures(index: JobIndex, scorer: BundleScorer, encoder: TextEncoder, asked: Asked) -> np.ndarray:
    """(n, len(METRICS)) float64 of each request."""
    values = np.zeros((len(asked.requests), len(METRICS)))
    for i, (request, vector, gains) in enumerate(zip(*asked, strict=True)):
        candidates = index.search(request, vector, CANDIDATES)
        titles = encode_titles(encoder, request) if scorer.manifest.match_version else None
        served = rank(index, scorer, request, candidates, vector, RANKED, titles)
        found = np.array([job in gains for job in candidates.ids], bool)
        values[i, : len(DEPTHS)] = [found[:depth].sum() / len(gains) for depth in DEPTHS]
        shown = [index.ids[row] for row in as_shown(index, served)[0][:SHOWN]]
        values[i, -1] = ndcg([gains.get(job, 0) for job in shown], list(gains.values()))
    return values


def ndcg(shown: Sequence[float], gains: Sequence[float]) -> float:
    """Of the gains of the jobs shown, best first, against the best order of all gains; linear gains."""
    ideal = sorted(gains, reverse=True)[: len(shown)]
    discounts = 1 / np.log2(np.arange(2, len(shown) + 2))
    return float(np.dot(shown, discounts) / max(np.dot(ideal, discounts[: len(ideal)]), 1e-12))


def _valid(workspace: Workspace, most: int) -> list[HeldOut]:
    """The requests between those that are trained on and those that are measured by, which led to something."""
    events = pl.DataFrame(read_table(workspace.records / "events", EVENT_COLUMNS)).unique("id")
    drawn = past_requests(events, {"train": 0, "valid": most, "test": 0}, 0)
    found = [
        HeldOut(one.list_id, one.member_id, one.query, one.time, worth, one.viewed)
        for one in drawn
        if (worth := gains_of(one))
    ]
    if not found:
        raise NotReady("no validation request led to a view or more", cure="ingest a longer log")
    return sorted(found, key=lambda request: (request.time, request.request_id))


def _asked(held: Sequence[HeldOut], requests: list[Request], encoder: TextEncoder) -> Asked:
    vectors = encoder.encode([request.request_text for request in requests], "request")
    return Asked(requests, vectors, [one.gains for one in held])


def _rows(case: str, found: Mapping[str, np.ndarray]) -> Iterator[dict[str, Any]]:
    every = np.concatenate([*found.values(), *(values - found[REFERENCE] for values in found.values())], axis=1)
    estimates = iter(mean_estimates(every, 0))
    for suffix in ("", f" minus {REFERENCE}"):
        for name in found:
            for metric in METRICS:
                one = next(estimates)
                if not (suffix and name == REFERENCE):
                    yield {
                        "case": case,
                        "system": name,
                        "metric": metric + suffix,
                        "value": one.value,
                        "low": one.low,
                        "high": one.high,
                    }


if __name__ == "__main__":
    main()
