"""Posted events: checked one by one, logged, and folded into what the next request sees.

An event id counts once, among the last `REMEMBERED` of this process and those in the log of today and yesterday.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from contracts.errors import BadInput
from contracts.records import Event, Job
from contracts.text.verbalizer import job_snippet
from contracts.validation import typed
from contracts.workspace import Workspace
from serving.current import Current
from serving.event_log import EventLog, logged
from serving.http.schemas import MAX_EVENTS, EventsReply, Rejected
from serving.lines import log
from serving.load import Loaded
from serving.metrics import Metrics
from serving.recent import Recent
from serving.unopened import Unopened

REMEMBERED = 200_000
CLOCK_SKEW = timedelta(minutes=5)
"""How far a client's clock may run ahead."""
_LOCKS = 256


class Intake:
    """`record` takes events in. Holds the ids that were seen and one lock a member (two members may share one)."""

    def __init__(
        self,
        workspace: Workspace,
        current: Current,
        recent: Recent,
        unopened: Unopened,
        event_log: EventLog,
        metrics: Metrics,
    ) -> None:
        self._current, self._recent, self._unopened = current, recent, unopened
        self._log, self._metrics = event_log, metrics
        self._lock = threading.Lock()
        self._locks = [threading.Lock() for _ in range(_LOCKS)]
        self._seen: OrderedDict[str, None] = OrderedDict.fromkeys(_logged_ids(workspace))

    def record(self, posted: Any, now: datetime) -> EventsReply:
        """Take in one event (a mapping) or several (a list), in their order; what is wrong with one stops no other.

        A missing id, time or field of the request that `request_id` names is filled in.
        Raises BadInput for more than `MAX_EVENTS` events and for a body that holds none, LogFailed.
        """
        raw = [posted] if isinstance(posted, Mapping) else posted
        if not isinstance(raw, list):
            raise BadInput("the body is neither an event nor a list of events", where="body")
        if len(raw) > MAX_EVENTS:
            raise BadInput(f"{len(raw):,} events in one post", where="body", cure=f"at most {MAX_EVENTS:,}")
        with self._current.use() as loaded:
            return self._record(loaded, raw, now)

    def _record(self, loaded: Loaded, raw: Sequence[Any], now: datetime) -> EventsReply:
        good: list[Event] = []
        rejected: list[Rejected] = []
        for place, one in enumerate(raw):
            checked = self._check(loaded, place, one, now)
            if isinstance(checked, Rejected):
                rejected.append(checked)
            else:
                good.append(checked)
        # Claimed only when the log has them: a repost must not be a duplicate of what may still fail. Of two posts at
        # one moment the log then holds both lines, which `ingest` makes one of.
        unseen = self._unseen(good)
        if unseen:
            self._log.done(unseen)
        new = self._claim(unseen)
        late = not self._fold(loaded, new)
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
            degraded=("features",) if late else (),
        )

    def _check(self, loaded: Loaded, place: int, raw: Any, now: datetime) -> Event | Rejected:
        if not isinstance(raw, Mapping):
            return Rejected(index=place, reason="bad_event", message="an event is a JSON object")
        value = {name: found for name, found in raw.items() if found is not None}
        try:
            event = Event.model_validate(self._context(value) | {"id": uuid.uuid4().hex, "time": now} | value)
        except ValidationError as error:
            return Rejected(index=place, reason="bad_event", message=typed(error, BadInput).what)
        if event.time > now + CLOCK_SKEW:
            message = f"time {event.time.isoformat()} is in the future"
            return Rejected(index=place, reason="future", message=message)
        if loaded.index.rows([event.job_id], ended=True)[0] < 0:
            return Rejected(index=place, reason="unknown_job", message=f"no job {event.job_id!r} in the index")
        return event

    def _context(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """What the request that an event names says of it."""
        request_id = value.get("request_id")
        shown = self._recent.get(request_id) if isinstance(request_id, str) else None
        if shown is None:
            return {}
        found: dict[str, Any] = {"surface": shown.surface, "query": shown.query, "logged_by": shown.logged_by}
        if shown.member_id:
            found["member_id"] = shown.member_id
        if value.get("job_id") in shown.job_ids:
            found["position"] = shown.job_ids.index(str(value["job_id"])) + 1
        return found

    def _unseen(self, events: Iterable[Event]) -> list[Event]:
        """Those whose id was not seen, each id once."""
        first: dict[str, Event] = {}
        with self._lock:
            for event in events:
                if event.id not in self._seen:
                    first.setdefault(event.id, event)
        return list(first.values())

    def _claim(self, events: Iterable[Event]) -> list[Event]:
        """Those whose id is new; each is new once, whoever else posts it at this moment."""
        new = []
        with self._lock:
            for event in events:
                if event.id not in self._seen:
                    self._seen[event.id] = None
                    new.append(event)
            while len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
        return new

    def _fold(self, loaded: Loaded, events: Sequence[Event]) -> bool:
        """Make the events count; False where the feature store did not take a member's."""
        self._current.count(events)
        by_member: dict[str, list[Event]] = {}
        for event in events:
            self._unopened.add(event.member_id, event.job_id, event.action, event.time)
            if event.action != "impression":
                by_member.setdefault(event.member_id, []).append(event)
        return all([self._fold_member(loaded, member_id, mine) for member_id, mine in by_member.items()])

    def _fold_member(self, loaded: Loaded, member_id: str, events: Sequence[Event]) -> bool:
        with self._locks[hash(member_id) % _LOCKS]:
            try:
                activity = loaded.members.read(member_id).activity
                for event in events:
                    activity = activity.add(event, _snippet(loaded, event.job_id))
                loaded.members.push(member_id, activity)
            except Exception as error:  # whatever a store raises; the event is in the log and comes back with it
                self._metrics.degraded.labels("features", type(error).__name__).inc()
                log.warning("degraded", stage="features", cause=type(error).__name__)
                return False
        return True


def _snippet(loaded: Loaded, job_id: str) -> str:
    job = loaded.index.display(int(loaded.index.rows([job_id], ended=True)[0]))
    return job_snippet(Job.model_construct(**{name: job[name] for name in ("title", "company", "location")}))


def _logged_ids(workspace: Workspace) -> list[str]:
    """Ids of the events posted today and yesterday."""
    today = datetime.now(UTC)
    rows = (row for day in (today - timedelta(days=1), today) for row in logged(workspace, day))
    return [row["id"] for row in rows if row["action"] != "impression"][-REMEMBERED:]
