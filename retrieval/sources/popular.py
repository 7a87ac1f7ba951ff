"""Jobs that many viewed and applied to in the last days, near ones first."""

from __future__ import annotations

from retrieval.engines.hits import Hits
from retrieval.popularity import popular_nearby
from retrieval.sources.source import Source, SourceQuery


class PopularSource(Source):
    """Counts views and applies as of the request's hour."""

    why = "it was viewed or applied to in the last thirty days"
    least = 1.0

    def search(self, query: SourceQuery) -> Hits:
        """The most popular jobs in the request's places, then its regions, then elsewhere; none that nobody viewed."""
        index, request = query.index, query.request
        popularity = index.activity.popularity(request.time)
        return popular_nearby(popularity, index.nearness(request), query.k, query.mask & (popularity > 0))
