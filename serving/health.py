"""Whether the service can do what it is for: what /readyz refuses to call ready."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from retrieval.index.job_index import JobIndex
from serving.event_log import WRITABLE


def problem(index: JobIndex, log_state: str, now: datetime) -> str:
    """What keeps a loaded service from being ready; empty where nothing does.

    Args:
        index: What is served.
        log_state: `EventLog.state`: what is not logged was never learned from, and events are refused.
        now: The clock's time.
    """
    if log_state != WRITABLE:
        return f"the log of events takes none: {log_state}"
    rows = np.arange(len(index.jobs))
    if index.jobs.current and not index.alive(rows, now).any():
        return f"none of {index.jobs.current:,} jobs is open at {now:%Y-%m-%d %H:%M} UTC, by the clock of this machine"
    return ""
