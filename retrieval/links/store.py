"""The stored form of learned links: a folder of Parquet and JSON, named by its content, written whole or not at all.

about.json        LinksManifest: knobs, templates, counts, every edit with who, when, why and what it did
links.parquet     one row a node: member, job (lists of "attribute=value"), quality, hires, non_hires, pinned, note
members.parquet   member_id, nodes: what a key-value store would hold
jobs.parquet      job_id, nodes: the attribute that an index would hold
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from contracts.errors import IndexMismatch, NotReady
from contracts.text.families import Families
from contracts.validation import first_line, typed
from contracts.values import FrozenModel
from contracts.versions import current, staged_folder
from contracts.workspace import Workspace
from retrieval.engines.hits import Hits
from retrieval.links.graph import Link, LinkGraph, until_liquid
from retrieval.links.held_out import HeldOutHires
from retrieval.links.serve import LinkedJobs, Score
from retrieval.links.templates import Templates
from retrieval.links.values import Read, Row, Value, job_values, member_values

ABOUT = "about.json"
NONE = "NONE"
"""Beside the versions: why there is no current one."""
FORMAT = 5
_AGAIN = "run `rolecall links learn`"
_LINKS = pa.schema(
    [
        ("member", pa.list_(pa.string())),
        ("job", pa.list_(pa.string())),
        ("quality", pa.float64()),
        ("hires", pa.int64()),
        ("non_hires", pa.int64()),
        ("pinned", pa.bool_()),
        ("note", pa.string()),
    ]
)


class LinksManifest(FrozenModel):
    """about.json.

    Attributes:
        until: Hires before it were learned from; None: all of the log.
        families: Of the board's titles (`contracts.text.families`).
        blind: Requests of the past from before `until` are asked without links, which may know what came of them.
        held_out: How the hires from `until` on are found; None: there are none.
    """

    format: int = FORMAT
    version: str = ""
    quality: str
    liquidity: int
    until: datetime | None = None
    blind: bool = False
    knobs: Mapping[str, Any]
    pairs: tuple[str, ...]
    level_words: tuple[str, ...]
    families: tuple[str, ...] = ()
    counts: Mapping[str, int]
    held_out: HeldOutHires | None = None
    edits: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """What was learned and how good it is, in a line."""
        told = "{links:,} links of {candidates:,} candidates from {hires:,} hires".format(**self.counts)
        told += "; {members_linked:,} of {members:,} members have one".format(**self.counts)
        return f"{told}; {self.held_out}" if self.held_out else told

    def knows(self, time: datetime) -> bool:
        """Whether the links may know what came of a request of this time."""
        return self.blind and self.until is not None and time < self.until


class LinkStore:
    """A graph, the nodes that each member was given, and the jobs of each node; a job's row: its place in `job_ids`.

    That of an index holds the index's jobs, row for row.
    """

    def __init__(
        self,
        about: LinksManifest,
        graph: LinkGraph,
        members: Mapping[str, np.ndarray],
        job_ids: Sequence[str],
        job_nodes: Sequence[np.ndarray],
    ) -> None:
        self.about, self.graph, self.job_ids = about, graph, list(job_ids)
        self.jobs = LinkedJobs.of(job_nodes, graph.quality)
        self._members, self._job_nodes = members, list(job_nodes)
        self._row = {job_id: row for row, job_id in enumerate(self.job_ids)}

    @classmethod
    def make(
        cls,
        about: LinksManifest,
        graph: LinkGraph,
        member_ids: Sequence[str],
        member_nodes: Sequence[np.ndarray],
        job_ids: Sequence[str],
        job_nodes: Sequence[np.ndarray],
    ) -> LinkStore:
        """A new one, whose version is that of its content."""
        members = dict(zip(member_ids, member_nodes, strict=True))
        unnamed = cls(about, graph, members, job_ids, job_nodes)
        unnamed.about = about.model_copy(update={"version": unnamed._content_version()})
        return unnamed

    @property
    def version(self) -> str:
        return self.about.version

    def nodes(self, member_id: str) -> np.ndarray:
        """(q,) int32 ascending, best first: what the member was given; none for a member who is not known."""
        return self._members.get(member_id, np.zeros(0, np.int32))

    def knows(self, member_id: str) -> bool:
        return member_id in self._members

    def search(self, member_id: str, k: int, mask: np.ndarray | None = None, score: Score = "best") -> Hits:
        """The k jobs that share a node with the member; see `LinkedJobs.search`."""
        return self.jobs.search(self.nodes(member_id), k, mask, score)

    def shared(self, member_id: str, row: int) -> list[Link]:
        """Why a job is found: the links that it and the member have both, best first."""
        both = np.intersect1d(self.nodes(member_id), self._job_nodes[row])
        return [self.graph.links[node] for node in both]

    def nodes_of(self, member: Row, open_jobs: np.ndarray) -> np.ndarray:
        """(q,) int32 ascending, best first: the nodes of someone known by their record alone.

        member: `contracts.records.Member` as a dict; open_jobs: (n,) bool by row, what counts towards the liquidity.
        """
        nodes = self.graph.of_member(member_values(member, *self._reading))
        return until_liquid(nodes, self.jobs.rows, open_jobs, self.about.liquidity, self.graph.pinned)

    def reasons(self, nodes: np.ndarray, rows: np.ndarray) -> list[str]:
        """Why each of `rows` is found by `nodes`: its best shared link in a sentence; empty where it shares none."""
        best = self.jobs.best_shared(nodes, rows).tolist()
        sentences = {node: self.graph.links[node].explain() for node in set(best) if node >= 0}
        return [sentences.get(node, "") for node in best]

    def over(self, jobs: Iterable[Row]) -> LinkStore:
        """The same graph and members over other jobs, such as an index's: their nodes are read from their records."""
        ids, nodes = [], []
        for row in jobs:
            ids.append(row["id"])
            nodes.append(self.graph.of_job(job_values(row, *self._reading)))
        return LinkStore.make(self.about, self.graph, list(self._members), list(self._members.values()), ids, nodes)

    def family(self, title: str) -> str:
        """The family of a title; empty where it is of none."""
        return self._reading[1](title)

    @cached_property
    def _reading(self) -> tuple[Read, Read]:
        """How a title is read, and its family."""
        title = Templates.model_validate({"pairs": self.about.pairs, "level_words": self.about.level_words}).title
        return title, Families(self.about.families, title).of

    def save(self, folder: Path) -> Path:
        """Write `<folder>/<version>/`, whole or not at all, and return it; nothing is done where it is there."""
        target = folder / self.version
        if (target / ABOUT).is_file():
            return target
        with staged_folder(target) as staged:
            self.write(staged)
        return target

    def write(self, folder: Path) -> None:
        """Write the parts into a folder, for `load`."""
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(self._links(), folder / "links.parquet")
        pq.write_table(_nodes("member_id", self._members.keys(), self._members.values()), folder / "members.parquet")
        pq.write_table(_nodes("job_id", self.job_ids, self._job_nodes), folder / "jobs.parquet")
        (folder / ABOUT).write_text(self.about.model_dump_json(indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> LinkStore:
        """What `save` wrote. Raises NotReady where there is nothing, IndexMismatch where a part is broken or edited."""
        try:
            about = LinksManifest.model_validate_json((folder / ABOUT).read_bytes())
        except FileNotFoundError as error:
            raise NotReady(f"no links in {folder}", cure=_AGAIN) from error
        except ValidationError as error:
            raise typed(error, IndexMismatch, where=str(folder / ABOUT), cure=_AGAIN) from error
        try:
            links = [_link(row) for row in pq.read_table(folder / "links.parquet").to_pylist()]
            members = _read_nodes(folder / "members.parquet")
            jobs = _read_nodes(folder / "jobs.parquet")
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            problem = f"a part is missing or broken: {first_line(error)}"
            raise IndexMismatch(problem, where=str(folder), cure=_AGAIN) from error
        store = cls(about, LinkGraph(links), members, list(jobs), list(jobs.values()))
        if store._content_version() != about.version:
            problem = f"version {about.version} is not that of its content"
            raise IndexMismatch(problem, where=str(folder), cure="edit the file of edits instead, and " + _AGAIN)
        return store

    def _links(self) -> pa.Table:
        rows = [
            link._asdict() | {"member": list(map(str, link.member)), "job": list(map(str, link.job))}
            for link in self.graph.links
        ]
        return pa.Table.from_pylist(rows, schema=_LINKS)

    def _content_version(self) -> str:
        """Twelve hex digits over everything but the version itself."""
        digest = hashlib.blake2b(digest_size=6)
        about = self.about.model_dump(mode="json", exclude={"version"})
        for text in (about, self._links().to_pylist(), list(self._members), self.job_ids):
            digest.update(json.dumps(text, sort_keys=True).encode())
        for nodes in (*self._members.values(), *self._job_nodes):
            digest.update(len(nodes).to_bytes(4, "little") + nodes.astype("<i4").tobytes())
        return digest.hexdigest()


def current_links(workspace: Workspace) -> Path | None:
    """The folder of the workspace's links; None where none were learned."""
    return current(workspace.links)


def why_none(workspace: Workspace) -> str:
    """Why `rolecall links learn --or-none` left the workspace without links; empty where it did not."""
    path = workspace.links / NONE
    return path.read_text("utf-8").strip() if path.is_file() and current_links(workspace) is None else ""


def _link(row: Mapping[str, Any]) -> Link:
    member, job = (tuple(Value(*text.split("=", 1)) for text in row[side]) for side in ("member", "job"))
    return Link(**{**row, "member": member, "job": job})


def _nodes(name: str, ids: Iterable[str], nodes: Iterable[np.ndarray]) -> pa.Table:
    return pa.table({name: pa.array(list(ids), pa.string()), "nodes": pa.array(list(nodes), pa.list_(pa.int32()))})


def _read_nodes(path: Path) -> dict[str, np.ndarray]:
    table = pq.read_table(path)
    lists = [np.array(nodes, np.int32) for nodes in table["nodes"].to_pylist()]
    return dict(zip(table.column(0).to_pylist(), lists, strict=True))
