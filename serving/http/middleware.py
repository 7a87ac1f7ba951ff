"""What every request passes: a limit on its body, a count of its outcome, and one line of log without its content."""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.schemas import MAX_BODY_BYTES
from serving.lines import log
from serving.metrics import Metrics


class Gate:
    """ASGI middleware. metrics: gives the service's, None while it is loading."""

    def __init__(self, app: ASGIApp, metrics: Callable[[], Metrics | None]) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started, status, size = time.perf_counter(), 0, _stated_length(scope)
        if size <= MAX_BODY_BYTES:
            size = 0  # believed only where it is reason enough to refuse

        async def limited() -> Message:
            nonlocal size
            message: Message = {} if size > MAX_BODY_BYTES else await receive()
            size += len(message.get("body", b""))
            if size > MAX_BODY_BYTES:
                raise HTTPException(413, f"the body is over {MAX_BODY_BYTES:,} bytes")
            return message

        async def counted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, limited, counted)
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


def _stated_length(scope: Scope) -> int:
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(length) if length.isdigit() else 0
