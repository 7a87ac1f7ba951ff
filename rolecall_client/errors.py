"""What a call can end in, one type a thing that the caller would do differently.

ClientError
  Unreachable        no answer came: refused, broken off, or too late
  ServiceError       the service answered with a problem
    BadRequest       400, 413, 414, 422, 431: the request does not fit; sending it again is no use
    NotPermitted     401, 403: the key lacks, or lacks the scope
    NotFound         404, 405
    Overloaded       429: more than the service or the key's rate allows
    Unavailable      503: loading, or the log's disk is in the way
    ServerError      any other; also a success whose body is not the service's, such as the page of a proxy
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx


class ClientError(Exception):
    """Base of the client's errors."""


class Unreachable(ClientError):
    """No answer came: whether the service did what was asked is not known. Events have ids, so a repost is safe."""


class ServiceError(ClientError):
    """The service answered with a problem.

    Attributes:
        status: HTTP status.
        reason: Name of the problem, such as `unknown_attribute`; "unknown" where a proxy answered.
        message: What is wrong and the cure, for a person.
        field: Of the request, where one is at fault; else empty.
        request_id: The call's `X-Request-Id`, by which the service's log has it.
    """

    def __init__(self, status: int, reason: str, message: str, field: str = "", request_id: str = "") -> None:
        self.status, self.reason, self.message = status, reason, message
        self.field, self.request_id = field, request_id
        of_call = f" [{request_id}]" if request_id else ""
        super().__init__(f"{status} {reason}: {message}{of_call}")


class BadRequest(ServiceError):
    pass


class NotPermitted(ServiceError):
    pass


class NotFound(ServiceError):
    pass


class Overloaded(ServiceError):
    pass


class Unavailable(ServiceError):
    pass


class ServerError(ServiceError):
    pass


_TYPES: Mapping[int, type[ServiceError]] = {
    400: BadRequest,
    401: NotPermitted,
    403: NotPermitted,
    404: NotFound,
    405: NotFound,
    413: BadRequest,
    414: BadRequest,
    422: BadRequest,
    429: Overloaded,
    431: BadRequest,
    503: Unavailable,
}
_MAX_CHARS = 500


def content_of(reply: httpx.Response) -> Any:
    """The JSON of an answer that is a success; None where it has no body. Raises ServerError where it is no JSON."""
    try:
        return reply.json() if reply.content else None
    except ValueError:
        raise problem_of(reply) from None


def problem_of(reply: httpx.Response) -> ServiceError:
    """The error of an answer that is no success."""
    body: Any = None
    if reply.headers.get("content-type", "").startswith("application/json"):
        try:
            body = reply.json()
        except ValueError:
            body = None
    told = {name: str(value)[:_MAX_CHARS] for name, value in body.items()} if isinstance(body, dict) else {}
    return _TYPES.get(reply.status_code, ServerError)(
        reply.status_code,
        told.get("reason", "unknown"),
        told.get("message", reply.text[:_MAX_CHARS]),
        told.get("field", ""),
        reply.headers.get("x-request-id", "")[:_MAX_CHARS],
    )
