"""The routes of the API and their documentation: one router for jobs, one for events, one for operation."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import CoreSchema, any_schema

from contracts.errors import BadInput, NotReady
from contracts.records import Action, Identifier, Reason, Surface
from contracts.values import FrozenModel
from serving.access.caller import J
from serving.engine import Engine
from serving.http.admit import Overloaded
from serving.http.call import Call, Called, is_of_sibling
from serving.http.problems import NO_SUCH_ANSWER, NO_SUCH_JOB, NO_SUCH_SURFACE, NOT_THEIR_ANSWER, validated
from serving.http.siblings import ANSWERS
from serving.http.state import Service
from serving.member_search import CandidatesAnswer, CandidatesRequest
from serving.rerank import RerankAnswer, RerankRequest
from serving.schemas import (
    MAX_EVENTS,
    REQUESTS,
    Answer,
    AnyRequest,
    EventsReply,
    ExplainReply,
    NextAnswer,
    NextRequest,
    RecommendRequest,
    SearchRequest,
    ShapedAnswer,
    ShapedPage,
    SimilarRequest,
)
from serving.slates import ShownAnswer, Slate
from serving.suggesting import SuggestionsAnswer

jobs_router = APIRouter(prefix="/v1", tags=["jobs"])
events_router = APIRouter(prefix="/v1", tags=["events"])
operation_router = APIRouter(tags=["operation"])

_SHOWN = TypeAdapter(dict[str, ShownAnswer])
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


def _text(value: object) -> object:
    """JSON knows a number from a text: one in place of the other is a slip."""
    if value is not None and not isinstance(value, str):
        raise PydanticCustomError("text", "a text is wanted")
    return value


class PostedEvent(FrozenModel):
    """An event; what is left out is filled in from the request that `request_id` names, and from the clock.

    Where the job stood and how it was shown is always that of the answer; other fields are refused by their name.
    """

    model_config = ConfigDict(extra="ignore")
    id: str | None = None
    time: Annotated[datetime | None, BeforeValidator(_text)] = None
    surface: Surface | None = None
    request_id: str | None = None
    member_id: str | None = None
    query: str | None = None
    job_id: Identifier
    action: Action
    reason: Reason | None = None


class RefusedEvent(BadInput):
    """The one event of a post does not fit."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message, where="body", cure="mend it, or post a list to have the good ones taken in")
        self.reason = reason


# Documentation alone: each event of a post is checked by itself, as a `contracts.records.Event`.
EVENTS_BODY: Mapping[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "anyOf": [
                    PostedEvent.model_json_schema(),
                    {
                        "type": "array",
                        "maxItems": MAX_EVENTS,
                        "items": {"description": "As the object above; what is wrong with one stops no other."},
                    },
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
    response_model=ShapedAnswer,
    summary="Jobs of a surface of the workspace",
    description="The body is that of /v1/search, /v1/recommend or /v1/similar, by what the surface `asks`; the "
    "answer has the fields that the surface names, else all.",
    responses=NO_SUCH_SURFACE,
    openapi_extra=dict(SERVE),
)
async def surface(
    service: Service, call: Called, name: str, posted: Annotated[Any, Documented(AnyRequest), Body()]
) -> Response:
    def answer(engine: Engine) -> tuple[Answer, Slate]:
        asked = engine.surface(name)
        call.caller.require_scope(asked.scope)
        message = _asked(call, REQUESTS[asked.asks], posted)
        return engine.prepare(message, call.arrived, call.depth, surface=name)

    return await service.show(call, answer)


@jobs_router.post(
    "/suggestions",
    response_model=SuggestionsAnswer,
    summary="What would narrow a search",
    description="The body is that of /v1/search; `k` is how many suggestions at most, `facets` whose values they are. "
    "Each says what it would add to the search and how many jobs it would leave. What a list is cut and arranged by "
    "(`sort`, `diversity`, `per_company`, `min_good_match`) changes nothing here.",
    openapi_extra=dict(SERVE),
)
async def suggestions(
    service: Service, call: Called, posted: Annotated[Any, Documented(SearchRequest), Body()]
) -> Response:
    return await service.run(
        lambda engine: engine.suggest(_asked(call, SearchRequest, posted), call.arrived, call.depth)
    )


@jobs_router.post(
    "/next",
    response_model=ShapedPage,
    summary="Further jobs of an answer",
    responses=NO_SUCH_ANSWER | NOT_THEIR_ANSWER,
    openapi_extra=dict(SERVE),
)
async def next_jobs(
    service: Service, call: Called, request: Request, posted: Annotated[Any, Documented(NextRequest), Body()]
) -> Response:
    def page(engine: Engine) -> tuple[NextAnswer, Slate]:
        message = call.caller.asks(validated(NextRequest, posted))
        call.caller.require_own(message.request_id)
        return engine.next(message)

    return await service.or_elsewhere(request, call, posted, service.show(call, page))


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
async def explain(service: Service, call: Called, request: Request, request_id: str, job_id: str) -> Response:
    def explained(engine: Engine) -> ExplainReply:
        call.caller.require_own(request_id)
        return engine.explain(request_id, job_id)

    return await service.or_elsewhere(request, call, None, service.run(explained))


@events_router.post(
    "/events",
    response_model=EventsReply,
    summary="What members did",
    openapi_extra={"requestBody": EVENTS_BODY, "x-scope": "events"},
)
async def events(service: Service, call: Called, posted: Annotated[Any, Body()]) -> Response:
    """One event (an object) is taken in or refused; of several (a list) the reply says what became of each."""

    def taken(engine: Engine) -> EventsReply:
        alone = isinstance(posted, Mapping)
        if alone:
            validated(PostedEvent, posted)
        reply = engine.record(posted, call.caller.only_member)
        if alone and reply.reasons:
            raise RefusedEvent(reply.reasons[0].reason, reply.reasons[0].message)
        return reply

    return await service.take_in(taken)


@operation_router.post(ANSWERS, include_in_schema=False)
async def shown_answers(service: Service, request: Request, posted: Annotated[list[str], Body()]) -> Response:
    """What events take of answers, told to the other processes of the service alone."""
    if not is_of_sibling(request.scope):
        raise HTTPException(404, "Not Found")
    return Response(_SHOWN.dump_json(service.engine().shown_answers(posted)), media_type="application/json")


@operation_router.get("/healthz", summary="Is the process alive?")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@operation_router.get("/readyz", summary="Can it answer?")
async def readyz(service: Service) -> dict[str, str | int | dict[str, str]]:
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
        "arms": engine.arms,
    }


@operation_router.get("/metrics", summary="Counters in Prometheus' text format", response_class=Response)
async def metrics(service: Service, request: Request) -> Response:
    """Of all processes that answer at the port (`rolecall serve --workers`), by the label `process`."""
    text = await asyncio.to_thread(service.metrics_text, is_of_sibling(request.scope))
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
