"""An inverted index: for each word the documents that hold it, its weights there, and its positions."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from retrieval.words.tokens import FIELD_END

NO_WORD = -1
"""Stands between fields and documents, and for a word that the index lacks."""
_NONE = np.zeros(0, np.int64)


class Tokens(NamedTuple):
    """Documents as numbers of words.

    Attributes:
        flat: (t,) int32, NO_WORD behind each field and each document.
        starts: (n + 1,) int64, where each document begins in `flat`.
        vocabulary: Word to its number.
    """

    flat: np.ndarray
    starts: np.ndarray
    vocabulary: Mapping[str, int]


class Positions(NamedTuple):
    """Where words stand: word w at offsets[starts[w]:starts[w + 1]], ascending positions in `Tokens.flat`.

    `documents` is `Tokens.starts`.
    """

    starts: np.ndarray
    offsets: np.ndarray
    documents: np.ndarray

    def of(self, word: int) -> np.ndarray:
        return self.offsets[self.starts[word] : self.starts[word + 1]]

    def holding(self, phrase: Sequence[int]) -> np.ndarray:
        """(m,) int64 ascending numbers of the documents in which the words stand one behind the other in a field."""
        offsets = [self.of(word) for word in phrase]
        rarest, *others = sorted(range(len(phrase)), key=lambda place: len(offsets[place]))
        starts = offsets[rarest].astype(np.int64) - rarest  # where the phrase would begin
        for place in others:
            at = np.searchsorted(offsets[place], starts + place)
            reached = at < len(offsets[place])
            starts, at = starts[reached], at[reached]
            starts = starts[offsets[place][at] == starts + place]
        return np.unique(np.searchsorted(self.documents, starts, side="right") - 1)


class Postings(NamedTuple):
    """Documents `first` to `first` + n - 1 of an index. Word w stands in rows[starts[w]:starts[w + 1]] ((p,) int32
    ascending rows of the index), with weights there ((p,) float32, BM25).
    """

    first: int
    vocabulary: Mapping[str, int]
    starts: np.ndarray
    rows: np.ndarray
    weights: np.ndarray
    positions: Positions

    @property
    def documents(self) -> int:
        return len(self.positions.documents) - 1

    def frequency(self, word: str) -> int:
        """How many of the documents hold it."""
        number = self.vocabulary.get(word)
        return 0 if number is None else int(self.starts[number + 1] - self.starts[number])

    def of(self, word: str) -> tuple[np.ndarray, np.ndarray]:
        """Its rows and weights."""
        number = self.vocabulary.get(word)
        part = slice(0) if number is None else slice(self.starts[number], self.starts[number + 1])
        return self.rows[part], self.weights[part]

    def holding(self, phrase: Sequence[str]) -> np.ndarray:
        """(m,) ascending rows that hold the words one behind the other in a field."""
        words = [self.vocabulary.get(word, NO_WORD) for word in phrase]
        if NO_WORD in words:
            return _NONE
        return self.of(phrase[0])[0] if len(words) == 1 else self.positions.holding(words) + self.first

    def tokens(self) -> Tokens:
        """The documents that it was made from."""
        flat = np.full(self.positions.documents[-1], NO_WORD, np.int32)
        flat[self.positions.offsets] = np.repeat(np.arange(len(self.vocabulary)), np.diff(self.positions.starts))
        return Tokens(flat, self.positions.documents, self.vocabulary)


def tokens_of(documents: Iterable[Sequence[str]]) -> Tokens:
    """documents: words, with FIELD_END behind each field."""
    vocabulary: dict[str, int] = {}
    flat, starts = array("i"), array("q", [0])
    for words in documents:
        flat.extend(NO_WORD if word == FIELD_END else vocabulary.setdefault(word, len(vocabulary)) for word in words)
        flat.append(NO_WORD)
        starts.append(len(flat))
    return Tokens(np.array(flat, np.int32), np.array(starts, np.int64), vocabulary)


def joined(first: Tokens, second: Tokens) -> Tokens:
    """The documents of both."""
    vocabulary = dict(first.vocabulary)
    number = [vocabulary.setdefault(word, len(vocabulary)) for word in second.vocabulary]
    renamed = np.array([*number, NO_WORD], np.int32)[second.flat]
    starts = np.concatenate([first.starts, first.starts[-1] + second.starts[1:]])
    return Tokens(np.concatenate([first.flat, renamed]), starts, vocabulary)


def positions_of(tokens: Tokens) -> Positions:
    words = np.flatnonzero(tokens.flat != NO_WORD)
    order = np.argsort(tokens.flat[words], kind="stable")
    offsets = words[order].astype(np.int32 if len(tokens.flat) < 2**31 else np.int64)
    counts = np.bincount(tokens.flat[words], minlength=len(tokens.vocabulary))
    return Positions(np.concatenate([[0], np.cumsum(counts)]), offsets, tokens.starts)
