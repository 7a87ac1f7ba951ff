"""What was ranked, as the jobs of an answer and as the slate that is remembered of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from ranking.eligibility import EligibleJob
from ranking.rank import Ranked
from retrieval.filters.commute import Distance, Point, distance, point_of
from retrieval.index.job_index import JobIndex
from retrieval.request import Request
from serving.schemas import ObjectiveUsed, Result
from serving.servable import Servable
from serving.slates import Slate
from serving.surfaces.surface import Surface

_OF_THE_RANKING = ("rank", "job_id", "score", "scores", "good_match", "found_by", "why", "also", "distance")
_OF_THE_RECORD = tuple(name for name in Result.model_fields if name not in _OF_THE_RANKING)


@dataclass(frozen=True)
class Shown:
    """The jobs of an answer, best first.

    Attributes:
        jobs: By their places in `ranked`.
        ranked: What they were chosen from.
        probabilities: Of each job, task -> calibrated probability.
        first: The rank of the first of them.
        point: From which distances are measured; None where it is not known.
    """

    jobs: Sequence[EligibleJob]
    ranked: Ranked
    probabilities: Sequence[dict[str, float]]
    first: int = 1
    point: Point | None = None
    home: str = ""

    @classmethod
    def of(cls, index: JobIndex, request: Request, ranked: Ranked, jobs: Sequence[EligibleJob], first: int = 1) -> Self:
        """Jobs that were chosen from a ranking."""
        home = index.attributes.home if jobs else ""
        probabilities = ranked.probabilities([job.place for job in jobs], first)
        return cls(jobs, ranked, probabilities, first, point_of(request.location, home), home)

    def results(self) -> tuple[Result, ...]:
        """What a client is shown of them."""
        ranked = self.ranked
        return tuple(
            Result(
                rank=rank,
                job_id=job.record["id"],
                score=float(ranked.scores[job.place]),
                scores=by_task,
                good_match=ranked.good_match(job.place),
                found_by=ranked.found_by(job.place),
                why=ranked.why(job.place),
                also=job.duplicates,
                distance=self._distance(job),
                **{name: job.record[name] for name in _OF_THE_RECORD},
            )
            for rank, (job, by_task) in enumerate(zip(self.jobs, self.probabilities, strict=True), self.first)
        )

    def _distance(self, job: EligibleJob) -> Distance | None:
        return distance(job.record["location"], job.record["workplace"], self.point, self.home)

    def slate(self, servable: Servable, surface: Surface, member_id: str, request: Request, request_id: str) -> Slate:
        """What is remembered of them."""
        ranked, places = self.ranked, [job.place for job in self.jobs]
        match: tuple[np.ndarray | None, ...] = tuple(ranked.match(place) for place in places)
        return Slate(
            request_id=request_id,
            time=request.time,
            surface=surface.objective,
            member_id=member_id,
            query=request.query,
            logged_by=f"{servable.manifest.version}/{servable.index.version}",
            job_ids=tuple(job.record["id"] for job in self.jobs),
            scores=tuple(float(ranked.scores[place]) for place in places),
            found_by=tuple(ranked.found_by(place) for place in places),
            demoted_by=tuple(ranked.demoted_by(place) for place in places),
            because=tuple(ranked.because(place) for place in places),
            probabilities=tuple(self.probabilities),
            objective=ObjectiveUsed.of(ranked),
            depth=ranked.depth,
            good_matches=tuple(ranked.good_match(place) for place in places),
            blend=ranked.blend,
            inputs=tuple(ranked.blended(place) for place in places),
            match=match,
            request_text=request.request_text if any(bins is not None for bins in match) else "",
            logged=surface.logged,
            first=self.first,
            shape=surface.fields,
        )
