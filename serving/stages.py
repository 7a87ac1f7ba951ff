"""The stages of one request: each is timed, has a deadline, and may be done without."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import TypeVar

from contracts.errors import RolecallError
from serving.logger import log
from serving.metrics import Metrics
from serving.tracing import note, stage_span

T = TypeVar("T")


class StageTimes:
    """How long each stage takes of late, for those who have to say beforehand. Shared between threads."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def of(self, name: str) -> float:
        """Seconds; 0 for a stage that never ran."""
        return self._seconds.get(name, 0.0)

    def add(self, name: str, seconds: float) -> None:
        """Take in how long a stage took. Less is believed sooner: first calls are slow, and so is a full machine."""
        before = self._seconds.get(name, seconds)
        self._seconds[name] = before + (seconds - before) * (0.5 if seconds < before else 0.2)

    def skip(self, name: str) -> None:
        """Forget a little of a stage that was left out, so that it is tried again."""
        self._seconds[name] = self._seconds.get(name, 0.0) * 0.9


class Stages:
    """Runs the stages of one request, and keeps the time of each and the names of those that were done without."""

    def __init__(self, request_id: str, metrics: Metrics, deadline: float, times: StageTimes | None = None) -> None:
        """Start a request.

        Args:
            request_id: Named in the log.
            metrics: Count the stages.
            deadline: By `time.monotonic`; a stage that would not be done by then is left out.
            times: Say how long a stage takes; None: nobody knows.
        """
        self.degraded: list[str] = []
        self.timings_ms: dict[str, float] = {}
        self.request_id = request_id
        self._metrics, self._deadline, self._times = metrics, deadline, times or StageTimes()

    def run(self, name: str, step: Callable[[], T], instead: Callable[[], T], *, last: bool = False) -> T:
        """The value of `step`; where it raises or is too late the request degrades, and it is the value of `instead`.

        last: run it past the deadline too, since nothing cheaper could answer.
        """
        if not last and time.monotonic() + self._times.of(name) > self._deadline:
            self._times.skip(name)
            self.degrade(name, "deadline")
            return instead()
        started = time.perf_counter()
        try:
            with stage_span(name):
                return step()
        except Exception as error:  # whatever a store, a graph or a file raises must not become a 500
            self.degrade(name, type(error).__name__, at=frames(error))
        finally:
            seconds = time.perf_counter() - started
            self.timings_ms[name] = round(seconds * 1_000, 3)
            self._times.add(name, seconds)
            self._metrics.stage_seconds.labels(name).observe(seconds)
        return instead()

    def late(self, name: str) -> bool:
        """Whether the deadline has passed; noted once, of a stage that has to stop in the middle."""
        late = time.monotonic() > self._deadline
        if late and name not in self.degraded:
            self.degrade(name, "deadline")
        return late

    def degrade(self, name: str, cause: str, **fields: object) -> None:
        """Note that a stage was done without; `fields` go into the line of log."""
        self.degraded.append(name)
        self._metrics.degraded.labels(name, cause).inc()
        note(**{f"degraded.{name}": cause})
        log.warning("degraded", request_id=self.request_id, stage=name, cause=cause, **fields)


def frames(error: Exception) -> list[str]:
    """The last four "file:line" of an error; not its message, which may hold a member's text."""
    return [f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)[-4:]]


def describe(error: Exception) -> str:
    """A typed error's own message; of any other its type and place alone."""
    return str(error) if isinstance(error, RolecallError) else f"{type(error).__name__} at {frames(error)[-1]}"
