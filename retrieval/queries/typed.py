"""A query on its way through the readers: its words, where they stand in it, and which of them were read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

from contracts.text.adverts.phrases import Hit, Phrases
from contracts.text.words import words
from retrieval.queries.chips import Understood

V = TypeVar("V")
MOST_TOKENS = 100
"""Of a query, that conditions are looked for in; what stands behind them is searched for as it is."""
_TOKEN = re.compile(r"[^\s,;()|/]+")
_BREAK = re.compile(r"[,;()|/]")
_TAKEN = "\0"


class Span(NamedTuple):
    """The tokens from `first` up to `end`."""

    first: int
    end: int


class Typed:
    """The tokens of a query. A token is a run without spaces and separators; it has one word or several."""

    def __init__(self, text: str, ignore: frozenset[str]) -> None:
        """ignore: ids of chips whose words are taken as typed."""
        self.text, self._ignore = text, ignore
        self.spans = [match.span() for match, _ in zip(_TOKEN.finditer(text), range(MOST_TOKENS), strict=False)]
        self._words: list[str] = []
        self._starts: list[int] = []
        for start, end in self.spans:
            self._starts.append(len(self._words))
            self._words += words(text[start:end])
        self._starts.append(len(self._words))
        self.taken = [False] * len(self.spans)
        self.found: list[tuple[int, Understood]] = []
        self._cut_words: list[tuple[int, int]] = []
        self._cut_query: list[tuple[int, int]] = []

    def words(self, span: Span) -> list[str]:
        """The words of some tokens."""
        return self._words[self._starts[span.first] : self._starts[span.end]]

    def slice(self, span: Span) -> str:
        """Some tokens as they were typed."""
        return self.text[self.spans[span.first][0] : self.spans[span.end - 1][1]]

    def is_free(self, span: Span) -> bool:
        """Whether none of some tokens was read."""
        return not any(self.taken[span.first : span.end])

    def breaks(self, token: int) -> bool:
        """Whether a comma or another separator stands before a token."""
        return token > 0 and bool(_BREAK.search(self.text, self.spans[token - 1][1], self.spans[token][0]))

    def find(self, phrases: Phrases[V]) -> list[tuple[Span, V]]:
        """The phrases among the tokens that were not read; a phrase has whole tokens."""
        free = [
            _TAKEN if self.taken[token] else word
            for token in range(len(self.spans))
            for word in self.words(Span(token, token + 1))
        ]
        spans = ((self._span(hit), hit.value) for hit in phrases.find(free))
        return [(span, value) for span, value in spans if span]

    def before(self, token: int, phrases: Phrases[bool], between: int = 0) -> Span | None:
        """The longest phrase that ends before a token, or so many short words before it; None where none does.

        Args:
            token: The place.
            phrases: What may stand there.
            between: Words of up to three letters that may stand between: "pas de".
        """
        for end in range(token, max(-1, token - between - 1), -1):
            if not all(len(word) <= 3 for word in self.words(Span(end, token))):
                break
            for first in range(max(0, end - 4), end):
                span = Span(first, end)
                if self.is_free(Span(first, token)) and tuple(self.words(span)) in phrases.values:
                    return span
        return None

    def overlapping(self, start: int, end: int) -> Span | None:
        """The tokens that some characters touch; None where there are none, or one of them was read."""
        touched = [at for at, (first, last) in enumerate(self.spans) if first < end and last > start]
        span = Span(touched[0], touched[-1] + 1) if touched else None
        return span if span and self.is_free(span) else None

    def runs(self, first: int, longest: int) -> Iterator[Span]:
        """The runs of free tokens from one on, the longest first."""
        end = first
        while end < len(self.spans) and end - first < longest and not self.taken[end]:
            end += 1
        yield from (Span(first, stop) for stop in range(end, first, -1))

    def keep(self, span: Span) -> None:
        """Take some tokens as typed."""
        self.taken[span.first : span.end] = [True] * (span.end - span.first)

    def take(self, span: Span, read: Understood, from_words: bool, from_query: bool) -> None:
        """Take some tokens as read, unless the chip is ignored: then as typed, and an exclusion as not said.

        Args:
            span: The tokens.
            read: What they say.
            from_words: Whether the inverted index no longer looks for them.
            from_query: Whether the models no longer read them.
        """
        self.keep(span)
        ignored = read.chip.id in self._ignore
        if not ignored and read.chip.id not in {one.chip.id for _, one in self.found}:
            self.found.append((span.first, read))
        if ignored and read.chip.kind != "exclusion":
            return
        characters = (self.spans[span.first][0], self.spans[span.end - 1][1])
        self._cut_words += [characters] if from_words or ignored else []
        self._cut_query += [characters] if from_query or ignored else []

    def drop(self, span: Span) -> None:
        """Take some tokens that say nothing: the inverted index does not look for them."""
        self.keep(span)
        self._cut_words.append((self.spans[span.first][0], self.spans[span.end - 1][1]))

    @property
    def left(self) -> str:
        """What the inverted index looks for."""
        return _without(self.text, self._cut_words)

    @property
    def said(self) -> str:
        """What the models read."""
        return _without(self.text, self._cut_query)

    def _span(self, hit: Hit[V]) -> Span | None:
        """The tokens of a phrase; None where it has a part of one."""
        if hit.start not in self._starts or hit.end not in self._starts:
            return None
        first = max(at for at, start in enumerate(self._starts) if start == hit.start)
        return Span(first, max(first + 1, self._starts.index(hit.end)))


def _without(text: str, cuts: Iterable[tuple[int, int]]) -> str:
    """A text without some characters, and without separators that then stand at an end or side by side."""
    left, at = "", 0
    for start, end in sorted(cuts):
        left += text[at:start] + " "
        at = max(at, end)
    left = " ".join((left + text[at:]).split())
    return re.sub(r"(?:^|(?<=[,;|/]))[\s,;|/]+|[\s,;|/]+$|\s+(?=[,;])", "", left)
