"""Learned links on a simulated market: how large a graph must be to find held-out hires, by L1 weights and by ratio.

    python -m benchmarks.links [--smoke]

Links are learned from the first 80% of the hires in time; the rest are held out. A graph is the links of quality above
a threshold, and finds a hire where it joins its member and job by a link. For each recall this tells the smallest graph
that reaches it, and how many pairs without a hire it joins too. Intervals are over hires.
Then the liquidity knob: each member's links until so many jobs are reached. Knobs were chosen on a market of another
seed. Source of the claim: arXiv 2402.13435, by which the L1 graph is 77 times smaller at equal recall.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from benchmarks import result_file
from contracts.tables import latest, read_table
from models.training.metrics import interval, resamples
from replay.measures import mean_estimates
from retrieval.links.candidates import CandidateLinks
from retrieval.links.config import LinksConfig, NonHires
from retrieval.links.graph import Link, LinkGraph, until_liquid
from retrieval.links.learn import EVENT_COLUMNS, People, propose, read_values
from retrieval.links.outcomes import outcomes
from retrieval.links.quality import hire_shares, l1_weights
from retrieval.links.serve import LinkedJobs
from retrieval.links.templates import load_templates
from retrieval.links.then import Pairs, pairs_then
from simulator import simulate

START = datetime(2025, 1, 6, tzinfo=UTC)
HELD_OUT = 0.2
RECALLS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
LIQUIDITIES = (10, 20, 50, 100, 200, 500, 1_000, 2_000)
NON_HIRES: tuple[NonHires, ...] = ("shown", "drawn")
"""What links are told apart from, in learning and in the share of non-hires joined: see LinksConfig."""
L1, RATIO, CUT = "L1 graph", "ratio graph", "ratio graph, ties cut by hires"
SMOKE = {"members": 500, "jobs": 800, "events": 120_000}


class Market(NamedTuple):
    """The records and the log. members, jobs: every version; people: the newest; before, after: the held-out hires."""

    members: pa.Table
    jobs: pa.Table
    people: People
    before: pa.Table
    after: pa.Table

    def pairs(self, events: pa.Table, config: LinksConfig, per_hire: float) -> Pairs:
        """The hires and others of a log, as of then."""
        found = outcomes(events, config.non_hires, per_hire, config.seed)
        return pairs_then(found, self.members, self.jobs, load_templates().title)


class Held(NamedTuple):
    """Held-out pairs with the candidates that join each, as places in the list of candidates."""

    pairs: Pairs
    joined: list[np.ndarray]


def main(argv: Sequence[str] | None = None) -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--members", type=int, default=2_500)
    parser.add_argument("--jobs", type=int, default=4_000)
    parser.add_argument("--events", type=int, default=600_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="a market of seconds; writes nothing")
    options = parser.parse_args(argv)
    size = SMOKE if options.smoke else {name: getattr(options, name) for name in SMOKE}
    with tempfile.TemporaryDirectory() as folder:
        simulate(Path(folder), **size, seed=options.seed, start=START)
        market = read_market(Path(folder))
    rows = [
        row | {"case": f"{kind}: {row['case']}"}
        for kind in NON_HIRES
        for row in measure(market, LinksConfig(non_hires=kind))
    ]
    if options.smoke:
        print(result_file.as_table(rows))
        return
    result_file.write(
        "links", result_file.command_line("benchmarks.links"), rows, simulated=True, publish=options.publish
    )


def read_market(folder: Path) -> Market:
    members, jobs = (read_table(folder / name) for name in ("members", "jobs"))
    events = pl.DataFrame(read_table(folder / "events", EVENT_COLUMNS))
    hires = events.filter(pl.col("action") == "hire")["time"].sort()
    cut = pl.col("time") < hires[int(len(hires) * (1 - HELD_OUT))]
    newest_members, newest_jobs = (latest(table, "id", "updated_at").sort_by("id") for table in (members, jobs))
    people = read_values(newest_members, newest_jobs, load_templates())
    return Market(members, jobs, people, events.filter(cut).to_arrow(), events.filter(~cut).to_arrow())


def measure(market: Market, config: LinksConfig) -> Iterator[dict[str, Any]]:
    """The rows of the result file."""
    pairs, people = market.pairs(market.before, config, config.non_hires_per_hire), market.people
    candidates = propose(pairs, load_templates(), config)
    held = held_out(candidates, market.pairs(market.after, config, 10.0))
    qualities = scored(candidates, pairs.hired, config)
    size = f"{len(people.members):,} members, {len(people.jobs):,} jobs, {pairs.hires:,} hires learned from"
    counts = {"candidates": len(candidates)} | {name: int((quality > 0).sum()) for name, quality in qualities.items()}
    for name, count in counts.items():
        yield {"case": size, "system": name, "metric": "links", "value": count}
    yield {"case": size, "system": "held out", "metric": "hires", "value": held.pairs.hires}
    yield from size_rows(
        {name: smallest(quality, held.joined) for name, quality in qualities.items()}, held.pairs.hired
    )
    for name in (L1, RATIO):
        yield from liquidity_rows(name, graph_of(candidates, qualities[name]), people, market.after)


def scored(candidates: CandidateLinks, hired: np.ndarray, config: LinksConfig) -> dict[str, np.ndarray]:
    """System -> (c,) float64 quality, 0 for links that are in none of its graphs."""
    weights = l1_weights(candidates, hired, config.strength)
    shares = hire_shares(candidates, hired)
    order = np.lexsort((np.arange(len(shares)), -candidates.hires, -shares))
    places = np.empty(len(order))
    places[order] = np.arange(len(order), 0, -1)
    return {L1: np.maximum(weights, 0.0), RATIO: shares, CUT: places}


def held_out(candidates: CandidateLinks, pairs: Pairs) -> Held:
    graph = LinkGraph(Link(*ends, 0.0) for ends in candidates.links)
    place = {ends: i for i, ends in enumerate(candidates.links)}
    number = np.array([place[link.ends] for link in graph.links], np.int64)
    of_member = {values: graph.of_member(values) for values in set(pairs.members)}
    of_job = {values: graph.of_job(values) for values in set(pairs.jobs)}
    joined = [
        number[np.intersect1d(of_member[m], of_job[j], assume_unique=True)]
        for m, j in zip(pairs.members, pairs.jobs, strict=True)
    ]
    return Held(pairs, joined)


def smallest(quality: np.ndarray, joined: Sequence[np.ndarray]) -> np.ndarray:
    """(pairs,) float64: links in the smallest graph that joins each pair; infinite where none does.

    A graph is all links from some quality on, so that links of equal quality come together.
    """
    falling = np.sort(-quality[quality > 0])
    best = np.array([quality[links].max(initial=0.0) for links in joined])
    return np.where(best > 0, np.searchsorted(falling, -best, "right"), np.inf)


def size_rows(sizes: Mapping[str, np.ndarray], hired: np.ndarray) -> Iterator[dict[str, Any]]:
    """sizes: system -> `smallest` of each pair; hired: (pairs,) bool."""
    n = int(hired.sum())
    counts = np.concatenate([np.ones((1, n), np.float32), *resamples(n, 0)])  # the first as it was
    logs = []
    for recall in RECALLS:
        at = {name: size_at(size[hired], recall, counts) for name, size in sizes.items()}
        if any(np.isinf(found).any() for found in at.values()):
            continue  # a graph holds too few links for it, in some sample
        case = f"recall {recall:g}"
        for name, found in at.items():
            yield {"case": case, "system": name, "metric": "links", "value": found[0], **_between(found)}
            rate = float((sizes[name][~hired] <= found[0]).mean())
            yield {"case": case, "system": name, "metric": "non-hires joined", "value": rate}
        for name in (RATIO, CUT):
            times = at[name] / at[L1]
            yield {"case": case, "system": name, "metric": "times the L1 graph", "value": times[0], **_between(times)}
        logs.append([np.log(at[name] / at[L1]) for name in (RATIO, CUT)])
    for place, name in enumerate((RATIO, CUT)):
        if logs:
            mean = np.exp(np.mean([both[place] for both in logs], axis=0))
            case = "geometric mean over recalls"
            yield {"case": case, "system": name, "metric": "times the L1 graph", "value": mean[0], **_between(mean)}
    for name, size in sizes.items():
        whole = mean_estimates(np.isfinite(size[hired])[:, None].astype(np.float64), 0)[0]
        yield {
            "case": "whole graph",
            "system": name,
            "metric": "recall",
            "value": whole.value,
            "low": whole.low,
            "high": whole.high,
        }
        yield {
            "case": "whole graph",
            "system": name,
            "metric": "non-hires joined",
            "value": float(np.isfinite(size[~hired]).mean()),
        }


def size_at(sizes: np.ndarray, recall: float, counts: np.ndarray) -> np.ndarray:
    """(samples,) float64: the smallest graph that joins `recall` of the hires, each counted as often as it was drawn.

    sizes: (n,) float64, `smallest` of each hire; counts: (samples, n).
    """
    order = np.argsort(sizes, kind="stable")
    reached = np.cumsum(counts[:, order], axis=1, dtype=np.float64) >= recall * len(sizes) - 1e-9
    return sizes[order][reached.argmax(axis=1)]


def _between(values: np.ndarray) -> dict[str, float]:
    low, high = interval(values[1:, None])
    return {"low": float(low[0]), "high": float(high[0])}


def graph_of(candidates: CandidateLinks, quality: np.ndarray) -> LinkGraph:
    return LinkGraph(Link(*candidates.links[i], float(quality[i])) for i in np.flatnonzero(quality > 0))


def liquidity_rows(name: str, graph: LinkGraph, people: People, after: pa.Table) -> Iterator[dict[str, Any]]:
    """Recall of held-out hires and jobs reached, by liquidity; every job of the market counts as open."""
    held = outcomes(after)
    linked = LinkedJobs.of([graph.of_job(values) for values in people.jobs.values()], graph.quality)
    row = {job: i for i, job in enumerate(people.jobs)}
    every = np.ones(len(row), bool)
    hires = [(m, row[j]) for m, j, _, hired in zip(*held, strict=True) if hired]
    links = {m: graph.of_member(people.members[m]) for m, _ in hires}
    for liquidity in LIQUIDITIES:
        reached = {}
        for member, nodes in links.items():
            mask = np.zeros(len(row), bool)
            for node in until_liquid(nodes, linked.rows, every, liquidity):
                mask[linked.rows(node)] = True
            reached[member] = mask
        values = np.array([[reached[m][j], reached[m].sum()] for m, j in hires], np.float64)
        for metric, found in zip(("recall", "jobs a member"), mean_estimates(values, 0), strict=True):
            yield {
                "case": f"liquidity {liquidity}",
                "system": name,
                "metric": metric,
                "value": found.value,
                "low": found.low,
                "high": found.high,
            }


if __name__ == "__main__":
    main()
