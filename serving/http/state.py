"""The state of the application: an engine that may still be loading, and the threads that requests run on."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Annotated, Any, ParamSpec, TypeVar
from urllib.parse import quote

from fastapi import Depends, Request, Response
from pydantic import BaseModel

from contracts.errors import NotReady
from feature_repo.config import SHARE
from retrieval.engines.side_by_side import one_core
from serving.access.caller import NotTheirAnswer
from serving.config import ServeConfig
from serving.engine import Engine, UnknownAnswer
from serving.http.admit import Lanes
from serving.http.call import Call, ShownResponse, is_of_sibling
from serving.http.request_context import named
from serving.http.siblings import Reply, Siblings
from serving.logger import log
from serving.metrics import Metrics
from serving.slates import Slate
from serving.tracing import Tracing

PASSED_ON = ("authorization", "x-member-token", "content-type")
"""Headers with which another process is asked in turn, beside the name of the request."""
GIVE_WAY = 5
"""Steps of niceness."""
P = ParamSpec("P")
T = TypeVar("T")


class ContextPool(ThreadPoolExecutor):
    """Threads whose work has the context of who handed it in: the id and the span of the request."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        context = copy_context()
        return super().submit(lambda: context.run(fn, *args, **kwargs))


class RankingPool(ContextPool):
    """Such threads whose work takes a core each."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return super().submit(one_core()(fn), *args, **kwargs)


def give_way() -> None:
    """Let this thread come after the event loop's, which refuses, says that it is alive, and sends what is ready."""
    if sys.platform != "linux":  # elsewhere a priority is the process's
        return
    try:
        now = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(19, now + GIVE_WAY))
    except OSError as error:  # a sandbox that forbids it; the thread answers all the same
        log.warning("gives_no_way", error=error.strerror)


class ServiceState:
    """Gives routes the engine, once it is loaded, and runs their work on threads of its own."""

    def __init__(
        self,
        promise: Future[Engine],
        config: ServeConfig,
        workers: int | None = None,
        siblings: Siblings | None = None,
    ) -> None:
        self._promise, self.config, self._siblings = promise, config, siblings
        self.lanes = lanes = Lanes(config, workers)
        self._pool = RankingPool(lanes.threads, thread_name_prefix="request", initializer=give_way)
        self._events_pool = ContextPool(lanes.event_threads, thread_name_prefix="events")
        if siblings is not None:
            answers = partial(siblings.answers, seconds=SHARE * config.deadline)  # as of a call of the store
            promise.add_done_callback(lambda done: done.result().ask_elsewhere(answers) if _succeeded(done) else None)

    def engine(self) -> Engine:
        """The engine. Raises NotReady while it is loading, and what loading raised."""
        if not self._promise.done():
            raise NotReady("bundle, index and features are being loaded", cure="ask /readyz again in some seconds")
        return self._promise.result()

    def metrics(self) -> Metrics | None:
        """The engine's metrics; None without an engine."""
        return self._promise.result().metrics if _succeeded(self._promise) else None

    def metrics_text(self, alone: bool = False) -> bytes:
        """The metrics of all processes of the service, or of this one alone. Raises what `engine` raises."""
        own = self.engine().metrics.text()
        return own if alone or self._siblings is None else self._siblings.metrics(own)

    async def or_elsewhere(self, request: Request, call: Call, body: Any, answer: Awaitable[Response]) -> Response:
        """An answer of this process or, where it has not made what is asked for, that of the process that has.

        Args:
            request: What is asked.
            call: Its deadline holds for the other process too, and one that is late is hung up on: it shows nobody.
            body: As it was posted; None: there is none.
            answer: Raises UnknownAnswer or NotTheirAnswer where it was made elsewhere, or by nobody.
        """
        try:
            return await answer
        except (UnknownAnswer, NotTheirAnswer):
            reply = await self.elsewhere(request, call, body)
            if reply is None:
                raise
        return Response(reply.body, reply.status, reply.headers, media_type="application/json")

    async def elsewhere(self, request: Request, call: Call, body: Any = None) -> Reply | None:
        """What another process answers to a request; None where none knows what is asked for.

        Args:
            request: What is asked.
            call: As `or_elsewhere` takes it.
            body: As it was posted; None: there is none.
        """
        if self._siblings is None or is_of_sibling(request.scope) or call.gone:
            return None
        headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        headers |= named(request.scope)
        content = None if body is None else json.dumps(body).encode()
        left = call.arrived + self.config.deadline - time.monotonic()
        target = quote(request.scope["path"])
        return await asyncio.to_thread(self._siblings.first, request.method, target, headers, content, left)

    def tracing(self) -> Tracing | None:
        """The engine's tracing; None without an engine."""
        return self._promise.result().tracing if _succeeded(self._promise) else None

    async def run(self, work: Callable[[Engine], BaseModel]) -> Response:
        """The JSON of what `work` returns; both are made on a thread of the pool."""
        return await self._run(self._pool, work)

    async def take_in(self, work: Callable[[Engine], BaseModel]) -> Response:
        """As `run`, on threads of posted events: a store that they wait for holds up no answer."""
        return await self._run(self._events_pool, work)

    async def show(self, call: Call, work: Callable[[Engine], tuple[BaseModel, Slate]]) -> Response:
        """As `run`, of an answer with its slate: it counts as shown once it was sent to a client that is there."""

        def made() -> tuple[bytes, Engine, Slate]:
            engine = self.engine()
            answer, slate = work(engine)
            call.caller.got(slate.request_id, slate.member_id)
            return slate.shape.json_of(answer), engine, slate

        body, engine, slate = await asyncio.get_running_loop().run_in_executor(self._pool, made)
        return ShownResponse(
            body, call, lambda was_sent: engine.shown(slate) if was_sent else engine.metrics.unshown.inc()
        )

    def close(self) -> None:
        """Finish the requests that run, then close the engine: at once, or when it has loaded."""
        self._pool.shutdown()
        self._events_pool.shutdown()
        self._promise.add_done_callback(lambda promise: promise.result().close() if _succeeded(promise) else None)

    async def _run(self, pool: ThreadPoolExecutor, work: Callable[[Engine], BaseModel]) -> Response:
        loop = asyncio.get_running_loop()
        body = await loop.run_in_executor(pool, lambda: work(self.engine()).model_dump_json())
        return Response(body, media_type="application/json")


def _succeeded(promise: Future[Engine]) -> bool:
    return promise.done() and promise.exception() is None


def _of_request(request: Request) -> ServiceState:
    state: ServiceState = request.app.state.service
    return state


Service = Annotated[ServiceState, Depends(_of_request)]
"""A route's parameter of this type is the application's state."""
