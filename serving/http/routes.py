"""The routes of the API and their documentation: one router for jobs, one for events, one for operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Response
from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core.core_schema import CoreSchema, any_schema

from contracts.errors import NotReady
from contracts.records import Action, Identifier, Reason, Record, Surface
from serving.access.caller import J
from serving.engine import Engine
from serving.http.admit import Overloaded
from serving.http.call import Call, Called
from serving.http.problems import NO_SUCH_ANSWER, NO_SUCH_JOB, NO_SUCH_SURFACE, NOT_THEIR_ANSWER, validated
from serving.http.state import Service
from serving.member_search import CandidatesAnswer, CandidatesRequest
from serving.rerank import RerankAnswer, RerankRequest
from serving.schemas import (
    MAX_EVENTS,
    Answer,
    AnyRequest,
    EventsReply,
    ExplainReply,
    NextAnswer,
    NextRequest,
    RecommendRequest,
    SearchRequest,
    SimilarRequest,
)
from serving.slates import Slate

jobs_router = APIRouter(prefix="/v1", tags=["jobs"])
events_router = APIRouter(prefix="/v1", tags=["events"])
operation_router = APIRouter(tags=["operation"])

SERVE: Mapping[str, Any] = {"x-scope": "serve"}
"""What a key must be allowed to do for a route, told in the API's description."""


@dataclass(frozen=True)
class Documented:
    """Marks a body that the API's pages show as `model`, while a thread of the request checks it (`validated`).

    FastAPI would check it on the event loop: a megabyte of text to clean kept all other requests waiting for 0.5 s.
    """

    model: type[BaseModel]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return any_schema()

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(self.model.__pydantic_core_schema__)


class PostedEvent(Record):
    """An event; what is left out is filled in from the request that `request_id` names, and from the clock.

    Where the job stood and how it was shown is always that of the answer.
    """

    id: str | None = None
    time: datetime | None = None
    surface: Surface | None = None
    request_id: str | None = None
    member_id: str | None = None
    query: str | None = None
    job_id: Identifier
    action: Action
    reason: Reason | None = None


# Documentation alone: each event of a post is checked by itself, as a `contracts.records.Event`.
EVENTS_BODY: Mapping[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "anyOf": [
                    PostedEvent.model_json_schema(),
                    {"type": "array", "maxItems": MAX_EVENTS, "items": PostedEvent.model_json_schema()},
                ]
            },
            "example": [{"request_id": "5f3c...", "job_id": "j0000007", "action": "apply"}],
        }
    },
}


def _asked(call: Call, kind: type[J], posted: Any) -> J:
    """The body as a request that the caller may make."""
    return call.caller.asks(validated(kind, posted))


@jobs_router.post("/recommend", response_model=Answer, summary="Jobs for a member", openapi_extra=dict(SERVE))
async def recommend(
    service: Service, call: Called, posted: Annotated[Any, Documented(RecommendRequest), Body()]
) -> Response:
    return await service.show(
        call,
        lambda engine: engine.prepare(_asked(call, RecommendRequest, posted), call.arrived, call.depth),
    )


@jobs_router.post("/search", response_model=Answer, summary="Jobs for a query", openapi_extra=dict(SERVE))
async def search(service: Service, call: Called, posted: Annotated[Any, Documented(SearchRequest), Body()]) -> Response:
    return await service.show(
        call,
        lambda engine: engine.prepare(_asked(call, SearchRequest, posted), call.arrived, call.depth),
    )


@jobs_router.post(
    "/similar",
    response_model=Answer,
    summary="Jobs like a job",
    responses=NO_SUCH_JOB,
    openapi_extra=dict(SERVE),
)
async def similar(
    service: Service, call: Called, posted: Annotated[Any, Documented(SimilarRequest), Body()]
) -> Response:
    return await service.show(
        call,
        lambda engine: engine.prepare(_asked(call, SimilarRequest, posted), call.arrived, call.depth),
    )


@jobs_router.post(
    "/surfaces/{name}",
    response_model=Answer,
    summary="Jobs of a surface of the workspace",
    description="The body is that of /v1/search, /v1/recommend or /v1/similar, by what the surface `asks`.",
    responses=NO_SUCH_SURFACE,
    openapi_extra=dict(SERVE),
)
async def surface(
    service: Service, call: Called, name: str, posted: Annotated[Any, Documented(AnyRequest), Body()]
) -> Response:
    return await service.show(
        call,
        lambda engine: engine.prepare(
            _asked(call, engine.request_of(name), posted), call.arrived, call.depth, surface=name
        ),
    )


@jobs_router.post(
    "/next",
    response_model=NextAnswer,
    summary="Further jobs of an answer",
    responses=NO_SUCH_ANSWER | NOT_THEIR_ANSWER,
    openapi_extra=dict(SERVE),
)
async def next_jobs(
    service: Service, call: Called, posted: Annotated[Any, Documented(NextRequest), Body()]
) -> Response:
    def page(engine: Engine) -> tuple[NextAnswer, Slate]:
        message = call.caller.asks(validated(NextRequest, posted))
        call.caller.require_own(message.request_id)
        return engine.next(message)

    return await service.show(call, page)


@jobs_router.post(
    "/rerank",
    response_model=RerankAnswer,
    summary="Documents for a query",
    openapi_extra=dict(SERVE),
)
async def rerank(service: Service, call: Called, posted: Annotated[Any, Documented(RerankRequest), Body()]) -> Response:
    return await service.run(lambda engine: engine.rerank(validated(RerankRequest, posted), call.arrived))


@jobs_router.post(
    "/candidates",
    response_model=CandidatesAnswer,
    summary="Members for a job",
    responses=NO_SUCH_JOB,
    openapi_extra={"x-scope": "recruiter"},
)
async def candidates(
    service: Service, call: Called, posted: Annotated[Any, Documented(CandidatesRequest), Body()]
) -> Response:
    return await service.run(lambda engine: engine.candidates(validated(CandidatesRequest, posted), call.arrived))


@jobs_router.get(
    "/explain/{request_id}/{job_id}",
    response_model=ExplainReply,
    summary="Why a job?",
    responses=NO_SUCH_ANSWER,
    openapi_extra=dict(SERVE),
)
async def explain(service: Service, call: Called, request_id: str, job_id: str) -> Response:
    call.caller.require_own(request_id)
    return await service.run(lambda engine: engine.explain(request_id, job_id))


@events_router.post(
    "/events",
    response_model=EventsReply,
    summary="What members did",
    openapi_extra={"requestBody": EVENTS_BODY, "x-scope": "events"},
)
async def events(service: Service, call: Called, posted: Annotated[Any, Body()]) -> Response:
    return await service.take_in(lambda engine: engine.record(posted, call.caller.only_member))


@operation_router.get("/healthz", summary="Is the process alive?")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@operation_router.get("/readyz", summary="Can it answer?")
async def readyz(service: Service) -> dict[str, str | int]:
    engine = service.engine()
    if service.lanes.is_shedding():
        raise Overloaded("most requests of the last seconds were refused", cure="send fewer, or add a replica")
    if problem := engine.problem():
        raise NotReady(problem)
    servable = engine.servable
    return {
        "status": "ready",
        "bundle_version": servable.manifest.version,
        "index_version": servable.index.version,
        "text_version": servable.manifest.text_version,
        "jobs": servable.index.jobs.current,
        "feed": engine.feed.state if engine.feed else "none",
        "features": engine.features_state,
    }


@operation_router.get("/metrics", summary="Counters in Prometheus' text format", response_class=Response)
async def metrics(service: Service) -> Response:
    return Response(service.engine().metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
