"""What a search by words asks for: its words, its phrases in quotes, and the synonyms of the rest."""

from __future__ import annotations

import re
from typing import NamedTuple

from contracts.text.words import split_words
from retrieval.words.synonyms import Expansion, Synonyms, Words

MAX_WORDS = 2_000
"""Words of a query that are read; the rest is cut."""

_QUOTED = re.compile(r'(?<!\w)["“„]([^"“”„]*)["“”](?!\w)')
"""A quote behind a digit is an inch."""


class TermQuery(NamedTuple):
    """words: all of them, as often as they stand there; phrases: what must stand together; expansions: of the rest."""

    words: Words
    phrases: tuple[Words, ...]
    expansions: tuple[Expansion, ...]


def read_query(text: str, synonyms: Synonyms) -> TermQuery:
    """Any characters. What stands in quotes is taken as it is: no synonym stands for it."""
    left = iter(range(MAX_WORDS))
    parts = [tuple(word for word, _ in zip(split_words(part), left, strict=False)) for part in _QUOTED.split(text)]
    loose, quoted = parts[::2], parts[1::2]
    words = tuple(word for part in parts for word in part)
    expansions = dict.fromkeys(expansion for part in loose for expansion in synonyms.expansions(part))
    typed = set(words)
    return TermQuery(
        words,
        tuple(dict.fromkeys(phrase for phrase in quoted if phrase)),
        tuple(expansion for expansion in expansions if not typed.issuperset(expansion.words)),
    )


def without_quotes(text: str) -> str:
    """A text whose words are all loose: a member's own quotes ask for nothing."""
    return re.sub('["“”„]', " ", text)
