"""The pairs of a training set as places in the market graph, and what is read of the graph for them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
import pyarrow.compute as pc
from scipy.sparse import csr_matrix

from contracts.errors import BadInput, NotReady
from contracts.features import JOB_KEY, JOB_VECTOR, MEMBER_KEY, MEMBER_VECTOR
from contracts.tables import parts, read_table
from contracts.workspace import Workspace
from history.as_of import KNOWN, first_known
from history.graph.config import WalkConfig
from history.graph.density import densify
from history.graph.graph import KINDS, Graph, build_graph, micros
from history.graph.walks import Queries, walk
from models.teachers.graph.config import GraphConfig
from models.training.rows import Rows

log = logging.getLogger("rolecall")

NAMED = ("company", "title", "skill", "way")
"""Kinds whose nodes are names, which are read as titles are."""


@dataclass(frozen=True)
class Side:
    """The distinct neighbourhoods of one side of some pairs: of members, or of jobs.

    Attributes:
        queries: The neighbourhoods.
        of_pair: (n,) int64 the neighbourhood of each pair.
    """

    queries: Queries
    of_pair: np.ndarray


class Market:
    """Pairs in the graph: who asks, when, for which job, and vectors of all nodes.

    Attributes:
        graph: As of all that is known; walks see what was known before each pair's request.
        vectors: (nodes, dim) float32 of unit length, zeros where a node has no text.
        known: (nodes,) int64 microseconds since when each vector is known; before, zeros are read in its place.
        member: (n,) int64 node of each row's member; -1 where nobody in particular asked, or nothing is known of them.
        job: (n,) int64 node of each row's job; -1 where nothing is known of it.
        time: (n,) int64 microseconds of each row's request.
    """

    def __init__(
        self,
        graph: Graph,
        vectors: np.ndarray,
        known: np.ndarray,
        member: np.ndarray,
        job: np.ndarray,
        time: np.ndarray,
    ) -> None:
        self.graph, self.vectors, self.known = graph, checked(graph, vectors), known
        self.member, self.job, self.time = member, job, time

    def told(self, nodes: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Whether the vectors of nodes were known at some times, of one shape; False where a node is -1."""
        return (nodes >= 0) & (self.known[np.maximum(nodes, 0)] <= times)

    @cached_property
    def _met(self) -> np.ndarray:
        """Sorted keys member * nodes + job of all pairs with an edge between them, whenever it came."""
        opened, target = self.graph.adjacency["opened"], np.arange(len(self.graph))
        source = np.repeat(target, np.diff(opened.starts))
        return np.unique(source * len(self.graph) + opened.target)

    def side(self, rows: np.ndarray, which: str) -> Side:
        """The neighbourhoods of the members or of the jobs of some rows; which: "member" or "job"."""
        origin, other = (self.member, self.job) if which == "member" else (self.job, self.member)
        met = np.isin(self.member[rows] * len(self.graph) + self.job[rows], self._met)
        barred = np.where(met & (self.member[rows] >= 0), other[rows], -1)  # without an edge nothing need be barred
        keys = np.stack([origin[rows], self.time[rows], barred], axis=1)
        distinct, of_pair = np.unique(keys, axis=0, return_inverse=True)
        return Side(Queries(distinct[:, 0], distinct[:, 1], distinct[:, 2]), of_pair.ravel())

    def reached(self, side: Side, paths: Mapping[str, Sequence[str]], config: WalkConfig) -> dict[str, Walked]:
        """By metapath, what each neighbourhood of a side reaches."""
        return {name: Walked.of(self.graph, path, side.queries, config) for name, path in paths.items()}


@dataclass(frozen=True)
class Walked:
    """The walks of a metapath from q queries, as sparse (q, nodes): chances, and numbers of ways."""

    weight: csr_matrix
    ways: csr_matrix

    @classmethod
    def of(cls, graph: Graph, path: Sequence[str], queries: Queries, config: WalkConfig) -> Walked:
        found = walk(graph, path, queries, config)
        shape = (len(queries.origins), len(graph))
        place = (found.query, found.node)
        return cls(csr_matrix((found.weight, place), shape), csr_matrix((found.ways, place), shape))

    def means(self, vectors: np.ndarray, market: Market, times: np.ndarray) -> np.ndarray:
        """(q, dim) float32 weighted means of the vectors that are reached; zeros where nothing is.

        vectors: (nodes, dim); one that was not known at the query's time (q,) counts as zeros.
        """
        found = self.weight.tocoo()
        weight = np.where(market.told(found.col, times[found.row]), found.data, 0.0)
        return np.asarray(csr_matrix((weight, (found.row, found.col)), found.shape) @ vectors, np.float32)

    @property
    def found(self) -> np.ndarray:
        """(q,) bool: whether anything is reached."""
        return np.diff(self.weight.indptr) > 0


def open_market(workspace: Workspace, rows: Rows, config: GraphConfig) -> Market:
    """The market of a workspace, for the rows of its training set.

    Raises:
        NotReady: Records or the encoder are absent.
        BadInput: A vector is not finite.
    """
    keys = ["list_id", "member_id", "event_timestamp", "split"]
    lists = pl.DataFrame(read_table(workspace.training, keys)).unique("list_id")
    asked = pl.DataFrame({"list_id": rows.list_ids}).join(lists, on="list_id", how="left", maintain_order="left")
    time = micros(asked["event_timestamp"])
    later = lists.filter(pl.col("split") != "train")["event_timestamp"].min()
    graph = build_graph(workspace, later)  # type: ignore[arg-type]
    vectors, known = node_vectors(workspace, graph)
    if config.densify:
        shares = np.arange(config.snapshots) / config.snapshots
        moments = np.unique(np.quantile(np.unique(time), shares, method="lower")).astype(np.int64)
        graph = densify(graph, vectors, known, moments.tolist(), config.near)
    members = np.where(asked["member_id"] == "", -1, graph.nodes("member", asked["member_id"].to_numpy().astype(str)))
    return Market(graph, vectors, known, members, graph.nodes("job", rows.job_ids.astype(str)), time)


def node_vectors(workspace: Workspace, graph: Graph) -> tuple[np.ndarray, np.ndarray]:
    """The frozen text vectors of all nodes (nodes, dim) float32, by the workspace's encoder, and when each came.

    Of members and jobs the vector of the first text that was known of them and has one (of a member often the newest
    text alone); of companies, titles and skills that of the name. A member or job without a text has zeros. Times are
    (nodes,) int64 microseconds since when each is known; a name is known as soon as an edge leads to it.

    Raises:
        NotReady: There is no encoder, or none of the vectors is its own.
    """
    from retrieval.encoder import TextEncoder

    encoder = TextEncoder(workspace.encoder)
    made_by = pc.field("encoder_version") == encoder.version
    vectors = np.zeros((len(graph), encoder.dim), np.float32)
    known = np.full(len(graph), np.iinfo(np.int64).min)
    for kind, view, key in (("member", MEMBER_VECTOR, MEMBER_KEY), ("job", JOB_VECTOR, JOB_KEY)):
        if not parts(workspace.features / view):
            log.warning("graph: no vectors of %ss, their texts are not read: run `rolecall embed`", kind)
            continue
        table = read_table(workspace.features / view, [key, "vector", *KNOWN], filter=made_by)
        if not table.num_rows:
            what = f"no vector of a {kind} is by the encoder {encoder.version}"
            raise NotReady(what, where=str(workspace.features / view), cure="run `rolecall embed` first")
        table = first_known(table, key, *KNOWN)
        nodes = graph.nodes(kind, table[key].to_numpy().astype(str))
        values = np.asarray(table["vector"].combine_chunks().flatten().to_numpy(), np.float32)
        vectors[nodes[nodes >= 0]] = values.reshape(len(nodes), -1)[nodes >= 0]
        since = pl.DataFrame(table.select(KNOWN)).select(pl.max_horizontal(*KNOWN).alias("known"))["known"]
        known[nodes[nodes >= 0]] = micros(since)[nodes >= 0]
    for kind in NAMED:
        names = graph.keys.get(kind, np.zeros(0, str))
        if len(names):
            vectors[graph.first[kind] : graph.first[kind] + len(names)] = encoder.titles(names.tolist())
    return vectors, known


def checked(graph: Graph, vectors: np.ndarray) -> np.ndarray:
    """The vectors. Raises BadInput for one that is not finite; the message names its node."""
    broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(broken):
        node = int(broken[0])
        kind = KINDS[int(graph.kinds()[node])]
        key = graph.keys[kind][node - graph.first[kind]]
        what = f"{len(broken)} node vectors are not finite, the first is of {kind} {key!r}"
        raise BadInput(what, where="node vectors", cure="run `rolecall embed` again")
    return vectors
