"""From records and a log to a graph of links, and from a workspace to its stored form."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from contracts.errors import TooFewHires
from contracts.records import Job
from contracts.tables import latest, parts, read_table
from contracts.text.families import Families, learn_families
from contracts.text.verbalizer import job_title
from contracts.time.open import open_at
from contracts.versions import set_current, unset_current, write_text
from contracts.workspace import Workspace
from retrieval.links.candidates import CandidateLinks, enumerate_links, meta_links
from retrieval.links.config import LinksConfig
from retrieval.links.edits import apply_edits, load_edits
from retrieval.links.graph import Link, LinkGraph, until_liquid
from retrieval.links.held_out import DRAWN, held_out_hires
from retrieval.links.outcomes import Outcomes, outcomes
from retrieval.links.quality import hire_shares, l1_weights
from retrieval.links.serve import LinkedJobs
from retrieval.links.store import NONE, LinksManifest, LinkStore
from retrieval.links.templates import Templates, load_templates
from retrieval.links.then import Pairs, pairs_then
from retrieval.links.values import Read, Row, Values, job_values, member_values, no_family

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


def families_of(members: pa.Table, jobs: pa.Table, templates: Templates) -> tuple[str, ...]:
    """The families of the titles of adverts and people (`contracts.text.families`); none where no template asks."""
    if not any("family" in pair for pair in templates.pairs):
        return ()
    titles = [job_title(Job.model_construct(**row)) for row in _rows(jobs.select(["title", "company"]))]
    for row in _rows(members.select(["headline", "positions", "preferences"])):
        titles += [row["headline"] or "", *(one["title"] for one in row["positions"] or ())]
        titles += row["preferences"]["titles"] or ()
    return learn_families(filter(None, titles), templates.title)


def board_titles(workspace: Workspace) -> list[str]:
    """The title of each advert, by its newest record."""
    jobs = read_table(workspace.records / "jobs", ["id", "title", "company", "updated_at"])
    return [job_title(Job.model_construct(**row)) for row in _rows(_newest(jobs))]


def read_values(members: pa.Table, jobs: pa.Table, templates: Templates, family: Read = no_family) -> People:
    """Of records as Arrow (`contracts.records.Member`, `Job`), each id once."""
    return People(
        {row["id"]: member_values(row, templates.title, family) for row in _rows(members)},
        {row["id"]: job_values(row, templates.title, family) for row in _rows(jobs)},
    )


def _rows(table: pa.Table) -> Iterator[Row]:
    for batch in table.to_batches(4_096):
        yield from batch.to_pylist()


def propose(pairs: Pairs, templates: Templates, config: LinksConfig) -> CandidateLinks:
    """The candidate links of pairs. Raises TooFewHires where no combination is in `config.least_hires` hires."""
    metas = [meta_links(*both, templates.pairs) for both in zip(pairs.members, pairs.jobs, strict=True)]
    candidates = enumerate_links(metas, pairs.hired, config.max_size, config.least_hires, config.least_ratio)
    if not len(candidates):
        problem = f"no link is in {config.least_hires} of {pairs.hires:,} hires"
        raise TooFewHires(problem, cure="ingest a longer log, or lower least_hires or least_ratio")
    return candidates


def judge(candidates: CandidateLinks, hired: np.ndarray, config: LinksConfig) -> np.ndarray:
    """(c,) float64: the quality of each candidate. hired: (n,) bool, of the pairs that they were counted over."""
    if config.quality == "ratio":
        return hire_shares(candidates, hired)
    return l1_weights(candidates, hired, config.strength)


def learn(
    pairs: Pairs, templates: Templates, config: LinksConfig, named: People, family: Read = no_family
) -> LearnedGraph:
    """The graph of a log: candidates, judged, kept above the threshold, and edited.

    Args:
        pairs: What is learned from.
        templates: Admissible attribute pairs.
        config: The knobs.
        named: Whose values edits may name.
        family: The family of a title, for edits that name one.

    Raises:
        TooFewHires: There is no hire, or no candidate link.
        BadInput: An edit does not fit.
    """
    decisions = load_edits(
        config.edits,
        frozenset().union(*named.members.values()),
        frozenset().union(*named.jobs.values()),
        templates.title,
        family,
    )
    if not pairs.hired.any() or pairs.hired.all():
        problem = "no hire, or nothing but hires, of members and jobs that are known"
        raise TooFewHires(problem, cure="ingest their records")
    candidates = propose(pairs, templates, config)
    quality = judge(candidates, pairs.hired, config)
    every = {
        ends: Link(*ends, float(value), int(hires), int(non_hires))
        for ends, value, hires, non_hires in zip(
            candidates.links, quality, candidates.hires, candidates.non_hires, strict=True
        )
    }
    kept = [link for link in every.values() if link.quality > config.kept_above]
    links, notes = apply_edits(kept, every, decisions, str(config.edits))
    counts = {
        "hires": pairs.hires,
        "non_hires": len(pairs.hired) - pairs.hires,
        "candidates": len(every),
        "learned": len(kept),
        "links": len(links),
    }
    return LearnedGraph(LinkGraph(links), counts, notes)


def build_links(workspace: Workspace, config: LinksConfig, until: datetime | None = None, blind: bool = False) -> Path:
    """Learn the links of a workspace, write `workspace.links/<version>/`, make it the current one, and return it.

    They are learned of members and jobs as they were when each hire came about, and given to them by their newest
    records. A job counts towards a member's liquidity where it is open at the last event of the log, so that the same
    records give the same version.

    Args:
        workspace: Its records and events are read.
        config: The knobs.
        until: Only what happened before it is learned from, so that later hires can measure the links. None: all.
        blind: Requests of the past from before `until` may be held out too, and are to be asked without links.

    Raises:
        NotReady: A table is missing.
        TooFewHires: There is no hire, no candidate link, or of the hires from `until` on too few tell that the links
            find them.
        BadInput: An edit does not fit.
    """
    templates = load_templates(config.templates)
    for table in ("members", "events"):
        if not parts(workspace.records / table):
            raise TooFewHires(f"no hire, for there are no {table}", cure=f"ingest {table}")
    every_job, every_member = read_table(workspace.records / "jobs"), read_table(workspace.records / "members")
    jobs, members = _newest(every_job), _newest(every_member)
    events = latest(read_table(workspace.records / "events", EVENT_COLUMNS), "id", "time")
    last = pc.max(events["time"]).as_py()
    families = families_of(members, jobs, templates)
    family = Families(families, templates.title).of
    people = read_values(members, jobs, templates, family)

    def then(pairs: Outcomes) -> Pairs:
        return pairs_then(pairs, every_member, every_job, templates.title, family)

    early = pc.less(events["time"], pa.scalar(until or last + timedelta(seconds=1), events["time"].type))
    pairs = outcomes(events.filter(early), config.non_hires, config.non_hires_per_hire, config.seed)
    learned = learn(then(pairs), templates, config, people, family)
    graph, held_out = learned.graph, None
    later = events.filter(pc.invert(early))
    if pc.any(pc.equal(later["action"], "hire")).as_py():
        held_out = held_out_hires(graph, then(outcomes(later, "drawn", DRAWN, config.seed, events["job_id"])))
    if held_out is not None and config.proven and not held_out.is_proof:
        raise TooFewHires(
            f"{learned.counts['hires']:,} hires taught {len(graph):,} links, which is not proven: {held_out}",
            cure="ingest a longer log; `links: {proven: false}` serves them all the same",
        )
    job_nodes = [graph.of_job(values) for values in people.jobs.values()]
    linked = LinkedJobs.of(job_nodes, graph.quality)
    open_jobs = pl.DataFrame(jobs).select(open_at(last)).to_series().to_numpy()
    member_nodes = [
        until_liquid(graph.of_member(values), linked.rows, open_jobs, config.liquidity, graph.pinned)
        for values in people.members.values()
    ]
    counts = {**learned.counts, "members": len(member_nodes), "members_linked": sum(map(bool, map(len, member_nodes)))}
    about = LinksManifest(
        quality=config.quality,
        liquidity=config.liquidity,
        until=until,
        blind=blind,
        knobs=config.model_dump(mode="json", exclude={"templates", "edits"}),
        pairs=tuple(map(str, templates.pairs)),
        level_words=templates.level_words,
        families=families,
        counts=counts,
        held_out=held_out,
        edits=tuple(learned.edits),
    )
    store = LinkStore.make(about, graph, list(people.members), member_nodes, list(people.jobs), job_nodes)
    folder = store.save(workspace.links)
    set_current(workspace.links, store.version)
    log.info("links: version %s: %s", store.version, about.told)
    for line in learned.edits:
        log.info("links: %s", line)
    return folder


def leave_without_links(workspace: Workspace, why: str) -> None:
    """No version is the current one, and `NONE` says why; those that are there stay."""
    write_text(workspace.links / NONE, why + "\n")
    unset_current(workspace.links)


def _newest(records: pa.Table) -> pa.Table:
    return latest(records, "id", "updated_at").sort_by("id")
