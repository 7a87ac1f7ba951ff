"""One request answered: features -> candidates -> rank -> rules -> answer, as the surface that is asked sets it.

Where a stage is down or late the answer degrades one step and says so: the student -> the order of retrieval -> what is
popular nearby. A member who is not known is served from the request's own profile.
"""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from typing import NamedTuple

import numpy as np

from contracts.bundle import Objective
from contracts.versions import content_hash
from feature_repo.online import MemberRow
from history.unclicked import Unclicked
from ranking.encoding import Encoded, encode_request, encoding_key, of_feature
from ranking.match import RequestTitles
from ranking.objective import Wish
from ranking.popular import NO_CANDIDATES, popular_candidates
from ranking.rank import RANKED, Ranked, as_retrieved, rank
from retrieval.candidates import Candidates
from retrieval.filters.commute import point_of
from retrieval.filters.facets import FacetValue, check_facets, facet_counts
from retrieval.filters.filters import Filter
from retrieval.filters.notes import filter_notes
from retrieval.queries.chips import Reading
from retrieval.queries.relax import Found, relaxed_note, search_read
from retrieval.request import Request
from retrieval.rules.rules import RuleBook
from serving.asking import features, filter_of, jobs_request, reading_of
from serving.choosing import NONE_CHOSEN, Chosen, check_threshold, choose
from serving.metrics import Metrics
from serving.results import Shown
from serving.schemas import Answer, Explored, JobsRequest, ObjectiveUsed, RecommendRequest
from serving.servable import Servable
from serving.slates import Ranking, Slate
from serving.stages import Stages, StageTimes
from serving.surfaces.surface import Surface
from serving.trials.config import Arm, Explore, TrialsConfig
from serving.trials.explored import DrawnList, can_draw, drawn_jobs, explored_row

SEED_BITS = 53
"""Of a list that is drawn: a whole number that JSON's readers keep."""


class LookedUp(NamedTuple):
    """What a request found.

    Attributes:
        row: The member's features; None where the store did not say.
        request: As retrieval read it in the end.
        reading: Of its query.
        candidates: What retrieval found.
        ranked: Those in their order.
    """

    row: MemberRow | None
    request: Request
    reading: Reading
    candidates: Candidates
    ranked: Ranked


@dataclass(frozen=True)
class Answerer:
    """Answers requests from a servable.

    deadline: seconds after arrival past which no further stage begins; at: the time of all requests; None: the clock's.
    """

    rules: RuleBook
    unclicked: Unclicked
    metrics: Metrics
    deadline: float
    times: StageTimes = field(default_factory=StageTimes)
    trials: TrialsConfig = field(default_factory=TrialsConfig)
    at: datetime | None = None

    def answer(
        self,
        servable: Servable,
        surface: Surface,
        message: JobsRequest,
        arrived: float,
        depth: int = RANKED,
        request_id: str = "",
        arm: Arm | None = None,
    ) -> tuple[Answer, Slate]:
        """The answer of a surface to a request, and the slate that it shows.

        Args:
            servable: Answers it from the first stage to the last.
            surface: What is asked.
            message: The request.
            arrived: When it came in, by `time.monotonic`.
            depth: Candidates that the student scores; under load fewer than `RANKED`, and none where it is 0.
            request_id: Its name; empty: one is made. With `at` the same name gives the same answer again, also of a
                list that is drawn by chance.
            arm: Of a trial, that the request is in.

        Raises:
            UnknownAttribute: The filter or a facet names an attribute that the index lacks.
            UnknownJob: Of a request for jobs like one that is not served.
            BadInput: The filter does not fit its attribute or names a place that is no one town, or an objective lies
                outside the bundle's bounds.
        """
        surface = surface.asked_by(message)
        check_facets(surface.facets)
        check_threshold(surface, servable.manifest)
        stages = Stages(request_id or uuid.uuid4().hex, self.metrics, arrived + self.deadline, self.times)
        wish = message.objective or (arm.objective if arm else None)
        row, request, reading, candidates, ranked = self.looked_up(servable, surface, message, wish, depth, stages)
        index, manifest = servable.index, servable.manifest
        explore = self.trials.explore_of(arm, message.member_id, stages.request_id)
        explore = explore if can_draw(surface, ranked) else None
        most = max(surface.k, explore.pool) if explore else None
        chosen = stages.run(
            "rules", lambda: choose(index, request, surface, ranked, most), instead=lambda: NONE_CHOSEN, last=True
        )
        for rule, count in chosen.removed.items():
            self.metrics.removed_last.labels(rule).inc(count)
        seed = secrets.randbits(SEED_BITS) if self.at is None else int(content_hash(stages.request_id, 16), 16) >> 11
        drawn = _drawn(chosen, ranked, surface.k, explore, seed, stages) if explore else None
        shown = Shown.of(index, request, ranked, drawn.jobs if drawn else chosen.jobs[: surface.k])
        facets = self._facets(servable, surface, request, stages)

        answer = Answer(
            request_id=stages.request_id,
            surface=surface.name,
            member_known=None if row is None else row.known,
            results=shown.results(),
            bundle_version=manifest.version,
            index_version=index.version,
            text_version=manifest.text_version,
            objective=ObjectiveUsed.of(ranked),
            depth=ranked.depth,
            arm=arm.name if arm else "",
            explored=Explored.of(drawn.draw) if drawn else None,
            rules_version=self.rules.version,
            removed=candidates.removed,
            understood=reading.chips,
            notes=(*filter_notes(message.filter, index.attributes), *relaxed_note(reading), *chosen.notes),
            sort=surface.sort,
            facets=facets,
            uncalibrated=manifest.uncalibrated,
            degraded=tuple(stages.degraded),
            timings_ms=stages.timings_ms | {"total": round((time.monotonic() - arrived) * 1_000, 3)},
        )
        slate = shown.slate(servable, surface, message.member_id, request, stages.request_id)
        stored = bool(message.member_id) and message.profile is None
        slate = replace(slate, ranking=Ranking.of(surface, request, ranked), stored_features=stored)
        if drawn:
            trial = explored_row(stages.request_id, answer.arm, ranked, drawn) | {"served": slate.logged_by}
            slate = replace(slate, propensities=tuple(drawn.draw.propensities.tolist()), trial=trial)
        elif arm:
            trial = {"kind": "arm", "request_id": stages.request_id, "arm": arm.name, "served": slate.logged_by}
            slate = replace(slate, trial=trial)
        return answer, slate

    def looked_up(
        self,
        servable: Servable,
        surface: Surface,
        message: JobsRequest,
        wish: Wish | None,
        depth: int,
        stages: Stages,
    ) -> LookedUp:
        """What a request finds, ranked, before it is chosen what is shown.

        Args:
            servable: Answers it from the first stage to the last.
            surface: As the request set it.
            message: The request.
            wish: For another objective than the surface's.
            depth: As in `answer`.
            stages: Of the request.

        Raises what `answer` raises.
        """
        index = servable.index
        message.filter.check(index.attributes)
        objective = surface.objective_of(servable.manifest, wish)
        row = features(servable, message.member_id, stages)
        now = self.at or datetime.now(UTC)
        reading = reading_of(index, message, now, stages)
        request = jobs_request(servable, message, reading, row or MemberRow(known=False), self.unclicked, now)
        top = max(surface.ranked, surface.k) if depth >= RANKED else min(depth, surface.ranked)
        prefix = servable.scorer.prefix_ahead(request.request_text) if top and request.request_text else None
        vector, titles = self._encoded(servable, message, row, request, stages)
        found = self._candidates(servable, surface, message, request, reading, vector, stages)
        candidates, request, reading = found
        ranked = _ranked(servable, request, vector, titles, candidates, top, objective, prefix, stages)
        return LookedUp(row, request, reading, candidates, ranked)

    def _encoded(
        self, servable: Servable, message: JobsRequest, row: MemberRow | None, request: Request, stages: Stages
    ) -> tuple[np.ndarray | None, RequestTitles | None]:
        """(dim,) float32 vector of the request's text, and its titles for a bundle that reads a match; None without a
        text or an encoder.

        Both are the member's feature where that was made of what is asked here, by the encoder that is served.
        """
        if not request.request_text:
            return None, None
        encoder, match_version = servable.encoder, servable.manifest.match_version

        def encoded() -> tuple[np.ndarray | None, RequestTitles | None]:
            stored = of_feature(row.encoding, encoder.version, encoder.dim, request) if row else None
            self.metrics.member_vectors.labels(_came(message, row, stored)).inc()
            if stored:
                return stored if match_version else stored._replace(titles=None)
            key = encoding_key(encoder.version, request) + match_version.encode()
            return servable.caches.vectors.get_or_make(
                key, lambda: encode_request(encoder, request, bool(match_version))
            )

        return stages.run("encoder", encoded, instead=lambda: (None, None))

    def _candidates(
        self,
        servable: Servable,
        surface: Surface,
        message: JobsRequest,
        request: Request,
        reading: Reading,
        vector: np.ndarray | None,
        stages: Stages,
    ) -> Found:
        index, rules, k = servable.index, surface.rules_of(self.rules), max(surface.candidates, surface.k)
        given = filter_of(message)
        found = stages.run(
            "retrieval",
            lambda: search_read(index, request, reading, given, vector, k, rules, surface.sources),
            instead=lambda: stages.run(
                "popular",
                lambda: Found(popular_candidates(index, request, k, rules), request, reading),
                instead=lambda: Found(NO_CANDIDATES, request, reading),
                last=True,
            ),
        )
        candidates = found.candidates
        for rule, count in candidates.removed.items():
            self.metrics.rule_jobs.labels(rule, "remove").inc(count)
        for rule in chain.from_iterable(candidates.demoted.values()):
            self.metrics.rule_jobs.labels(rule, "demote").inc()
        return found

    def _facets(
        self, servable: Servable, surface: Surface, request: Request, stages: Stages
    ) -> dict[str, tuple[FacetValue, ...]]:
        """Counts over the jobs that may be shown and, of a query, hold a word of it; none where there is no time."""
        if not surface.facets:
            return {}
        index, rules = servable.index, surface.rules_of(self.rules)

        def count() -> dict[str, tuple[FacetValue, ...]]:
            scores = index.term_scores(request)
            worded = scores > 0 if request.query and scores.any() else True

            def allowed(filter: Filter) -> np.ndarray:
                return index.mask(replace(request, filter=filter), rules) & worded

            point, now = point_of(request.location, index.attributes.home), request.time.timestamp()
            return facet_counts(index.attributes, request.filter, allowed, surface.facets, now, point)

        nothing: dict[str, tuple[FacetValue, ...]] = {}
        return stages.run("facets", count, instead=lambda: nothing)


def _came(message: JobsRequest, row: MemberRow | None, stored: Encoded | None) -> str:
    """Where a request's vectors came from, or why they had to be encoded."""
    if stored:
        return "stored"
    if message.profile is not None or not isinstance(message, RecommendRequest):
        return "asked"
    return "outdated" if row and row.encoding else "missing"


def _ranked(
    servable: Servable,
    request: Request,
    vector: np.ndarray | None,
    titles: RequestTitles | None,
    candidates: Candidates,
    top: int,
    objective: Objective,
    prefix: Callable[[], np.ndarray] | None,
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
        lambda: rank(servable.index, servable.scorer, request, candidates, vector, top, titles, objective, prefix),
        instead=lambda: as_retrieved(candidates),
    )


def _drawn(chosen: Chosen, ranked: Ranked, k: int, explore: Explore, seed: int, stages: Stages) -> DrawnList | None:
    """The first k of the chosen jobs drawn by chance; None, so that they stay as they stand, where that fails."""

    def draw() -> DrawnList | None:
        return drawn_jobs(chosen.jobs, ranked, k, explore, seed)

    return stages.run("explore", draw, instead=lambda: None)
