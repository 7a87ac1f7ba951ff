"""What every page has: the frame, errors, and headers that forbid it to run anything but the console's own script."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, get_args

from fastapi import Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool

from contracts.errors import RolecallError
from contracts.records import Employment, Workplace
from contracts.versions import content_hash
from retrieval.queries.values import spelled
from serving.engine import Engine
from serving.http.console import words
from serving.http.state import ServiceState

HERE = Path(__file__).parent
STYLE, SCRIPT = (HERE / "console.css").read_text("utf-8"), (HERE / "console.js").read_text("utf-8")
LOOK = content_hash([STYLE, SCRIPT])
"""Stands in the addresses of style and script, so that a browser keeps neither longer than it holds."""
ROOMS = (
    ("try", "/console", "Try", "t"),
    ("compare", "/console/compare", "Compare", "c"),
    ("rules", "/console/rules", "Rules", "r"),
    ("grade", "/console/grade", "Grade", "g"),
    ("golden", "/console/golden", "Golden set", "s"),
    ("agreement", "/console/agreement", "Agreement", "a"),
    ("health", "/console/health", "Health", "h"),
    ("quarantine", "/console/quarantine", "Quarantine", "q"),
    ("reports", "/console/reports", "Reports", "p"),
)
"""Name, address, heading and the key that follows `g` on a keyboard."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Board(NamedTuple):
    """What is served.

    Attributes:
        jobs: How many are in the index.
        bundle_version: Of the bundle.
        index_version: Of the index.
    """

    jobs: int
    bundle_version: str
    index_version: str

    @classmethod
    def of(cls, engine: Engine) -> Board:
        servable = engine.servable
        return cls(servable.index.jobs.current, servable.manifest.version, servable.index.version)


def render(template: str, engine: Engine, room: str, **given: Any) -> str:
    """A page's HTML; every value that a template shows is escaped."""
    return _render(template, board=Board.of(engine), room=room, **given)


async def shown(service: ServiceState, work: Callable[[Engine], str | Response]) -> Response:
    """The page that `work` makes of the engine on a thread, or the one that says why there is none."""

    def made() -> Response:
        try:
            page = work(service.engine())
            return page if isinstance(page, Response) else HTMLResponse(page, headers=HEADERS)
        except RolecallError as error:
            page = _render("problem.html", board=None, room="", status=error.http_status, message=str(error))
            return HTMLResponse(page, error.http_status, headers=HEADERS)

    return await run_in_threadpool(made)


def _render(template: str, **given: Any) -> str:
    return _environment().get_template(template).render(**given, now=datetime.now(UTC))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "rooms": ROOMS,
        "look": LOOK,
        "words": words,
        "spelled": spelled,
        "workplaces": get_args(Workplace),
        "employments": get_args(Employment),
    }
    return environment
