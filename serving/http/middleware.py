"""What every request passes: its outcome is counted and logged without its content, and its body is limited."""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.logger import log
from serving.metrics import Metrics

MAX_BODY_BYTES = 1_000_000


class RequestMetrics:
    """ASGI middleware: counts and times requests by route and status, and logs one line for each of the API's own."""

    def __init__(self, app: ASGIApp, metrics: Callable[[], Metrics | None]) -> None:
        """Wrap an application.

        Args:
            app: What answers.
            metrics: Returns the service's metrics, None while it is loading.
        """
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started, status = time.perf_counter(), 0

        async def send_counted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        except Exception:
            status = status or 500  # the handler of bugs stands outside and answers after this
            raise
        finally:
            self._count(scope, status, time.perf_counter() - started)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        path = getattr(scope.get("route"), "path", "other")
        metrics = self._metrics()
        if metrics is not None:
            metrics.requests.labels(path, str(status)).inc()
            metrics.request_seconds.labels(path).observe(seconds)
        if path.startswith("/v1/"):
            log.info("request", path=path, status=status, ms=round(seconds * 1_000, 1))


class BodyLimit:
    """ASGI middleware: refuses a body over `limit` bytes with 413, whether its length is stated or not."""

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY_BYTES) -> None:
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        stated = _content_length(scope)
        size = stated if stated > self._limit else 0  # a smaller stated length may be a lie: the bytes are counted

        async def receive_limited() -> Message:
            nonlocal size
            message: Message = {} if size > self._limit else await receive()
            size += len(message.get("body", b""))
            if size > self._limit:
                raise HTTPException(413, f"the body is over {self._limit:,} bytes")
            return message

        await self._app(scope, receive_limited, send)


def _content_length(scope: Scope) -> int:
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(length) if length.isdigit() else 0
