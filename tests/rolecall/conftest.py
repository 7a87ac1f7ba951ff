from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def log_as_it_was() -> Iterator[None]:
    """A command that is run within a test sends the log to a stream that is closed when it ends."""
    log = logging.getLogger("rolecall")
    before = log.handlers, log.level, log.propagate
    yield
    log.handlers, log.level, log.propagate = before
