"""Who may call which route: one table, one middleware that holds requests against it before their bodies are read.

A key comes as `Authorization: Bearer KEY`, or as the password of HTTP Basic, which a browser asks for by itself: the
console needs no page to log in at and no cookie that another site could ride on.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple, Self

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from serving.access.buckets import Buckets
from serving.access.caller import Askers, Caller
from serving.access.config import SecurityConfig
from serving.access.keys import KeyRing, Scope
from serving.access.tokens import BadToken, member_of, read_secret
from serving.http.call import is_of_sibling
from serving.http.problems import problem_answer
from serving.http.siblings import ANSWERS
from serving.metrics import Metrics

MEMBER_TOKEN = "X-Member-Token"
KEY_ID = "key_id"
"""In the state of a request: the id of the key that it came with."""


class Rule(NamedTuple):
    """Whoever asks for `path`, or for what lies below it, needs one of `scopes`; none: nobody is asked for a key."""

    method: Literal["GET", "POST", "*"]
    path: str
    scopes: tuple[Scope, ...]


OPEN: tuple[Scope, ...] = ()
RULES = (
    Rule("GET", "/healthz", OPEN),
    Rule("GET", "/readyz", OPEN),
    Rule("GET", "/docs", OPEN),
    Rule("GET", "/openapi.json", OPEN),
    Rule("GET", "/console.css", OPEN),
    Rule("GET", "/console.js", OPEN),
    Rule("GET", "/metrics", ("admin",)),
    Rule("POST", ANSWERS, ("admin",)),
    Rule("*", "/v1/members", ("admin",)),
    Rule("POST", "/console/grade", ("grade",)),
    Rule("POST", "/console/agreement", ("grade",)),
    Rule("POST", "/console/rules/save", ("grade",)),
    Rule("*", "/console", ("console", "grade")),
)
"""The first rule that fits holds, then what the route says of itself (`x-scope`); all else is for administrators."""
TOLD_TO_SIBLINGS = ("/metrics", ANSWERS)
"""To another process of the service, which has looked at the key of whoever asks it."""
FRONT = "/"
"""It only leads to the console."""
Tagged = tuple[tuple[str, re.Pattern[str], Scope], ...]


def tagged_routes(routers: Iterable[Any]) -> Tagged:
    """Method, pattern of paths and scope of each route that names its scope: `openapi_extra={"x-scope": ...}`."""
    return tuple(
        (method, route.path_regex, scope)
        for router in routers
        for route in router.routes
        if (scope := (getattr(route, "openapi_extra", None) or {}).get("x-scope"))
        for method in route.methods
    )


def needed(method: str, path: str, tagged: Tagged = ()) -> tuple[Scope, ...]:
    """The scopes of which one is needed; none where the route is open."""
    if path == FRONT:
        return OPEN
    asked = "GET" if method == "HEAD" else method
    for rule in RULES:
        if (path == rule.path or path.startswith(f"{rule.path}/")) and rule.method in (asked, "*"):
            return rule.scopes
    scopes = tuple(scope for of, pattern, scope in tagged if pattern.match(path) and of == asked)
    return scopes[:1] or ("admin",)


class Locks(NamedTuple):
    """What a caller has to show: a key of the ring, where there is one, and tokens signed with the secret."""

    ring: KeyRing | None
    secret: str | None
    open_metrics: bool
    tagged: Tagged

    @classmethod
    def of(cls, config: SecurityConfig, routers: Iterable[Any] = ()) -> Self:
        """Those of the files that the knobs name, for routes. Raises what reading them raises."""
        ring = KeyRing(config.keys) if config.keys else None
        secret = read_secret(config.member_secret) if config.member_secret else None
        return cls(ring, secret, config.open_metrics, tagged_routes(routers))


class Access:
    """ASGI middleware: refuses who has no key, not the scope, or asks too often; notes the caller of all others."""

    def __init__(
        self, app: ASGIApp, locks: Locks, metrics: Callable[[], Metrics | None], buckets: Buckets | None = None
    ) -> None:
        """Wrap an application.

        Args:
            app: What answers.
            locks: What a caller has to show.
            metrics: Returns the service's metrics, None while it is loading.
            buckets: How often keys may ask; None: as counted by this process alone.
        """
        self._app, self._locks, self._metrics = app, locks, metrics
        self._buckets, self._askers = buckets or Buckets(), Askers()

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        path, method = scope["path"], scope["method"]
        is_open = (path == "/metrics" and self._locks.open_metrics) or (
            path in TOLD_TO_SIBLINGS and is_of_sibling(scope)
        )
        scopes = OPEN if is_open else needed(method, path, self._locks.tagged)
        key = None
        if self._locks.ring is not None and scopes:
            key = self._locks.ring.find(_presented(headers.get("authorization", "")))
            if key is None:
                return await self._refuse("no_key", scope, receive, send)
            scope.setdefault("state", {})[KEY_ID] = key.id
            if not set(key.scopes) & set(scopes):
                return await self._refuse("scope", scope, receive, send, scopes)
            if not is_of_sibling(scope) and (wait := self._buckets.wait(key)):
                return await self._refuse("rate", scope, receive, send, wait=wait)
        try:
            member = self._member(headers.get(MEMBER_TOKEN.lower()))
        except BadToken:
            return await self._refuse("member_token", scope, receive, send)
        scope.setdefault("state", {})["caller"] = Caller(key, member, self._askers)
        await self._app(scope, receive, send)

    def _member(self, token: str | None) -> str | None:
        if token is None:
            return None
        if self._locks.secret is None:
            raise BadToken("this service takes no members' tokens", cure="serve: {security: {member_secret: FILE}}")
        return member_of(self._locks.secret, token)

    async def _refuse(
        self,
        cause: str,
        scope: Connection,
        receive: Receive,
        send: Send,
        scopes: tuple[Scope, ...] = (),
        wait: int = 0,
    ) -> None:
        metrics = self._metrics()
        if metrics is not None:
            metrics.refused.labels(cause).inc()
        if cause == "no_key":
            kind = "Basic" if scope["path"].startswith("/console") else "Bearer"
            cure = "send `Authorization: Bearer KEY`, or the key as the password of Basic"
            answer = problem_answer(401, "no_key", f"a key is needed ({cure})")
            answer.headers["WWW-Authenticate"] = f'{kind} realm="Rolecall", charset="UTF-8"'
        elif cause == "scope":
            answer = problem_answer(403, "forbidden", f"the key lacks the scope {' or '.join(scopes)}")
        elif cause == "rate":
            answer = problem_answer(429, "too_many_requests", f"the key asks too often (ask again in {wait} s)")
            answer.headers["Retry-After"] = str(wait)
        else:
            answer = problem_answer(
                401, "bad_member_token", f"the token in {MEMBER_TOKEN} does not hold (ask for a new one)"
            )
        await answer(scope, receive, send)


def _presented(authorization: str) -> str:
    """The key of an Authorization header; empty where there is none."""
    kind, _, value = authorization.partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value.strip(), validate=True).decode("utf-8").partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
