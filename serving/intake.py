"""Posted events: checked one by one, logged, and folded into what the next request sees.

An event id counts once, among the last `MAX_EVENT_IDS` of this process and those in the log of today and yesterday.
What the service knows better than a client, it does not take from one: where a job stood, who found it, by which
versions and with which probability it was shown are those of the answer that `request_id` names, or not known.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from contracts.errors import BadInput
from contracts.records import Event
from contracts.validation import field_path, first_problem
from serving.counts import Counts
from serving.current import Current
from serving.event_log import EventLog
from serving.folding import folds
from serving.logger import log
from serving.metrics import Metrics
from serving.near_line import NearLine
from serving.recovery import MAX_EVENT_DAYS
from serving.schemas import MAX_EVENTS, EventsReply, Rejected
from serving.servable import Servable
from serving.slates import MADE_ID, RecentSlates, ShownAnswer, Slate

AnswersElsewhere = Callable[[Sequence[str]], Mapping[str, ShownAnswer]]
"""Ids of answers to those that another process of the service remembers."""
MAX_EVENT_IDS = 200_000
CLOCK_SKEW = timedelta(minutes=5)
"""How far a client's clock may run ahead."""
OF_THE_ANSWER = ("position", "propensity", "logged_by", "found_by")
"""Fields of an event that no client can know better than the service."""


class Intake:
    """Takes events in. Holds the ids that were seen here; the store knows those that were seen elsewhere."""

    def __init__(
        self,
        current: Current,
        counts: Counts,
        near_line: NearLine,
        slates: RecentSlates,
        event_log: EventLog,
        metrics: Metrics,
        erased: Container[str] = (),
        seen: Sequence[str] = (),
        held_elsewhere: Callable[[str], bool] = lambda job_id: False,
    ) -> None:
        """Take in nothing yet.

        seen: ids that were taken in before, oldest first, as the log has them; held_elsewhere: whether a job that what
        is served lacks is shown all the same, by an arm's own index.
        """
        self._current, self._counts, self._near_line, self._slates = current, counts, near_line, slates
        self._log, self._metrics = event_log, metrics
        self._erased, self._held_elsewhere = erased, held_elsewhere
        self.answers_elsewhere: AnswersElsewhere = lambda request_ids: {}
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, None] = OrderedDict.fromkeys(seen[-MAX_EVENT_IDS:])

    def record(self, posted: Any, now: datetime, only_member: str | None = None) -> EventsReply:
        """Take in one event (a mapping) or several (a list), in their order; what is wrong with one stops no other.

        A missing id, time or field of the request that `request_id` names is filled in; a request of another member
        is refused, and so is what happened over `MAX_EVENT_DAYS` ago, or is of another than `only_member` where one is
        named ("": those without an id).
        Raises BadInput for more than `MAX_EVENTS` events and for a body that holds none, LogFailed.
        """
        raw = [posted] if isinstance(posted, Mapping) else posted
        if not isinstance(raw, list):
            raise BadInput("the body is neither an event nor a list of events", where="body")
        if len(raw) > MAX_EVENTS:
            raise BadInput(f"{len(raw):,} events in one post", where="body", cure=f"at most {MAX_EVENTS:,}")
        with self._current.use() as servable:
            return self._record(servable, raw, now, only_member)

    def _record(self, servable: Servable, posted: Sequence[Any], now: datetime, only_member: str | None) -> EventsReply:
        good: list[Event] = []
        rejected: list[Rejected] = []
        answers = self._answers(posted)
        for index, raw in enumerate(posted):
            event = self._check(servable, index, raw, now, answers)
            if isinstance(event, Event) and only_member not in (None, event.member_id):
                message = "member_id is another than that of the token"
                event = Rejected(index=index, reason="other_member", message=message)
            elif isinstance(event, Event) and event.member_id in self._erased:
                event = Rejected(index=index, reason="erased_member", message="the member was erased")
            if isinstance(event, Rejected):
                rejected.append(event)
            else:
                good.append(event)
        # An id is claimed once the log has its event: a repost must not be a duplicate of a write that may still fail.
        # Of two simultaneous posts the log then holds both lines, of which `ingest` keeps one.
        unseen = self._unseen(good)
        position = self._log.log_events(unseen) if unseen else None
        new, asked = self._claim(servable, unseen)
        self._counts.add(servable, new)
        self._near_line.tell_events(new)
        folded = asked and self._fold(servable, new)
        if position is not None:
            self._near_line.logged(position) if folded else self._near_line.fold_later(position)
        for outcome, count in (
            ("accepted", len(new)),
            ("duplicate", len(good) - len(new)),
            ("rejected", len(rejected)),
        ):
            self._metrics.events.labels(outcome).inc(count)
        return EventsReply(
            accepted=len(new),
            duplicates=len(good) - len(new),
            rejected=len(rejected),
            reasons=tuple(rejected),
            degraded=() if folded else ("features",),
        )

    def _check(
        self, servable: Servable, index: int, raw: Any, now: datetime, answers: Mapping[str, Slate | ShownAnswer]
    ) -> Event | Rejected:
        if not isinstance(raw, Mapping):
            return Rejected(index=index, reason="bad_event", message="an event is a JSON object")
        value = {name: field for name, field in raw.items() if field is not None and name not in OF_THE_ANSWER}
        slate = answers.get(_named(value))
        if slate is not None and slate.member_id and value.get("member_id", slate.member_id) != slate.member_id:
            message = "request_id is of an answer that another member got; leave it out, or post that member's id"
            return Rejected(index=index, reason="not_their_request", message=message)
        try:
            event = Event.model_validate(_context(value, slate) | {"id": uuid.uuid4().hex, "time": now} | value)
        except ValidationError as error:
            problem = first_problem(error)
            field = field_path(problem["loc"])[:100]
            return Rejected(index=index, reason="bad_event", message=f"{field}: {problem['msg']}")
        if event.time > now + CLOCK_SKEW:
            message = f"time {event.time.isoformat()} is in the future"
            return Rejected(index=index, reason="future", message=message)
        if event.time < now - timedelta(days=MAX_EVENT_DAYS):
            message = (
                f"time {event.time.isoformat()} is over {MAX_EVENT_DAYS} days ago; `rolecall ingest` takes a history"
            )
            return Rejected(index=index, reason="too_old", message=message)
        # An answer may name jobs that what is served lacks: of an arm with its own index, or from before a swap.
        # After a restart no answer is remembered, but the arms are there again.
        was_shown = slate is not None and event.job_id in slate.job_ids
        is_held = was_shown or servable.index.rows([event.job_id], ended=True)[0] >= 0
        if not is_held and not self._held_elsewhere(event.job_id):
            message = f"no job {event.job_id!r} in the index"
            return Rejected(index=index, reason="unknown_job", message=message)
        return event

    def _answers(self, posted: Sequence[Any]) -> dict[str, Slate | ShownAnswer]:
        """The answers that events name, where they are remembered, here or by another process of the service."""
        named = {request_id for raw in posted if isinstance(raw, Mapping) and (request_id := _named(raw))}
        own = {request_id: slate for request_id in named if (slate := self._slates.get(request_id))}
        others = sorted(filter(MADE_ID.fullmatch, named - own.keys()))  # a client may name anything
        return {**(self.answers_elsewhere(others) if others else {}), **own}

    def _unseen(self, events: Iterable[Event]) -> list[Event]:
        """The events whose id was not seen, each id once."""
        first: dict[str, Event] = {}
        with self._lock:
            for event in events:
                if event.id not in self._seen:
                    first.setdefault(event.id, event)
        return list(first.values())

    def _claim(self, servable: Servable, events: Sequence[Event]) -> tuple[list[Event], bool]:
        """The events whose id is new to every service on the store, and whether the store could be asked.

        Of simultaneous posts of one id, here or elsewhere, one claims it. Without the store an id is known here alone.
        """
        ids = [event.id for event in events]
        asked = True
        try:
            unclaimed = servable.members.claim(ids)
        except Exception as error:  # whatever a store raises
            self._degraded(error)
            unclaimed, asked = set(ids), False
        new = []
        with self._lock:
            for event in events:
                if event.id not in self._seen and event.id in unclaimed:
                    new.append(event)
                self._seen[event.id] = None
            while len(self._seen) > MAX_EVENT_IDS:
                self._seen.popitem(last=False)
        return new, asked

    def _fold(self, servable: Servable, events: Sequence[Event]) -> bool:
        """Fold events into their members' activities; False where the store did not take them."""
        try:
            servable.members.fold(folds(servable, events))
        except Exception as error:  # whatever a store raises; the events come back with the log
            self._degraded(error)
            return False
        return True

    def _degraded(self, error: Exception) -> None:
        self._metrics.degraded.labels("features", type(error).__name__).inc()
        log.warning("degraded", stage="features", cause=type(error).__name__)


def _named(value: Mapping[str, Any]) -> str:
    """The id of the answer that an event names; empty where it names none."""
    request_id = value.get("request_id")
    return request_id if isinstance(request_id, str) else ""


def _context(value: Mapping[str, Any], slate: Slate | ShownAnswer | None) -> dict[str, Any]:
    """The fields of an event that follow from the answer that it names."""
    if slate is None:
        return {}
    fields: dict[str, Any] = {"surface": slate.surface, "query": slate.query, "logged_by": slate.logged_by}
    if slate.member_id:
        fields["member_id"] = slate.member_id
    if value.get("job_id") in slate.job_ids:
        place = slate.job_ids.index(str(value["job_id"]))
        fields |= {"position": place + 1, "propensity": slate.propensity(place)}
    return fields
