"""Jobs that hold words of the request, by BM25."""

from __future__ import annotations

from retrieval.engines.hits import Hits
from retrieval.sources.source import Source, SourceQuery
from retrieval.words.terms import best


class TermsSource(Source):
    """The inverted index of the jobs' words."""

    why = "it holds words of the request or their synonyms"

    def search(self, query: SourceQuery) -> Hits:
        """The jobs with the highest BM25 score above zero."""
        return best(query.term_shares, query.k, query.mask)
