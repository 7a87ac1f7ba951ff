"""The stages of one request: each is timed, has a deadline, and may be done without."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import TypeVar

from serving.lines import log
from serving.metrics import Metrics

T = TypeVar("T")


class Stages:
    """Runs the stages of one request and remembers what each took and which were done without.

    deadline: by `time.monotonic`; a stage that has not begun by then is left out.
    """

    def __init__(self, request_id: str, metrics: Metrics, deadline: float) -> None:
        self.degraded: list[str] = []
        self.timings_ms: dict[str, float] = {}
        self._request_id, self._metrics, self._deadline = request_id, metrics, deadline

    def run(self, name: str, step: Callable[[], T], instead: Callable[[], T], *, last: bool = False) -> T:
        """What `step` returns; where it raises or is too late, the request degrades and it is what `instead` returns.

        last: run it past the deadline too, since nothing cheaper could answer.
        """
        if not last and time.monotonic() > self._deadline:
            self.degrade(name, "deadline")
            return instead()
        started = time.perf_counter()
        try:
            return step()
        except Exception as error:  # whatever a store, a graph or a file raises must not become a 500
            self.degrade(name, type(error).__name__, at=places(error))
        finally:
            seconds = time.perf_counter() - started
            self.timings_ms[name] = round(seconds * 1_000, 3)
            self._metrics.stage_seconds.labels(name).observe(seconds)
        return instead()

    def degrade(self, name: str, cause: str, **more: object) -> None:
        self.degraded.append(name)
        self._metrics.degraded.labels(name, cause).inc()
        log.warning("degraded", request_id=self._request_id, stage=name, cause=cause, **more)


def places(error: Exception) -> list[str]:
    """Where an error came from; not its message, which may hold a member's text."""
    return [f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)[-4:]]
