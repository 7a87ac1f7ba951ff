"""The room to try things in: ask as a member would, read an advert, see why a job stands where it stands."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pyarrow.parquet as pq
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from contracts.errors import RolecallError
from contracts.tables import parts
from models.teachers.opinions import stored_opinions
from serving.engine import Engine, UnknownAnswer
from serving.http.call import Called
from serving.http.console.asked import Asked
from serving.http.console.charts import bars
from serving.http.console.forms import fields_of
from serving.http.console.page import HEADERS, render, shown
from serving.http.state import Service
from serving.schemas import JobsRequest, SearchRequest
from serving.suggesting import Suggestion

router = APIRouter(include_in_schema=False)
SOME_MEMBERS = 5
MOST_LIFTS = 6
MOST_SUGGESTED = 8


@router.api_route("/console", methods=["GET", "POST"])
async def ask(service: Service, request: Request) -> Response:
    fields = await fields_of(request)
    return await shown(service, lambda engine: _tried(engine, Asked.of(fields)))


@router.get("/console/jobs/{job_id}")
async def job(service: Service, job_id: str) -> Response:
    return await shown(service, lambda engine: _advert(engine, job_id))


@router.get("/console/why/{request_id}/{job_id}")
async def why(service: Service, call: Called, request: Request, request_id: str, job_id: str) -> Response:
    page = await shown(service, lambda engine: _explained(engine, request_id, job_id))
    if page.status_code == UnknownAnswer.http_status and (reply := await service.elsewhere(request, call)):
        return HTMLResponse(reply.body, reply.status, HEADERS)
    return page


def _tried(engine: Engine, asked: Asked) -> str:
    """The page of what is asked; a value that does not fit is said above the form, which stays filled in."""
    answer, problem = None, ""
    suggestions: tuple[Suggestion, ...] = ()
    try:
        if not asked.empty:
            message = asked.message()
            answer = engine.tried(message)
            suggestions = _suggested(engine, message)
    except RolecallError as error:
        problem = str(error)
    some = _some_members(engine) if asked.tab == "member" and not asked.member else ()
    given = {"answer": answer, "suggestions": suggestions, "problem": problem, "some": some}
    return render("try.html", engine, "try", asked=asked, **given)


def _suggested(engine: Engine, message: JobsRequest) -> tuple[Suggestion, ...]:
    """What would narrow a search; of other requests nothing."""
    if not isinstance(message, SearchRequest):
        return ()
    return engine.suggest(message.model_copy(update={"k": MOST_SUGGESTED})).suggestions


def _advert(engine: Engine, job_id: str) -> str:
    found = engine.advert(job_id)
    paragraphs = [line.strip() for line in found.description.splitlines() if line.strip()]
    return render("job.html", engine, "try", job=found, paragraphs=paragraphs)


def _explained(engine: Engine, request_id: str, job_id: str) -> str:
    reply = engine.explain(request_id, job_id)
    slate, index = engine.slate(request_id, job_id), engine.servable.index
    [row] = index.rows([job_id])
    return render(
        "why.html",
        engine,
        "try",
        reply=reply,
        asked=Asked(tab="member", member=slate.member_id) if slate.member_id else Asked(q=slate.query),
        known_asker=bool(slate.member_id or slate.query),
        job=index.display(row) if row >= 0 else {"title": job_id, "company": "", "id": job_id},
        effects=bars([(effect.words.replace("_", " "), effect.effect) for effect in reply.explanation.match]),
        parts_=bars([(name.replace("_", " "), added) for name, added in reply.explanation.contributions.items()]),
        lifts=engine.lifts(request_id, job_id)[:MOST_LIFTS],
        opinions=stored_opinions(engine.workspace, slate.member_id, slate.query, job_id),
    )


def _some_members(engine: Engine) -> list[str]:
    """Ids of a few members, drawn anew each time from the first rows of the records."""
    for path in islice(parts(engine.workspace.records / "members"), 1):
        ids = pq.ParquetFile(path).read_row_group(0, ["id"])["id"].unique()
        drawn = np.random.default_rng().permutation(len(ids))[:SOME_MEMBERS]
        return ids.take(drawn).to_pylist()
    return []
