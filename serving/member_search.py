"""Members for a job: the reverse of a recommendation, for recruiters.

Members near to the job's vector are read one by one from the feature store, and the student scores the job for each as
it would in that member's own list. Who applied to the job or dismissed it is left out. An answer holds ids, scores and
facts of the comparison; no text of a member, and nothing of what they wish for.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Container, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import ConfigDict, FailFast, Field

from contracts.errors import NotReady
from contracts.features import MEMBER_VECTOR
from contracts.records import Identifier
from contracts.values import FrozenModel
from contracts.workspace import Workspace
from feature_repo.online import MemberRow
from ranking.blend import RELEVANCE
from ranking.calibrate import probabilities
from ranking.match import encode_all_titles
from ranking.objective import good_matches
from ranking.rank import NotFinite, bins_read
from ranking.reasons import member_reasons
from retrieval.engines.hits import NO_HITS
from retrieval.filters.filters import Filter
from retrieval.members import MemberVectors, table_state
from retrieval.request import Request, build_request
from serving.asking import row_of
from serving.metrics import Metrics
from serving.schemas import MAX_EXCLUDED, Whole
from serving.servable import Servable
from serving.stages import Stages
from serving.surfaces.surface import Surface

MAX_MEMBERS = 100


class CandidatesRequest(FrozenModel):
    """A job, and how many members."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"job_id": "j0000007", "k": 5}]})
    job_id: Identifier
    k: Annotated[Whole, Field(ge=1, le=MAX_MEMBERS, description="How many members; fewer come where fewer fit.")] = 20
    exclude: Annotated[tuple[Identifier, ...], FailFast(), Field(max_length=MAX_EXCLUDED)] = Field(
        (), description="Members that must not be in the answer."
    )
    min_good_match: Annotated[float, Field(ge=0, le=1, strict=True)] = Field(
        0.0, description="Calibrated probability of a good match below which a member is left out; 0: none is."
    )


class MemberResult(FrozenModel):
    """One member of an answer."""

    rank: int
    member_id: str
    score: float = Field(description="The student's relevance, comparable among the members of one job.")
    scores: Mapping[str, float] = Field(description="Task -> calibrated probability.")
    good_match: float | None = Field(description="Probability that the judge grades the pair 3 or 4; null: not known.")
    why: tuple[str, ...] = Field(description="Facts of the comparison of member and job.")


class CandidatesAnswer(FrozenModel):
    """The members for a job, best first."""

    request_id: str
    surface: str
    job_id: str
    results: tuple[MemberResult, ...]
    near: int = Field(description="Members near to the job that were looked at.")
    read: int = Field(description="Those of them whom the student read.")
    bundle_version: str
    index_version: str
    text_version: str
    degraded: tuple[str, ...] = Field(description="Stages that ran out of time or failed; members are missing then.")
    timings_ms: Mapping[str, float]


class _Member(NamedTuple):
    member_id: str
    request: Request


class _Scored(NamedTuple):
    """member_ids: n; logits: (n, tasks) float32; match: (n, C) uint8, None where the bundle reads none."""

    member_ids: Sequence[str]
    logits: np.ndarray
    match: np.ndarray | None


class NoRelevance(NotReady):
    """The bundle that is served does not say how well a member and a job fit."""

    reason = "no_relevance"


class MemberSearch:
    """Answers from a workspace's member vectors, which are read at the first request and when they have changed.

    Vectors of an erased member stay until `rolecall erase` has run; no answer holds them.
    """

    def __init__(self, workspace: Workspace, metrics: Metrics, deadline: float, erased: Container[str] = ()) -> None:
        self._workspace, self._metrics, self._deadline, self._erased = workspace, metrics, deadline, erased
        self._vectors: tuple[str, MemberVectors] | None = None
        self._lock = threading.Lock()

    def answer(
        self, servable: Servable, surface: Surface, message: CandidatesRequest, arrived: float
    ) -> CandidatesAnswer:
        """The members who fit a job.

        Args:
            servable: Answers it from the first stage to the last.
            surface: Says how many are looked at and how many are scored.
            message: The request.
            arrived: When it came in, by `time.monotonic`.

        Raises:
            UnknownJob: The index has no such job.
            NotReady: No member has a vector of the encoder.
            NoRelevance: The bundle does not score what members are ordered by.
        """
        if RELEVANCE not in servable.manifest.tasks:
            raise NoRelevance(
                f"bundle {servable.manifest.version} scores {', '.join(servable.manifest.tasks)}, and members are "
                f"ordered by {RELEVANCE}",
                cure="serve a bundle of a student that learned from grades",
            )
        surface = surface.asked_by(message)
        row = row_of(servable.index, message.job_id)
        vectors = self._read_vectors(servable)
        stages = Stages(uuid.uuid4().hex, self._metrics, arrived + self._deadline)
        near = stages.run(
            "retrieval",
            lambda: vectors.nearest(servable.index.vectors[row], surface.candidates, frozenset(message.exclude)),
            instead=lambda: NO_HITS,
        )
        ids = [member_id for at in near.rows.tolist() if (member_id := vectors.ids[at]) not in self._erased]
        members = self._members(servable, message.job_id, ids, max(surface.ranked, surface.k), stages)
        scored = self._scored(servable, row, members, stages)
        return CandidatesAnswer(
            request_id=stages.request_id,
            surface=surface.name,
            job_id=message.job_id,
            results=tuple(_results(servable, surface, scored)),
            near=len(ids),
            read=len(scored.member_ids),
            bundle_version=servable.manifest.version,
            index_version=servable.index.version,
            text_version=servable.manifest.text_version,
            degraded=tuple(stages.degraded),
            timings_ms=stages.timings_ms | {"total": round((time.monotonic() - arrived) * 1_000, 3)},
        )

    def _read_vectors(self, servable: Servable) -> MemberVectors:
        """The newest vectors; those that were read before while another request reads what has changed."""
        version, folder = servable.encoder.version, self._workspace.features / MEMBER_VECTOR
        held = self._vectors
        if held and held[0] == version and (held[1].state == table_state(folder) or self._lock.locked()):
            return held[1]
        with self._lock:
            held = self._vectors
            if held is None or held[0] != version or held[1].state != table_state(folder):
                self._vectors = held = version, MemberVectors.load(self._workspace, version)
            return held[1]

    def _members(self, servable: Servable, job_id: str, ids: Sequence[str], most: int, stages: Stages) -> list[_Member]:
        """The first members with a text of the bundle's version who have not answered the job yet."""
        now, found = datetime.now(UTC), list[_Member]()

        def read() -> list[_Member]:
            for member_id in ids:
                if len(found) >= most or stages.late("features"):
                    break
                row = servable.members.read(member_id)
                if _may_be_shown(row, job_id, servable.manifest.text_version):
                    percentiles = servable.verbalizer.percentiles
                    request = build_request(
                        row.text, row.activity, "", row.location, Filter(), now, percentiles=percentiles
                    )
                    found.append(_Member(member_id, request))
            return found

        return stages.run("features", read, instead=lambda: found)

    def _scored(self, servable: Servable, row: int, members: Sequence[_Member], stages: Stages) -> _Scored:
        """The members whom there is time for, each with a prefix of their own."""
        index, scorer = servable.index, servable.scorer
        rows, ids = np.array([row], np.int32), list[str]()
        logits, match = [np.zeros((0, len(scorer.tasks)), np.float32)], list[np.ndarray]()

        def score() -> None:
            items = index.items(rows)
            requests = [member.request for member in members]
            titles = encode_all_titles(servable.encoder, requests) if servable.manifest.match_version else None
            for place, member in enumerate(members):
                if stages.late("student"):
                    break
                bins = bins_read(index, scorer, member.request, rows, titles[place] if titles else None)
                of_member = scorer.logits(scorer.prefix(member.request.request_text), items, bins)
                if not np.isfinite(of_member).all():
                    raise NotFinite(f"bundle {scorer.manifest.version} scored a member as no number")
                logits.append(of_member)
                ids.append(member.member_id)
                if bins is not None:
                    match.append(bins)

        stages.run("student", score, instead=lambda: None)
        return _Scored(ids, np.concatenate(logits)[: len(ids)], np.concatenate(match)[: len(ids)] if match else None)


def _may_be_shown(row: MemberRow, job_id: str, text_version: str) -> bool:
    """Whether the member has a text that the student reads, and has neither applied to the job nor dismissed it."""
    answered = {*row.activity.applied, *(dismissed for dismissed, _ in row.activity.dismissed)}
    return bool(row.text) and row.text_version == text_version and job_id not in answered


def _results(servable: Servable, surface: Surface, scored: _Scored) -> list[MemberResult]:
    tasks, manifest = servable.scorer.tasks, servable.manifest
    relevance = scored.logits[:, tasks.index(RELEVANCE)].astype(np.float64)
    good = good_matches(manifest.good_match, scored.logits, tasks)
    order = [
        place
        for place in np.argsort(-relevance, kind="stable").tolist()
        if not surface.min_good_match or (good is not None and good[place] >= surface.min_good_match)
    ][: surface.k]
    by_task = probabilities(manifest, scored.logits[order], np.arange(1, len(order) + 1))
    return [
        MemberResult(
            rank=rank + 1,
            member_id=scored.member_ids[place],
            score=float(relevance[place]),
            scores={task: round(float(values[rank]), 6) for task, values in by_task.items()},
            good_match=None if good is None else float(good[place]),
            why=member_reasons(scored.match[place]) if scored.match is not None else (),
        )
        for rank, place in enumerate(order)
    ]
