"""One request answered: features -> candidates -> rank -> rules -> answer.

Where a stage is down or late the answer degrades one step and says so: the student -> the order of retrieval -> what is
popular nearby. A member who is not known is served from the request's own profile.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain

import numpy as np

from contracts.bundle import Objective
from contracts.records import Surface
from feature_repo.online import MemberRow
from history.unclicked import Unclicked
from ranking.eligibility import EligibleJob, eligible_jobs
from ranking.match import RequestTitles, encode_titles
from ranking.objective import objective_of
from ranking.popular import NO_CANDIDATES, popular_candidates
from ranking.rank import RANKED, Ranked, as_retrieved, rank
from retrieval.candidates import Candidates
from retrieval.filters.notes import filter_notes
from retrieval.index.job_index import CANDIDATES
from retrieval.request import Request, build_request
from retrieval.rules.rules import RuleBook
from serving.metrics import Metrics
from serving.schemas import Answer, JobsRequest, ObjectiveUsed, Result, SearchRequest, profile_text
from serving.servable import Servable
from serving.slates import Slate
from serving.stages import Stages


@dataclass(frozen=True)
class Answerer:
    """Answers requests from a servable. deadline: seconds after arrival past which no further stage begins."""

    rules: RuleBook
    unclicked: Unclicked
    metrics: Metrics
    deadline: float

    def answer(
        self, servable: Servable, message: JobsRequest, arrived: float, depth: int = RANKED
    ) -> tuple[Answer, Slate]:
        """The answer to a request, and the slate that it shows.

        Args:
            servable: Answers it from the first stage to the last.
            message: The request.
            arrived: When it came in, by `time.monotonic`.
            depth: Candidates that the student scores; under load fewer than `RANKED`, and none where it is 0.

        Raises:
            UnknownAttribute: The filter names an attribute that the index lacks.
            BadInput: The filter does not fit its attribute or names a place that is no one town, or an objective lies
                outside the bundle's bounds.
        """
        index, manifest = servable.index, servable.manifest
        stages = Stages(uuid.uuid4().hex, self.metrics, arrived + self.deadline)
        now = datetime.now(UTC)
        message.filter.check(index.attributes)
        surface: Surface = "search" if isinstance(message, SearchRequest) else "recommendation"
        objective = objective_of(manifest, surface, message.objective)

        row = _features(servable, message.member_id, stages)
        request = self._request(servable, row or MemberRow(known=False), message, now)
        vector, titles = _encoded(servable, request, stages)
        candidates = self._candidates(servable, request, vector, max(CANDIDATES, message.k), stages)
        top = max(RANKED, message.k) if depth >= RANKED else depth
        ranked = _ranked(servable, request, vector, titles, candidates, top, objective, stages)
        eligible = self._eligible(servable, request, ranked, message.k, stages)
        probabilities = ranked.probabilities([job.place for job in eligible])

        answer = Answer(
            request_id=stages.request_id,
            member_known=None if row is None else row.known,
            results=_results(eligible, ranked, probabilities),
            bundle_version=manifest.version,
            index_version=index.version,
            text_version=manifest.text_version,
            objective=ObjectiveUsed.of(ranked),
            depth=ranked.depth,
            rules_version=self.rules.version,
            removed=candidates.removed,
            notes=filter_notes(message.filter, index.attributes),
            uncalibrated=manifest.uncalibrated,
            degraded=tuple(stages.degraded),
            timings_ms=stages.timings_ms | {"total": round((time.monotonic() - arrived) * 1_000, 3)},
        )
        return answer, _slate(servable, message, request, stages.request_id, eligible, ranked, probabilities)

    def _request(self, servable: Servable, row: MemberRow, message: JobsRequest, now: datetime) -> Request:
        """The request to retrieval. The message's profile and location go before what is stored of the member."""
        text, location = row.text, row.location
        if message.profile is not None:
            text, of_profile = profile_text(message.profile, servable.verbalizer)
            location = of_profile or location
        return build_request(
            text,
            row.activity,
            message.query if isinstance(message, SearchRequest) else "",
            message.location or location,
            message.filter,
            now,
            message.exclude,
            member_id=message.member_id,
            member=message.profile.model_dump() if message.profile else None,
            percentiles=servable.verbalizer.percentiles,
            unclicked=self.unclicked.of(message.member_id),
        )

    def _candidates(
        self, servable: Servable, request: Request, vector: np.ndarray | None, k: int, stages: Stages
    ) -> Candidates:
        index, rules = servable.index, self.rules.enabled
        candidates = stages.run(
            "retrieval",
            lambda: index.search(request, vector, k, rules),
            instead=lambda: stages.run(
                "popular",
                lambda: popular_candidates(index, request, k, rules),
                instead=lambda: NO_CANDIDATES,
                last=True,
            ),
        )
        for rule, count in candidates.removed.items():
            self.metrics.rule_jobs.labels(rule, "remove").inc(count)
        for rule in chain.from_iterable(candidates.demoted.values()):
            self.metrics.rule_jobs.labels(rule, "demote").inc()
        return candidates

    def _eligible(
        self, servable: Servable, request: Request, ranked: Ranked, k: int, stages: Stages
    ) -> list[EligibleJob]:
        """The first k jobs that may be shown; none where that cannot be checked."""
        none: tuple[list[EligibleJob], Counter[str]] = [], Counter()
        eligible, removed = stages.run(
            "rules",
            lambda: eligible_jobs(servable.index, request, ranked.rows, k, ranked.candidates.demoted),
            instead=lambda: none,
            last=True,
        )
        for rule, count in removed.items():
            self.metrics.removed_last.labels(rule).inc(count)
        return eligible


def _features(servable: Servable, member_id: str, stages: Stages) -> MemberRow | None:
    """The member's features, without their text where another version of the verbaliser wrote it; None: no answer."""

    def read() -> MemberRow:
        row = servable.members.read(member_id)
        if row.text and row.text_version != servable.manifest.text_version:
            stages.degrade("features", "text_version")
            return replace(row, text="")
        return row

    return stages.run("features", read, instead=lambda: None) if member_id else MemberRow(known=False)


def _encoded(servable: Servable, request: Request, stages: Stages) -> tuple[np.ndarray | None, RequestTitles | None]:
    """(dim,) float32 vector of the request's text, and its titles for a bundle that reads a match; None without a text
    or an encoder."""
    if not request.request_text:
        return None, None

    def encode() -> tuple[np.ndarray | None, RequestTitles | None]:
        titles = encode_titles(servable.encoder, request) if servable.manifest.match_version else None
        return servable.encoder.encode([request.request_text], "request")[0], titles

    return stages.run("encoder", encode, instead=lambda: (None, None))


def _ranked(
    servable: Servable,
    request: Request,
    vector: np.ndarray | None,
    titles: RequestTitles | None,
    candidates: Candidates,
    top: int,
    objective: Objective,
    stages: Stages,
) -> Ranked:
    """The candidates by the objective; in that of retrieval without a text or without the student."""
    if not request.request_text or "retrieval" in stages.degraded:
        return as_retrieved(candidates)
    if not top:
        stages.degrade("student", "load")
        return as_retrieved(candidates)
    return stages.run(
        "student",
        lambda: rank(servable.index, servable.scorer, request, candidates, vector, top, titles, objective),
        instead=lambda: as_retrieved(candidates),
    )


def _results(
    eligible: Sequence[EligibleJob], ranked: Ranked, probabilities: Sequence[dict[str, float]]
) -> tuple[Result, ...]:
    return tuple(
        Result(
            rank=position,
            job_id=job.record["id"],
            score=float(ranked.scores[job.place]),
            scores=by_task,
            good_match=ranked.good_match(job.place),
            found_by=ranked.found_by(job.place),
            why=ranked.why(job.place),
            also=job.duplicates,
            **{name: job.record[name] for name in _RECORD_FIELDS},
        )
        for position, (job, by_task) in enumerate(zip(eligible, probabilities, strict=True), start=1)
    )


_RANKING_FIELDS = ("rank", "job_id", "score", "scores", "good_match", "found_by", "why", "also")
_RECORD_FIELDS = tuple(name for name in Result.model_fields if name not in _RANKING_FIELDS)


def _slate(
    servable: Servable,
    message: JobsRequest,
    request: Request,
    request_id: str,
    eligible: Sequence[EligibleJob],
    ranked: Ranked,
    probabilities: Sequence[dict[str, float]],
) -> Slate:
    places = [job.place for job in eligible]
    return Slate(
        request_id=request_id,
        time=request.time,
        surface=request.surface,
        member_id=message.member_id,
        query=request.query,
        logged_by=f"{servable.manifest.version}/{servable.index.version}",
        job_ids=tuple(job.record["id"] for job in eligible),
        scores=tuple(float(ranked.scores[place]) for place in places),
        found_by=tuple(ranked.found_by(place) for place in places),
        demoted_by=tuple(ranked.demoted_by(place) for place in places),
        because=tuple(ranked.because(place) for place in places),
        probabilities=tuple(probabilities),
        objective=ObjectiveUsed.of(ranked),
        depth=ranked.depth,
        good_matches=tuple(ranked.good_match(place) for place in places),
        blend=ranked.blend,
        inputs=tuple(ranked.blended(place) for place in places),
        match=(match := tuple(ranked.match(place) for place in places)),
        request_text=request.request_text if any(bins is not None for bins in match) else "",
    )
