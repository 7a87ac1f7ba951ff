"""The words of every job's title, in a matrix that gives the share of a title that a text names, for many jobs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from copy import copy
from itertools import repeat
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.text.words import LANGUAGE, split_words, stem, words
from retrieval.engines.append_only import AppendOnlyArray

WIDTH = 8
"""Distinct words of a title that count."""
_NONE = -1


class TitleWords:
    """n titles. codes: (n, WIDTH) int32, numbers of words in `vocabulary`, filled up with -1.

    An immutable value; `appended` as `AttributeTable.appended`.
    """

    def __init__(self, codes: np.ndarray, vocabulary: Iterable[str], languages: Sequence[str] = (LANGUAGE,)) -> None:
        """languages: whose stems the words have; a text is read in each."""
        self._rows, self._n, self._languages = AppendOnlyArray(codes), len(codes), tuple(languages)
        self._code = {word: code for code, word in enumerate(vocabulary)}

    def __len__(self) -> int:
        return self._n

    def overlap(self, rows: np.ndarray, text: str, like: np.ndarray) -> np.ndarray:
        """(m,) float32: share of each title's words that occur in `text` or in the titles of the rows `like`."""
        codes = self._rows.first(self._n)
        typed = self._known(text)
        counted = np.zeros(len(self._code) + 1, dtype=bool)  # after `typed`, since words may be added meanwhile
        counted[list(typed)] = True
        counted[codes[like]] = True
        counted[_NONE] = False
        own = codes[rows]
        return counted[own].sum(axis=1, dtype=np.float32) / np.maximum(1, (own != _NONE).sum(axis=1, dtype=np.float32))

    def appended(self, titles: Iterable[str], languages: Sequence[str] | None = None) -> TitleWords:
        """These titles with more behind them; languages: of each, None where all are English."""
        codes = _codes(titles, self._code, languages)
        self._rows.append(codes)
        made = copy(self)
        made._n += len(codes)
        made._languages = tuple(dict.fromkeys((*self._languages, *(languages or ()))))
        return made

    def shares_none(self, text: str, but: Iterable[str] = ()) -> np.ndarray | None:
        """(n,) bool: the title has a word, and none of its words is in `text`; the words `but` are none.

        None where no title has a word of `text`.
        """
        skipped = self._known(" ".join(but))
        typed = self._known(text) - skipped
        if not typed:
            return None
        codes = self._rows.first(self._n)
        counts = np.ones(len(self._code) + 1, dtype=bool)  # after `typed`, since words may be added meanwhile
        counts[[*skipped, _NONE]] = False
        shared = np.zeros(len(counts), dtype=bool)
        shared[list(typed)] = True
        return np.asarray(counts[codes].any(axis=1) & ~shared[codes].any(axis=1))

    def holding(self, text: str) -> np.ndarray:
        """(n,) bool: the title has all words of the text; none where the text has no word."""
        holding = np.full(self._n, bool(found := words(text)), dtype=bool)
        codes = self._rows.first(self._n)
        for word in found:
            known = self._known(word)
            holding &= np.isin(codes, list(known)).any(axis=1) if known else False
        return holding

    def _known(self, text: str) -> set[int]:
        """The codes of the words of a text that some title has."""
        found = words(text)
        stems = {stem(word, language) for word in found for language in self._languages}
        return {self._code[word] for word in stems if word in self._code}

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "codes.npy", self._rows.first(self._n), allow_pickle=False)
        pq.write_table(pa.table({"word": pa.array(list(self._code), pa.string())}), folder / "words.parquet")
        (folder / "about.json").write_text(json.dumps({"languages": self._languages}))

    @classmethod
    def load(cls, folder: Path) -> TitleWords:
        codes = np.load(folder / "codes.npy", allow_pickle=False)
        languages = json.loads((folder / "about.json").read_text())["languages"]
        return cls(codes, pq.read_table(folder / "words.parquet")["word"].to_pylist(), languages)


def build_titles(titles: Iterable[str], languages: Sequence[str] | None = None) -> TitleWords:
    """languages: of each title; None: all are English."""
    vocabulary: dict[str, int] = {}
    codes = _codes(titles, vocabulary, languages)
    return TitleWords(codes, vocabulary, list(dict.fromkeys(languages or ())) or [LANGUAGE])


def _codes(titles: Iterable[str], vocabulary: dict[str, int], languages: Sequence[str] | None) -> np.ndarray:
    """(n, WIDTH) int32; words that the vocabulary lacks are added to it."""
    rows = [
        [vocabulary.setdefault(word, len(vocabulary)) for word in list(dict.fromkeys(split_words(*title)))[:WIDTH]]
        for title in zip(titles, languages or repeat(LANGUAGE), strict=False)
    ]
    codes = np.full((len(rows), WIDTH), _NONE, np.int32)
    for row, of_title in enumerate(rows):
        codes[row, : len(of_title)] = of_title
    return codes
