"""The HTTP face of an engine: routes, their documentation, and errors as a reason instead of a trace."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Body, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core.core_schema import CoreSchema, any_schema
from starlette.exceptions import HTTPException

from contracts.errors import BadInput, NotReady, RolecallError
from contracts.machine import cores
from retrieval.filters.filters import field_name
from serving.engine import Engine
from serving.http.middleware import Gate
from serving.http.schemas import (
    EVENTS_BODY,
    Answer,
    EventsReply,
    ExplainReply,
    Problem,
    RecommendRequest,
    SearchRequest,
)

M = TypeVar("M", bound=BaseModel)

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": about}
    for status, about in {
        400: "The body is not JSON, or the filter names an unknown attribute.",
        413: "The body is too large.",
        422: "A value is out of its bounds; `field` names it.",
        503: "Not ready; `message` says why.",
    }.items()
}


@dataclass(frozen=True)
class Documented:
    """Marks a body that the API's pages show as `model`, while a request's own thread checks it (see `_checked`).

    FastAPI would check it on the event loop: a megabyte of text to clean kept everyone else waiting for half a second.
    """

    model: type[BaseModel]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return any_schema()

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(self.model.__pydantic_core_schema__)


def create_app(engine: Engine | Future[Engine], workers: int | None = None) -> FastAPI:
    """The application. It closes the engine when it stops.

    engine: one that is ready, or the promise of one: until it is kept, /readyz and the routes answer 503.
    workers: requests worked on at once; None: one a core. Others wait in line, and their deadline runs.
    """
    promise: Future[Engine] = Future()
    if isinstance(engine, Engine):
        promise.set_result(engine)
    else:
        promise = engine
    pool = ThreadPoolExecutor(workers or cores(), thread_name_prefix="request")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        pool.shutdown()
        promise.add_done_callback(_close)  # at once, or when an engine that is still loading is there

    app = FastAPI(
        title="Rolecall",
        summary="The job recommender: ranked jobs for a member or a query, and why.",
        lifespan=lifespan,
        responses=PROBLEMS,
        openapi_tags=[{"name": "jobs"}, {"name": "events"}, {"name": "operation"}],
    )
    app.add_middleware(Gate, metrics=lambda: promise.result().metrics if _kept(promise) else None)
    app.add_exception_handler(RolecallError, _typed)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _bug)

    async def answer(work: Callable[[Engine], BaseModel]) -> Response:
        found = await asyncio.get_running_loop().run_in_executor(pool, lambda: work(_ready(promise)).model_dump_json())
        return Response(found, media_type="application/json")

    @app.post("/v1/recommend", response_model=Answer, tags=["jobs"], summary="Jobs for a member")
    async def recommend(posted: Annotated[Any, Documented(RecommendRequest), Body()]) -> Response:
        arrived = time.monotonic()
        return await answer(lambda engine: engine.recommend(_checked(RecommendRequest, posted), arrived))

    @app.post("/v1/search", response_model=Answer, tags=["jobs"], summary="Jobs for a query")
    async def search(posted: Annotated[Any, Documented(SearchRequest), Body()]) -> Response:
        arrived = time.monotonic()
        return await answer(lambda engine: engine.search(_checked(SearchRequest, posted), arrived))

    @app.get(
        "/v1/explain/{request_id}/{job_id}",
        response_model=ExplainReply,
        tags=["jobs"],
        summary="Why a job?",
        responses={404: {"model": Problem, "description": "No such recent answer."}},
    )
    async def explain(request_id: str, job_id: str) -> Response:
        return await answer(lambda engine: engine.explain(request_id, job_id))

    @app.post(
        "/v1/events",
        response_model=EventsReply,
        tags=["events"],
        summary="What members did",
        openapi_extra={"requestBody": EVENTS_BODY},
    )
    async def events(posted: Annotated[Any, Body()]) -> Response:
        return await answer(lambda engine: engine.record(posted))

    @app.get("/healthz", tags=["operation"], summary="Is the process alive?")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", tags=["operation"], summary="Can it answer?")
    async def readyz() -> dict[str, str | int]:
        engine = _ready(promise)
        loaded = engine.loaded
        return {
            "status": "ready",
            "bundle_version": loaded.manifest.version,
            "index_version": loaded.index.version,
            "text_version": loaded.manifest.text_version,
            "jobs": loaded.index.jobs.held,
            "feed": engine.updates.state if engine.updates else "none",
        }

    @app.get("/metrics", tags=["operation"], summary="Counters in Prometheus' text format", response_class=Response)
    async def metrics() -> Response:
        return Response(_ready(promise).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/", include_in_schema=False)
    async def front() -> RedirectResponse:
        return RedirectResponse("/docs")

    return app


def _checked(model: type[M], posted: Any) -> M:
    """The body as the request that it must be. Raises BadInput with the first thing that is wrong, as `_invalid`."""
    try:
        return model.model_validate(posted)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field, more = _field(problem["loc"]), error.error_count() - 1
        raise BadInput(problem["msg"] + _and(more), where=field or "body") from None


def _close(promise: Future[Engine]) -> None:
    if _kept(promise):
        promise.result().close()


def _kept(promise: Future[Engine]) -> bool:
    return promise.done() and promise.exception() is None


def _ready(promise: Future[Engine]) -> Engine:
    if not promise.done():
        raise NotReady("bundle, index and features are being loaded", cure="ask /readyz again in some seconds")
    return promise.result()


async def _typed(_: Request, error: Exception) -> Response:
    assert isinstance(error, RolecallError)
    return _problem(error.http_status, error.reason, str(error), error.where or None)


async def _invalid(_: Request, error: Exception) -> Response:
    """The first thing that is wrong, without the value: it may be long, or a member's own text."""
    assert isinstance(error, RequestValidationError)
    problem = error.errors()[0]
    if problem["type"] == "json_invalid":
        return _problem(400, "malformed_json", f"the body is not JSON: {problem['ctx']['error']}")
    field = _field(problem["loc"][1:])
    message = f"{field or 'body'}: {problem['msg']}" + _and(len(error.errors()) - 1)
    return _problem(422, "bad_input", message, field or None)


def _field(loc: Sequence[str | int]) -> str:
    return field_name(loc)[:200]


def _and(more: int) -> str:
    return f" (and {more} more)" if more else ""


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reasons = {400: "malformed_json", 404: "no_such_path", 405: "method_not_allowed", 413: "body_too_large"}
    return _problem(error.status_code, reasons.get(error.status_code, "refused"), str(error.detail))


async def _bug(_: Request, error: Exception) -> Response:
    return _problem(500, "internal", "this is a bug in the service; its log has the trace")


def _problem(status: int, reason: str, message: str, field: str | None = None) -> Response:
    body = Problem(reason=reason, message=message, field=field).model_dump_json(exclude_none=True)
    return Response(body, status, media_type="application/json")
