"""The room where rules are on trial: what would they take from this answer? Nothing is saved unless somebody asks."""

from __future__ import annotations

from collections import Counter
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter, Request, Response

from contracts.documents import parse, read_text
from contracts.errors import BadInput, NotWritten, RolecallError
from contracts.versions import write_text
from ranking.rank import RANKED
from retrieval.rules.rules import RuleBook
from serving.comparison import Difference, difference
from serving.engine import Engine
from serving.http.console.asked import Asked
from serving.http.console.forms import TOKEN, check_form, fields_of, remember, token_of
from serving.http.console.page import HEADERS, render, shown
from serving.http.state import Service
from serving.schemas import Result

router = APIRouter(include_in_schema=False)
MOST_CHARS = 100_000
MOST_RULES = 40


class Trial(NamedTuple):
    """What a set of rules does to one answer.

    Attributes:
        order: Ids of jobs under the rules on trial, best first.
        moved: How that differs from the rules in force.
        removed: Rule -> how many of all candidates it removes.
        removed_by: Job that is gone -> the rules that each alone keep it from all that is ranked.
        demoted_by: Job -> the rules that put it after the others.
    """

    order: tuple[str, ...]
    moved: Difference
    removed: Counter[str]
    removed_by: dict[str, list[str]]
    demoted_by: dict[str, tuple[str, ...]]


@router.api_route("/console/rules", methods=["GET", "POST"])
async def rules(service: Service, request: Request) -> Response:
    fields, token = await fields_of(request), token_of(request)
    page = await shown(service, lambda engine: _page(engine, fields, token))
    return remember(page, TOKEN, token, request)


@router.post("/console/rules/save")
async def save(service: Service, request: Request) -> Response:
    fields, token = await fields_of(request), token_of(request)

    def saved(engine: Engine) -> str:
        check_form(request, fields)
        if not engine.config.console.writes:
            raise BadInput("rules are not written from this console", cure="set serve.console.writes to true")
        book = _book(fields.get("rules", ""))
        path = _file(engine)
        try:
            write_text(path, fields["rules"].replace("\r\n", "\n"))
        except NotWritten as error:
            raise NotWritten(error.what, cure="keep them as a file, and put it there") from error
        note = f"Rules {book.version} are in {path.name}; they hold from the next start of the service."
        return _page(engine, fields, token, note)

    return remember(await shown(service, saved), TOKEN, token, request)


@router.post("/console/rules/file")
async def file(service: Service, request: Request) -> Response:
    """The rules as they stand in the form, to be kept as a file."""
    text = (await fields_of(request)).get("rules", "")
    headers = HEADERS | {"Content-Disposition": 'attachment; filename="rules.yaml"'}
    return Response(text.replace("\r\n", "\n"), media_type="application/yaml", headers=headers)


def trial(engine: Engine, asked: Asked, book: RuleBook) -> tuple[Trial, dict[str, Result]]:
    """What a set of rules does to an answer, and the jobs of both answers by id. Raises as `Engine.tried`."""
    message = asked.message()
    before, after = engine.tried(message), engine.tried(message, rules=book)
    found = {result.job_id: result for result in (*before.results, *after.results)}
    orders = [tuple(result.job_id for result in answer.results) for answer in (before, after)]
    moved = difference(*orders)
    gone = {job_id for job_id, _ in moved.gone}
    removed_by: dict[str, list[str]] = {job_id: [] for job_id in gone}
    for rule in book.enabled if gone else ():
        if rule.name in after.removed:
            alone = engine.tried(message.model_copy(update={"k": RANKED}), rules=RuleBook(rules=(rule,)))
            kept = {result.job_id for result in alone.results}
            for job_id in gone - kept:
                removed_by[job_id].append(rule.name)
    slate = engine.slate(after.request_id, orders[1][0]) if orders[1] else None
    demoted_by = dict(zip(slate.job_ids, slate.demoted_by, strict=True)) if slate else {}
    return Trial(orders[1], moved, Counter(after.removed), removed_by, demoted_by), found


def _page(engine: Engine, fields: dict[str, str], token: str, note: str = "") -> str:
    asked, text = Asked.of(fields), fields.get("rules") or _in_force(engine)
    made, book, problem = None, None, ""
    found: dict[str, Result] = {}
    try:
        book = _book(text)
        if not asked.empty:
            made, found = trial(engine, asked, book)
    except RolecallError as error:
        problem = str(error)
    return render(
        "rules.html",
        engine,
        "rules",
        asked=asked,
        text=text,
        book=book,
        trial=made,
        found=found,
        problem=problem,
        note=note,
        token=token,
        in_force=engine.rules,
        writes=engine.config.console.writes,
    )


def _book(text: str) -> RuleBook:
    """Raises BadInput with line, value and cure where the text holds no rules."""
    if len(text) > MOST_CHARS:
        raise BadInput(f"rules of {len(text):,} characters", cure=f"at most {MOST_CHARS:,}")
    book = parse(text.replace("\r\n", "\n"), RuleBook, "rules")[0]
    if len(book.rules) > MOST_RULES:
        raise BadInput(f"{len(book.rules)} rules", cure=f"try at most {MOST_RULES} at once")
    return book


def _file(engine: Engine) -> Path:
    """Where the next start of the service reads its rules: the file that it is configured with, or the workspace's."""
    return engine.config.rules or engine.workspace.rules


def _in_force(engine: Engine) -> str:
    """The text of the rules that the service was started with."""
    path = _file(engine)
    there = engine.config.rules is not None or path.is_file()
    return read_text(path) if there else resources.files("retrieval.rules").joinpath("rules.yaml").read_text("utf-8")
