"""The service's logger: one JSON object a line, with request ids and without a request's content.

Used as a library only warnings appear, wherever the logger "rolecall" goes; `log_to_stderr` turns on all lines.
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


def log_to_stderr() -> None:
    """Write every line to standard error, without a prefix."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    _SERVICE.handlers = [handler]
    _SERVICE.setLevel(logging.INFO)
    _SERVICE.propagate = False
