"""The words of every job's title, in a matrix that answers "how much of this title was asked for" for many jobs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from retrieval.terms import split_words

WIDTH = 8
"""Distinct words of a title that count."""


class TitleWords:
    """codes: (n, WIDTH) int32, numbers of `vocabulary` padded with its length."""

    def __init__(self, codes: np.ndarray, vocabulary: list[str]) -> None:
        self._codes, self._vocabulary = codes, vocabulary
        self._code = {word: code for code, word in enumerate(vocabulary)}
        self._lengths = np.maximum(1, (codes < len(vocabulary)).sum(axis=1)).astype(np.float32)

    def overlap(self, rows: np.ndarray, text: str, like: np.ndarray) -> np.ndarray:
        """(m,) float32: share of each title's words that occur in `text` or in the titles of the rows `like`."""
        wanted = np.zeros(len(self._vocabulary) + 1, dtype=bool)
        wanted[[self._code[word] for word in set(split_words(text)) if word in self._code]] = True
        wanted[self._codes[like]] = True
        wanted[-1] = False  # the padding
        return wanted[self._codes[rows]].sum(axis=1, dtype=np.float32) / self._lengths[rows]

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "codes.npy", self._codes, allow_pickle=False)
        pq.write_table(pa.table({"word": pa.array(self._vocabulary, pa.string())}), folder / "words.parquet")

    @classmethod
    def load(cls, folder: Path) -> TitleWords:
        codes = np.load(folder / "codes.npy", allow_pickle=False)
        return cls(codes, pq.read_table(folder / "words.parquet")["word"].to_pylist())


def build_titles(titles: Iterable[str]) -> TitleWords:
    vocabulary: dict[str, int] = {}
    found = [
        [vocabulary.setdefault(word, len(vocabulary)) for word in list(dict.fromkeys(split_words(title)))[:WIDTH]]
        for title in titles
    ]
    codes = np.full((len(found), WIDTH), len(vocabulary), np.int32)
    for row, words in enumerate(found):
        codes[row, : len(words)] = words
    return TitleWords(codes, list(vocabulary))
