"""What every request passes: its outcome is counted and logged without its content."""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.access import KEY_ID
from serving.http.call import is_of_sibling
from serving.logger import log
from serving.metrics import Metrics


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
        if scope["type"] != "http" or is_of_sibling(scope):
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
            key = {"key": key_id} if (key_id := scope.get("state", {}).get(KEY_ID)) else {}
            log.info("request", path=path, status=status, ms=round(seconds * 1_000, 1), **key)


class HeadAsGet:
    """ASGI middleware: a HEAD is answered as the GET of its path, of which the server sends the headers alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_head = scope["type"] == "http" and scope["method"] == "HEAD"
        await self._app({**scope, "method": "GET"} if is_head else scope, receive, send)
