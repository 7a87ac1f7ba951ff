"""Jobs like those that the member viewed, saved or applied to of late."""

from __future__ import annotations

import numpy as np

from retrieval.request import RECENT_JOBS
from retrieval.sources.source import SourceQuery, VectorSource


class RecentSource(VectorSource):
    """Compares with the mean vector of the last jobs of interest."""

    why = "it is among the jobs most like those that interested you lately"

    def target(self, query: SourceQuery) -> np.ndarray | None:
        """The unit mean of the jobs' vectors; None where the index knows none of the jobs."""
        rows = query.index.known_rows(query.request.recent[:RECENT_JOBS])
        if not len(rows):
            return None
        mean = query.index.vectors[rows].mean(axis=0)
        return mean / max(float(np.linalg.norm(mean)), 1e-12)
