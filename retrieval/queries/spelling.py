"""Slips of the keyboard, mended against the words of an index: conservatively, and never a word that some job has.

A word is mended where no job has it, it is no name of a town and no word of a condition, and one word of the titles or
skills is within its reach and clearly the nearest. Reach is the optimal string alignment distance (insertion, deletion,
substitution, two neighbours swapped), by rapidfuzz.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from rapidfuzz.distance import OSA

from contracts.text.gazetteer import towns_named
from contracts.text.words import words
from retrieval.index.job_index import JobIndex

SHORTEST = 4
"""Letters of a word that is mended."""
LONG = 9
"""Letters from which on two slips are mended; below, one."""
LEAST_JOBS = 2
"""Titles or skills that hold what a word is mended to: a slip in one advert is no spelling."""
CLEARER = 4
"""Of two words that are as near, the one with so many times the jobs is meant."""
TOWN = 50_000
"""People of a town whose name is no slip."""
_PART = 3
"""Letters of each half of a word that is taken apart."""


@dataclass(frozen=True)
class Speller:
    """The words of the titles and skills of an index. counts: word -> titles and jobs' skills that hold it.

    by_start: first letter and length -> the words that have them.
    """

    counts: Mapping[str, int]
    by_start: Mapping[tuple[str, int], tuple[str, ...]]
    spared: frozenset[str]

    @classmethod
    def of(cls, index: JobIndex, spared: frozenset[str]) -> Speller:
        """spared: words that are never mended, beside those of the jobs."""
        counts: Counter[str] = Counter()
        titles = Counter(index.jobs.titles(np.arange(index.jobs.built)))
        _count(counts, titles.items())
        skills = index.attributes.columns()["skills"]
        _count(counts, zip(skills.values, np.diff(skills.offsets).tolist(), strict=True))
        return cls.from_counts(counts, spared)

    @classmethod
    def from_counts(cls, counts: Mapping[str, int], spared: frozenset[str] = frozenset()) -> Speller:
        """A speller of words and how often each is used."""
        kept = {word: count for word, count in counts.items() if count >= LEAST_JOBS and word.isalpha()}
        by_start: dict[tuple[str, int], list[str]] = {}
        for word in kept:
            by_start.setdefault((word[0], len(word)), []).append(word)
        return cls(kept, {key: tuple(found) for key, found in by_start.items()}, spared)

    def mended(self, word: str, index: JobIndex) -> str | None:
        """What a word (of `contracts.text.words.words`) is a slip of; None where it is none or that is not clear."""
        if len(word) < SHORTEST or not word.isalpha() or word in self.spared or index.terms.knows(word):
            return None
        if any(town.weight >= TOWN for town in towns_named(word)):
            return None
        return self._nearest(word) or self._apart(word, index)

    def joined(self, first: str, second: str, index: JobIndex) -> str | None:
        """The one word that two make, where jobs write it so and one of the two not: "book keeper"."""
        whole = first + second
        if self.counts.get(whole) and whole.isalpha() and not (index.terms.knows(first) and index.terms.knows(second)):
            return whole if self.spared.isdisjoint((first, second)) else None
        return None

    def _nearest(self, word: str) -> str | None:
        most = 1 if len(word) < LONG else 2
        starts = {word[0], word[1]}  # the first two letters may be swapped
        found: list[tuple[int, int, str]] = []
        for size in range(len(word) - most, len(word) + most + 1):
            for start in starts:
                for other in self.by_start.get((start, size), ()):
                    distance = OSA.distance(word, other, score_cutoff=most)
                    if distance <= most and (start == word[0] or other[:2] == word[1::-1]):
                        found.append((distance, -self.counts[other], other))
        if not found:
            return None
        found.sort()
        first, *others = found
        rival = next((count for distance, count, other in others if distance == first[0]), 0)
        return first[2] if -first[1] >= CLEARER * -rival else None

    def _apart(self, word: str, index: JobIndex) -> str | None:
        """The two words of one that was written together, where some job has them side by side: "nightshift"."""
        for at in range(_PART, len(word) - _PART + 1):
            first, second = word[:at], word[at:]
            if first in self.counts and second in self.counts and len(index.terms.rows(f"{first} {second}")):
                return f"{first} {second}"
        return None


def _count(counts: Counter[str], texts: Iterable[tuple[str, int]]) -> None:
    for text, times in texts:
        for word in words(text):
            counts[word] += times
