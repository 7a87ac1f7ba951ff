"""How close two titles are, by the policy's table of work and the words that they share."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from contracts.records import SENIORITY_LADDER
from contracts.text.words import stem, words
from policy.types import Policy

MAX_WORDS = 16
"""Words of a title or query that are read, so that a list of everything is not a title for everything."""
SAME_KIND, RELATED, SAME_FIELD, OTHER_FIELD = 0.85, 0.6, 0.4, 0.1
"""Closeness of titles of one kind of work, of related kinds, of two kinds of one field, and of two fields."""
SHARED_WORDS = 0.15
"""What shared words add at most where the table of work says what both titles are."""
GENERIC_WEIGHT = 0.2
COSINE = (0.35, 0.85)
"""Cosines of title vectors that mean closeness 0 and 1."""

_STOP = frozenset(words("a an and at by for from i in my of on or our the to we with you your"))

Similarity = Callable[[str, str], float]
"""Cosine of two titles' vectors."""


class Title(NamedTuple):
    """A title or query, read. words: stems without stop words and level words; kinds: (field, kind) of work in it;
    rung: place on `SENIORITY_LADDER`, None where no word tells it."""

    text: str
    words: frozenset[str]
    kinds: frozenset[tuple[str, str]]
    rung: int | None


class TitleReader:
    """The policy's vocabulary, ready to read titles. Holds caches of what it read and compared."""

    def __init__(self, policy: Policy, similarity: Similarity | None = None) -> None:
        self._similarity = similarity
        self._related = {*policy.related, *((b, a) for a, b in policy.related)}
        self._generic = frozenset(stem(word) for word in policy.generic)
        self._phrases: dict[tuple[str, ...], tuple[str, str]] = {}
        for field, kinds in policy.work.items():
            for kind, phrases in kinds.items():
                for phrase in phrases:
                    self._phrases.setdefault(stems(phrase), (field, kind))
        self._levels: dict[tuple[str, ...], int] = {
            stems(phrase): SENIORITY_LADDER.index(rung)
            for rung, phrases in policy.dimensions.seniority.words.items()
            for phrase in phrases
        }
        self._longest = max(map(len, (*self._phrases, *self._levels)), default=1)
        self.read = lru_cache(maxsize=100_000)(self._read)
        self.closeness = lru_cache(maxsize=500_000)(self._closeness)

    def _read(self, text: str) -> Title:
        words = stems(text)[:MAX_WORDS]
        kinds: set[tuple[str, str]] = set()
        kept: list[str] = []
        rung: int | None = None
        start = 0
        while start < len(words):
            size, kind, level = self._longest_at(words, start)
            if kind:
                kinds.add(kind)
            if level is None:
                kept += words[start : start + size]
            else:
                rung = level if rung is None else max(rung, level)
            start += size
        return Title(text, frozenset(kept), frozenset(kinds), rung)

    def _longest_at(self, words: tuple[str, ...], start: int) -> tuple[int, tuple[str, str] | None, int | None]:
        """(words it takes, kind of work, rung) of the longest phrase that starts there; (1, None, None): no phrase."""
        for size in range(min(self._longest, len(words) - start), 0, -1):
            phrase = words[start : start + size]
            kind, level = self._phrases.get(phrase), self._levels.get(phrase)
            if kind or level is not None:
                return size, kind, level
        return 1, None, None

    def _closeness(self, a: str, b: str) -> float:
        """[0, 1], symmetric. Kinds of work decide where both titles show one; otherwise words, and vectors if given."""
        first, second = self.read(a), self.read(b)
        shared = self._shared(first.words, second.words)
        if first.kinds and second.kinds:
            if first.kinds & second.kinds:
                return SAME_KIND + SHARED_WORDS * shared
            return self._relation(first, second) + SHARED_WORDS * shared
        if self._similarity is None:
            return shared
        low, high = COSINE
        return max(shared, min(1.0, max(0.0, (self._similarity(a, b) - low) / (high - low))))

    def _relation(self, first: Title, second: Title) -> float:
        if any((a, b) in self._related for _, a in first.kinds for _, b in second.kinds):
            return RELATED
        fields = {field for field, _ in first.kinds} & {field for field, _ in second.kinds}
        return SAME_FIELD if fields else OTHER_FIELD

    def _shared(self, a: frozenset[str], b: frozenset[str]) -> float:
        """Mean of Dice's coefficient and the share of the shorter, with generic words counting less."""
        if not a or not b:
            return 0.0
        both, left, right = (self._weight(words) for words in (a & b, a, b))
        return both / (left + right) + both / (2 * min(left, right))

    def _weight(self, words: frozenset[str]) -> float:
        return sum(GENERIC_WEIGHT if word in self._generic else 1.0 for word in words)


@lru_cache(maxsize=100_000)
def stems(text: str) -> tuple[str, ...]:
    """The stems of a text's words in order, without stop words."""
    return tuple(stem(word) for word in words(text) if word not in _STOP)
