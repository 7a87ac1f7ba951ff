"""The service's logger: one JSON object a line, bounded in size, with request ids and without a request's content.

Used as a library only warnings appear, wherever the logger "rolecall" goes; `log_to_stderr` turns on all lines. What
`structlog.contextvars` holds, such as the id of the HTTP request, is in every line that the request's work writes.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

MAX_FIELD_CHARS = 500
MAX_ITEMS = 20
MAX_FIELDS = 40
"""A line is at most some 40 fields of 20 items of 500 characters, whatever an error says of itself; those of the
service's own lines are short, so that most have under 300 bytes."""

_SERVICE = logging.getLogger("rolecall.service")
_SERVICE.setLevel(logging.WARNING)


def bounded(value: Any) -> Any:
    """A value of a line cut to a size that a stranger cannot choose: long texts end in "...", long lists too."""
    if isinstance(value, str):
        return value if len(value) <= MAX_FIELD_CHARS else f"{value[:MAX_FIELD_CHARS]}..."
    if isinstance(value, bool | int | float | None):
        return value
    if isinstance(value, Mapping):
        return {bounded(str(name)): bounded(str(part)) for name, part in list(value.items())[:MAX_ITEMS]}
    if isinstance(value, list | tuple | set | frozenset):
        items = [bounded(str(part)) for part in list(value)[:MAX_ITEMS]]
        return items if len(value) <= MAX_ITEMS else [*items, "..."]
    return bounded(str(value))


def _bound_line(_: Any, __: str, line: MutableMapping[str, Any]) -> dict[str, Any]:
    own = {name: line.pop(name) for name in ("timestamp", "level", "event") if name in line}
    return {bounded(name): bounded(value) for name, value in list((own | dict(line)).items())[:MAX_FIELDS]}


log: Any = structlog.wrap_logger(
    _SERVICE,
    processors=[
        structlog.stdlib.filter_by_level,
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        _bound_line,
        structlog.processors.JSONRenderer(),
    ],
    wrapper_class=structlog.stdlib.BoundLogger,
)


def log_to_stderr() -> None:
    """Write every line to standard error, without a prefix."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    _SERVICE.handlers = [handler]
    _SERVICE.setLevel(logging.INFO)
    _SERVICE.propagate = False
