"""How close two titles are, by the policy's table of work and the words that they share."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from contracts.text.words import stem
from contracts.text.work import OTHER_FIELD, RELATED, SAME_FIELD, SAME_KIND, WorkReader
from policy.types import Policy

CLOSENESS = {SAME_KIND: 0.85, RELATED: 0.6, SAME_FIELD: 0.4, OTHER_FIELD: 0.1}
"""Closeness of titles by what the table of work says of both."""
SHARED_WORDS = 0.15
"""What shared words add at most where the table of work says what both titles are."""
GENERIC_WEIGHT = 0.2
COSINE = (0.35, 0.85)
"""Cosines of title vectors that mean closeness 0 and 1."""

Similarity = Callable[[str, str], float]
"""Cosine of two titles' vectors."""


class TitleReader:
    """The policy's vocabulary, ready to read titles. Holds caches of what it read and compared."""

    def __init__(self, policy: Policy, similarity: Similarity | None = None) -> None:
        self._similarity = similarity
        self._generic = frozenset(stem(word) for word in policy.generic)
        self._work = WorkReader(policy.vocabulary)
        self.read = self._work.read
        self.closeness = lru_cache(maxsize=500_000)(self._closeness)

    def _closeness(self, a: str, b: str) -> float:
        """[0, 1], symmetric. Kinds of work decide where both titles show one; otherwise words, and vectors if given."""
        first, second = self.read(a), self.read(b)
        shared = self._shared(first.words, second.words)
        if first.kinds and second.kinds:
            return CLOSENESS[self._work.relation(first.kinds, second.kinds)] + SHARED_WORDS * shared
        if self._similarity is None:
            return shared
        low, high = COSINE
        return max(shared, min(1.0, max(0.0, (self._similarity(a, b) - low) / (high - low))))

    def _shared(self, a: frozenset[str], b: frozenset[str]) -> float:
        """Mean of Dice's coefficient and the share of the shorter, with generic words counting less."""
        if not a or not b:
            return 0.0
        both, left, right = (self._weight(words) for words in (a & b, a, b))
        return both / (left + right) + both / (2 * min(left, right))

    def _weight(self, words: frozenset[str]) -> float:
        return sum(GENERIC_WEIGHT if word in self._generic else 1.0 for word in words)
