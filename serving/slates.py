"""The slates (lists of jobs) of the last answers, by which an event or an explanation finds its request."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

import numpy as np

from contracts import records
from contracts.bundle import Blend
from contracts.values import FrozenModel
from ranking.rank import Ranked
from retrieval.index.job_index import JobIndex
from retrieval.request import Request
from serving.schemas import ObjectiveUsed
from serving.surfaces.shape import ALL_FIELDS, Shape
from serving.surfaces.surface import Surface

MADE_ID = re.compile(r"[0-9a-f]{32}")
"""An id of an answer, as the service makes them."""
MAX_SLATES = 2_000
"""At twenty jobs each about 10 MB."""
MAX_RANKINGS = 500
"""Answers whose further pages may be asked for; at 500 candidates each about 30 MB."""


@dataclass(frozen=True)
class Ranking:
    """What is kept of an answer for its further pages.

    surface: as the request set it; request: what was asked, as of then; ranked: n jobs, in rows of the index of then;
    job_ids: their n ids.
    """

    surface: Surface
    request: Request
    ranked: Ranked
    job_ids: tuple[str, ...]

    @classmethod
    def of(cls, surface: Surface, request: Request, ranked: Ranked) -> Self:
        """That of an answer."""
        ids = ranked.candidates.ids
        return cls(surface, request, ranked, tuple(ids[place] for place in ranked.order.tolist()))

    def now(self, index: JobIndex) -> Ranked:
        """The ranking in the rows of an index; a job that it lacks has a row below 0."""
        return self.ranked.in_rows(index.rows(self.job_ids))


@dataclass(frozen=True)
class Slate:
    """The n jobs of one answer, best first.

    found_by, demoted_by: n lists of sources and of rules; because: n lists of what retrieval says;
    scores: (n,); probabilities: n maps of task to probability; objective: by which they were put in order;
    depth: candidates that the student scored; good_matches: n probabilities of a good match, None where nobody can say;
    inputs: n arrays (F,) float32 that the blend read, None where it read none; match: n arrays (C,) uint8 of the bins
    that the student read, None where it read none;
    request_text: what it read of the request, empty where no bins were read; logged: whether it is logged as shown;
    stored_features: whether the member's stored features, and no profile of the request, made the text;
    first: the rank of the first job; ranking: what it was chosen from, None where it is kept elsewhere;
    propensities: of the first jobs at their places, of a list that was drawn by chance; trial: its line of the log of
    trials; shape: the fields of its answer.
    """

    request_id: str
    time: datetime
    surface: records.Surface
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
    first: int = 1
    ranking: Ranking | None = None
    propensities: tuple[float, ...] = ()
    trial: Mapping[str, Any] | None = None
    shape: Shape = ALL_FIELDS

    def propensity(self, i: int) -> float | None:
        """Of job i at its place; None where it was not drawn."""
        return self.propensities[i] if i < len(self.propensities) else None

    def impressions(self) -> list[dict[str, Any]]:
        """A `contracts.records.Event` of each job, as a dict. A list that was drawn has propensities."""
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
                "propensity": self.propensity(position - 1),
                "logged_by": self.logged_by,
                "found_by": ",".join(found_by),
            }
            for position, (job_id, found_by) in enumerate(
                zip(self.job_ids, self.found_by, strict=True), start=self.first
            )
        ]

    def extended(self, page: Slate) -> Slate:
        """This slate with the jobs of a further page that it does not have."""
        own = set(self.job_ids)
        new = [i for i, job_id in enumerate(page.job_ids) if job_id not in own]
        columns: dict[str, Any] = {
            name: (*getattr(self, name), *(getattr(page, name)[i] for i in new)) for name in _OF_A_JOB
        }
        return replace(self, **columns)


_OF_A_JOB = (
    "job_ids",
    "scores",
    "found_by",
    "demoted_by",
    "because",
    "probabilities",
    "good_matches",
    "inputs",
    "match",
)


class ShownAnswer(FrozenModel):
    """What an event takes of the answer that it names.

    job_ids: as they stood; propensities: of the first of them, where the list was drawn by chance.
    """

    surface: records.Surface
    member_id: str
    query: str
    logged_by: str
    job_ids: tuple[str, ...]
    propensities: tuple[float, ...] = ()

    @classmethod
    def of(cls, slate: Slate) -> Self:
        """That of a slate."""
        return cls(**{name: getattr(slate, name) for name in cls.model_fields})

    def propensity(self, i: int) -> float | None:
        """As `Slate.propensity`."""
        return self.propensities[i] if i < len(self.propensities) else None


class RecentSlates:
    """The last `MAX_SLATES` slates by request id, and the rankings of the newest. Safe to share between threads."""

    def __init__(self) -> None:
        self._slates: OrderedDict[str, Slate] = OrderedDict()
        self._rankings: OrderedDict[str, Ranking] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, slate: Slate) -> None:
        with self._lock:
            self._slates[slate.request_id] = replace(slate, ranking=None)
            if slate.ranking is not None:
                self._rankings[slate.request_id] = slate.ranking
            if len(self._slates) > MAX_SLATES:
                self._slates.popitem(last=False)
            if len(self._rankings) > MAX_RANKINGS:
                self._rankings.popitem(last=False)

    def get(self, request_id: str) -> Slate | None:
        with self._lock:
            return self._slates.get(request_id)

    def forget(self, member_id: str) -> None:
        """Forget the answers of a member, their rankings too: these hold the member's text."""
        with self._lock:
            for request_id in [id_ for id_, slate in self._slates.items() if slate.member_id == member_id]:
                del self._slates[request_id]
            for request_id in [id_ for id_, kept in self._rankings.items() if kept.request.member_id == member_id]:
                del self._rankings[request_id]

    def ranking(self, request_id: str) -> Ranking | None:
        """What the further pages of an answer are chosen from; None where it is kept no more."""
        with self._lock:
            return self._rankings.get(request_id)

    def sample(self, most: int) -> list[Slate]:
        """Some of the slates, evenly over all that there are, so that two samples soon after another are alike."""
        with self._lock:
            slates = list(self._slates.values())
        return slates[:: -(-len(slates) // most) or 1]
