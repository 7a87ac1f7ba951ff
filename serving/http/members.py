"""The route that erases a member."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from serving.erasure import EraseReply
from serving.http.call import Called
from serving.http.state import Service

members_router = APIRouter(prefix="/v1", tags=["operation"])


@members_router.delete(
    "/members/{member_id}",
    response_model=EraseReply,
    summary="Erase a member",
    openapi_extra={"x-scope": "admin"},
)
async def erase(
    service: Service, call: Called, member_id: Annotated[str, Path(min_length=1, max_length=200)]
) -> Response:
    """At once from this process and the online store. What remains elsewhere, and until when, the answer says."""
    call.caller.askers.forget(member_id)
    return await service.run(lambda engine: engine.erase(member_id))
