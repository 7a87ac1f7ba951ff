"""Answers requests: features -> candidates -> ranks -> rules -> answer -> log. Usable with or without HTTP.

Where a stage is down or late the answer degrades one step and says so: the student -> the order of retrieval -> what is
popular nearby. A member whom nobody knows is served from what the request says of them.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from contracts.errors import BadInput
from contracts.records import Surface
from contracts.workspace import Workspace
from feature_repo.online import MemberRow
from ranking.eligibility import Kept, last_check
from ranking.explain import explain
from ranking.rank import Ranked, as_retrieved, rank
from retrieval.candidates import Candidates
from retrieval.filters.attributes import AttributeTable
from retrieval.filters.filters import AnyOf, Either, Filter
from retrieval.index.job_index import CANDIDATES, JobIndex
from retrieval.index.popularity import popular_nearby
from retrieval.merge import below_others
from retrieval.request import Request, build_request
from retrieval.rules.rules import Rule, demoted, demoted_by, find_rules
from serving.current import Current
from serving.event_log import EventLog
from serving.http.schemas import (
    MAX_QUERY_CHARS,
    Answer,
    Ask,
    EventsReply,
    ExplainReply,
    RecommendRequest,
    Result,
    SearchRequest,
    profile_text,
)
from serving.intake import Intake
from serving.load import Loaded, load
from serving.metrics import Metrics
from serving.recent import Recent, Shown
from serving.stages import Stages
from serving.swap import Swapper
from serving.unopened import read_unopened
from serving.updates import Updates
from sources.feeds.changes import open_feed

RANKED = 200
DEADLINE_SECONDS = 1.0
_WARM_UPS = 3


class UnknownAnswer(BadInput):
    """The request is not among the last ones answered, or its answer did not hold the job."""

    reason, http_status = "unknown_answer", 404


class Engine:
    """One workspace's service. Safe to call from several threads; `close` writes out the log.

    bundle, index: folders; None: the workspace's current ones. rules: a file; None: the workspace's own, else the
    built-in ones. deadline: seconds from a request's arrival after which no further stage begins. threads: cores that
    one model call may use; None: all. device: as `JobIndex.load`. changes: a feed of job changes that is applied while
    it serves (`sources.feeds.changes.open_feed`). poll: seconds after which it looks whether CURRENT names another
    bundle or
    index, and swaps it in; 0: only when told to `look`.
    Raises what `serving.load.load`, `retrieval.rules.rules.load_rules` and `open_feed` raise.
    """

    def __init__(
        self,
        workspace: Workspace,
        bundle: Path | None = None,
        index: Path | None = None,
        *,
        rules: Path | None = None,
        deadline: float = DEADLINE_SECONDS,
        threads: int | None = None,
        device: str | None = None,
        changes: str | None = None,
        poll: float = 0.0,
    ) -> None:
        self.rules = find_rules(workspace, rules)
        feed = open_feed(changes) if changes else None
        loaded = load(workspace, bundle, index, threads, encodes=feed is not None, device=device)
        self._current = current = Current(loaded)
        self.metrics = Metrics()
        self.metrics.serves(*loaded.served)
        self._deadline = deadline
        self._recent = Recent()
        self._unopened = read_unopened(workspace, self.rules.enabled, datetime.now(UTC))
        self._log = EventLog(workspace, self.metrics)
        self._intake = Intake(workspace, current, self._recent, self._unopened, self._log, self.metrics)
        self._warm_up(loaded)
        self._swapper = Swapper(
            workspace,
            current,
            self.metrics,
            self._warm_up,
            bundle=bundle,
            index=index,
            threads=threads,
            device=device,
            poll=poll,
        )
        self.updates = Updates(workspace, current, feed, self.metrics) if feed else None

    @property
    def loaded(self) -> Loaded:
        """What is served now. Who asks more than one thing of it takes it once."""
        return self._current.loaded

    def swap(self, bundle: Path | None = None, index: Path | None = None) -> Loaded:
        """Serve another bundle or index, or the current ones loaded anew: `Swapper.swap`. No request notices."""
        return self._swapper.swap(bundle, index)

    def look(self) -> None:
        """Look at CURRENT now, and not only after the next `poll` seconds."""
        self._swapper.look()

    def recommend(self, ask: RecommendRequest, arrived: float | None = None) -> Answer:
        """Jobs for a member. arrived: when the request came in, by `time.monotonic`; None: now.

        Raises BadInput and UnknownAttribute where the filter does not fit the index.
        """
        with self._current.use() as loaded:
            return self._answer(loaded, "recommendation", ask, "", arrived)

    def search(self, ask: SearchRequest, arrived: float | None = None) -> Answer:
        """Jobs for a query, in the order that suits the member where there is one. As `recommend`."""
        with self._current.use() as loaded:
            return self._answer(loaded, "search", ask, ask.query, arrived)

    def record(self, events: Any) -> EventsReply:
        """Take in events (one mapping or a list of them): the members' next answers know of them. See `Intake`."""
        return self._intake.record(events, datetime.now(UTC))

    def explain(self, request_id: str, job_id: str) -> ExplainReply:
        """Why a job of a recent answer stood where it stood. Raises UnknownAnswer."""
        shown = self._recent.get(request_id)
        if shown is None or job_id not in shown.job_ids:
            raise UnknownAnswer(
                f"no job {job_id!r} in a recent answer {request_id!r}", cure="ask soon, with the ids of the answer"
            )
        i = shown.job_ids.index(job_id)
        return ExplainReply(
            request_id=request_id,
            job_id=job_id,
            time=shown.time,
            surface=shown.surface,
            rank=i + 1,
            score=shown.scores[i],
            explanation=explain(
                shown.found_by[i],
                shown.probabilities[i],
                shown.blend,
                shown.inputs[i],
                shown.demoted_by[i],
                shown.reasons[i],
            ),
        )

    def close(self) -> None:
        self._swapper.close()
        if self.updates:
            self.updates.close()
        self._current.close()
        self._log.close()

    def _answer(
        self, loaded: Loaded, surface: Surface, ask: Ask, query: str, arrived: float | None = None, show: bool = True
    ) -> Answer:
        index, scorer = loaded.index, loaded.scorer
        arrived = time.monotonic() if arrived is None else arrived
        request_id, now = uuid.uuid4().hex, datetime.now(UTC)
        stages = Stages(request_id, self.metrics, arrived + self._deadline)
        _check_filter(ask.filter, index.attributes)

        read: MemberRow | None = MemberRow(known=False)
        if ask.member_id:
            read = stages.run("features", lambda: self._read(loaded, ask.member_id, stages), instead=lambda: None)
        member = _with_profile(loaded, read or MemberRow(known=False), ask)
        request = build_request(
            member.text,
            member.activity,
            query,
            member.location,
            ask.filter,
            now,
            ask.exclude,
            member_id=ask.member_id,
            member=ask.profile.model_dump() if ask.profile else None,
            percentiles=loaded.verbalizer.percentiles,
            unopened=self._unopened.of(ask.member_id),
        )
        vector = None
        if request.request_text:
            vector = stages.run("encoder", lambda: _encode(loaded, request.request_text), instead=lambda: None)

        wanted, rules = max(CANDIDATES, ask.k), self.rules.enabled
        candidates = stages.run(
            "retrieval",
            lambda: index.search(request, vector, wanted, rules),
            instead=lambda: stages.run(
                "popular",
                lambda: popular(index, request, wanted, rules),
                instead=lambda: NOBODY,
                last=True,
            ),
        )
        self._count(candidates)
        ranked = as_retrieved(candidates)
        if request.request_text and "retrieval" not in stages.degraded:
            ranked = stages.run(
                "student",
                lambda: rank(index, scorer, request, candidates, vector, max(RANKED, ask.k)),
                instead=lambda: as_retrieved(candidates),
            )
        kept = stages.run("rules", lambda: self._last_check(index, request, ranked, ask.k), instead=_nothing, last=True)
        said = ranked.probabilities([found.place for found in kept])
        results = tuple(_result(place, found, ranked, said[place - 1]) for place, found in enumerate(kept, start=1))
        if show:
            self._show(loaded, request_id, surface, ask.member_id, request, kept, ranked, said)
        stages.timings_ms["total"] = round((time.monotonic() - arrived) * 1_000, 3)
        return Answer(
            request_id=request_id,
            member_known=None if read is None else read.known,
            results=results,
            bundle_version=scorer.manifest.version,
            index_version=index.version,
            text_version=scorer.manifest.text_version,
            rules_version=self.rules.version,
            removed=candidates.removed,
            uncalibrated=scorer.manifest.uncalibrated,
            degraded=tuple(stages.degraded),
            timings_ms=stages.timings_ms,
        )

    def _read(self, loaded: Loaded, member_id: str, stages: Stages) -> MemberRow | None:
        """The member, without their text where another version of the verbaliser wrote it."""
        row = loaded.members.read(member_id)
        if row.text and row.text_version != loaded.manifest.text_version:
            stages.degrade("features", "text_version")
            return replace(row, text="")
        return row

    def _count(self, candidates: Candidates) -> None:
        for rule, count in candidates.removed.items():
            self.metrics.rule_jobs.labels(rule, "remove").inc(count)
        for rule in chain.from_iterable(candidates.demoted.values()):
            self.metrics.rule_jobs.labels(rule, "demote").inc()

    def _last_check(self, index: JobIndex, request: Request, ranked: Ranked, k: int) -> list[Kept]:
        kept, removed = last_check(index, request, ranked.rows, k, ranked.candidates.demoted)
        for rule, count in removed.items():
            self.metrics.removed_last.labels(rule).inc(count)
        return kept

    def _show(
        self,
        loaded: Loaded,
        request_id: str,
        surface: Surface,
        member_id: str,
        request: Request,
        kept: list[Kept],
        ranked: Ranked,
        said: list[dict[str, float]],
    ) -> None:
        """Remember and log what is shown. The order is not drawn by chance, so there is no propensity to log."""
        places = [found.place for found in kept]
        shown = Shown(
            request_id=request_id,
            time=request.time,
            surface=surface,
            member_id=member_id,
            query=request.query,
            logged_by=f"{loaded.manifest.version}/{loaded.index.version}",
            job_ids=tuple(found.job["id"] for found in kept),
            scores=tuple(float(ranked.scores[i]) for i in places),
            found_by=tuple(ranked.found_by(i) for i in places),
            demoted_by=tuple(ranked.demoted_by(i) for i in places),
            reasons=tuple(ranked.reason(i) for i in places),
            probabilities=tuple(said),
            blend=ranked.blend,
            inputs=tuple(ranked.blended(i) for i in places),
        )
        self._recent.add(shown)
        self._unopened.shown(member_id, shown.job_ids, shown.time)
        self._log.shown(shown.impressions())

    def _warm_up(self, loaded: Loaded) -> set[str]:
        """The first calls pay for caches and memory that later ones reuse; nobody should wait for them.

        Returns the stages that were done without.
        """
        degraded: set[str] = set()
        for row in range(min(_WARM_UPS, len(loaded.index))):
            ask = SearchRequest(query=loaded.index.display(row)["title"][:MAX_QUERY_CHARS])
            answer = self._answer(loaded, "search", ask, ask.query, arrived=time.monotonic() + 60, show=False)
            degraded.update(answer.degraded)
        return degraded


def _with_profile(loaded: Loaded, member: MemberRow, ask: Ask) -> MemberRow:
    """What the request says of the member goes before what is stored."""
    if ask.profile is not None:
        text, location = profile_text(ask.profile, loaded.verbalizer)
        member = replace(member, text=text, location=location or member.location)
    return replace(member, location=ask.location) if ask.location else member


def _encode(loaded: Loaded, text: str) -> np.ndarray | None:
    return loaded.encoder.encode([text])[0]


NOBODY = Candidates(
    np.zeros(0, np.int32),
    [],
    ("popular",),
    np.zeros((0, 1), np.float32),
    np.zeros(0, np.float32),
    np.zeros(0, np.float32),
)


def popular(index: JobIndex, request: Request, k: int, rules: Sequence[Rule] = ()) -> Candidates:
    """The k most popular jobs that may be shown, near ones first: what is left when nothing else answers.

    Jobs that a rule demotes come after all others.
    """
    activity = index.activity.popularity(request.time)
    mask, removed = index.allowed(request, rules)
    down = demoted(rules, index, request)
    last = np.logical_or.reduce([mask & met for met in down.values()]) if down else np.zeros(len(index), dtype=bool)
    nearness = index.nearness(request)
    first, behind = (popular_nearby(activity, nearness, k, mask & found) for found in (~last, last))
    rows = np.concatenate([first.rows, behind.rows])[:k]
    scores = np.concatenate([first.scores, behind.scores])[:k]
    fused = below_others(scores, last[rows]).astype(np.float32)
    ids, none = [index.ids[row] for row in rows], np.zeros(len(rows), np.float32)
    return Candidates(
        rows, ids, ("popular",), scores[:, None], fused, none, removed=removed, demoted=demoted_by(down, rows)
    )


def _nothing() -> list[Kept]:
    return []


def _check_filter(found: Filter, attributes: AttributeTable) -> None:
    """Raise UnknownAttribute or BadInput where a clause does not fit, before any stage could mistake it for a fault."""
    for clause in found.clauses:
        for condition in clause.either if isinstance(clause, Either) else (clause,):
            if isinstance(condition, AnyOf):
                attributes.holds_any(condition.attribute, ())
            else:
                attributes.within(condition.attribute, None, None)


def _result(place: int, found: Kept, ranked: Ranked, said: dict[str, float]) -> Result:
    i, job = found.place, found.job
    return Result(
        rank=place,
        job_id=job["id"],
        score=float(ranked.scores[i]),
        scores=said,
        found_by=ranked.found_by(i),
        why=ranked.why(i),
        also=found.also,
        **{name: job[name] for name in _DISPLAYED},
    )


_OWN = ("rank", "job_id", "score", "scores", "found_by", "why", "also")
_DISPLAYED = tuple(name for name in Result.model_fields if name not in _OWN)
