"""What a search by words asks for: its words, its phrases in quotes, and the synonyms of the rest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from contracts.text.words import LANGUAGE, stem, word_groups, words
from retrieval.words.synonyms import Expansion, Synonyms, Words

MAX_WORDS = 2_000
"""Words of a query that are read; the rest is cut."""

ASKED = re.compile(
    r'(?<!\S)(?:-(?=[^\W\d_]|["“„])|NOT\s+(?=\S))(?:["“„]([^"“”„]*)["“”]|([^\s"“”„]+))'
    r'|(?<!\w)["“„]([^"“”„]*)["“”](?!\w)'
)
"""What must not be there, as -word, -"a phrase" or NOT word, and what must stand together. A quote behind a digit is an
inch, and a dash before one a minus."""


class TermQuery(NamedTuple):
    """What a search by words asks for.

    Attributes:
        words: All of them, as often as they stand there, as the stems that each has in the languages of the index.
        runs: Words of scripts without spaces, as pairs of letters.
        phrases: What must stand together: the stems of each phrase in each language, one of which must.
        excluded: What must not stand together, in the same form.
        expansions: Synonyms of what stands in no quotes.
    """

    words: Words
    runs: tuple[Words, ...]
    phrases: tuple[tuple[Words, ...], ...]
    excluded: tuple[tuple[Words, ...], ...]
    expansions: tuple[Expansion, ...]


def read_query(text: str, synonyms: Synonyms, languages: Sequence[str] = (LANGUAGE,)) -> TermQuery:
    """Any characters. What stands in quotes is taken as it is: no synonym stands for it."""
    left, at = MAX_WORDS, 0
    parts: list[list[Words]] = []  # loose words and phrases by turns
    excluded: list[list[str]] = []
    loose = ""
    for asked in [*ASKED.finditer(text), None]:
        loose += text[at : asked.start() if asked else len(text)]
        at = asked.end() if asked else at
        if asked and asked[3] is None:
            excluded.append(words(asked[1] or asked[2] or "")[:left])
            left, loose = max(0, left - len(excluded[-1])), f"{loose} "
            continue
        for part in (loose, asked[3] if asked else ""):
            parts.append([group[:left] for group in word_groups(part)[:left]])
            left = max(0, left - sum(map(len, parts[-1])))
        loose = ""
    typed = tuple(
        stemmed
        for group in chain.from_iterable(parts)
        if len(group) == 1
        for stemmed in dict.fromkeys(stem(group[0], language) for language in languages)
    )
    phrases = [_in_languages(chain.from_iterable(part), languages) for part in parts[1::2] if part]
    expansions = dict.fromkeys(
        expansion
        for language in languages
        for part in parts[::2]
        for expansion in synonyms.expansions([stem(word, language) for group in part for word in group], language)
    )
    return TermQuery(
        typed,
        tuple(group for group in chain.from_iterable(parts) if len(group) > 1),
        tuple(dict.fromkeys(phrases)),
        tuple(dict.fromkeys(_in_languages(phrase, languages) for phrase in excluded if phrase)),
        tuple(expansion for expansion in expansions if not set(typed).issuperset(expansion.words)),
    )


def _in_languages(typed: Iterable[str], languages: Sequence[str]) -> tuple[Words, ...]:
    """The stems of some words in each language, each once."""
    found = tuple(typed)
    return tuple(dict.fromkeys(tuple(stem(word, language) for word in found) for language in languages))


def without_quotes(text: str) -> str:
    """A text whose words are all loose: a member's own quotes and dashes ask for nothing."""
    return re.sub(r'["“”„]|(?<!\S)(?:-+|NOT\s)', " ", text)
