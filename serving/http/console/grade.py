"""The room where people grade: a pair, the policy beside it, a key from 0 to 4, and it stands in the golden set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from contracts.errors import BadInput
from policy.golden.grading import PICKED, give_mark, next_pair, pick
from policy.golden.pairs import GoldenPair
from policy.golden.sheets import Mark
from policy.types import DIMENSIONS
from serving.engine import Engine
from serving.http.console.asked import Asked
from serving.http.console.compare import policy_of
from serving.http.console.forms import GRADER, TOKEN, check_form, fields_of, lists_of, remember, token_of
from serving.http.console.golden import (
    PARTS,
    GoldenSet,
    checked_grader,
    golden_set,
    of_part,
    reading_folder,
    writing_folder,
)
from serving.http.console.page import HEADERS, render, shown
from serving.http.state import Service

router = APIRouter(include_in_schema=False)
MOST_SKIPPED = 100
PAGE = 50


@router.get("/console/grade")
async def grade(service: Service, request: Request) -> Response:
    """The pair that is asked for, else the one to grade next."""
    fields, token = await lists_of(request), token_of(request)
    grader = request.cookies.get(GRADER, "")

    def page(engine: Engine) -> str:
        one = {name: values[-1] for name, values in fields.items()}
        return _existing(engine, one, fields.get("skip", [])[-MOST_SKIPPED:], grader, token)

    return remember(await shown(service, page), TOKEN, token, request)


@router.api_route("/console/grade/new", methods=["GET", "POST"])
async def new(service: Service, request: Request) -> Response:
    """A job of an answer, to be graded for whom it was recommended."""
    fields, token = await fields_of(request), token_of(request)
    grader = request.cookies.get(GRADER, "")
    page = await shown(service, lambda engine: _recommended(engine, fields, grader, token))
    return remember(page, TOKEN, token, request)


@router.post("/console/grade/save")
async def save(service: Service, request: Request) -> Response:
    """Write a mark, of a pair of the set or of a job that is picked by it."""
    fields = await fields_of(request)

    def saved(engine: Engine) -> Response:
        check_form(request, fields)
        grader, mark = checked_grader(fields.get("grader", "").strip()), _mark(fields)
        root, version = writing_folder(engine), policy_of(engine).version
        if fields.get("pair"):
            part = "picked" if fields.get("set") == "picked" else "drawn"
            pair_id = fields["pair"]
        else:
            asked = Asked.of(fields)
            part, pair_id = "picked", pick(root, *asked.asker(engine), engine.advert(fields.get("job", ""))).pair_id
        give_mark(of_part(root, part), grader, pair_id, mark, version)  # type: ignore[arg-type]
        query = {"set": part, "done": pair_id} | ({} if fields.get("pair") else {"pair": pair_id})
        skipped = [("skip", one) for one in fields.get("skipped", "").split() if one != pair_id]
        return remember(_to("/console/grade", [*query.items(), *skipped]), GRADER, grader, request)

    return await shown(service, saved)


@router.get("/console/golden")
async def golden(service: Service, request: Request) -> Response:
    """The pairs of the set and who graded them how."""
    fields, grader = await fields_of(request), request.cookies.get(GRADER, "")
    return await shown(service, lambda engine: _listed(engine, fields, grader))


def _existing(engine: Engine, fields: Mapping[str, str], skipped: list[str], grader: str, token: str) -> str:
    found = golden_set(engine, fields.get("set", ""))
    pairs = {pair.pair_id: pair for pair in found.graded.pairs}
    if fields.get("pair"):
        pair = pairs.get(fields["pair"])
        if pair is None:
            raise BadInput(f"no golden pair {fields['pair'][:40]!r}", cure="take one of the golden set")
    else:
        left = tuple(one for one in found.graded.pairs if one.pair_id not in skipped)
        pair = next_pair(found.graded._replace(pairs=left), grader, found.judged)
    own = found.graded.marks.get(grader, {})
    return _form(
        engine,
        pair,
        grader,
        token,
        found,
        mark=own.get(pair.pair_id) if pair else None,
        done=pairs.get(fields.get("done", "")),
        done_mark=own.get(fields.get("done", "")),
        skipped=skipped,
    )


def _recommended(engine: Engine, fields: Mapping[str, str], grader: str, token: str) -> str:
    asked = Asked.of(fields)
    member, query = asked.asker(engine)
    job = engine.advert(fields.get("job", ""))
    pair = GoldenPair(
        pair_id="new", stratum=PICKED, kind="existing", source="retrieved", member=member, query=query, job=job
    )
    return _form(engine, pair, grader, token, golden_set(engine, "picked"), asked=asked)


def _form(engine: Engine, pair: GoldenPair | None, grader: str, token: str, found: GoldenSet, **given: Any) -> str:
    own = found.graded.marks.get(grader, {})
    shown = {"asked": None, "mark": None, "done": None, "done_mark": None, "skipped": []} | given
    return render(
        "grade.html",
        engine,
        "grade",
        pair=pair,
        grader=grader,
        token=token,
        found=found,
        graded=len(own),
        policy=policy_of(engine),
        dimensions=DIMENSIONS,
        folder=reading_folder(engine).name,
        writes=engine.config.console.writes,
        parts_=PARTS,
        **shown,
    )


def _listed(engine: Engine, fields: Mapping[str, str], grader: str) -> str:
    found = golden_set(engine, fields.get("set", ""))
    strata = sorted({pair.stratum for pair in found.graded.pairs})
    stratum = fields.get("stratum", "")
    pairs = [pair for pair in found.graded.pairs if stratum in ("", pair.stratum)]
    page = int(number) if (number := fields.get("page", "1")).isdecimal() and len(number) < 6 else 1
    own = found.graded.marks.get(grader, {})
    return render(
        "golden.html",
        engine,
        "golden",
        found=found,
        pairs=pairs[(page - 1) * PAGE : page * PAGE],
        total=len(pairs),
        page=page,
        pages=max(1, -(-len(pairs) // PAGE)),
        strata=strata,
        stratum=stratum,
        grader=grader,
        own=own,
        folder=reading_folder(engine).name,
        parts_=PARTS,
    )


def _mark(fields: Mapping[str, str]) -> Mark:
    scores: dict[str, int] = {
        name: number_of(fields[f"score_{name}"], name) for name in DIMENSIONS if fields.get(f"score_{name}")
    }
    return Mark(number_of(fields.get("grade", ""), "grade"), scores, fields.get("note", "").strip())


def number_of(text: str, name: str) -> int:
    """A grade or score. Raises BadInput where it is not on the scale."""
    if text not in ("0", "1", "2", "3", "4"):
        raise BadInput(f"{name} {text[:20]!r} is not on the scale", cure="grades are 0 to 4")
    return int(text)


def _to(path: str, query: list[tuple[str, str]]) -> Response:
    return RedirectResponse(f"{path}?{urlencode(query)}", 303, headers=HEADERS)
