"""A workspace's service, with or without HTTP: answers, explanations and events, and the log of what was shown."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow.compute as pc

from contracts.arrow import arrow_schema, to_records
from contracts.errors import BadInput
from contracts.records import Job, Member
from contracts.tables import latest, parts, read_table
from contracts.validation import shown
from contracts.workspace import Workspace
from feature_repo.guard import STATES, State
from history.unclicked import Unclicked, unclicked_days
from ranking.blend import RELEVANCE
from ranking.explain import MatchEffect, explain, match_effects
from ranking.lift import Lift, lifts
from ranking.rank import RANKED
from ranking.scorer import BundleScorer
from retrieval.index.manifest import built_at
from retrieval.rules.rules import RuleBook, find_rules
from serving.administration import Administration
from serving.answering import Answerer
from serving.arms import Arms
from serving.asking import UnknownJob, row_of
from serving.beside import Beside
from serving.config import ServeConfig
from serving.counts import Counts
from serving.current import Current
from serving.drift_sample import DriftSample
from serving.erasure import EraseReply, Erasure
from serving.event_log import EventLog
from serving.feed import FeedConsumer
from serving.freshness import tell_freshness
from serving.health import problem
from serving.intake import AnswersElsewhere, Intake
from serving.log_files import Position
from serving.member_search import CandidatesAnswer, CandidatesRequest, MemberSearch
from serving.metrics import Metrics
from serving.near_line import NearLine
from serving.pages import next_page
from serving.recovery import ingested_until, recover
from serving.rerank import RerankAnswer, Reranker, RerankRequest
from serving.schemas import (
    REQUESTS,
    Answer,
    EventsReply,
    ExplainReply,
    JobsRequest,
    NextAnswer,
    NextRequest,
    RecommendRequest,
    SearchRequest,
    surface_of,
)
from serving.servable import Loaded, Servable, load_servable
from serving.shadow import ShadowAsker
from serving.slates import RecentSlates, ShownAnswer, Slate
from serving.stages import StageTimes
from serving.suggesting import SuggestionsAnswer, suggest
from serving.surfaces.surface import Surface, find_surfaces
from serving.swap import Swapper
from serving.tracing import Tracing
from serving.trials.log import TrialLog
from serving.warm_up import REPLAYED, warm_up
from sources.feeds.open import open_feed

R = TypeVar("R", Job, Member)
T = TypeVar("T")


class UnknownMember(BadInput):
    """The records hold no such member."""

    reason, http_status = "unknown_member", 404


class UnknownAnswer(BadInput):
    """The request is not among the last ones answered, or its answer did not hold the job."""

    reason, http_status = "unknown_answer", 404


class UnknownSurface(BadInput):
    """No surface has this name."""

    reason, http_status = "unknown_surface", 404


class Engine:
    """Answers for one workspace. Safe to call from several threads; `close` writes out the log."""

    def __init__(self, workspace: Workspace, config: ServeConfig | None = None, loaded: Loaded | None = None) -> None:
        """Load and warm everything. loaded: as `load_servable` takes it.

        Raises what `load_servable`, `find_rules`, `find_surfaces` and `sources.feeds.open.open_feed` raise.
        """
        with ExitStack() as started:
            self._start(started, workspace, config or ServeConfig(), loaded)
            started.pop_all()

    def _start(self, started: ExitStack, workspace: Workspace, config: ServeConfig, loaded: Loaded | None) -> None:
        """Make all parts; what has threads or files of its own is noted in `started`, by which a start that fails ends
        it."""
        self.config, self.workspace, self.beside = config, workspace, Beside(workspace, config)
        self.rules = find_rules(workspace, config.rules)
        self.surfaces = find_surfaces(workspace)
        feed = open_feed(config.changes) if config.changes else None
        servable = load_servable(workspace, config, loaded=loaded)
        self._current = Current(servable)
        started.callback(self._current.close)
        self.metrics = Metrics()
        self.tracing = Tracing(config.telemetry)
        started.callback(self.tracing.close)
        self._drift_sample = DriftSample(workspace, config.drift, self.metrics)
        started.callback(self._drift_sample.close)
        self.metrics.serves(*servable.served)
        tell_freshness(self.metrics, workspace, servable.folders[1])
        self.metrics.breaker.labels("features").set_function(lambda: STATES.index(self.features_state))
        self.metrics.add(servable.caches)
        self._slates = RecentSlates()
        self._log = EventLog(workspace, self.metrics, config.log, partial(ingested_until, workspace), config.deadline)
        started.callback(self._log.close)
        self._unclicked = Unclicked(unclicked_days(self.rules.enabled))
        self._counts = Counts(self._current, self._unclicked, config.security.counted_per_minute)
        built = built_at(servable.folders[1])
        known = recover(
            workspace, self._unclicked, built, datetime.now(UTC), partial(self._counts.add_logged, servable)
        )
        self._near_line = NearLine(self._current, self._counts, self.metrics, self._log.origin, built)
        started.callback(self._near_line.close)
        for path in known.files:
            self._near_line.fold_later(Position(path, 0))
        self._erasure = Erasure(workspace, self._slates, self._counts, self.metrics, config.security.erase_within_days)
        self._intake = Intake(
            self._current,
            self._counts,
            self._near_line,
            self._slates,
            self._log,
            self.metrics,
            self._erasure,
            known.event_ids,
            lambda job_id: self._arms.hold(job_id),
        )
        self._reranker = Reranker(config, self.metrics)
        self._members = MemberSearch(workspace, self.metrics, config.deadline, self._erasure)
        self._answerer = Answerer(self.rules, self._unclicked, self.metrics, config.deadline, trials=config.trials)
        self._trial_log = TrialLog(
            workspace.logs / "trials", self.metrics, config.trials.log_bytes, config.trials.keep_days
        )
        started.callback(self._trial_log.close)

        def warm(servable: Servable) -> set[str]:
            return warm_up(self._answerer, servable, self._slates.sample(REPLAYED))

        def warm_served(servable: Servable) -> set[str]:
            config.trials.check(servable.manifest, self.surfaces)
            return warm(servable)

        # How slow a bundle of an arm's own is leaves out no stage of what is served.
        apart = [arm.name for arm in config.trials.arms if arm.folders]
        self._answerers = {name: replace(self._answerer, times=StageTimes()) for name in apart}
        warm_served(servable)
        self._arms = Arms(workspace, config, self._current, self.surfaces, warm, self.metrics)
        started.callback(self._arms.close)
        log = self._trial_log
        shadowed = config.trials.shadow.bundle is not None
        self._shadow = ShadowAsker(workspace, config, self._answerer, log, self.metrics) if shadowed else None
        started.callback(self._shadow.close if self._shadow else lambda: None)
        self._swapper = Swapper(workspace, config, self._current, self.metrics, warm_served)
        started.callback(self._swapper.close)
        self.administration = Administration(workspace, config, self._current, self._swapper, lambda: self.arms)
        self.feed = FeedConsumer(workspace, self._current, feed, self.metrics) if feed else None

    @property
    def servable(self) -> Servable:
        """What is served now; take it once to read several parts of it that belong together."""
        return self._current.servable

    @property
    def arms(self) -> dict[str, str]:
        """Arm of a trial -> the versions of its own bundle and index, of those that have them."""
        return self._arms.told

    @property
    def features_state(self) -> State:
        """Of the online store's circuit breaker."""
        return self.servable.members.state

    def problem(self, now: datetime | None = None) -> str:
        """What keeps it from being ready; empty where nothing does. now: the clock's time; None: that of now."""
        return problem(self.servable.index, self._log.state, now or datetime.now(UTC))

    def swap(self, bundle: Path | None = None, index: Path | None = None) -> Servable:
        """Serve another bundle or index, or the current ones loaded anew: `Swapper.swap`. No request notices."""
        return self._swapper.swap(bundle, index)

    def look(self) -> None:
        """Look at CURRENT now, without waiting for the next poll."""
        self._swapper.look()

    def ask(self, surface: str, message: JobsRequest, arrived: float | None = None) -> Answer:
        """The answer of a surface.

        Args:
            surface: Its name.
            message: The request that the surface asks for (`serving.schemas.REQUESTS`).
            arrived: When it came in, by `time.monotonic`; None: now.

        Raises:
            UnknownSurface: There is none of this name.
            UnknownJob: Of a request for jobs like one that is not served.
            UnknownAttribute: The filter or a facet names an attribute that the index lacks.
            BadInput: The filter does not fit its attribute, or the surface asks for another kind of request.
        """
        answer, slate = self.prepare(message, arrived, surface=surface)
        self.shown(slate)
        return answer

    def recommend(self, message: RecommendRequest, arrived: float | None = None) -> Answer:
        """Jobs for a member: `ask` of the surface `recommendation`."""
        return self.ask("recommendation", message, arrived)

    def search(self, message: SearchRequest, arrived: float | None = None) -> Answer:
        """Jobs for a query, in the order that suits the member where there is one: `ask` of the surface `search`."""
        return self.ask("search", message, arrived)

    def prepare(
        self, message: JobsRequest, arrived: float | None = None, depth: int = RANKED, surface: str = ""
    ) -> tuple[Answer, Slate]:
        """An answer that nobody has seen yet, and its slate, which goes to `shown` once somebody has.

        It can be explained and events may name it at once: a client may be faster than the return of a send.

        Args:
            message: The request.
            arrived: When it came in, by `time.monotonic`; None: now.
            depth: Candidates that the student scores at most.
            surface: Its name; empty: the package's own surface for such a request.

        Raises what `ask` raises.
        """
        message = self._erasure.asked(message)
        asked = self._surface(surface or surface_of(message), message)
        arrived = time.monotonic() if arrived is None else arrived
        request_id = uuid.uuid4().hex
        arm = self.config.trials.arm_of(message.member_id, request_id)
        with self._arms.use(arm) as servable:
            answerer = self._answerers.get(arm.name if arm else "", self._answerer)
            answer, slate = answerer.answer(servable, asked, message, arrived, depth, request_id, arm)
        self._remember(slate)
        if self._shadow and asked.logged:
            self._shadow.ask(asked, message, slate)
        return answer, slate

    def shown(self, slate: Slate) -> None:
        """Log the jobs of an answer that was sent as impressions, and count them against the member. Never waits.

        Of a surface that is not logged nothing is. Of a member who was erased meanwhile it is somebody's.
        """
        if slate.member_id in self._erasure:
            slate = replace(slate, member_id="")
        if slate.logged:
            self._drift_sample.add(slate)
            self.metrics.shown(slate.surface, slate.good_matches, slate.probabilities)
            self._counts.add_shown(slate.member_id, slate.job_ids, slate.time)
            if slate.member_id and self._unclicked.counted:
                self._near_line.tell_shown(slate.member_id, slate.job_ids, slate.time)
            self._log.log_impressions(slate.impressions())
            if slate.trial:
                self._trial_log.put(slate.trial)
                self.metrics.trials.labels(slate.trial["kind"], "shown").inc()

    def tried(
        self, message: JobsRequest, surface: str = "", rules: RuleBook | None = None, servable: Servable | None = None
    ) -> Answer:
        """The answer to a request that nobody is shown: it is not logged and does not count, and can be explained.

        Args:
            message: The request.
            surface: Its name; empty: the package's own surface for such a request.
            rules: In place of those in force.
            servable: In place of what is served, such as one of `beside`.

        Raises what `ask` raises.
        """
        message = self._erasure.asked(message)
        asked = self._surface(surface or surface_of(message), message)
        answerer = self._answerer if rules is None else replace(self._answerer, rules=rules)
        if servable is not None:  # how slow it is leaves out no stage of what is served
            answerer = replace(answerer, times=StageTimes())
        request_id = uuid.uuid4().hex
        arm = self.config.trials.arm_of(message.member_id, request_id) if servable is None else None
        with self._arms.use(arm) as served:
            answer, slate = answerer.answer(
                servable or served, asked, message, time.monotonic(), RANKED, request_id, arm
            )
        self._remember(slate)
        return answer

    def _remember(self, slate: Slate) -> None:
        """Keep an answer that can be explained; not that of a member who was erased while it was made."""
        self._slates.add(slate)
        if slate.member_id in self._erasure:
            self._slates.forget(slate.member_id)

    def slate(self, request_id: str, job_id: str) -> Slate:
        """The slate of a recent answer that holds a job. Raises UnknownAnswer."""
        slate = self._slates.get(request_id)
        if slate is None or job_id not in slate.job_ids or slate.member_id in self._erasure:
            cure = "ask soon, with the ids of the answer"
            raise UnknownAnswer(f"no job {job_id!r} in a recent answer {request_id!r}", cure=cure)
        return slate

    def next(self, message: NextRequest) -> tuple[NextAnswer, Slate]:
        """Further jobs of a recent answer, and their slate, which goes to `shown`. No model is run.

        Raises:
            UnknownAnswer: The answer is none of the last ones of this process.
            NotTheirAnswer: It is another member's.
            BadInput: `after` lies behind all that was shown.
        """
        slate, kept = self._slates.get(message.request_id), self._slates.ranking(message.request_id)
        if slate is None or kept is None or slate.member_id in self._erasure:
            cure = "ask anew, without its jobs"
            raise UnknownAnswer(f"no recent answer {message.request_id!r} is kept", where="request_id", cure=cure)
        name = (slate.trial or {}).get("arm", "")
        arm = next((arm for arm in self.config.trials.arms if arm.name == name), None)
        with self._arms.use(arm) as servable:
            answer, page, whole = next_page(servable, slate, kept, message)
        self._remember(whole)
        return answer, page

    def rerank(self, message: RerankRequest, arrived: float | None = None) -> RerankAnswer:
        """Any documents for a query: `serving.rerank.Reranker.rerank`."""
        with self._current.use() as servable:
            return self._reranker.rerank(servable, message, time.monotonic() if arrived is None else arrived)

    def candidates(self, message: CandidatesRequest, arrived: float | None = None) -> CandidatesAnswer:
        """Members for a job: `serving.member_search.MemberSearch.answer`."""
        surface = self.surfaces["candidates"]
        with self._current.use() as servable:
            return self._members.answer(servable, surface, message, time.monotonic() if arrived is None else arrived)

    def suggest(self, message: SearchRequest, arrived: float | None = None, depth: int = RANKED) -> SuggestionsAnswer:
        """What would narrow a search: `serving.suggesting.suggest`."""
        message, surface = self._erasure.asked(message), self.surfaces["suggestions"]
        arrived = time.monotonic() if arrived is None else arrived
        with self._current.use() as servable:
            return suggest(self._answerer, servable, surface, message, arrived, depth)

    def surface(self, name: str) -> Surface:
        """A surface that gives jobs. Raises UnknownSurface."""
        surface = self.surfaces.get(name)
        if surface is None or surface.answers != "jobs":
            named = sorted(name for name, surface in self.surfaces.items() if surface.answers == "jobs")
            raise UnknownSurface(f"no surface {shown(name)}", cure=f"one of {', '.join(named)}")
        return surface

    def _surface(self, name: str, message: JobsRequest) -> Surface:
        surface = self.surface(name)
        if not isinstance(message, REQUESTS[surface.asks]):
            raise BadInput(f"surface {name} asks for a {surface.asks}", where="body", cure="see the API's page")
        return surface

    def advert(self, job_id: str) -> Job:
        """A job of the index as its newest record says it, with its description.

        Raises:
            UnknownJob: No job of the index has this id, or its record is not in the workspace.
        """
        row_of(self.servable.index, job_id)
        found = self.adverts([job_id])
        if not found:
            raise UnknownJob(f"job {job_id!r} came over the feed alone", cure="ingest it to read it whole")
        return found[job_id]

    def adverts(self, job_ids: Sequence[str]) -> dict[str, Job]:
        """Job id -> the newest record, of those that the workspace has."""
        return {job.id: job for job in self._newest("jobs", Job, job_ids)}

    def member(self, member_id: str) -> Member:
        """A member's newest record. Raises UnknownMember where the workspace has none."""
        for member in self._newest("members", Member, [member_id]) if member_id not in self._erasure else ():
            return member
        raise UnknownMember(f"no member {member_id[:40]!r} in the records", cure="take one that was ingested")

    def _newest(self, table: str, model: type[R], ids: Sequence[str]) -> list[R]:
        folder = self.workspace.records / table
        if not parts(folder):
            return []
        rows = read_table(folder, filter=pc.field("id").isin(list(ids)), schema=arrow_schema(model))
        return list(to_records(latest(rows, "id", "updated_at"), model)) if rows.num_rows else []

    def ask_elsewhere(self, answers: AnswersElsewhere) -> None:
        """From now on events take of answers that another process has made what it tells of them."""
        self._intake.answers_elsewhere = answers

    def shown_answers(self, request_ids: Sequence[str]) -> dict[str, ShownAnswer]:
        """What events take of answers: id to those that are remembered here."""
        slates = {request_id: self._slates.get(request_id) for request_id in request_ids}
        return {request_id: ShownAnswer.of(slate) for request_id, slate in slates.items() if slate}

    def record(self, events: Any, only_member: str | None = None) -> EventsReply:
        """Take in events (one mapping or a list of them): the members' next answers know of them. See `Intake`."""
        return self._intake.record(events, datetime.now(UTC), only_member)

    def erase(self, member_id: str) -> EraseReply:
        """Erase a member from what this process and the online store hold, and say what remains and until when.

        Raises NotWritten.
        """
        with self._current.use() as servable:
            return self._erasure.erase(servable, member_id)

    def explain(self, request_id: str, job_id: str) -> ExplainReply:
        """Why a job of a recent answer stood where it stood. Raises UnknownAnswer."""
        slate = self.slate(request_id, job_id)
        i = slate.job_ids.index(job_id)
        explanation = explain(
            slate.found_by[i],
            slate.because[i],
            slate.probabilities[i],
            slate.blend,
            slate.inputs[i],
            slate.demoted_by[i],
            self._match_effects(slate, i),
            slate.objective.order == RELEVANCE,
        )
        return ExplainReply(
            request_id=request_id,
            job_id=job_id,
            time=slate.time,
            surface=slate.surface,
            rank=i + 1,
            score=slate.scores[i],
            good_match=slate.good_matches[i],
            objective=slate.objective,
            bundle_version=slate.logged_by.split("/", 1)[0],
            index_version=slate.logged_by.split("/", 1)[1],
            depth=slate.depth,
            propensity=slate.propensity(i),
            explanation=explanation,
        )

    def lifts(self, request_id: str, job_id: str) -> tuple[Lift, ...]:
        """What would lift a job of a recent answer; none where another bundle is served since. Raises UnknownAnswer."""
        slate = self.slate(request_id, job_id)
        return self._of_match(slate, slate.job_ids.index(job_id), lifts)

    def _match_effects(self, slate: Slate, i: int) -> tuple[MatchEffect, ...]:
        return self._of_match(slate, i, match_effects)

    def _of_match(
        self, slate: Slate, i: int, told: Callable[[BundleScorer, str, np.ndarray, np.ndarray], tuple[T, ...]]
    ) -> tuple[T, ...]:
        """What the comparisons of job i of a slate tell, by the job's item tokens of now; nothing where another bundle
        is served since, or the job is gone."""
        match = slate.match[i] if slate.match else None
        if match is None:
            return ()
        with self._arms.of_bundle(slate.logged_by.split("/", 1)[0]) as servable:
            rows = servable.index.rows([slate.job_ids[i]]) if servable else np.array([-1])
            if servable is None or rows[0] < 0:
                return ()
            return told(servable.scorer, slate.request_text, servable.index.items(rows)[0], match)

    def close(self) -> None:
        self._swapper.close()
        self._arms.close()
        self.beside.close()
        if self.feed:
            self.feed.close()
        self._near_line.close()
        self._current.close()
        self._log.close()
        self._drift_sample.close()
        if self._shadow:
            self._shadow.close()
        self._trial_log.close()
        self.tracing.close()
