"""The routes that say which versions could serve, and swap to one of them or back."""

from __future__ import annotations

import multiprocessing
import os
import signal
from typing import Annotated, Any

from fastapi import APIRouter, Body, Response

from serving.administration import RollbackRequest, SwapReply, SwapRequest, VersionsReply
from serving.engine import Engine
from serving.http.listening import WORKER
from serving.http.problems import NO_SUCH_VERSION, NOT_SWAPPED, validated
from serving.http.routes import Documented
from serving.http.state import Service

admin_router = APIRouter(prefix="/v1/admin", tags=["operation"])
ADMIN = {"x-scope": "admin"}


@admin_router.get("/versions", response_model=VersionsReply, summary="What could serve?", openapi_extra=dict(ADMIN))
async def versions(service: Service) -> Response:
    return await service.run(lambda engine: engine.administration.versions())


@admin_router.post(
    "/swap",
    response_model=SwapReply,
    summary="Serve another index and its bundle",
    description="Loaded, checked and warmed beside what is served, which goes on meanwhile and where that fails (409). "
    "Then CURRENT names it, and every process of the workspace follows.",
    responses=NO_SUCH_VERSION | NOT_SWAPPED,
    openapi_extra=dict(ADMIN),
)
async def swap(service: Service, posted: Annotated[Any, Documented(SwapRequest), Body()]) -> Response:
    def swapped(engine: Engine) -> SwapReply:
        reply = engine.administration.swap(validated(SwapRequest, posted))
        tell_others()
        return reply

    return await service.run(swapped)


@admin_router.post(
    "/rollback",
    response_model=SwapReply,
    summary="Serve an earlier index and its bundle again",
    description="As a swap, to the newest index before the current one where none is named.",
    responses=NO_SUCH_VERSION | NOT_SWAPPED,
    openapi_extra=dict(ADMIN),
)
async def rollback(service: Service, posted: Annotated[Any, Documented(RollbackRequest), Body()]) -> Response:
    def swapped(engine: Engine) -> SwapReply:
        reply = engine.administration.roll_back(validated(RollbackRequest, posted))
        tell_others()
        return reply

    return await service.run(swapped)


def tell_others() -> None:
    """Have the other processes of this service look at CURRENT now: the one that started them tells each."""
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid == os.getppid() and multiprocessing.current_process().name == WORKER:
        os.kill(parent.pid, signal.SIGHUP)
