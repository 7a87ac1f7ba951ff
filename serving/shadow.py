"""A candidate bundle that is asked what is served, beside: both lists are logged, nobody is shown the candidate's.

A thread of its own asks, so that no request waits for it; while it is busy a few requests wait and further ones are
dropped and counted. The candidate's index has neither the feed's changes nor the counts of the day.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from dataclasses import replace
from typing import Any, NamedTuple

from contracts.workspace import Workspace
from serving.answering import Answerer
from serving.config import ServeConfig
from serving.logger import log
from serving.metrics import Metrics
from serving.schemas import JobsRequest
from serving.servable import load_servable
from serving.slates import Slate
from serving.stages import StageTimes
from serving.surfaces.surface import Surface
from serving.trials.config import TrialsConfig, drawn
from serving.trials.log import TrialLog

DEADLINE = 60.0
"""Seconds of a shadow's answer."""
CLOSE_SECONDS = 5.0


class _Asked(NamedTuple):
    """A request that waits for the candidate, and what was served."""

    surface: Surface
    message: JobsRequest
    slate: Slate


class ShadowAsker:
    """Asks a candidate a share of what is served. `close` ends it."""

    def __init__(
        self, workspace: Workspace, config: ServeConfig, answerer: Answerer, trial_log: TrialLog, metrics: Metrics
    ) -> None:
        """Load the candidate. Raises what `load_servable` raises.

        Args:
            workspace: Whose members and encoder the candidate reads.
            config: Of the service; `trials.shadow` names the candidate.
            answerer: Of the service, with whose rules the candidate answers.
            trial_log: Takes a line for each request.
            metrics: Count what the candidate was asked.
        """
        self._config, self._log, self._metrics = config.trials, trial_log, metrics
        shadow = config.trials.shadow
        named = {"bundle": shadow.bundle, "index": shadow.index, "changes": None}
        self._servable = load_servable(workspace, config.model_copy(update=named))
        # Its stages are counted and timed apart: they are nobody's, and must leave out no stage of what is served.
        apart: dict[str, Any] = {
            "metrics": Metrics(),
            "deadline": DEADLINE,
            "times": StageTimes(),
            "trials": TrialsConfig(),
        }
        self._answerer = replace(answerer, **apart)
        self._waiting: queue.Queue[_Asked | None] = queue.Queue(shadow.waiting)
        self._thread = threading.Thread(target=self._ask_all, name="shadow", daemon=True)
        self._thread.start()

    def ask(self, surface: Surface, message: JobsRequest, slate: Slate) -> None:
        """Ask the candidate soon, where the request is in its share. Never waits and never raises."""
        if drawn(self._config.salt, "shadow", slate.request_id) >= self._config.shadow.share:
            return
        try:
            self._waiting.put_nowait(_Asked(surface, message, slate))
        except queue.Full:
            self._metrics.trials.labels("shadow", "dropped").inc()

    def close(self) -> None:
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=CLOSE_SECONDS)
        self._thread.join(CLOSE_SECONDS)
        self._servable.members.close()

    def _ask_all(self) -> None:
        while (asked := self._waiting.get()) is not None:
            started = time.monotonic()
            try:
                answer, slate = self._answerer.answer(self._servable, asked.surface, asked.message, started)
            except Exception as error:  # whatever a candidate raises; what is served goes on
                self._metrics.trials.labels("shadow", "failed").inc()
                log.warning("shadow_failed", error=type(error).__name__)
                continue
            self._metrics.trials.labels("shadow", "asked").inc()
            self._log.put(
                {
                    "kind": "shadow",
                    "request_id": asked.slate.request_id,
                    "served": asked.slate.logged_by,
                    "jobs": asked.slate.job_ids,
                    "scores": asked.slate.scores,
                    "shadow": slate.logged_by,
                    "shadow_jobs": slate.job_ids,
                    "shadow_scores": slate.scores,
                    "degraded": answer.degraded,
                    "seconds": round(time.monotonic() - started, 4),
                }
            )
