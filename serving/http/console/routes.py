"""The routes of the console's pages. A profile travels in the body of a post, so that no log of addresses holds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from contracts.errors import RolecallError
from serving.engine import Engine
from serving.http.console.pages import STYLE, Asked, Board, job_page, problem_page, try_page, why_page
from serving.http.problems import validated
from serving.http.state import Service
from serving.schemas import Answer, RecommendRequest, SearchRequest

console_router = APIRouter(include_in_schema=False)
SHOWN = 20
MOST_SKILLS = 200
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@console_router.get("/")
async def front() -> Response:
    return RedirectResponse("/console")


@console_router.get("/console.css")
async def style() -> Response:
    return Response(STYLE, media_type="text/css; charset=utf-8", headers={"X-Content-Type-Options": "nosniff"})


@console_router.get("/console")
async def search(
    service: Service,
    query: Annotated[str, Query(alias="q")] = "",
    where: str = "",
    workplace: str = "",
    employment: str = "",
    tab: str = "search",
    member: str = "",
) -> Response:
    asked = Asked(
        tab=tab if tab in ("search", "profile", "member") else "search",
        query=query.strip(),
        where=where.strip(),
        workplace=workplace,
        employment=employment,
        member=member.strip(),
    )
    return await run_in_threadpool(_shown, service.engine, lambda engine: _tried(engine, asked))


@console_router.post("/console")
async def profile(service: Service, request: Request) -> Response:
    given = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
    known = {name: given.get(name, "").strip() for name in Asked._fields if name != "tab"}
    return await run_in_threadpool(_shown, service.engine, lambda engine: _tried(engine, Asked(tab="profile", **known)))


@console_router.get("/console/jobs/{job_id}")
async def job(service: Service, job_id: str) -> Response:
    return await run_in_threadpool(
        _shown, service.engine, lambda engine: job_page(engine.advert(job_id), _board(engine))
    )


@console_router.get("/console/why/{request_id}/{job_id}")
async def why(service: Service, request_id: str, job_id: str) -> Response:
    return await run_in_threadpool(_shown, service.engine, lambda engine: _explained(engine, request_id, job_id))


def _shown(engine: Callable[[], Engine], work: Callable[[Engine], str]) -> Response:
    """The page that `work` makes of the engine, or the one that says why there is none."""
    try:
        return HTMLResponse(work(engine()), headers=HEADERS)
    except RolecallError as error:
        return HTMLResponse(problem_page(error.http_status, str(error)), error.http_status, headers=HEADERS)


def _tried(engine: Engine, asked: Asked) -> str:
    """The page of what is asked; a value that does not fit is said above the form, which stays filled in."""
    try:
        answer, problem = _answer(engine, asked), ""
    except RolecallError as error:
        answer, problem = None, str(error)
    return try_page(asked, answer, _board(engine), problem)


def _answer(engine: Engine, asked: Asked) -> Answer | None:
    """The engine's answer; None where nothing is asked yet."""
    chosen = {"workplace": asked.workplace, "employment": asked.employment}
    clauses = [{"attribute": name, "any_of": [value]} for name, value in chosen.items() if value]
    common = {"k": SHOWN, "location": asked.where, "filter": {"all": clauses}}
    if asked.tab == "search":
        return engine.tried(validated(SearchRequest, common | {"query": asked.query})) if asked.query else None
    if asked.tab == "member":
        return engine.tried(validated(RecommendRequest, common | {"member_id": asked.member})) if asked.member else None
    if not (asked.headline or asked.skills or asked.summary):
        return None
    skills = [skill.strip() for skill in asked.skills.replace("\n", ",").split(",") if skill.strip()][:MOST_SKILLS]
    told = {"headline": asked.headline, "summary": asked.summary, "skills": skills, "location": asked.where}
    return engine.tried(validated(RecommendRequest, common | {"profile": told}))


def _explained(engine: Engine, request_id: str, job_id: str) -> str:
    reply = engine.explain(request_id, job_id)
    index = engine.servable.index
    [row] = index.rows([job_id])
    return why_page(
        reply, index.display(row) if row >= 0 else {"title": job_id, "company": "", "id": job_id}, _board(engine)
    )


def _board(engine: Engine) -> Board:
    servable = engine.servable
    return Board(servable.index.jobs.current, servable.manifest.version, servable.index.version)
