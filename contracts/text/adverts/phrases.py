"""A table of phrases that is looked up in running text, in time linear in its length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from contracts.text.words import words

Phrase = tuple[str, ...]
"""Words as `contracts.text.words.words` has them."""
V = TypeVar("V")
_MARKS = "([{*-–—|\"'"
_CHARS = 80
"""Of a text, in which a phrase before a place is looked for."""
_END = ""
"""In a tree of words, under which the value of the phrase stands that ends there."""


class Hit(NamedTuple, Generic[V]):
    """The words from `start` up to `end` are a phrase of `value`."""

    start: int
    end: int
    value: V


class Phrases(Generic[V]):
    """Phrase -> value, kept as a tree of words: first words, after each the second ones, and so on."""

    def __init__(self, values: Mapping[Phrase, V]) -> None:
        self.values = values
        self._tree: dict[str, Any] = {}
        self._last = {phrase[-1] for phrase in values if phrase}
        self._longest = max(map(len, values), default=0)
        for phrase, value in values.items():
            node = self._tree
            for word in phrase:
                node = node.setdefault(word, {})
            if phrase:
                node[_END] = value

    def find(self, said: Sequence[str]) -> list[Hit[V]]:
        """The phrases among the words of a text, the longest at each place; they do not overlap."""
        tree, hits, end = self._tree, [], 0
        for at in [at for at, word in enumerate(said) if word in tree]:
            if at >= end and (hit := self._at(said, at)) is not None:
                hits.append(hit)
                end = hit.end
        return hits

    def at_start(self, said: Sequence[str]) -> Hit[V] | None:
        """The longest phrase that the words begin with."""
        return self._at(said, 0)

    def at_end(self, said: Sequence[str]) -> V | None:
        """The value of the longest phrase that the words end in; None where they end in none."""
        if not said or said[-1] not in self._last:
            return None
        tails = (tuple(said[start:]) for start in range(max(0, len(said) - self._longest), len(said)))
        return next((self.values[tail] for tail in tails if tail in self.values), None)

    def before(self, text: str, at: int) -> V | None:
        """The value of the longest phrase that a text has before a place in it."""
        tail = text[max(0, at - _CHARS) : at]
        last = tail.rstrip().rpartition(" ")[2].lstrip(_MARKS)
        if last.isascii() and last.casefold() not in self._last:  # nearly always, and quickly told
            return None
        return self.at_end(words(tail))

    def _at(self, said: Sequence[str], at: int) -> Hit[V] | None:
        node, found = self._tree, None
        for end in range(at, len(said)):
            if said[end] not in node:
                break
            node = node[said[end]]
            if _END in node:
                found = Hit(at, end + 1, node[_END])
        return found


def phrase_of(text: str) -> Phrase:
    """A phrase as it is compared."""
    return tuple(words(text))
