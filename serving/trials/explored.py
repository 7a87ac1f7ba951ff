"""Lists drawn among the jobs that may be shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ranking.eligibility import EligibleJob
from ranking.explore import Draw, draw
from ranking.rank import Ranked
from serving.surfaces.surface import Surface
from serving.trials.config import Explore


class DrawnList(NamedTuple):
    """The jobs of an answer, those among which they were drawn, and the draw; some may follow that were not drawn."""

    jobs: list[EligibleJob]
    pool: list[EligibleJob]
    draw: Draw


def can_draw(surface: Surface, ranked: Ranked) -> bool:
    """Whether a list is in the order of scores: the student scored it, and neither sort nor diversity changes it."""
    return ranked.scored is not None and surface.sort == "best" and not surface.diversity


def drawn_jobs(jobs: Sequence[EligibleJob], ranked: Ranked, k: int, explore: Explore, seed: int) -> DrawnList:
    """The first k of the jobs that may be shown, drawn among those that the student scored and no rule demotes.

    Where these, or the places that are drawn (`ranking.explore.MOST_DRAWN`), are fewer than k the others follow as they
    stood. A company's share of the first places, which the
    jobs' own order keeps, is not kept by chance.

    Args:
        jobs: In the order in which they would be shown; of near-duplicates one.
        ranked: What they are of.
        k: Jobs at most.
        explore: How.
        seed: With which the same list comes again.
    """
    pool = [
        job for job in jobs if job.place < ranked.depth and int(ranked.rows[job.place]) not in ranked.candidates.demoted
    ]
    among = pool[: max(k, explore.pool)]
    found = draw(np.array([ranked.scores[job.place] for job in among]), k, explore.temperature, seed, explore.first)
    first = [among[at] for at in found.order]
    taken = {id(job) for job in first}
    rest = [job for job in jobs if id(job) not in taken]
    return DrawnList((first + rest)[:k], among, found)


def explored_row(request_id: str, arm: str, ranked: Ranked, drawn: DrawnList) -> dict[str, Any]:
    """The line of the log of a drawn list, from which its propensities can be computed again."""
    found = drawn.draw
    return {
        "kind": "explored",
        "request_id": request_id,
        "arm": arm,
        "temperature": found.temperature,
        "first": found.first,
        "seed": found.seed,
        "joint": found.joint,
        "jobs": [job.record["id"] for job in drawn.jobs],
        "propensities": found.propensities.tolist(),
        "pool": [job.record["id"] for job in drawn.pool],
        "scores": [float(ranked.scores[job.place]) for job in drawn.pool],
    }
