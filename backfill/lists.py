"""Lists for every member: what the service would answer each at one time, made beforehand for an e-mail or a page.

The answers are those of `serving.answering.Answerer`, with the same bundle, index, rules and surfaces. What is known of
a member is read from the offline tables as of the plan's time and not from the online store, so that the nightly run
takes nothing from those who ask at the same time, and that a run which goes on later makes the same lists.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backfill.product import Maker, Piece, Product
from backfill.versions import Plan, finished_parts, read_manifest
from contracts.activity import Activity
from contracts.arrow import TIME
from contracts.bundle import read_manifest as read_bundle
from contracts.erased import ErasedMembers
from contracts.errors import BadInput, NotReady, NotWritten
from contracts.features import CREATED_TIME, EVENT_TIME, MEMBER_ACTIVITY, MEMBER_ENCODING, MEMBER_KEY, MEMBER_TEXT
from contracts.machine import cores
from contracts.tables import parts, read_table, reading
from contracts.time.as_of import newest_rows
from contracts.versions import content_hash, json_hash, require_current, staged_file
from contracts.workspace import Workspace
from feature_repo.online import MemberRow, OnlineMembers
from retrieval.engines.side_by_side import one_core
from retrieval.index.manifest import read_index_manifest
from retrieval.rules.rules import find_rules
from serving.answering import Answerer
from serving.config import CacheConfig, ServeConfig
from serving.limits import MAX_K
from serving.metrics import Metrics
from serving.recovery import read_unclicked
from serving.schemas import Answer, RecommendRequest
from serving.servable import load_servable
from serving.slates import Slate
from serving.surfaces.surface import Surface, find_surfaces

FORMAT = 1
"""Version of the rows: raise it when the same inputs make other ones."""
SCHEMA = pa.schema(
    [
        pa.field("list_id", pa.string(), nullable=False),
        pa.field(MEMBER_KEY, pa.string(), nullable=False),
        pa.field("surface", pa.string(), nullable=False),
        pa.field("position", pa.int32(), nullable=False),  # from 1
        pa.field("job_id", pa.string(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        pa.field("company", pa.string(), nullable=False),
        pa.field("location", pa.string(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("good_match", pa.float64()),
        pa.field("probabilities", pa.map_(pa.string(), pa.float64()), nullable=False),
        pa.field("propensity", pa.float64()),  # null: it stood there for certain
        pa.field("found_by", pa.list_(pa.string()), nullable=False),
        pa.field("why", pa.list_(pa.string()), nullable=False),
        pa.field("member_known", pa.bool_(), nullable=False),
        pa.field("time", TIME, nullable=False),
        pa.field("bundle_version", pa.string(), nullable=False),
        pa.field("index_version", pa.string(), nullable=False),
        pa.field("text_version", pa.string(), nullable=False),
        pa.field("rules_version", pa.string(), nullable=False),
    ]
)
MEMBERS = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in (MEMBER_KEY, "text", "text_version", "location", "activity")),
        pa.field("encoding", pa.binary()),
    ]
)
"""What is known of a member, null where it is not."""
_KNOWN = {
    MEMBER_TEXT: ["text", "text_version", "location"],
    MEMBER_ACTIVITY: ["activity"],
    MEMBER_ENCODING: ["encoding"],
}
PIECE_MEMBERS = 20_000
"""Members whose rows are read at once: 200 MB at most."""
_OF_A_LIST = (
    *("list_id", MEMBER_KEY, "surface", "member_known", "time"),
    *("bundle_version", "index_version", "text_version", "rules_version"),
)


class Lists(Product):
    """The first k jobs of each member on each surface that asks for a member."""

    name = "lists"
    key: Mapping[str, str] = {"": MEMBER_KEY}
    order: Sequence[str] = (MEMBER_KEY,)
    part_rows = 256
    alone, exact = True, False

    def __init__(self, config: ServeConfig, surfaces: Sequence[str] = (), k: int | None = None) -> None:
        """Set what is made.

        Args:
            config: The knobs of the service: its rules, trials and device hold here too.
            surfaces: By name; empty: every surface that asks for a member and gives jobs.
            k: Jobs a list; None: as many as the surface shows.

        Raises:
            BadInput: k is out of bounds.
        """
        if k is not None and not 1 <= k <= MAX_K:
            raise BadInput(f"k is {k}", where="k", cure=f"from 1 to {MAX_K}")
        self._config = config.model_copy(
            update={"cache": CacheConfig(vectors_mb=0, prefixes_mb=0, scores_mb=0), "changes": None}
        )
        self._surfaces, self._k = tuple(surfaces), k

    def folder(self, workspace: Workspace) -> Path:
        """`lists` of the workspace."""
        return workspace.root / "lists"

    def inputs(self, workspace: Workspace) -> dict[str, Any]:
        """Bundle, index, rules, surfaces and what else decides a list.

        Raises:
            NotReady: There is no bundle or index.
            BundleMismatch, IndexMismatch: One of them was altered, or is of another format.
            BadInput: There is no such surface, or it does not ask for a member.
        """
        bundle, index = self._config.folders(workspace)
        surfaces = self._asked(workspace)
        return {
            "format": FORMAT,
            "bundle": read_bundle(bundle).version,
            "index": read_index_manifest(index).version,
            "rules": find_rules(workspace, self._config.rules).version,
            "surfaces": {name: json_hash(surface.model_dump(mode="json")) for name, surface in surfaces.items()},
            "trials": json_hash(self._config.trials.model_dump(mode="json")),
            "arms": [
                [read_bundle(of_arm).version, read_index_manifest(its_index).version]
                for of_arm, its_index in self._config.trials.folders
            ],
            "k": self._k,
        }

    def pieces(self, workspace: Workspace, time: datetime) -> list[Piece]:
        """The members who have a text as of a time and were not erased, some thousands of them each."""
        known = _as_of(workspace.features / MEMBER_TEXT, time, [])
        erased = ErasedMembers(workspace)
        members = sorted(member for member in known[MEMBER_KEY].to_list() if member not in erased)
        some = [members[start : start + PIECE_MEMBERS] for start in range(0, len(members), PIECE_MEMBERS)]
        names = [json_hash([MEMBERS.names, of_piece]) for of_piece in some]
        return [Piece(name, "", {"": len(of)}, (time, of)) for name, of in zip(names, some, strict=True)]

    def read(self, workspace: Workspace, piece: Piece) -> Iterator[pa.Table]:
        """What is known of the members: rows of `MEMBERS`. A pass over the tables a piece, and none a part."""
        time, members = piece.what
        rows = pl.DataFrame({MEMBER_KEY: members}, {MEMBER_KEY: pl.String})
        for view, columns in _KNOWN.items():
            known = _as_of(workspace.features / view, time, columns, members).select(MEMBER_KEY, *columns)
            rows = rows.join(known, on=MEMBER_KEY, how="left", maintain_order="left")
        yield rows.to_arrow().cast(MEMBERS)

    def open(self, workspace: Workspace, plan: Plan, threads: int | None) -> Maker:
        """Loads the bundle and the index that the plan names.

        As many members as `threads` are answered at once, each on one core, as the service answers many: what lies
        between two calls of a model is done on one core anyway.

        Raises:
            NotReady: What else decides a list is another now than when it was planned.
        """
        bundle, index = workspace.bundles / plan.inputs["bundle"], workspace.indexes / plan.inputs["index"]
        config = self._config.model_copy(
            update={
                "bundle": self._config.bundle or bundle,
                "index": self._config.index or index,
                "threads": 1,
            }
        )
        at_once = threads or self._config.threads or cores()  # no request is answered meanwhile
        members = _OfflineMembers()
        served = {"": load_servable(workspace, config, members=cast(OnlineMembers, members))}
        for arm in config.trials.arms:
            if arm.bundle is not None:
                of_arm = config.model_copy(update={"bundle": arm.bundle, "index": arm.index})
                served[arm.name] = load_servable(workspace, of_arm, members=cast(OnlineMembers, members))
        rules = find_rules(workspace, config.rules)
        unclicked = read_unclicked(workspace, rules.enabled, plan.time, until=plan.time)
        Lists(config, self._surfaces, self._k).require_pinned(workspace, plan)
        answerer = Answerer(rules, unclicked, Metrics(), math.inf, trials=config.trials, at=plan.time)
        surfaces, k, erased = self._asked(workspace), self._k, ErasedMembers(workspace)

        def listed(member: str) -> list[dict[str, Any]]:
            rows: list[dict[str, Any]] = []
            for name, surface in surfaces.items():
                message = RecommendRequest(member_id=member) if k is None else RecommendRequest(member_id=member, k=k)
                list_id = content_hash(f"{plan.version}\0{name}\0{member}", 32)
                arm = config.trials.arm_of(member, list_id)
                servable = served.get(arm.name if arm else "", served[""])
                with one_core():
                    answer, slate = answerer.answer(
                        servable, surface, message, time.monotonic(), request_id=list_id, arm=arm
                    )
                if answer.degraded:
                    stages = ", ".join(answer.degraded)
                    cure = "see the log for what failed, mend it, run again"
                    raise NotReady(f"a list was made without {stages}", where=f"lists of {name}", cure=cure)
                rows += _rows(list_id, name, member, plan.time, answer, slate)
            return rows

        def make(table: str, of: pa.Table) -> Sequence[pa.Table]:
            keys = of[MEMBER_KEY].to_pylist()
            members.load(of)
            with ThreadPoolExecutor(at_once, "lists") as pool:
                rows = [row for of_member in pool.map(listed, keys) for row in of_member]
            gone = {member for member in keys if member in erased}  # also those who went while these were made
            return (pa.Table.from_pylist([row for row in rows if row[MEMBER_KEY] not in gone], schema=SCHEMA),)

        return make

    def touches(self, workspace: Workspace, plan: Plan) -> Sequence[str]:
        """Lists are read by those who send or show them; the service does not."""
        return (f"readers of {self.folder(workspace)}: the next read gives the new version whole",)

    def _asked(self, workspace: Workspace) -> dict[str, Surface]:
        found = {
            name: surface
            for name, surface in find_surfaces(workspace).items()
            if surface.asks == "member" and surface.answers == "jobs"
        }
        unknown = [name for name in self._surfaces if name not in found]
        if unknown:
            raise BadInput(
                f"no surface {unknown[0]!r} that asks for a member", where="surface", cure=f"one of {', '.join(found)}"
            )
        return {name: found[name] for name in sorted(self._surfaces or found)}


class _OfflineMembers:
    """Members as the offline tables knew them; of those that were loaded last."""

    def __init__(self) -> None:
        self._rows: dict[str, MemberRow] = {}

    def load(self, rows: pa.Table) -> None:
        """Take rows of `MEMBERS` in place of those of before."""
        self._rows = {
            row[MEMBER_KEY]: MemberRow(
                known=row["text"] is not None,
                text=row["text"] or "",
                text_version=row["text_version"] or "",
                location=row["location"] or "",
                activity=Activity.from_json(row["activity"]),
                encoding=row["encoding"] or b"",
            )
            for row in rows.to_pylist()
        }

    def read(self, member_id: str) -> MemberRow:
        return self._rows.get(member_id, MemberRow(known=False))

    def close(self) -> None: ...


def _as_of(folder: Path, time: datetime, columns: Sequence[str], members: Sequence[str] | None = None) -> pl.DataFrame:
    """The newest row of each member that was known at a time. Empty where the table has no parts."""
    if not parts(folder):
        return pl.DataFrame(
            {name: [] for name in (MEMBER_KEY, *columns)}, dict.fromkeys((MEMBER_KEY, *columns), pl.String)
        )
    known = (pc.field(EVENT_TIME) <= pa.scalar(time, TIME)) & (pc.field(CREATED_TIME) <= pa.scalar(time, TIME))
    if members is not None:
        known &= pc.field(MEMBER_KEY).isin(pa.array(list(members), pa.string()))
    rows = pl.DataFrame(read_table(folder, [MEMBER_KEY, EVENT_TIME, CREATED_TIME, *columns], known))
    return rows[newest_rows(rows, [MEMBER_KEY], [EVENT_TIME, CREATED_TIME])]


def _rows(
    list_id: str, surface: str, member: str, at: datetime, answer: Answer, slate: Slate
) -> Iterator[dict[str, Any]]:
    for i, result in enumerate(answer.results):
        yield {
            "list_id": list_id,
            MEMBER_KEY: member,
            "surface": surface,
            "position": result.rank,
            "job_id": result.job_id,
            "title": result.title,
            "company": result.company,
            "location": result.location,
            "score": result.score,
            "good_match": result.good_match,
            "probabilities": sorted(result.scores.items()),
            "propensity": slate.propensity(i),
            "found_by": list(result.found_by),
            "why": list(result.why),
            "member_known": bool(answer.member_known),
            "time": at,
            "bundle_version": answer.bundle_version,
            "index_version": answer.index_version,
            "text_version": answer.text_version,
            "rules_version": answer.rules_version,
        }


def lists_of(workspace: Workspace, member_id: str) -> list[dict[str, Any]]:
    """A member's lists of the version in use, a dict each with its jobs; empty for somebody who has none.

    The version is taken once, so that all lists are of one; each says which.

    Raises:
        NotReady: No version is in use, or it lacks a part.
        BadInput: The member was erased.
    """
    if member_id in ErasedMembers(workspace):
        raise BadInput("this member was erased", where="member", cure="nothing of an erased member is shown")
    version = in_use(workspace)
    rows = [row for path in finished_parts(version) for row in _read(path, pc.field(MEMBER_KEY) == member_id)]
    return list(_gathered(version.name, rows))


def export_jsonl(workspace: Workspace, path: Path) -> tuple[str, int]:
    """Write the version in use as lines of JSON, one a list, for a program that sends them.

    Returns:
        The version and the number of lists.

    Raises:
        NotReady: No version is in use, or it lacks a part.
        NotWritten: As on a full disk; nothing stands there then that did not before.
    """
    version, number, erased = in_use(workspace), 0, ErasedMembers(workspace)
    try:
        with staged_file(path) as staged, staged.open("wb") as file:
            for part in finished_parts(version):
                for line in each_list(version, part):
                    if line[MEMBER_KEY] not in erased:
                        file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
                        number += 1
    except OSError as error:
        raise NotWritten(f"it was not written: {error.strerror}", where=str(path), cure="make room") from error
    return version.name, number


def in_use(workspace: Workspace) -> Path:
    """The folder of the version in use. Raises NotReady where there is none."""
    cure = f"run `rolecall lists make --workspace {workspace.root}` first"
    version = require_current(workspace.root / "lists", "lists", cure)
    read_manifest(version)
    return version


def each_list(version: Path, part: Path) -> Iterator[dict[str, Any]]:
    """The lists of a part, a dict each with its jobs."""
    yield from _gathered(version.name, _read(part))


def _read(path: Path, filter: pc.Expression | None = None) -> list[dict[str, Any]]:
    with reading(path):
        return pq.read_table(path, filters=filter).to_pylist()


def _gathered(version: str, rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows of lists, which stand together, as one dict a list."""
    lists: dict[str, dict[str, Any]] = {}
    for row in rows:
        head = {name: row.pop(name) for name in _OF_A_LIST}
        row["probabilities"] = dict(row["probabilities"])
        lists.setdefault(head["list_id"], {"version": version, **head, "jobs": []})["jobs"].append(row)
    yield from lists.values()
