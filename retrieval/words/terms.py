"""Words to jobs: an inverted index with BM25 weights computed ahead (the library bm25s), the filter inside.

A query adds the weights of its words' postings into one score a job. So any job can be scored, not only those found,
and a filter is a mask over those scores. Fields are weighted by repeating their words, which keeps one length norm.
Source of the method: BM25S (arXiv 2407.03618), eager sparse scoring.

Later documents are weighed with the build's statistics of rarity and length, in small parts behind the first one.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from contracts.errors import BadInput, IndexMismatch
from contracts.text.words import LANGUAGE, stem
from contracts.text.words import words as text_words
from retrieval.engines.hits import NO_HITS, Hits, check_count, top_k
from retrieval.words.postings import NO_WORD, Positions, Postings, Tokens, joined, positions_of, tokens_of
from retrieval.words.synonyms import Expansion, Synonyms
from retrieval.words.term_query import TermQuery, read_query

MAX_TERMS = 64
MAX_POSTINGS = 300_000
"""A query uses its rarest terms first, up to these bounds: a word of half of the jobs says little and costs much."""
MAX_EXPANSIONS = 16
QUERIES_KEPT, SCORES_KEPT = 64, 4
"""Queries whose reading, and whose jobs' scores, are kept: those of the requests that are answered now."""
K1, B = 1.2, 0.75


class Collected(NamedTuple):
    """What the weights are made with: the documents of the build, and how many words they have in the mean."""

    documents: int
    mean_words: float

    def rarity(self, frequency: int) -> float:
        """Lucene's idf of a word that so many of the documents hold."""
        return float(np.log1p((self.documents - frequency + 0.5) / (frequency + 0.5)))


class TermIndex:
    """n jobs' words. `scores(words)` scores every job, `search` gives the best of those that pass a mask.

    Words in quotes must stand together in one field of a job, and what is excluded must not: others score zero.
    """

    def __init__(
        self,
        n: int,
        parts: Sequence[Postings],
        collected: Collected,
        synonyms: Synonyms,
        languages: Sequence[str] = (LANGUAGE,),
    ) -> None:
        """parts: of the build, then of what came later; none where the build had no word.

        languages: whose stems the words have; a query is read in each.
        """
        self._n, self._parts, self._collected, self._synonyms = n, tuple(parts), collected, synonyms
        self._languages = tuple(languages)
        # Of one request the phrases are asked for too, and the scores more than once.
        self._read = lru_cache(maxsize=QUERIES_KEPT)(partial(_read, synonyms=synonyms, languages=self._languages))
        self._kept: tuple[tuple[str, np.ndarray], ...] = ()

    def __len__(self) -> int:
        return self._n

    @property
    def languages(self) -> tuple[str, ...]:
        """Whose stems the words have."""
        return self._languages

    def knows(self, word: str) -> bool:
        """Whether some job has a word (one of `contracts.text.words.words`), by its stem in one of the languages."""
        return any(self._frequency(stem(word, language)) for language in self._languages)

    def rows(self, text: str) -> np.ndarray:
        """(m,) ascending rows of the jobs in which the words of a text stand together in one field."""
        typed = text_words(text)
        phrases = {tuple(stem(word, language) for word in typed) for language in self._languages} if typed else set()
        found = [part.holding(stems) for part in self._parts for stems in phrases]
        return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)

    def scores(self, words: str) -> np.ndarray:
        """(n,) float32 BM25 of every job for free text, not to be written to; zero for a job without any of the words.
        Any characters."""
        found = next((scores for kept, scores in self._kept if kept == words), None)
        if found is None:
            found = self._scores(words)
            self._kept = ((words, found), *self._kept)[:SCORES_KEPT]  # in one step: threads share it
        return found

    def _scores(self, words: str) -> np.ndarray:
        query = self._read(words)
        total = np.zeros(self._n, np.float32)
        for word, weight in self._terms(query):
            for part in self._parts:
                rows, weights = part.of(word)
                np.add.at(total, rows, weight * weights)  # half of what `total[rows] +=` costs
        for run in query.runs[:MAX_TERMS]:
            self._add_run(run, total)
        for expansion in self._known(query.expansions):
            self._expand(expansion, total)
        passing = self._with_phrases(query)
        scores = total if passing is None else np.where(passing, total, np.float32(0))
        scores.setflags(write=False)
        return scores

    def search(self, words: str, k: int, mask: np.ndarray | None = None) -> Hits:
        """The k best jobs that hold a word and pass the mask ((n,) bool), ties by row. Raises BadInput for k < 1."""
        check_count("k", k)
        return best(self.scores(words), k, mask)

    def holding(self, words: str) -> np.ndarray | None:
        """(n,) bool: the jobs that hold each phrase in quotes and nothing excluded; None where nothing is asked so."""
        return self._with_phrases(self._read(words))

    def expansions(self, words: str, row: int | None = None) -> list[Expansion]:
        """The synonyms that a search for these words counts; with a row those that this job holds."""
        known = self._known(self._read(words).expansions)
        return [e for e in known if row is None or any(row in part.holding(e.words) for part in self._parts)]

    def appended(self, documents: Sequence[Sequence[str]], languages: Iterable[str] = ()) -> TermIndex:
        """This index with more documents behind its own, weighed with what the build knew; this one stays as it is.
        Their languages are added to its own.

        A word that the build did not meet counts as the rarest. Memory is shared. Many small additions cost as much
        as the logarithm of their number allows: parts of like size are joined.
        """
        if not documents:
            return self
        spoken = tuple(dict.fromkeys((*self._languages, *languages)))
        if not self._parts:
            return build_terms([*([] for _ in range(self._n)), *documents], self._synonyms, spoken)
        kept, new = list(self._parts), self._weighed(tokens_of(documents), self._n)
        while len(kept) > 1 and kept[-1].documents <= new.documents:
            last = kept.pop()
            new = self._weighed(joined(last.tokens(), new.tokens()), last.first)
        return TermIndex(self._n + len(documents), (*kept, new), self._collected, self._synonyms, spoken)

    def save(self, folder: Path) -> None:
        """Raises BadInput where documents came after the build: they are in no build's statistics."""
        if len(self._parts) > 1:
            raise BadInput(f"{self._n - self._parts[0].documents:,} documents came after the build", cure="build again")
        folder.mkdir(parents=True, exist_ok=True)
        about: dict[str, Any] = {
            "collected": self._collected._asdict(),
            "synonyms": self._synonyms.model_dump(),
            "languages": self._languages,
        }
        for part in self._parts:
            for name, values in _arrays(part).items():
                np.save(folder / f"{name}.npy", values, allow_pickle=False)
            about["words"] = list(part.vocabulary)
        (folder / "about.json").write_text(json.dumps(about, ensure_ascii=False))

    @classmethod
    def load(cls, folder: Path, n: int) -> TermIndex:
        """n: the number of jobs that the index was built over. Raises IndexMismatch for another one."""
        about = json.loads((folder / "about.json").read_text())
        parts = []
        if "words" in about:
            paths = {name: folder / f"{name}.npy" for name in _ARRAYS}
            arrays = {k: np.asarray(np.load(p, mmap_mode="r", allow_pickle=False)) for k, p in paths.items()}
            positions = Positions(arrays["position_starts"], arrays["positions"], arrays["documents"])
            vocabulary = {word: number for number, word in enumerate(about["words"])}
            parts = [Postings(0, vocabulary, arrays["starts"], arrays["rows"], arrays["weights"], positions)]
        for documents in (about["collected"]["documents"], *(part.documents for part in parts)):
            if documents != n:
                problem = f"words of {documents:,} documents for {n:,} jobs"
                raise IndexMismatch(problem, where=str(folder), cure="run `rolecall index` again")
        return cls(n, parts, Collected(**about["collected"]), Synonyms(**about["synonyms"]), about["languages"])

    def _frequency(self, word: str) -> int:
        return sum(part.frequency(word) for part in self._parts)

    def _terms(self, query: TermQuery) -> list[tuple[str, float]]:
        """(word, weight) of the rarest known words, rarest first, within the bounds; repeats weigh logarithmically.

        Those of phrases come before: a job that holds them must not be left without a score.
        """
        times = Counter(query.words)
        frequency = {word: count for word in times if (count := self._frequency(word))}
        quoted = {word for phrase in query.phrases for stems in phrase for word in stems}
        most = MAX_TERMS * len(self._languages)
        chosen: list[tuple[str, float]] = []
        cost = 0
        for word in sorted(frequency, key=lambda word: (word not in quoted, frequency[word], word))[:most]:
            cost += frequency[word]
            if cost > MAX_POSTINGS and chosen:
                break
            chosen.append((word, 1 + float(np.log(times[word]))))
        return chosen

    def _known(self, expansions: Iterable[Expansion]) -> list[Expansion]:
        """Those whose words the index holds, within the bounds."""
        rarest = ((e, min(self._frequency(word) for word in e.words)) for e in expansions)
        return [e for e, frequency in rarest if 0 < frequency <= MAX_POSTINGS][:MAX_EXPANSIONS]

    def _add_run(self, run: Sequence[str], total: np.ndarray) -> None:
        """Add to (n,) float32 scores what a run of a script without spaces gains.

        One pair of letters in common is chance: a job holds two of them, or all that there are.
        """
        pairs = list(dict.fromkeys(run))[:MAX_TERMS]
        gained, held = np.zeros(self._n, np.float32), np.zeros(self._n, np.int32)
        for pair in pairs:
            for part in self._parts:
                rows, weights = part.of(pair)
                gained[rows] += weights
                held[rows] += 1
        total += np.where(held >= min(2, len(pairs)), gained, np.float32(0))

    def _expand(self, expansion: Expansion, total: np.ndarray) -> None:
        """Add to (n,) float32 scores what the jobs that hold a synonym gain.

        It counts as if it were as rare as what was typed, or a rare synonym would outweigh the word itself.
        """
        share = expansion.weight * self._rarity(expansion.typed) / self._rarity(expansion.words)
        for part in self._parts:
            rows = part.holding(expansion.words)
            for word in expansion.words:
                word_rows, weights = part.of(word)
                total[rows] += share * weights[np.searchsorted(word_rows, rows)]

    def _rarity(self, words: Iterable[str]) -> float:
        return sum(self._collected.rarity(self._parts[0].frequency(word)) for word in words)

    def _with_phrases(self, query: TermQuery) -> np.ndarray | None:
        if not query.phrases and not query.excluded:
            return None
        passing = np.ones(self._n, dtype=bool)
        for phrase in query.phrases:
            passing &= self._holding(phrase)
        for phrase in query.excluded:
            passing &= ~self._holding(phrase)
        return passing

    def _holding(self, phrase: Sequence[Sequence[str]]) -> np.ndarray:
        """(n,) bool: the jobs that hold the stems of a phrase in one of its languages."""
        holding = np.zeros(self._n, dtype=bool)
        for part in self._parts:
            for stems in phrase:
                holding[part.holding(stems)] = True
        return holding

    def _weighed(self, tokens: Tokens, first: int) -> Postings:
        """The postings of documents that came after the build; weights as bm25s makes them."""
        words = tokens.flat != NO_WORD
        document = np.repeat(np.arange(len(tokens.starts) - 1), np.diff(tokens.starts))[words]
        keys, times = np.unique(tokens.flat[words] * np.int64(len(tokens.starts)) + document, return_counts=True)
        word, row = np.divmod(keys, len(tokens.starts))
        known = self._parts[0]
        rarity = np.array([self._collected.rarity(known.frequency(text)) for text in tokens.vocabulary])
        length = np.bincount(document, minlength=len(tokens.starts))[row] / self._collected.mean_words
        weights = rarity[word] * times / (K1 * (1 - B + B * length) + times)
        starts = np.searchsorted(word, np.arange(len(tokens.vocabulary) + 1))
        rows = (row + first).astype(np.int32)
        return Postings(first, tokens.vocabulary, starts, rows, weights.astype(np.float32), positions_of(tokens))


def _read(words: str, synonyms: Synonyms, languages: tuple[str, ...]) -> TermQuery:
    return read_query(words, synonyms, languages)


def build_terms(
    documents: Iterable[Sequence[str]], synonyms: Synonyms | None = None, languages: Sequence[str] = (LANGUAGE,)
) -> TermIndex:
    """An index over documents as `job_words` gives them, row by row. Without any word it is empty, and finds nothing.

    Args:
        documents: Lists of words, a FIELD_END behind each field.
        synonyms: Words that a query's words find too.
        languages: Whose stems the words of the documents are.

    Source: BM25S (arXiv 2407.03618), eager sparse scoring.
    """
    tokens = tokens_of(documents)
    synonyms = synonyms or Synonyms()
    n = len(tokens.starts) - 1
    if not tokens.vocabulary:
        return TermIndex(n, (), Collected(n, 0.0), synonyms, languages)
    ends = tokens.starts.tolist()
    words = [[w for w in tokens.flat[start:stop].tolist() if w != NO_WORD] for start, stop in pairwise(ends)]
    import bm25s  # an index that is loaded needs none of its 11 MB

    logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets itself to DEBUG
    engine = bm25s.BM25(method="lucene", k1=K1, b=B)
    engine.index((words, dict(tokens.vocabulary)), create_empty_token=False, show_progress=False)
    made = engine.scores
    part = Postings(0, tokens.vocabulary, made["indptr"], made["indices"], made["data"], positions_of(tokens))
    return TermIndex(n, (part,), Collected(n, len(part.positions.offsets) / n), synonyms, languages)


def best(scores: np.ndarray, k: int, mask: np.ndarray | None = None) -> Hits:
    """The k highest of (n,) scores above zero among the rows that pass."""
    rows = np.flatnonzero(scores > 0 if mask is None else (scores > 0) & mask)
    return top_k(scores[rows], k, rows) if len(rows) else NO_HITS


_ARRAYS = ("starts", "rows", "weights", "position_starts", "positions", "documents")


def _arrays(part: Postings) -> dict[str, np.ndarray]:
    starts, offsets, documents = part.positions
    return dict(zip(_ARRAYS, (part.starts, part.rows, part.weights, starts, offsets, documents), strict=True))
