"""A server that gives the replies of a script, for what a real service does not do when a test wants it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

BUSY = (429, {"Retry-After": "0"}, {"reason": "overloaded", "message": "too many requests"})
LOADING = (503, {}, {"reason": "not_ready", "message": "is being loaded"})
TAKEN = (200, {}, {"accepted": 1, "duplicates": 0, "rejected": 0, "reasons": [], "degraded": []})


class Scripted(NamedTuple):
    """A server that gives its replies one after the other; posted: the bodies that it was sent."""

    url: str
    posted: list[Any]
    headers: list[dict[str, str]]
    paths: list[str]


@contextmanager
def scripted(*replies: tuple[int, dict[str, str], Any] | None) -> Iterator[Scripted]:
    """replies: status, headers and JSON; None breaks the connection off. The last one is repeated."""
    waiting, posted, headers, paths = list(replies), [], [], []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            posted.append(json.loads(body) if body else None)
            paths.append(self.path)
            headers.append({name.lower(): value for name, value in self.headers.items()})
            reply = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            if reply is None:
                self.close_connection = True
                return
            status, told, value = reply
            content = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            for name, text in {"Content-Type": "application/json", "Content-Length": str(len(content)), **told}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Scripted(f"http://127.0.0.1:{server.server_port}", posted, headers, paths)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
