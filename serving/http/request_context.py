"""Names every HTTP request: by its `X-Request-Id`, which comes back with the answer and stands in its lines of log.

The id is of the call; the `request_id` of an answer is the service's own, since events and explanations are found by
it and a caller must not choose it.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from serving.tracing import Tracing, trace_id

REQUEST_ID = "X-Request-Id"
_VALID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_NO_TRACES = Tracing()


class RequestContext:
    """ASGI middleware, the outermost: the request's id and its span are there for all that work on it."""

    def __init__(self, app: ASGIApp, tracing: Callable[[], Tracing | None]) -> None:
        """Wrap an application.

        Args:
            app: What answers.
            tracing: Returns the service's tracing, None while it is loading.
        """
        self._app, self._tracing = app, tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        name = headers.get(REQUEST_ID, "")
        scope.setdefault("state", {})[REQUEST_ID] = name = name if _VALID.fullmatch(name) else uuid.uuid4().hex
        status = 500

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = name
            await send(message)

        tracing = self._tracing() or _NO_TRACES
        with tracing.request(scope["method"], headers) as span:
            traced = {"trace_id": found} if (found := trace_id()) else {}
            with bound_contextvars(http_request_id=name, **traced):
                try:
                    await self._app(scope, receive, send_named)
                finally:
                    if span is not None:
                        route = getattr(scope.get("route"), "path", "other")
                        span.update_name(f"{scope['method']} {route}")
                        for key, value in (
                            ("http.request.method", scope["method"]),
                            ("http.route", route),
                            ("http.response.status_code", status),
                            ("rolecall.http_request_id", name),
                        ):
                            span.set_attribute(key, value)


def named(scope: Scope) -> Mapping[str, str]:
    """The header that names a request, for an answer that is made outside of the middleware."""
    name = scope.get("state", {}).get(REQUEST_ID)
    return {REQUEST_ID: name} if name else {}
