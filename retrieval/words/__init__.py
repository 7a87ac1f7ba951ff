"""Search by words: text in; jobs with BM25 scores out, with phrases, synonyms and field weights.

In: job texts and a query. Out: rows and scores. Knows no vector and no member.
"""
