"""Which jobs of an index are one that was posted more than once: of one company, title and place, and nearly one text.

A job elsewhere, or of an employer that is not named, is another job; or, on demand, the company counts for nothing, as
where agencies post an employer's advert under their own names.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from contracts.records import Job
from contracts.text.place_names import folded
from contracts.text.places import read_places
from contracts.text.verbalizer import job_title

_ROUNDING = 1e-6


def duplicate_groups(
    jobs: pa.Table, vectors: np.ndarray, above: float | None, across_companies: bool = False
) -> np.ndarray:
    """(n,) int32: the group of each job, named by its first row.

    jobs: n records (`contracts.records.Job` as Arrow); vectors: (n, dim) float32 unit vectors of their texts; above:
    cosine with the group's first job from which one belongs to it; None: no two jobs are one; across_companies: jobs of
    unlike companies, or of none, may be one.
    """
    groups = np.arange(jobs.num_rows, dtype=np.int32)
    if above is None:
        return groups
    alike: dict[tuple[str, str, frozenset[str]], list[int]] = {}
    for row, job in enumerate(jobs.select(["title", "company", "location"]).to_pylist()):
        company = "any" if across_companies else folded(job["company"] or "")
        if company:
            places = frozenset(place.place for place in read_places(job["location"] or ""))
            alike.setdefault((company, folded(job_title(Job.model_construct(**job))), places), []).append(row)
    for members in alike.values():
        rows = np.array(members)
        while len(rows) > 1:
            same = vectors[rows] @ vectors[rows[0]] >= above - _ROUNDING
            same[0] = True
            groups[rows[same]] = rows[0]
            rows = rows[~same]
    return groups
