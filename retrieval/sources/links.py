"""Jobs that ask for what people like this member had when they were hired: the learned links (docs/links.md)."""

from __future__ import annotations

import numpy as np

from retrieval.engines.hits import Hits
from retrieval.sources.source import Source, SourceQuery


class LinksSource(Source):
    """The links in the index, where it was built with a graph and the member is known."""

    why = "a link leads from what you have to what it asks for"

    def search(self, query: SourceQuery) -> Hits | None:
        """The jobs with the largest sum of the weights of shared links; None for a member without links."""
        links, nodes = query.index.links, _member_nodes(query)
        return links.jobs.search(nodes, query.k, query.mask, "sum") if links is not None and len(nodes) else None

    def reasons(self, query: SourceQuery, rows: np.ndarray) -> list[str]:
        """The best link that each job shares with the member, in a sentence."""
        links = query.index.links
        return [] if links is None else links.reasons(_member_nodes(query), rows)


def _member_nodes(query: SourceQuery) -> np.ndarray:
    """(q,) int32: the links of the member, best first; by their record, or by the id that the graph knows."""
    links, request = query.index.links, query.request
    if links is None or links.about.knows(request.time):
        return np.zeros(0, np.int32)
    return links.nodes(request.member_id) if request.member is None else links.nodes_of(request.member, query.mask)
