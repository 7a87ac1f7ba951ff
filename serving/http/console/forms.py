"""What a browser sends: fields of addresses and forms, and the proof that a form which writes is one of ours.

A page of another origin can post a form to this service from the reader's browser. Each form that writes therefore
carries the token of a cookie which such a page can neither read nor set (double submit: OWASP, Cross-Site Request
Forgery Prevention), and what the browser says of the form's origin is held against the address that it was sent to.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from fastapi import Request, Response

from contracts.errors import BadInput

TOKEN, GRADER = "rolecall_token", "rolecall_grader"
"""Cookies: the token of forms, and the name under which somebody grades."""
MOST_FIELDS = 200


class NotOurForm(BadInput):
    """A form that writes was sent from elsewhere than the console."""

    reason, http_status = "not_our_form", 403


async def fields_of(request: Request) -> dict[str, str]:
    """The fields of the address and, of a post, those of its form, which win; text alone, of each name the last."""
    body = (await request.body()).decode("utf-8", "replace") if request.method == "POST" else ""
    return dict(_pairs(str(request.url.query))) | dict(_pairs(body))


async def lists_of(request: Request) -> dict[str, list[str]]:
    """As `fields_of`, but every value of a name that stands several times."""
    body = (await request.body()).decode("utf-8", "replace") if request.method == "POST" else ""
    found: dict[str, list[str]] = {}
    for name, value in [*_pairs(str(request.url.query)), *_pairs(body)]:
        found.setdefault(name, []).append(value)
    return found


def token_of(request: Request) -> str:
    """The reader's token; a new one where they have none."""
    known = request.cookies.get(TOKEN, "")
    return known if len(known) == 43 else secrets.token_urlsafe(32)


def check_form(request: Request, fields: Mapping[str, str]) -> None:
    """Raise NotOurForm for a form that another page sent, or that lacks the reader's token."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin", "")
    elsewhere = site not in ("same-origin", "none") or (
        bool(origin) and urlsplit(origin).netloc != request.headers.get("host", "")
    )
    token = request.cookies.get(TOKEN, "")
    if elsewhere or not token or not hmac.compare_digest(token.encode(), fields.get("token", "").encode()):
        raise NotOurForm("this form was not sent by a page of this console", cure="open the page again, then send it")


def remember(response: Response, name: str, value: str, request: Request) -> Response:
    """Set a cookie that scripts cannot read and that pages of other origins do not send along."""
    secure = request.url.scheme == "https"
    response.set_cookie(
        name, value, httponly=True, samesite="strict", secure=secure, path="/console", max_age=30 * 86_400
    )
    return response


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise BadInput(f"a form of more than {MOST_FIELDS} fields", cure="send the console's own forms") from error
