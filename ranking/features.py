"""Features of a (request, job) pair as of the request's time: what the blend reads beside the student's logits.

Labelling, serving and replay call this one function, so that a weight learned offline meets the same value online.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contracts.examples import PAIR_FEATURES
from retrieval.index.job_index import JobIndex
from retrieval.popularity import JobActivity
from retrieval.request import RECENT_JOBS, Request

MAX_DAYS = 365.0
"""Since the last view; "never" counts as so many."""
VIEW_DAYS = 7.0


def pair_features(
    index: JobIndex,
    activity: JobActivity,
    request: Request,
    rows: np.ndarray,
    vector: np.ndarray | None = None,
    terms: np.ndarray | None = None,
) -> np.ndarray:
    """The features of n jobs for one request:

        dense           cosine of the job's vector with the encoded request text; 0 without a vector
        recent          highest cosine with one of the last jobs of interest; 0 where there is none
        recent_nearby   recent x same_city: like the last jobs, and in their place
        terms           BM25 for the request's words divided by the best of any job in the index
        same_city       share of the home location and the last jobs of interest that are in the job's city
        same_region     the same for its region
        same_company    share of the last jobs of interest that are of the job's company
        title_overlap   share of the title's words that are in the request's titles or those of the last jobs
        views_7d        log(1 + views in the seven days before the request)
        days_since_view log(1 + days since the last view before the request), at most `MAX_DAYS`
        unseen          1 where nobody viewed the job before the request

    Args:
        index: Holds the jobs.
        activity: Views of the jobs, read strictly before `request.time`.
        request: The request.
        rows: (n,) int32 of the index, any n.
        vector: (dim,) float32, the encoded request text; None: there is none.
        terms: (n,) float32 `Candidates.terms` where retrieval computed them; None: computed here.

    Returns:
        (n, len(PAIR_FEATURES)) float32, in the order of `PAIR_FEATURES`.
    """
    recent = index.known_rows(request.recent[:RECENT_JOBS])
    out = np.zeros((len(rows), len(PAIR_FEATURES)), np.float32)
    if not len(rows):
        return out
    vectors = index.vectors[rows]
    none = np.zeros(len(rows), np.float32)
    # einsum, since a threaded product this small waits longer for its threads than it works (8 ms against 0.2 ms)
    closest = np.einsum("nd,rd->nr", vectors, index.vectors[recent]).max(axis=1) if len(recent) else none
    days = np.minimum(activity.days_since_view(rows, request.time), MAX_DAYS)
    in_city = _share(index, "place", rows, index.places(request, "place"))
    columns = {
        "dense": vectors @ vector if vector is not None else 0,
        "recent": closest,
        "recent_nearby": closest * in_city,
        "terms": index.term_shares(request)[rows] if terms is None else terms,
        "same_city": in_city,
        "same_region": _share(index, "region", rows, index.places(request, "region")),
        "same_company": _same_company(index, rows, recent),
        "title_overlap": index.titles.overlap(rows, request.titles, recent),
        "views_7d": np.log1p(activity.views(rows, request.time, VIEW_DAYS)),
        "days_since_view": np.log1p(days),
        "unseen": ~activity.seen(rows, request.time),
    }
    for column, name in enumerate(PAIR_FEATURES):
        out[:, column] = columns[name]
    return out


def _share(index: JobIndex, attribute: str, rows: np.ndarray, values: Sequence[str]) -> np.ndarray | float:
    """(n,) share of some values that each row has; an empty value is nowhere."""
    if not values:
        return 0.0
    held = [index.attributes.shared(attribute, [value] if value else [], rows) for value in values]
    return np.asarray(np.mean(held, axis=0))


def _same_company(index: JobIndex, rows: np.ndarray, recent: np.ndarray) -> np.ndarray | float:
    """(n,) share of the recent jobs that are of each row's company; one that is not named is no company."""
    if not len(recent):
        return 0.0
    companies = index.attributes.codes("company")
    of_rows = companies[rows][:, None]
    return np.asarray(((of_rows == companies[recent]) & (of_rows >= 0)).mean(axis=1))
