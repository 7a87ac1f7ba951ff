"""A server that speaks OpenAI's chat completions over a socket, with answers that a test gives."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up on a slow answer is no news."""


class ChatServer:
    """Speaks OpenAI's chat completions over a socket. `reply` makes of a request's body what it is answered with:

    a text: a completion that says it; a dict: that body; bytes: those; a number: that HTTP status; (status, headers);
    None: nothing, for as long as the test runs; a list of bytes: them one by one, five a second.
    """

    def __init__(self) -> None:
        self.reply: Callable[[dict], Any] = lambda body: '{"grade": 3, "rationale": "related work"}'
        self.bodies: list[dict] = []
        self.headers: list[dict[str, str]] = []
        self.over = threading.Event()
        self._server = _Listener(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    @staticmethod
    def completion(text: str | None, **more: Any) -> dict:
        """more: fields of its one choice."""
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"} | more
        usage = {"prompt_tokens": 1_000, "completion_tokens": 20, "total_tokens": 1_020}
        return {"id": "c", "object": "chat.completion", "choices": [choice], "usage": usage}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None: ...

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                server.bodies.append(body)
                server.headers.append(dict(self.headers))
                reply = server.reply(body) if self.path == "/v1/chat/completions" else 404
                if reply is None:
                    server.over.wait()
                    return
                status, headers = (
                    (reply, {}) if isinstance(reply, int) else reply if type(reply) is tuple else (200, {})
                )
                reply = server.completion(reply) if isinstance(reply, str) else reply
                reply = json.dumps(reply).encode() if isinstance(reply, dict | int | tuple) else reply
                pieces = reply if isinstance(reply, list) else [reply]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(sum(map(len, pieces))))
                self.end_headers()
                for piece in pieces:
                    self.wfile.write(piece)
                    if len(pieces) > 1 and server.over.wait(0.2):
                        break

        return Handler
