"""A typed client of the service: `Client` and `AsyncClient`, and a buffer that posts events in batches.

Imports httpx and the standard library alone, so that a shop's front end can use it without the models' libraries:
`pip install 'rolecall[client]'`. Types of requests and answers: `rolecall_client.types`, made from the service's
OpenAPI by `make clients`.
"""

from rolecall_client.client import AsyncClient, Client
from rolecall_client.errors import (
    BadRequest,
    ClientError,
    NotFound,
    NotPermitted,
    Overloaded,
    ServerError,
    ServiceError,
    Unavailable,
    Unreachable,
)
from rolecall_client.events import AsyncEventBuffer, EventBuffer
from rolecall_client.retries import Retries

__all__ = [
    "AsyncClient",
    "AsyncEventBuffer",
    "BadRequest",
    "Client",
    "ClientError",
    "EventBuffer",
    "NotFound",
    "NotPermitted",
    "Overloaded",
    "Retries",
    "ServerError",
    "ServiceError",
    "Unavailable",
    "Unreachable",
]
