"""Which of the ranked jobs an answer shows: threshold, sort, diversity, cap and the last check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from contracts.bundle import Manifest
from contracts.errors import BadInput
from ranking.arrange import by_key, diversified, good_enough
from ranking.eligibility import EligibleJob, eligible_jobs
from ranking.rank import Ranked
from retrieval.filters.commute import point_of
from retrieval.index.job_index import JobIndex
from retrieval.request import Request
from serving.surfaces.surface import Surface

NOT_SORTED = (
    "it is not known where you are, so that the list is not in the order of distance: name a town in `location`"
)
NO_THRESHOLD = "the student did not score this answer, so that min_good_match left out no job"


class Chosen(NamedTuple):
    """The jobs of an answer by their places in the ranking, what was removed on the way, and what could not be done."""

    jobs: Sequence[EligibleJob]
    removed: Mapping[str, int]
    notes: tuple[str, ...] = ()


NONE_CHOSEN = Chosen((), {})


def check_threshold(surface: Surface, manifest: Manifest) -> None:
    """Raise BadInput where a threshold is asked for that the bundle cannot be held against."""
    if surface.min_good_match and manifest.good_match is None:
        problem = f"bundle {manifest.version} does not say how likely a good match is"
        raise BadInput(problem, where="min_good_match", cure="leave it out, or export a bundle with more grades")


def choose(index: JobIndex, request: Request, surface: Surface, ranked: Ranked, k: int | None = None) -> Chosen:
    """The first k jobs of a ranking that may be shown, as the surface arranges them.

    Args:
        index: Holds the jobs.
        request: Its time, place and exclusions decide.
        surface: Says how the list is arranged.
        ranked: Over rows of the index; one below 0 is of a job that is gone.
        k: None: as many as the surface shows.
    """
    k = surface.k if k is None else k
    notes = []
    if surface.min_good_match and ranked.scored is None and len(ranked.rows):
        notes.append(NO_THRESHOLD)
    places = good_enough(ranked, surface.min_good_match)
    places = places[ranked.rows[places] >= 0]
    if surface.sort != "best":
        keys = _keys(index, request, surface, ranked.rows[places])
        if keys is None:
            notes.append(NOT_SORTED)
        else:
            places = by_key(ranked, places, keys)
    elif surface.diversity:
        vectors = index.vectors[ranked.rows[places]]
        places = diversified(ranked, places, vectors, surface.diversity, 2 * k)
    rows = ranked.rows[places]
    demoted = ranked.candidates.demoted.keys()
    found, removed = eligible_jobs(index, request, rows, k, demoted, surface.per_company, surface.sort == "best")
    jobs = [job._replace(place=int(places[job.place])) for job in found]
    return Chosen(jobs, removed, tuple(notes))


def _keys(index: JobIndex, request: Request, surface: Surface, rows: np.ndarray) -> np.ndarray | None:
    """(m,) float64 by which rows are sorted, the highest first; None where the request does not tell."""
    if surface.sort == "date":
        return index.attributes.number("posted_at")[rows]
    if surface.sort == "pay":
        high, low = (index.attributes.pay_in(name)[rows] for name in ("salary_max", "salary_min"))
        return np.where(np.isnan(high), low, high)
    point = point_of(request.location, index.attributes.home)
    return None if point is None else -index.attributes.distances(*point)[rows]
