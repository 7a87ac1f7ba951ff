"""Jobs that hold words of the request, by BM25."""

from __future__ import annotations

import numpy as np

from contracts.text.words import words
from retrieval.engines.hits import Hits
from retrieval.sources.source import Source, SourceQuery
from retrieval.words.terms import best

STEP, LONG = 0.1, 16
"""Evidence of a point of BM25 for each word of a request, and the words from which on it grows no more. Chosen on five
sets of titles, adverts and views, where the merged order is then no worse than the better of vectors and words on any
(docs/how-to/merging.md)."""


class TermsSource(Source):
    """The inverted index of the jobs' words."""

    why = "it holds words of the request or their synonyms"

    def search(self, query: SourceQuery) -> Hits:
        """The jobs with the highest BM25 score above zero."""
        return best(query.term_shares, query.k, query.mask)

    def evidence(self, query: SourceQuery, rows: np.ndarray, found: Hits) -> np.ndarray:
        """BM25, which counts the more the more words are asked for: of a long text a vector tells less."""
        asked = min(len(words(query.request.words)), LONG)
        return query.term_scores[rows].astype(np.float64) * (STEP * asked)
