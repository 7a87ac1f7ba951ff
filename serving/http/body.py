"""The body of a request: read whole, within a limit, before it waits for a place: a slow sender holds none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import Message, Receive, Scope

MAX_BODY_BYTES = 1_000_000


class BodyTooLarge(Exception):
    """It states or has more bytes than `MAX_BODY_BYTES`."""


class Body:
    """A request's body, and whether its client is still there. size: bytes that were read and are held."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope, self._receive = scope, receive
        self._whole = bytearray()
        self._left = asyncio.Event()
        self._is_replayed = False
        self.size = 0

    async def read(self, hold: Callable[[int], None]) -> bool:
        """Read all of it; False where the client left meanwhile.

        Args:
            hold: Is told the size of each part.

        Raises:
            BodyTooLarge: It is over the limit, whether its length is stated or not; and what `hold` raises.
        """
        if _stated_length(self._scope) > MAX_BODY_BYTES:
            raise BodyTooLarge
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return False
            part = message.get("body", b"")
            self.size += len(part)
            hold(len(part))
            if self.size > MAX_BODY_BYTES:  # a smaller stated length may be a lie
                raise BodyTooLarge
            self._whole += part
            if not message.get("more_body", False):
                return True

    async def replay(self) -> Message:
        """As an ASGI `receive`: the whole body, then a disconnect once the client has left."""
        if self._is_replayed:
            await self._left.wait()
            return {"type": "http.disconnect"}
        self._is_replayed = True
        return {"type": "http.request", "body": bytes(self._whole), "more_body": False}

    async def watch(self, left: Callable[[], None]) -> None:
        """Wait until the client leaves, and call `left`. A server says so too once the response is complete."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left.set()
        left()


def _stated_length(scope: Scope) -> int:
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(length) if length.isdigit() and len(length) < 20 else 0
