"""Jobs whose text is close to the request's, by the cosine of their vectors."""

from __future__ import annotations

import numpy as np

from retrieval.sources.source import SourceQuery, VectorSource


class DenseSource(VectorSource):
    """Compares with the encoded request text."""

    why = "its text is among the closest to the request"

    def target(self, query: SourceQuery) -> np.ndarray | None:
        """The vector of the request."""
        return query.vector
