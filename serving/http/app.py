"""The application: routers, middleware and error handlers around one engine.

`ROUTERS` and `middleware` are lists; a further router or middleware is one more entry. `serving.http.access.RULES` says
who may call a route.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware import Middleware

from serving.access.buckets import Buckets
from serving.config import ServeConfig
from serving.engine import Engine
from serving.http.access import Access, Locks
from serving.http.admin import admin_router
from serving.http.admit import Admit
from serving.http.console.routes import console_router
from serving.http.docs import docs_router
from serving.http.guard import PROBED, Guard, hosts_answered
from serving.http.members import members_router
from serving.http.middleware import HeadAsGet, RequestMetrics
from serving.http.problems import RESPONSES, add_problem_handlers
from serving.http.request_context import RequestContext
from serving.http.routes import events_router, jobs_router, operation_router
from serving.http.siblings import Siblings
from serving.http.state import ServiceState

ROUTERS = (jobs_router, events_router, operation_router, console_router, docs_router, members_router, admin_router)


def create_app(
    engine: Engine | Future[Engine],
    workers: int | None = None,
    config: ServeConfig | None = None,
    host: str = "127.0.0.1",
    siblings: Siblings | None = None,
) -> FastAPI:
    """Make the application. It closes the engine when it stops.

    Args:
        engine: One that is ready, or the promise of one: until that is kept, /readyz and the routes answer 503.
        workers: Requests ranked at once at first; None: one a core. Others wait in line, and their deadline runs.
        config: Who may ask, and its bounds; None: those of the engine where it is ready, else the defaults.
        host: Address that the service listens on.
        siblings: Further processes of the service, whose metrics are given too, and with whom the requests of a key are
            counted; None: there are none.

    Raises what the files of keys and secrets raise.
    """
    promise: Future[Engine] = Future()
    if isinstance(engine, Engine):
        promise.set_result(engine)
        config = config or engine.config
    else:
        promise = engine
    config = config or ServeConfig()
    state = ServiceState(promise, config, workers, siblings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        state.close()

    app = FastAPI(
        title="Rolecall",
        summary="The job recommender: ranked jobs for a member or a query, and why.",
        lifespan=lifespan,
        responses=RESPONSES,
        openapi_tags=[{"name": "jobs"}, {"name": "events"}, {"name": "operation"}],
        docs_url=None,
        redoc_url=None,
        middleware=[
            Middleware(HeadAsGet),
            Middleware(RequestContext, tracing=state.tracing),
            Middleware(RequestMetrics, metrics=state.metrics),
            Middleware(
                Guard,
                hosts=hosts_answered(host, config.security),
                metrics=state.metrics,
                any_name=PROBED if config.security.hosts else (),
            ),
            Middleware(
                Access,
                locks=Locks.of(config.security, ROUTERS),
                metrics=state.metrics,
                buckets=Buckets(siblings.rates if siblings else None),
            ),
            Middleware(Admit, lanes=state.lanes, metrics=state.metrics),
        ],
    )
    app.state.service = state
    add_problem_handlers(app)
    for router in ROUTERS:
        app.include_router(router)
    return app
