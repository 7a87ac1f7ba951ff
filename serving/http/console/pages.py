"""The pages' HTML, made of answers of the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, get_args

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from contracts.records import Employment, Job, Workplace
from serving.http.console import words
from serving.schemas import Answer, ExplainReply

HERE = Path(__file__).parent
STYLE = (HERE / "console.css").read_text()


class Asked(NamedTuple):
    """What stands in the form.

    Attributes:
        tab: "search", "profile" or "member".
        query: Of a search.
        where: "City, Region".
        workplace: A `Workplace`, or empty.
        employment: An `Employment`, or empty.
        headline: Of a profile.
        skills: Of a profile, with commas between them.
        summary: Of a profile; a pasted résumé does.
        member: An id.
    """

    tab: str = "search"
    query: str = ""
    where: str = ""
    workplace: str = ""
    employment: str = ""
    headline: str = ""
    skills: str = ""
    summary: str = ""
    member: str = ""


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


def try_page(asked: Asked, answer: Answer | None, board: Board, problem: str = "") -> str:
    """The form, and what was found."""
    return _page("try.html", asked=asked, answer=answer, board=board, problem=problem)


def job_page(job: Job, board: Board) -> str:
    """One advert, whole."""
    paragraphs = [line.strip() for line in job.description.splitlines() if line.strip()]
    return _page("job.html", job=job, paragraphs=paragraphs, board=board)


def why_page(reply: ExplainReply, record: Mapping[str, Any], board: Board) -> str:
    """Why a job stood where it stood."""
    effects = [(effect.words.replace("_", " "), effect.effect) for effect in reply.explanation.match]
    parts = [(name.replace("_", " "), added) for name, added in reply.explanation.contributions.items()]
    return _page("why.html", reply=reply, job=record, board=board, effects=_bars(effects), parts=_bars(parts))


def problem_page(status: int, message: str) -> str:
    """That a page cannot be shown, and what to do."""
    return _page("problem.html", status=status, message=message, board=None)


class Bar(NamedTuple):
    """A bar to the left or right of a middle line: share -1 to 1 of the widest."""

    name: str
    value: float
    share: float


def _bars(values: Sequence[tuple[str, float]]) -> list[Bar]:
    widest = max((abs(value) for _, value in values), default=0.0) or 1.0
    return [Bar(name, value, value / widest) for name, value in values]


def _page(template: str, **given: Any) -> str:
    now = datetime.now(UTC)
    return _environment().get_template(template).render(
        **given, words=words, now=now, workplaces=get_args(Workplace), employments=get_args(Employment)
    )  # fmt: skip


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
