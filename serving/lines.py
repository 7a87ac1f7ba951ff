"""The service's own log: one JSON object a line, with request ids and never with what a request says.

As a library only warnings are seen, wherever "rolecall" reports; `to_stderr` turns on every request's line.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

_SERVICE = logging.getLogger("rolecall.service")
_SERVICE.setLevel(logging.WARNING)

log: Any = structlog.wrap_logger(
    _SERVICE,
    processors=[
        structlog.stdlib.filter_by_level,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.JSONRenderer(),
    ],
    wrapper_class=structlog.stdlib.BoundLogger,
)


def to_stderr() -> None:
    """Every line to standard error, bare."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    _SERVICE.handlers = [handler]
    _SERVICE.setLevel(logging.INFO)
    _SERVICE.propagate = False
