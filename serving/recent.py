"""The last answers, so that an event can name its request and a person can ask why a job was there."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from contracts.bundle import Blend
from contracts.records import Surface

KEPT = 2_000
"""Answers; at twenty jobs each about 10 MB."""


@dataclass(frozen=True)
class Shown:
    """One answer of n jobs, best first.

    found_by, demoted_by: n lists of sources and of rules; reasons: n sentences, empty where found_by says it all;
    scores: (n,); probabilities: n maps of task to probability; inputs: n arrays (F,) that the blend read, None where it
    did not.
    """

    request_id: str
    time: datetime
    surface: Surface
    member_id: str
    query: str
    logged_by: str
    job_ids: tuple[str, ...]
    scores: tuple[float, ...]
    found_by: tuple[tuple[str, ...], ...]
    demoted_by: tuple[tuple[str, ...], ...]
    reasons: tuple[str, ...]
    probabilities: tuple[dict[str, float], ...]
    blend: Blend | None
    inputs: tuple[np.ndarray | None, ...]

    def impressions(self) -> list[dict[str, Any]]:
        """`contracts.records.Event` of each job shown."""
        return [
            {
                "id": f"{self.request_id}-{position}",
                "time": self.time,
                "surface": self.surface,
                "request_id": self.request_id,
                "member_id": self.member_id,
                "query": self.query,
                "job_id": job_id,
                "position": position,
                "action": "impression",
                "propensity": None,
                "logged_by": self.logged_by,
                "found_by": ",".join(found_by),
            }
            for position, (job_id, found_by) in enumerate(zip(self.job_ids, self.found_by, strict=True), start=1)
        ]


class Recent:
    """Holds the last `KEPT` answers by request id."""

    def __init__(self) -> None:
        self._shown: OrderedDict[str, Shown] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, shown: Shown) -> None:
        with self._lock:
            self._shown[shown.request_id] = shown
            if len(self._shown) > KEPT:
                self._shown.popitem(last=False)

    def get(self, request_id: str) -> Shown | None:
        with self._lock:
            return self._shown.get(request_id)
