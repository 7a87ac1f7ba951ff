"""The socket that a service listens on, and the name of the processes that share it."""

from __future__ import annotations

import socket

from contracts.errors import BadInput

WORKER = "rolecall-worker"


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises BadInput where the address cannot be listened on."""
    try:
        return socket.create_server((host, port), backlog=2_048)
    except (OSError, OverflowError) as error:
        problem = getattr(error, "strerror", None) or error
        raise BadInput(f"cannot listen on {host}:{port}: {problem}", cure="--port 0 picks a free one") from error
