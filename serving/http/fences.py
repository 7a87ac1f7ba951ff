"""The outer fence: what one connection may take in bytes, headers and time before the application sees its request.

uvicorn's parsers bound neither headers nor time (h11 bounds the bytes of a head alone). A client that is past a bound
is answered where it can be, in the form of all other errors, and its connection is closed.
"""

from __future__ import annotations

import asyncio
import logging
import resource
from collections.abc import Callable
from functools import partial
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.http.body import MAX_BODY_BYTES
from serving.http.call import TRANSPORT_KEY
from serving.http.problems import Problem
from serving.limits import FencesConfig
from serving.metrics import Metrics

log = logging.getLogger("rolecall")

SPARE_DESCRIPTORS = 128
"""Kept for files, stores and models."""
RAW_BODY_BYTES = 8 * MAX_BODY_BYTES
"""With what frames it: a body in chunks of a byte is six times as long on the wire."""
REASONS = {
    400: ("malformed_http", "what came is no HTTP request", "Bad Request"),
    408: ("too_slow", "the request did not come in time", "Request Timeout"),
    413: ("body_too_large", f"the body is over {MAX_BODY_BYTES:,} bytes", "Content Too Large"),
    414: ("address_too_long", "the address of the request is too long", "URI Too Long"),
    431: (
        "headers_too_large",
        "the headers of the request are too many or too large",
        "Request Header Fields Too Large",
    ),
    503: ("too_many_connections", "no more connections are taken", "Service Unavailable"),
}


def max_connections(fences: FencesConfig) -> int:
    """Connections that the process may hold, with its limit of descriptors raised as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = fences.connections + SPARE_DESCRIPTORS if fences.connections else hard
    if soft != resource.RLIM_INFINITY and (wanted == resource.RLIM_INFINITY or wanted > soft):
        soft = hard if hard != resource.RLIM_INFINITY and hard < wanted else wanted
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return fences.connections or 65_536
    possible = max(8, soft - SPARE_DESCRIPTORS)
    if fences.connections and fences.connections > possible:
        log.warning("serving: %d connections at most, since the process may open %d files", possible, soft)
    return min(fences.connections or possible, possible)


def fenced(fences: FencesConfig, metrics: Callable[[], Metrics | None]) -> Callable[..., asyncio.Protocol]:
    """What makes uvicorn's protocol of one connection, within bounds."""
    return partial(Fenced, fences=fences, most=max_connections(fences), metrics=metrics)


class Fenced(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol of one connection, which counts and times what comes."""

    def __init__(
        self, *arguments: Any, fences: FencesConfig, most: int, metrics: Callable[[], Metrics | None], **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self._fences, self._most, self._metrics = fences, most, metrics
        self._in_head, self._head_bytes, self._body_bytes = True, 0, 0
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._ended = False

    # --- the connection ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._count_connections()
        if len(self.connections) > self._most:
            self._end(503)
        else:
            self._time(self._fences.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._time(None)
        if self._write_timer:
            self._write_timer.cancel()
        super().connection_lost(exc)
        self._count_connections()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        if self._in_head:
            self._read_head(data)
        else:
            self._body_bytes += len(data)
            if self._body_bytes > RAW_BODY_BYTES:
                self._end(413)
            else:
                super().data_received(data)

    def _read_head(self, data: bytes) -> None:
        """Count bytes before the parser sees them: it keeps what it has of a header, however much that is."""
        if self._timer is None:
            self._time(self._fences.head_seconds)
        most = self._fences.head_bytes
        self._head_bytes += min(len(data), most + 1)
        super().data_received(data[:most])
        if self._in_head and self._head_bytes > most:
            self._end(431)
        elif data[most:]:
            self.data_received(data[most:])

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._abort_later()

    # --- the parser ---

    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope: Any = self.scope
        scope[TRANSPORT_KEY] = self.transport
        self._in_head = True
        self._time(self._fences.head_seconds)

    def on_url(self, url: bytes) -> None:
        if len(self.url) + len(url) <= self._fences.url_bytes:
            super().on_url(url)
        else:
            self._end(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) < self._fences.headers:
            super().on_header(name, value)
        else:
            self._end(431)

    def on_headers_complete(self) -> None:
        if self._ended:
            return
        self._in_head, self._body_bytes = False, 0
        self._time(self._fences.body_seconds)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self._ended:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_head, self._head_bytes = True, 0
        self._time(None)
        if not self._ended:
            super().on_message_complete()

    # --- a client that does not take its answer ---

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timer = self.loop.call_later(self._fences.read_seconds, self._abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_timer:
            self._write_timer.cancel()

    def _abort(self) -> None:
        self._count("unread")
        self.transport.abort()

    # --- the end ---

    def send_400_response(self, _: str) -> None:
        self._end(400)

    def _time(self, seconds: float | None) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self._end, 408) if seconds else None

    def _end(self, status: int) -> None:
        """Answer where nothing has been answered yet, and close."""
        if self._ended or self.transport.is_closing():
            return
        self._ended = True
        self._time(None)
        reason, message, phrase = REASONS[status]
        self._count(reason)
        if self._may_answer() and (self._head_bytes or status == 503):  # who said nothing is told nothing
            body = Problem(reason=reason, message=message).model_dump_json(exclude_none=True).encode()
            head = f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            again = "retry-after: 1\r\n" if status == 503 else ""
            self.transport.write(f"{head}{again}connection: close\r\n\r\n".encode() + body)
        self.transport.close()
        self._abort_later()

    def _may_answer(self) -> bool:
        """Whether the request that is read is the one whose answer comes next, and has none yet."""
        if self._in_head:
            return self.cycle is None or self.cycle.response_complete
        return not self.cycle.response_started

    def _abort_later(self) -> None:
        """A transport that closes waits for its client to take what was written: not for ever."""
        self.loop.call_later(self._fences.read_seconds, self.transport.abort)

    def _count(self, cause: str) -> None:
        if metrics := self._metrics():
            metrics.fenced.labels(cause).inc()

    def _count_connections(self) -> None:
        if metrics := self._metrics():
            metrics.connections.set(len(self.connections))


def server(app: Any, fences: FencesConfig, metrics: Callable[[], Metrics | None]) -> uvicorn.Server:
    """A server of an application within its fences."""
    config = uvicorn.Config(
        app,
        http=fenced(fences, metrics),  # type: ignore[arg-type]
        ws="none",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=10,
        timeout_keep_alive=fences.idle_seconds,  # type: ignore[arg-type]
        server_header=False,
    )
    return uvicorn.Server(config)
