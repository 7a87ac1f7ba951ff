"""Admission before anything else reads a request: its line, its place, its deadline, and its client's presence."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.errors import NotReady
from contracts.machine import cores
from serving.admission import Granted, Line, Refused, Waiter
from serving.concurrency import ConcurrencyLimit
from serving.config import ServeConfig
from serving.http.body import MAX_BODY_BYTES, Body, BodyTooLarge
from serving.http.call import SCOPE_KEY, Call, is_hung_up, is_of_sibling
from serving.http.problems import problem_answer
from serving.logger import log
from serving.metrics import Metrics
from serving.stages import frames

GRACE_SECONDS = 0.05
"""After the deadline, until which an answer that is being made may still come."""
CORE_THREADS = 2
"""Requests at once a core, at most: while one waits for a store the core has another."""


class Overloaded(NotReady):
    """More is asked for than can be answered in time."""

    reason = "overloaded"


@dataclass(frozen=True)
class Lane:
    """One kind of requests: its line, how long they may wait, and whether an answer may come later than that.

    Attributes:
        name: In the metrics.
        line: They wait in it.
        seconds: After its arrival, past which the work for a request must not begin.
        bound: Whether the client is answered `GRACE_SECONDS` after that at the latest.
    """

    name: str
    line: Line
    seconds: float
    bound: bool = False


class Lanes:
    """The lines of a service: of jobs, of posted events, of pages and swaps, so that none holds up another.

    The API's health, readiness and metrics pass by all of them. Other processes of the service have a line of their
    own: who asks them holds a place in that of jobs meanwhile, and two that ask each other must not wait for those.
    """

    def __init__(self, config: ServeConfig, workers: int | None = None) -> None:
        """Make empty lines.

        Args:
            config: Their bounds.
            workers: Requests ranked at once at first; None: one a core.
        """
        limits = config.limits
        workers = workers or cores()
        most = limits.running or max(workers, CORE_THREADS * cores())
        self.threads = most + 2 * limits.others_running
        self.event_threads = limits.events_running
        self.body_bytes = limits.bodies
        self._unready_share = limits.unready_share
        ranking = Line(
            ConcurrencyLimit(workers, most),
            limits.waiting,
            bearable=limits.wait_share * max(config.deadline, 0.001),
            patience=limits.patience,
            depths=limits.depths,
        )
        events = Line(_fixed(limits.events_running), limits.events_waiting)
        others = Line(_fixed(limits.others_running), limits.others_waiting)
        self.jobs = Lane("jobs", ranking, config.deadline, bound=True)
        self.events = Lane("events", events, limits.events_wait)
        self.others = Lane("others", others, limits.others_wait)
        siblings = Line(_fixed(limits.others_running), limits.waiting)
        self.siblings = Lane("siblings", siblings, config.deadline)

    def of(self, method: str, path: str, is_of_sibling: bool = False) -> Lane | None:
        """The lane of a request; None where it passes by."""
        if is_of_sibling:
            return self.siblings if _is_under("/v1", path) else None
        if _is_under("/v1/events", path):
            return self.events
        if (
            _is_under("/console", path)
            or _is_under("/v1/admin", path)
            or (_is_under("/v1", path) and method not in ("GET", "POST"))
        ):
            return self.others
        return self.jobs if _is_under("/v1", path) else None

    def is_shedding(self) -> bool:
        """Whether so many requests for jobs are refused that another replica should get them."""
        return self.jobs.line.shed_share(time.monotonic()) > self._unready_share


def _is_under(head: str, path: str) -> bool:
    return path == head or path.startswith(f"{head}/")


def _fixed(places: int) -> ConcurrencyLimit:
    return ConcurrencyLimit(places, places, places)


class Admit:
    """ASGI middleware: gives each request a place in its lane, or refuses it before its body is parsed."""

    def __init__(self, app: ASGIApp, lanes: Lanes, metrics: Callable[[], Metrics | None]) -> None:
        """Wrap an application.

        Args:
            app: What answers.
            lanes: Where requests wait.
            metrics: Returns the service's metrics, None while it is loading: then nobody waits for it.
        """
        self._app, self._lanes, self._metrics = app, lanes, metrics
        self._held = 0
        self._left: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        lane, metrics = self._lanes.of(scope["method"], scope["path"], is_of_sibling(scope)), self._metrics()
        if lane is None:
            return await self._app(scope, receive, send)
        if metrics is not None and lane.line.closed:
            lane.line.turn_away(time.monotonic())
            metrics.shed.labels(lane.name, "full").inc()
            return await _OVERLOADED(scope, receive, send)
        body = Body(scope, receive)
        try:
            if not await body.read(self._hold):
                return
            if metrics is None:
                return await self._app(scope, body.replay, send)
            await self._admitted(lane, metrics, body, scope, send)
        except BodyTooLarge:
            await _TOO_LARGE(scope, receive, send)
        except _NoRoom:
            if metrics is not None:
                metrics.shed.labels(lane.name, "bodies").inc()
            await _OVERLOADED(scope, receive, send)
        finally:
            self._held -= body.size

    def _hold(self, size: int) -> None:
        """Count bytes that are held. Raises _NoRoom where they are too many."""
        self._held += size
        if self._held > self._lanes.body_bytes:
            raise _NoRoom

    async def _admitted(self, lane: Lane, metrics: Metrics, body: Body, scope: Scope, send: Send) -> None:
        scope[SCOPE_KEY] = call = Call()
        turn = _Turn(lane, metrics, call)
        watch = asyncio.create_task(body.watch(turn.client_left))
        try:
            outcome = await turn.wait()
            if isinstance(outcome, Refused):
                await _OVERLOADED(scope, body.replay, send)
            elif outcome is not None:
                await self._answered(turn, outcome, scope, body, send)
        finally:
            watch.cancel()

    async def _answered(self, turn: _Turn, granted: Granted, scope: Scope, body: Body, send: Send) -> None:
        """Let the application answer; where it takes too long, answer in its place and leave it to its end."""
        call, lane = turn.call, turn.lane
        out = _Out(scope, send, call, lambda: turn.leave(granted, scope))

        async def work() -> None:
            try:
                await self._app(scope, body.replay, out.send)
            finally:
                out.finish()

        if not lane.bound:
            return await work()
        task = asyncio.create_task(work())
        left = call.arrived + lane.seconds + GRACE_SECONDS - time.monotonic()
        done, _ = await asyncio.wait({task}, timeout=max(0.0, left))
        if done or out.started:
            return await task
        call.gone = True
        out.closed = True
        turn.metrics.shed.labels(lane.name, "deadline").inc()
        self._left.add(task)
        task.add_done_callback(self._forget)
        await _TOO_LATE(scope, body.replay, send)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._left.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            log.error("bug", error=type(error).__name__, at=frames(error))  # its client has been answered


class _NoRoom(Exception):
    """The bodies that are held are too large together."""


class _Turn:
    """One request's wait for its place."""

    def __init__(self, lane: Lane, metrics: Metrics, call: Call) -> None:
        self.lane, self.metrics, self.call = lane, metrics, call
        self._outcome: asyncio.Future[Granted | Refused | None] = asyncio.get_running_loop().create_future()
        # The work takes its time too: who waits longer than this would be late.
        work = min(lane.line.service, lane.seconds / 2) if lane.bound else 0.0
        self._waiter = Waiter(call.arrived + lane.seconds - work, self._told)

    async def wait(self) -> Granted | Refused | None:
        """The place, or why there is none; None where the client has gone."""
        line, name = self.lane.line, self.lane.name
        now = time.monotonic()
        line.enter(self._waiter, now)
        while not self._outcome.done():
            self.metrics.waiting.labels(name).set(line.waiting)
            timeout = max(0.0, self._waiter.until - time.monotonic()) + 0.001
            try:
                await asyncio.wait({self._outcome}, timeout=timeout)
            except asyncio.CancelledError:  # the service stops
                line.withdraw(self._waiter)
                raise
            line.expire(time.monotonic())
        outcome = self._outcome.result()
        self.metrics.waiting.labels(name).set(line.waiting)
        if isinstance(outcome, Granted):
            self.call.depth = outcome.depth
            self.metrics.queue_seconds.labels(name).observe(outcome.at - now)
            self.metrics.admitted.labels(name, str(outcome.depth)).inc()
            self.metrics.running.labels(name).set(line.running)
        elif isinstance(outcome, Refused):
            self.metrics.shed.labels(name, outcome.cause).inc()
        return outcome

    def leave(self, granted: Granted, scope: Scope) -> None:
        line, name = self.lane.line, self.lane.name
        line.leave(granted, time.monotonic(), getattr(scope.get("route"), "path", ""))
        self.metrics.running.labels(name).set(line.running)
        self.metrics.limit.labels(name).set(line.limit.value)

    def client_left(self) -> None:
        self.call.gone = True
        if not self._outcome.done():
            self.lane.line.withdraw(self._waiter)
            self.metrics.shed.labels(self.lane.name, "gone").inc()
            self._outcome.set_result(None)

    def _told(self, outcome: Granted | Refused) -> None:
        self._outcome.set_result(outcome)


class _Out:
    """Sends on what an application answers, and gives its place back when it begins to."""

    def __init__(self, scope: Scope, send: Send, call: Call, leave: Callable[[], None]) -> None:
        self._scope, self._send, self._call, self._leave = scope, send, call, leave
        self._left = False
        self.started = self.closed = False

    async def send(self, message: Message) -> None:
        self.finish()
        if self.closed:
            return
        self._call.gone = self._call.gone or is_hung_up(self._scope)
        self.started = True
        await self._send(message)

    def finish(self) -> None:
        """Give the place back, once."""
        if not self._left:
            self._left = True
            self._leave()


_OVERLOADED = problem_answer(
    429, "overloaded", "more is asked for than can be answered in time (ask again a little later)"
)
_TOO_LATE = problem_answer(503, "too_late", "the answer was not ready within the deadline (ask again a little later)")
_TOO_LARGE = problem_answer(413, "body_too_large", f"the body is over {MAX_BODY_BYTES:,} bytes")
