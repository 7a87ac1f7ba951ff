"""One request as admission sees it, and the response that notes when somebody was shown it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request, Response
from starlette.types import Receive, Scope, Send

from ranking.rank import RANKED
from serving.access.caller import Caller

SCOPE_KEY, TRANSPORT_KEY = "rolecall.call", "rolecall.transport"


@dataclass
class Call:
    """A request from its arrival to its response.

    Attributes:
        arrived: By `time.monotonic`; its deadline runs from then.
        depth: Candidates that the student scores at most.
        caller: Who asks, and what for.
        gone: The client hung up, or was answered otherwise: nobody is shown what is still made.
    """

    arrived: float = field(default_factory=time.monotonic)
    depth: int = RANKED
    caller: Caller = field(default_factory=Caller)
    gone: bool = False


class ShownResponse(Response):
    """A JSON response that says whether its last byte went to a client that was still there."""

    def __init__(self, body: bytes, call: Call, sent: Callable[[bool], None]) -> None:
        super().__init__(body, media_type="application/json")
        self._call, self._sent = call, sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await super().__call__(scope, receive, send)
        self._sent(not self._call.gone)


def is_of_sibling(scope: Scope) -> bool:
    """Whether another process of this service asks (`serving.http.siblings`): it has let in whoever asks, and counts
    the request."""
    transport = scope.get(TRANSPORT_KEY)
    connection = transport.get_extra_info("socket") if transport is not None else None
    return connection is not None and connection.family == socket.AF_UNIX


def is_hung_up(scope: Scope) -> bool:
    """Whether the connection is known to be closed; False where the server does not tell (`Fenced` does)."""
    transport = scope.get(TRANSPORT_KEY)
    return transport is not None and transport.is_closing()


def _of_request(request: Request) -> Call:
    call: Call = request.scope.get(SCOPE_KEY) or Call()
    call.caller = request.scope["state"]["caller"]
    return call


Called = Annotated[Call, Depends(_of_request)]
"""A route's parameter of this type is its request's call."""
