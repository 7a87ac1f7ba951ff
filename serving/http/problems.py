"""Errors over HTTP: one JSON form with a reason and a message, and never a trace or a value that was sent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from contracts.errors import BadInput, RolecallError
from contracts.values import FrozenModel
from retrieval.filters.filters import field_name
from serving.http.json_types import misfit
from serving.http.request_context import named

M = TypeVar("M", bound=BaseModel)
MAX_FIELD_CHARS = 200
MAX_MESSAGE_CHARS = 1_000
"""Of an error's message: what names a value that was sent must not send it all back."""
_PATH = re.compile(r"(?<![\w:/.~-])~?/(?:[^\s/:'\"(),]+/)+([^\s/:'\"(),]+)")
_OWN = re.compile(r"/(?:v1|console)/")
RETRY_SECONDS = 1
"""After which a client may ask again: by then an overloaded service has turned to others."""


class Problem(FrozenModel):
    """The body of every answer that is not a success."""

    reason: str
    message: str
    field: str | None = None


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": description}
    for status, description in {
        400: "The body is not JSON, or the filter names an unknown attribute.",
        401: "A key is needed, or a member's token does not hold.",
        403: "The key lacks the scope, or the token is another member's.",
        413: "The body is too large.",
        422: "A value is out of its bounds; `field` names it.",
        429: "The key asks too often, or more is asked for than can be answered in time; wait for `Retry-After`.",
        503: "Not ready, or not answered within the deadline; `message` says why.",
    }.items()
}
NO_SUCH_ANSWER: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "No such recent answer."}}
NO_SUCH_JOB: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "No job here has this id."}}
NO_SUCH_SURFACE: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "No surface has this name, or no job the id."}
}
NOT_THEIR_ANSWER: dict[int | str, dict[str, Any]] = {
    403: {"model": Problem, "description": "The answer is another member's."}
}
NO_SUCH_VERSION: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "No such version could serve."}
}
NOT_SWAPPED: dict[int | str, dict[str, Any]] = {
    409: {"model": Problem, "description": "Refused, and what was served before still is; `reason` says why."}
}
_REASONS = {400: "malformed_json", 404: "no_such_path", 405: "method_not_allowed", 413: "body_too_large"}


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every exception as a `Problem`."""
    app.add_exception_handler(RolecallError, _typed_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _bug)


def validated(model: type[M], body: Any) -> M:
    """The body as a model. Raises BadInput with the first thing that is wrong, without the value that was sent."""
    if wrong := misfit(model, body):
        raise BadInput(wrong[1], where=_field(wrong[0]) or "body")
    try:
        return model.model_validate(body)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        message = problem["msg"] + _further(error.error_count() - 1)
        raise BadInput(message, where=_field(problem["loc"]) or "body") from None


async def _typed_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RolecallError)
    return problem_answer(error.http_status, error.reason, str(error), error.where or None)


async def _invalid_request(_: Request, error: Exception) -> Response:
    """The first thing that is wrong, without the value: it may be long, or a member's own text."""
    assert isinstance(error, RequestValidationError)
    problem = error.errors()[0]
    if problem["type"] == "json_invalid":
        return problem_answer(400, "malformed_json", f"the body is not JSON: {problem['ctx']['error']}")
    field = _field(problem["loc"][1:])
    message = f"{field or 'body'}: {problem['msg']}" + _further(len(error.errors()) - 1)
    return problem_answer(422, "bad_input", message, field or None)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem_answer(
        error.status_code,
        _REASONS.get(error.status_code, "refused"),
        str(error.detail),
        headers=_allowed(error.headers),
    )


def _allowed(headers: Mapping[str, str] | None) -> dict[str, str]:
    """The headers of a refusal; where a path takes GET it takes HEAD too (`HeadAsGet`)."""
    found = dict(headers or {})
    if "GET" in (methods := found.get("Allow", "").split(", ")):
        found["Allow"] = ", ".join(sorted({*methods, "HEAD"}))
    return found


async def _bug(request: Request, error: Exception) -> Response:
    problem = problem_answer(500, "internal", "this is a bug in the service; its log has the trace")
    problem.headers.update(named(request.scope))
    return problem


def problem_answer(
    status: int, reason: str, message: str, field: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """The answer of a `Problem`, bounded in size and without the folders of this machine; what may be over soon says
    when to ask again."""
    where = field and _public(field, MAX_FIELD_CHARS)
    said = Problem(reason=reason, message=_public(message, MAX_MESSAGE_CHARS), field=where)
    again = {"Retry-After": str(RETRY_SECONDS)} if status in (429, 503) else {}
    return Response(
        said.model_dump_json(exclude_none=True), status, again | dict(headers or {}), media_type="application/json"
    )


def _public(text: str, most: int) -> str:
    """At most so many characters of a text, and of a path on this machine the last name alone."""
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return _PATH.sub(lambda path: path[0] if _OWN.match(path[0]) else path[1], cut)


def _field(loc: Sequence[str | int]) -> str:
    return field_name(loc)[:MAX_FIELD_CHARS]


def _further(count: int) -> str:
    return f" (and {count} more)" if count else ""
