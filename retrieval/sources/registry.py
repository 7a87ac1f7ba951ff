"""The retrieval sources that there are, by name. Nothing else names them.

A source of another package is declared by an entry point of the group `rolecall.retrieval_sources`, or registered by a
module: `@SOURCES.register("name")`. The section `retrieval` of the params then gives it a share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.errors import BadInput
from contracts.plugins import Registry

if TYPE_CHECKING:
    from retrieval.sources.source import Source

SOURCES: Registry[Source] = Registry(
    "rolecall.retrieval_sources",
    {
        "dense": "retrieval.sources.dense:DenseSource",
        "recent": "retrieval.sources.recent:RecentSource",
        "terms": "retrieval.sources.terms:TermsSource",
        "popular": "retrieval.sources.popular:PopularSource",
        "links": "retrieval.sources.links:LinksSource",
    },
)


def why(name: str, score: float) -> str:
    """What a source says of a job that it found with a score, such as "it was viewed in the last thirty days".

    Empty where the source says nothing of such a score (NaN: it did not find the job), or is not installed.
    """
    try:
        source = SOURCES.get(name)
    except BadInput:
        return ""
    return source.why if score >= source.least else ""
