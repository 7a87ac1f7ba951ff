"""From records and a log to a graph of links, and from a workspace to its stored form."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from contracts.errors import TooFewHires
from contracts.tables import latest, parts, read_table
from contracts.time.open import open_at
from contracts.versions import set_current, unset_current
from contracts.workspace import Workspace
from retrieval.links.candidates import CandidateLinks, enumerate_links, meta_links
from retrieval.links.config import LinksConfig
from retrieval.links.edits import apply_edits, load_edits
from retrieval.links.graph import Link, LinkGraph, until_liquid
from retrieval.links.outcomes import Outcomes, outcomes
from retrieval.links.quality import hire_shares, l1_weights
from retrieval.links.serve import LinkedJobs
from retrieval.links.store import LinksManifest, LinkStore
from retrieval.links.templates import Templates, load_templates
from retrieval.links.values import Row, Values, job_values, member_values

log = logging.getLogger("rolecall")

EVENT_COLUMNS = ["id", "time", "member_id", "job_id", "action"]


class LearnedGraph(NamedTuple):
    """A graph and how it came about: counts by name, and a line for what each edit did."""

    graph: LinkGraph
    counts: Mapping[str, int]
    edits: list[str]


class People(NamedTuple):
    """The values of every member and every job, by id."""

    members: dict[str, Values]
    jobs: dict[str, Values]


def read_values(members: pa.Table, jobs: pa.Table, templates: Templates) -> People:
    """Of records as Arrow (`contracts.records.Member`, `Job`), each id once."""
    return People(
        {row["id"]: member_values(row, templates.title) for row in _rows(members)},
        {row["id"]: job_values(row, templates.title) for row in _rows(jobs)},
    )


def _rows(table: pa.Table) -> Iterator[Row]:
    for batch in table.to_batches(4_096):
        yield from batch.to_pylist()


def known(pairs: Outcomes, people: People) -> Outcomes:
    """The pairs whose member and job have a record."""
    rows = [
        i
        for i, (m, j) in enumerate(zip(pairs.members, pairs.jobs, strict=True))
        if m in people.members and j in people.jobs
    ]
    return Outcomes([pairs.members[i] for i in rows], [pairs.jobs[i] for i in rows], pairs.hired[rows])


def propose(pairs: Outcomes, people: People, templates: Templates, config: LinksConfig) -> CandidateLinks:
    """The candidate links of pairs. Raises TooFewHires where no combination is in `config.least_hires` hires."""
    metas = [
        meta_links(people.members[m], people.jobs[j], templates.pairs)
        for m, j in zip(pairs.members, pairs.jobs, strict=True)
    ]
    candidates = enumerate_links(metas, pairs.hired, config.max_size, config.least_hires, config.least_ratio)
    if not len(candidates):
        problem = f"no link is in {config.least_hires} of {int(pairs.hired.sum()):,} hires"
        raise TooFewHires(problem, cure="ingest a longer log, or lower least_hires or least_ratio")
    return candidates


def judge(candidates: CandidateLinks, hired: np.ndarray, config: LinksConfig) -> np.ndarray:
    """(c,) float64: the quality of each candidate. hired: (n,) bool, of the pairs that they were counted over."""
    if config.quality == "ratio":
        return hire_shares(candidates, hired)
    return l1_weights(candidates, hired, config.strength)


def learn(
    people: People, events: pa.Table, templates: Templates, config: LinksConfig, named: People | None = None
) -> LearnedGraph:
    """The graph of a log: candidates, judged, kept above the threshold, and edited.

    Args:
        people: The values of members and jobs that are learned from.
        events: member_id, job_id, action.
        templates: Admissible attribute pairs.
        config: The knobs.
        named: Whose values edits may name. None: those of `people`.

    Raises:
        TooFewHires: There is no hire, or no candidate link.
        BadInput: An edit does not fit.
    """
    named = named or people
    decisions = load_edits(
        config.edits,
        frozenset().union(*named.members.values()),
        frozenset().union(*named.jobs.values()),
        templates.title,
    )
    pairs = known(outcomes(events, config.non_hires, config.non_hires_per_hire, config.seed), people)
    if not pairs.hired.any() or pairs.hired.all():
        problem = "no hire, or nothing but hires, of members and jobs that are known"
        raise TooFewHires(problem, cure="ingest their records")
    candidates = propose(pairs, people, templates, config)
    quality = judge(candidates, pairs.hired, config)
    every = {
        ends: Link(*ends, float(value), int(hires), int(non_hires))
        for ends, value, hires, non_hires in zip(
            candidates.links, quality, candidates.hires, candidates.non_hires, strict=True
        )
    }
    kept = [link for link in every.values() if link.quality > config.kept_above]
    links, notes = apply_edits(kept, every, decisions, str(config.edits))
    hires = int(pairs.hired.sum())
    counts = {
        "hires": hires,
        "non_hires": len(pairs.hired) - hires,
        "candidates": len(every),
        "learned": len(kept),
        "links": len(links),
    }
    return LearnedGraph(LinkGraph(links), counts, notes)


def build_links(workspace: Workspace, config: LinksConfig, until: datetime | None = None) -> Path:
    """Learn the links of a workspace, write `workspace.links/<version>/`, make it the current one, and return it.

    Members and jobs get their links by their newest records. A job counts towards a member's liquidity where it is open
    at the last event of the log, so that the same records give the same version.

    Args:
        workspace: Its records and events are read.
        config: The knobs.
        until: Only what happened and was known before it is learned from, so that later requests can measure the
            links. None: everything.

    Raises:
        NotReady: A table is missing.
        TooFewHires: There is no hire, or no candidate link.
        BadInput: An edit does not fit.
    """
    templates = load_templates(config.templates)
    for table in ("members", "events"):
        if not parts(workspace.records / table):
            raise TooFewHires(f"no hire, for there are no {table}", cure=f"ingest {table}")
    every_job, every_member = read_table(workspace.records / "jobs"), read_table(workspace.records / "members")
    jobs, members = _newest(every_job), _newest(every_member)
    events = read_table(workspace.records / "events", EVENT_COLUMNS)
    last = pc.max(events["time"]).as_py()
    people = of_then = read_values(members, jobs, templates)
    if until is not None:
        of_then = read_values(_newest(_before(every_member, until)), _newest(_before(every_job, until)), templates)
        events = _before(events, until, "time")
    learned = learn(of_then, latest(events, "id", "time"), templates, config, people)
    graph = learned.graph
    job_nodes = [graph.of_job(values) for values in people.jobs.values()]
    linked = LinkedJobs.of(job_nodes, graph.quality)
    open_jobs = pl.DataFrame(jobs).select(open_at(last)).to_series().to_numpy()
    member_nodes = [
        until_liquid(graph.of_member(values), linked.rows, open_jobs, config.liquidity, graph.pinned)
        for values in people.members.values()
    ]
    about = LinksManifest(
        quality=config.quality,
        liquidity=config.liquidity,
        until=until,
        knobs=config.model_dump(mode="json", exclude={"templates", "edits"}),
        pairs=tuple(map(str, templates.pairs)),
        level_words=templates.level_words,
        counts=learned.counts,
        edits=tuple(learned.edits),
    )
    store = LinkStore.make(about, graph, list(people.members), member_nodes, list(people.jobs), job_nodes)
    folder = store.save(workspace.links)
    set_current(workspace.links, store.version)
    log.info(
        "links: version %s: %s links of %s candidates from %s hires",
        store.version,
        *(f"{learned.counts[name]:,}" for name in ("links", "candidates", "hires")),
    )
    for line in learned.edits:
        log.info("links: %s", line)
    return folder


def leave_without_links(workspace: Workspace) -> None:
    """No version is the current one; those that are there stay."""
    workspace.links.mkdir(parents=True, exist_ok=True)
    unset_current(workspace.links)


def _before(table: pa.Table, until: datetime, column: str = "updated_at") -> pa.Table:
    return table.filter(pc.less(table[column], until))


def _newest(records: pa.Table) -> pa.Table:
    return latest(records, "id", "updated_at").sort_by("id")
