"""The slates (lists of jobs) of the last answers, by which an event or an explanation finds its request."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from contracts.bundle import Blend
from contracts.records import Surface
from serving.schemas import ObjectiveUsed

MAX_SLATES = 2_000
"""At twenty jobs each about 10 MB."""


@dataclass(frozen=True)
class Slate:
    """The n jobs of one answer, best first.

    found_by, demoted_by: n lists of sources and of rules; because: n lists of what retrieval says;
    scores: (n,); probabilities: n maps of task to probability; objective: by which they were put in order;
    depth: candidates that the student scored; good_matches: n probabilities of a good match, None where nobody can say;
    inputs: n arrays (F,) float32 that the blend read, None where it read none; match: n arrays (C,) uint8 of the bins
    that the student read, None where it read none;
    request_text: what it read of the request, empty where no bins were read; logged: whether it is logged as shown;
    stored_features: whether the member's stored features, and no profile of the request, made the text.
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
    because: tuple[tuple[str, ...], ...]
    probabilities: tuple[dict[str, float], ...]
    objective: ObjectiveUsed
    depth: int
    good_matches: tuple[float | None, ...]
    blend: Blend | None
    inputs: tuple[np.ndarray | None, ...]
    match: tuple[np.ndarray | None, ...] = ()
    request_text: str = ""
    logged: bool = True
    stored_features: bool = False

    def impressions(self) -> list[dict[str, Any]]:
        """A `contracts.records.Event` of each job, as a dict. No order is drawn by chance: there is no propensity."""
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


class RecentSlates:
    """The last `MAX_SLATES` slates by request id. Safe to share between threads."""

    def __init__(self) -> None:
        self._slates: OrderedDict[str, Slate] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, slate: Slate) -> None:
        with self._lock:
            self._slates[slate.request_id] = slate
            if len(self._slates) > MAX_SLATES:
                self._slates.popitem(last=False)

    def get(self, request_id: str) -> Slate | None:
        with self._lock:
            return self._slates.get(request_id)

    def forget(self, member_id: str) -> None:
        """Forget the answers of a member."""
        with self._lock:
            for request_id in [id_ for id_, slate in self._slates.items() if slate.member_id == member_id]:
                del self._slates[request_id]
