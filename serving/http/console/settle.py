"""The room where a third person settles what graders see apart: the grade that counts, into the golden set."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from policy.golden.grading import open_decisions, settle
from policy.types import DIMENSIONS
from serving.engine import Engine
from serving.http.console.compare import policy_of
from serving.http.console.forms import GRADER, TOKEN, check_form, fields_of, remember, token_of
from serving.http.console.golden import (
    Part,
    checked_grader,
    golden_set,
    of_part,
    reading_folder,
    writing_folder,
)
from serving.http.console.grade import number_of
from serving.http.console.page import HEADERS, render, shown
from serving.http.state import Service

router = APIRouter(include_in_schema=False)
ROOM = "/console/agreement/settle"


@router.get(ROOM)
async def apart(service: Service, request: Request) -> Response:
    """The first pair that is open, behind the one that `after` names."""
    fields, token = await fields_of(request), token_of(request)
    grader = request.cookies.get(GRADER, "")
    page = await shown(service, lambda engine: _page(engine, fields, grader, token))
    return remember(page, TOKEN, token, request)


@router.post(ROOM)
async def settled(service: Service, request: Request) -> Response:
    """Write the grade that counts."""
    fields = await fields_of(request)

    def saved(engine: Engine) -> Response:
        check_form(request, fields)
        name, grade = checked_grader(fields.get("grader", "").strip()), number_of(fields.get("grade", ""), "grade")
        part: Part = "picked" if fields.get("set") == "picked" else "drawn"
        pair_id = fields.get("pair", "")
        folder = of_part(writing_folder(engine), part)
        settle(folder, pair_id, fields.get("grades", ""), grade, name, fields.get("note", "").strip())
        to = RedirectResponse(f"{ROOM}?{urlencode({'set': part, 'done': pair_id})}", 303, headers=HEADERS)
        return remember(to, GRADER, name, request)

    return await shown(service, saved)


def _page(engine: Engine, fields: Mapping[str, str], grader: str, token: str) -> str:
    found = golden_set(engine, fields.get("set", ""))
    pairs = {pair.pair_id: pair for pair in found.graded.pairs}
    rows = open_decisions(of_part(reading_folder(engine), found.part), found.graded.pairs)
    places = [i for i, row in enumerate(rows) if row.pair_id == fields.get("after")]
    behind = places[0] + 1 if places else 0
    row = next(iter([*rows[behind:], *rows[:behind]]), None)
    marks = [(name, given[row.pair_id]) for name, given in found.graded.marks.items() if row and row.pair_id in given]
    done = fields.get("done", "")
    return render(
        "settle.html",
        engine,
        "agreement",
        found=found,
        row=row,
        pair=pairs[row.pair_id] if row else None,
        marks=marks,
        left=len(rows),
        done=done if done in pairs and done not in {one.pair_id for one in rows} else "",
        grader="" if grader in found.graded.marks else grader,
        token=token,
        policy=policy_of(engine),
        dimensions=DIMENSIONS,
        folder=reading_folder(engine).name,
        writes=engine.config.console.writes,
    )
