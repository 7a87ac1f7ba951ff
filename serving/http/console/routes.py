"""The console's router: one a room, and the style and the script that all pages share."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from serving.http.console import agreement, compare, grade, health, quarantine, reports, rules, settle, tries
from serving.http.console.page import SCRIPT, STYLE

console_router = APIRouter(include_in_schema=False)
_KEPT = {"X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=86400"}


@console_router.get("/")
async def front() -> Response:
    return RedirectResponse("/console")


@console_router.get("/console.css")
async def style() -> Response:
    return Response(STYLE, media_type="text/css; charset=utf-8", headers=_KEPT)


@console_router.get("/console.js")
async def script() -> Response:
    return Response(SCRIPT, media_type="text/javascript; charset=utf-8", headers=_KEPT)


for room in (tries, compare, rules, grade, agreement, settle, health, quarantine, reports):
    console_router.include_router(room.router)
