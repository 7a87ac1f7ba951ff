"""Words to jobs: an inverted index with BM25 weights computed ahead (the library bm25s), the filter inside.

A query adds the weights of its words' postings into one score a job. So any job can be scored, not only those found,
and a filter is a mask over those scores. Fields are weighted by repeating their words, which keeps one length norm.
Source of the method: BM25S (arXiv 2407.03618), eager sparse scoring.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import bm25s
import numpy as np
import pyarrow as pa

from contracts.records import Job
from contracts.text import job_title
from retrieval.exact import NOTHING, Hits, top_k

FIELD_WEIGHTS = {"title": 2, "company": 1, "location": 4, "skills": 2, "industry": 1, "description": 1}
DESCRIPTION_WORDS = 200
MAX_WORDS = 2_000
"""Words of a query that are read; the rest is cut."""
MAX_TERMS = 64
MAX_POSTINGS = 300_000
"""A query uses its rarest terms first, up to these bounds: a word of half of the jobs says little and costs much."""

logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets itself to DEBUG

_WORD = re.compile(r"[^\W_]+[+#]*")


class TermIndex:
    """n jobs' words. `scores(words)` scores every job, `search` gives the best of those that pass a mask."""

    def __init__(self, engine: bm25s.BM25 | None, n: int) -> None:
        self._engine, self._n = engine, n

    def scores(self, words: str) -> np.ndarray:
        """(n,) float32 BM25 of every job for free text; zero for a job without any of the words. Any characters."""
        total = np.zeros(self._n, np.float32)
        if self._engine is None:
            return total
        column = self._engine.scores
        data, rows, starts = column["data"], column["indices"], column["indptr"]
        for term, weight in self._terms(words):
            part = slice(starts[term], starts[term + 1])
            total[rows[part]] += weight * data[part]
        return total

    def search(self, words: str, k: int, mask: np.ndarray | None = None) -> Hits:
        """The k best jobs that hold a word and pass the mask ((n,) bool), ties by row."""
        return best(self.scores(words), k, mask)

    def _terms(self, words: str) -> list[tuple[int, float]]:
        """(term, weight) of the rarest known words, rarest first, within the bounds; repeats weigh logarithmically."""
        assert self._engine is not None
        known = Counter(
            self._engine.vocab_dict[word]
            for word in islice(split_words(words), MAX_WORDS)
            if word in self._engine.vocab_dict
        )
        starts = self._engine.scores["indptr"]
        chosen: list[tuple[int, float]] = []
        cost = 0
        for term in sorted(known, key=lambda term: (int(starts[term + 1] - starts[term]), term))[:MAX_TERMS]:
            cost += int(starts[term + 1] - starts[term])
            if cost > MAX_POSTINGS and chosen:
                break
            chosen.append((term, 1 + float(np.log(known[term]))))
        return chosen

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if self._engine is not None:
            self._engine.save(str(folder), show_progress=False, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, n: int) -> TermIndex:
        """n: the number of jobs that the index was built over."""
        if not (folder / "vocab.index.json").is_file():
            return cls(None, n)
        return cls(bm25s.BM25.load(str(folder), mmap=True, allow_pickle=False), n)


def best(scores: np.ndarray, k: int, mask: np.ndarray | None = None) -> Hits:
    """The k highest of (n,) scores above zero among the rows that pass."""
    rows = np.flatnonzero(scores > 0 if mask is None else (scores > 0) & mask)
    return top_k(scores[rows], k, rows) if len(rows) else NOTHING


def build_terms(documents: Sequence[Sequence[str]]) -> TermIndex:
    """An index over documents given as lists of words, row by row. Without any word it is empty, and finds nothing."""
    vocabulary: dict[str, int] = {}
    tokens = [[vocabulary.setdefault(word, len(vocabulary)) for word in words] for words in documents]
    if not vocabulary:
        return TermIndex(None, len(documents))
    engine = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    engine.index((tokens, vocabulary), create_empty_token=False, show_progress=False)
    return TermIndex(engine, len(documents))


def job_words(jobs: pa.Table) -> Iterable[list[str]]:
    """The words of each job record (Arrow), fields repeated by their weight."""
    columns = ["title", *(name for name in FIELD_WEIGHTS if name != "title")]
    for job in jobs.select(columns).to_pylist():
        words: list[str] = []
        for field, weight in FIELD_WEIGHTS.items():
            value = _title(job) if field == "title" else job[field] or ""
            text = value if isinstance(value, str) else " ".join(value)
            limit = DESCRIPTION_WORDS if field == "description" else None
            words += list(islice(split_words(text), limit)) * weight
        yield words


def split_words(text: str) -> Iterable[str]:
    """Lower-case words without accents or plural endings; "c++" and "c#" stay whole.

    Source of the endings: Harman, How effective is suffixing? (1991), the S stemmer.
    """
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c)) if not plain.isascii() else plain
    for match in _WORD.finditer(plain):
        yield _singular(match.group())


def _singular(word: str) -> str:
    if len(word) <= 3 or not word.endswith("s") or word.endswith(("ss", "us")):
        return word
    if word.endswith("ies"):
        return word if word.endswith(("eies", "aies")) else word[:-3] + "y"
    return word[:-1]


def _title(job: dict) -> str:
    return job_title(Job.model_construct(**job))
