"""The market graph: members, jobs, companies, families of titles, skills and ways of working, and typed edges between.

An edge says since when and until when it was known.

Edges are columns, sorted by where they start and when they begin, so that all that is known of a node at a moment is a
run of rows: no snapshot is kept, and what is later than a request cannot be read. An edge at the very time of a request
is not known to it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
import polars as pl

from contracts.errors import NotReady
from contracts.text.families import Families, learn_families
from contracts.versions import content_hash
from contracts.workspace import Workspace
from history.graph.edges import FOREVER, SCHEMA, TIME, company_name, of_events, of_records, title_name, versions

log = logging.getLogger("rolecall")

KINDS = ("member", "job", "company", "title", "skill", "way")


class Relation(NamedTuple):
    """A relation's kinds of nodes, from `source` to `target`."""

    source: str
    target: str


RELATIONS: Mapping[str, Relation] = {
    "opened": Relation("member", "job"),
    "applied": Relation("member", "job"),
    "worked_at": Relation("member", "company"),
    "held_title": Relation("member", "title"),
    "wants_title": Relation("member", "title"),
    "has_skill": Relation("member", "skill"),
    "posted_by": Relation("job", "company"),
    "has_title": Relation("job", "title"),
    "asks_skill": Relation("job", "skill"),
    "wants_way": Relation("member", "way"),
    "has_way": Relation("job", "way"),
    "like_member": Relation("member", "member"),
    "like_job": Relation("job", "job"),
}
"""Each is walked both ways, backwards as `~name`. `history.graph.density` makes those that are named `like_...`."""


@dataclass(frozen=True)
class Adjacency:
    """The edges of one relation in one direction, by the node where they start, then by `since`.

    Attributes:
        starts: (nodes + 1,) int64, where each node's run begins.
        target: (edges,) int32 nodes.
        since: (edges,) int64 microseconds; the edge is known after it.
        until: (edges,) int64 microseconds at which it ends.
    """

    starts: np.ndarray
    target: np.ndarray
    since: np.ndarray
    until: np.ndarray

    def known(self, nodes: np.ndarray, times: np.ndarray) -> np.ndarray:
        """(n,) int64: the end of the run of edges of each node (n,) that began before its time (n,), by bisection."""
        low, high = self.starts[nodes].copy(), self.starts[nodes + 1].copy()
        while (open_ := low < high).any():
            middle = (low + high) // 2
            earlier = open_ & (self.since[np.minimum(middle, len(self.since) - 1)] < times)
            low = np.where(earlier, middle + 1, low)
            high = np.where(open_ & ~earlier, middle, high)
        return low

    def degrees(self, time: int) -> np.ndarray:
        """(nodes,) int64: edges of each node that are known at a moment."""
        holds = (self.since < time) & (self.until > time)
        total = np.concatenate([[0], np.cumsum(holds)])
        return np.asarray(total[self.starts[1:]] - total[self.starts[:-1]])


@dataclass(frozen=True)
class Graph:
    """The graph of a market.

    Attributes:
        keys: Kind -> the keys of its nodes, sorted: ids, or names of companies, titles and skills.
        first: Kind -> number of its first node; nodes of a kind are numbered on from there.
        adjacency: Relation, forwards as its name and backwards as "~name" -> its edges; a relation without edges too.
        dropped: Edges that were left out, by cause.
        version: Twelve hex digits of nodes and edges.
    """

    keys: Mapping[str, np.ndarray]
    first: Mapping[str, int]
    adjacency: Mapping[str, Adjacency]
    dropped: Mapping[str, int]
    version: str

    def __len__(self) -> int:
        """Nodes of all kinds."""
        return sum(map(len, self.keys.values()))

    def nodes(self, kind: str, keys: np.ndarray) -> np.ndarray:
        """(n,) int64 nodes of keys (n,) of a kind; -1 where there is no such node."""
        of_kind = self.keys[kind]
        if not len(of_kind):
            return np.full(len(keys), -1, np.int64)
        place = np.minimum(np.searchsorted(of_kind, keys), len(of_kind) - 1)
        return np.where(of_kind[place] == keys, place + self.first[kind], -1)

    def kinds(self) -> np.ndarray:
        """(nodes,) int8: the place of each node's kind in `KINDS`."""
        return np.repeat(np.arange(len(KINDS), dtype=np.int8), [len(self.keys[kind]) for kind in KINDS])


def build_graph(workspace: Workspace, titles_until: datetime | None = None) -> Graph:
    """The graph of a workspace's records and events.

    A relation of which nothing is known has no edges; a node that an edge names and no record has (a visitor, a job
    that only events know) is a node all the same. Edges from a node to itself are left out and counted.

    Args:
        workspace: With records.
        titles_until: Families of titles are learned from what records said by then; None: from all of them.

    Raises:
        NotReady: There are neither events nor records.
    """
    members, jobs = versions(workspace, "members"), versions(workspace, "jobs")
    family = _families(members, jobs, titles_until)
    positions = pl.col("positions").list.eval(pl.element().struct.field("company"))
    held = pl.col("positions").list.eval(pl.element().struct.field("title"))
    wanted = pl.col("preferences").struct.field("titles")
    ways = pl.col("preferences").struct.field("workplace")
    tables = of_events(workspace) | {
        "worked_at": of_records(members, positions, company_name),
        "held_title": of_records(members, held, family),
        "wants_title": of_records(members, wanted, family),
        "has_skill": of_records(members, pl.col("skills"), title_name),
        "posted_by": of_records(jobs, pl.col("company"), company_name),
        "has_title": of_records(jobs, pl.col("title"), family),
        "wants_way": of_records(members, ways, str),
        "has_way": of_records(jobs, pl.col("workplace"), str),
        "asks_skill": of_records(jobs, pl.col("skills"), title_name),
    }
    if members.is_empty() and jobs.is_empty() and all(edges.is_empty() for edges in tables.values()):
        raise NotReady(f"no records in {workspace.root}", cure="run `rolecall ingest` first")
    return make_graph(tables, {"member": members["id"].unique(), "job": jobs["id"].unique()})


def make_graph(tables: Mapping[str, pl.DataFrame], nodes: Mapping[str, pl.Series] | None = None) -> Graph:
    """A graph of edges by relation.

    Args:
        tables: Relation -> `edges.SCHEMA`, whose keys are of the relation's kinds.
        nodes: Kind -> keys of nodes that may have no edge.

    Returns:
        The graph; relations that are absent have no edges.
    """
    known: dict[str, list[pl.Series]] = {kind: [] for kind in KINDS}
    for kind, named in (nodes or {}).items():
        known[kind].append(named.cast(pl.String))
    for name, edges in tables.items():
        for end in ("source", "target"):
            known[getattr(RELATIONS[name], end)].append(edges[end])
    empty = pl.Series([], dtype=pl.String)
    keys = {kind: pl.concat([empty, *found]).unique().sort().to_numpy().astype(str) for kind, found in known.items()}
    sizes = np.cumsum([0, *(len(keys[kind]) for kind in KINDS)])
    graph = Graph(keys, dict(zip(KINDS, sizes.tolist(), strict=False)), {}, {}, "")
    columns, loops = {}, 0
    for name, (source, target) in RELATIONS.items():
        edges = tables.get(name, pl.DataFrame(schema=SCHEMA))
        ends = [
            graph.nodes(kind, edges[end].to_numpy().astype(str))
            for kind, end in ((source, "source"), (target, "target"))
        ]
        itself = ends[0] == ends[1]
        loops += int(itself.sum())
        times = (edges["since"].to_numpy(), edges["until"].to_numpy())
        columns[name] = tuple(column[~itself] for column in (*ends, *times))
    if loops:
        log.warning("graph: %d edges from a node to itself are left out", loops)
    return assembled(graph.keys, graph.first, columns, {"self-loops": loops})


Columns = tuple[np.ndarray, ...]
"""source, target, since, until of the edges of a relation, (edges,) int64 each."""


def assembled(
    keys: Mapping[str, np.ndarray], first: Mapping[str, int], columns: Mapping[str, Columns], dropped: Mapping[str, int]
) -> Graph:
    """The graph of nodes and of edges that are given by node number."""
    nodes = sum(map(len, keys.values()))
    adjacency = {}
    for name, (source, target, since, until) in columns.items():
        adjacency[name] = _sorted(source, target, since, until, nodes)
        adjacency[f"~{name}"] = _sorted(target, source, since, until, nodes)
    stored = [adjacency[name] for name in sorted(columns)]
    edges = [column.tobytes() for one in stored for column in (one.starts, one.target, one.since, one.until)]
    version = content_hash([*("\n".join(keys[kind]) for kind in KINDS), *sorted(columns), *edges])
    return Graph(keys, first, adjacency, dropped, version)


def columns_of(graph: Graph, name: str) -> Columns:
    """The edges of a relation by node number, as `assembled` takes them."""
    one = graph.adjacency[name]
    source = np.repeat(np.arange(len(graph)), np.diff(one.starts))
    return source, one.target.astype(np.int64), one.since, one.until


def without(graph: Graph, *names: str) -> Graph:
    """The graph without the edges of some relations."""
    none = np.zeros(0, np.int64)
    columns = {name: (none,) * 4 if name in names else columns_of(graph, name) for name in RELATIONS}
    return assembled(graph.keys, graph.first, columns, graph.dropped)


def micros(times: pl.Series) -> np.ndarray:
    """(n,) int64 microseconds since 1970 of times in UTC."""
    return times.cast(TIME).cast(pl.Int64).to_numpy()


def _sorted(source: np.ndarray, target: np.ndarray, since: np.ndarray, until: np.ndarray, nodes: int) -> Adjacency:
    order = np.lexsort((target, since, source))
    starts = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=nodes))]).astype(np.int64)
    return Adjacency(
        starts, target[order].astype(np.int32), since[order].astype(np.int64), until[order].astype(np.int64)
    )


def _families(members: pl.DataFrame, jobs: pl.DataFrame, until: datetime | None) -> Callable[[str], str]:
    """Reads a title as the key of its node: its family, or its own stems where it is of none."""
    at = FOREVER if until is None else int(pl.Series([until]).cast(TIME).cast(pl.Int64)[0])
    titles: list[str] = []
    if "title" in jobs.columns:
        titles += jobs.filter(pl.col("since") < at)["title"].to_list()
    if "positions" in members.columns:
        held = members.filter(pl.col("since") < at).select(
            pl.col("positions").list.eval(pl.element().struct.field("title")).alias("title")
        )
        titles += held["title"].explode().drop_nulls().to_list()
    families = Families(learn_families(titles))
    return lambda title: families.of(title) or title_name(title)
