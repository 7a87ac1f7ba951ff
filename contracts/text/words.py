"""Words of a text, as the index, the rules and the judge all read them: folded, without accents, stemmed.

A word is a run of letters, digits and the marks that belong to them (vowel signs of Hindi or Thai). "c++", "c#" and
".net" are words; a "+" or "#" behind any other word is none. Accents of Latin, Greek and Cyrillic letters are dropped,
the marks of other scripts are kept, since there unlike words would become one.

Stems are Snowball's (Porter, https://snowballstem.org), which come for some 35 languages.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache, lru_cache

import Stemmer

LANGUAGE = "english"
_APART = {"buses": "bus", "gases": "gas", "lens": "lens", "production": "production", "productions": "production"}
"""English words that Snowball stems apart from their singular, or puts together with another kind of work (product)."""

_ACCENTS = re.compile("[\u0300-\u036f]")
_MARKS = "".join(c for c in map(chr, range(0x0300, 0x1E000)) if unicodedata.category(c) in ("Mn", "Mc"))
_NAMED = r"[a-z](?:\+\+|#(?!\w))|\.net(?!\w)"
_ASCII_WORD = re.compile(rf"{_NAMED}|[a-z0-9]+")
_WORD = re.compile(rf"{_NAMED}|[\w{_MARKS}]+")


def words(text: str) -> list[str]:
    """The words of a text in order, folded and without accents, not stemmed."""
    plain = text.casefold()
    if not plain.isascii():
        plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", plain))
    if plain.isascii():
        return _ASCII_WORD.findall(plain)
    return _WORD.findall(unicodedata.normalize("NFC", plain).replace("_", " "))


def split_words(text: str, language: str = LANGUAGE) -> Iterator[str]:
    """The stems of a text's words in order.

    Args:
        text: any characters.
        language: of `stem`.
    """
    return map(_stemmed(language), words(text))


def stem(word: str, language: str = LANGUAGE) -> str:
    """A folded word without its endings: nurse, nurses and nursing are one.

    Args:
        word: one of `words`.
        language: a name that Snowball has an algorithm for, such as "english", "german" or "hindi".

    Raises:
        KeyError: Snowball has no algorithm of that name.
    """
    return _stemmed(language)(word)


@cache
def _stemmed(language: str) -> Callable[[str], str]:
    snowball = Stemmer.Stemmer(language, 0)
    apart = _APART if language == "english" else {}

    @lru_cache(maxsize=200_000)
    def stemmed(word: str) -> str:
        return apart.get(word) or snowball.stemWord(word)

    return stemmed


_STOP = frozenset(words("a an and at by for from i in my of on or our the to we with you your"))


@lru_cache(maxsize=100_000)
def stems(text: str) -> tuple[str, ...]:
    """The English stems of a text's words in order, without stop words."""
    return tuple(stem(word) for word in words(text) if word not in _STOP)
