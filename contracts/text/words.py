"""Words of a text, as the index, the rules and the judge all read them: folded, without accents, stemmed.

A word is a run of letters, digits and the marks that belong to them (vowel signs of Hindi or Thai). "c++", "c#" and
".net" are words; a "+" or "#" behind any other word is none. "R.N." is "rn", "O'Reilly" is "oreilly", and "java8" is
"java 8". "front end", "front-end" and "frontend" are the same words (`compounds.txt`). Accents of Latin, Greek and
Cyrillic letters are dropped, strokes and dots of Latin ones too (ø is o, ı is i, œ is oe), and so are the vowel points
of Arabic and Hebrew; marks of other scripts are kept, since there unlike words would become one. Scripts that put no
spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) are read in pairs of letters, so that a word is
found inside a run of others.

Stems are Snowball's (Porter, https://snowballstem.org). Where a script has one language, that language's are taken.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from importlib import resources
from itertools import pairwise

import Stemmer

LANGUAGE = "english"
_APART = {"buses": "bus", "gases": "gas", "lens": "lens", "production": "production", "productions": "production"}
_APART |= {"women": "woman", "men": "man", "children": "child"}
"""English words that Snowball stems apart from their singular, or puts together with another kind of work (product)."""

_ACCENTS = re.compile("[\u0300-\u0305\u0307-\u036f]|(?<![иу])\u0306|[\u0591-\u05c7\u0640\u064b-\u065f\u0670]")
"""Accents; not the breve of й and ў, which are letters of their own. Points and stretching of Hebrew and Arabic."""
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ŧ": "t", "♯": "#"}
    | {"ک": "ك", "ی": "ي", "ى": "ي", "’": "'"}
)
"""Letters that are written apart by some and as others by the rest, and that Unicode does not take apart."""
_WIDTHLESS = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")
_MARKS = "".join(c for c in map(chr, range(0x0300, 0x1E000)) if unicodedata.category(c) in ("Mn", "Mc"))
_UNSPACED = (
    "\u0e01-\u0e2e\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e81-\u0ec6\u0edc-\u0edf\u1000-\u103f\u1050-\u108f\uaa60-\uaa7f"
    "\u1780-\u17d3\u3005-\u3007\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_NAMED = r"[a-z](?:\+\+|#(?!\w))|\.net(?!\w)"
_WRITTEN_APART = re.compile(
    r"\bc\s+(?=\+\+|#(?!\w))"  # C ++
    r"|(?<![^\W_])(?:[^\W\d_]\.){2,}(?:[^\W\d_](?![^\W_]))?|(?<![^\W_])[^\W\d_]\.[^\W\d_](?![^\W_])"  # R.N., e.g
    r"|\bo'(?=[a-z]{2})"  # O'Reilly
    r"|(?<![^\W_])[^\W\d_]{3,}(?=[0-9]{1,4}(?![^\W_]))"  # Java8
)
_ASCII_WORD = re.compile(rf"{_NAMED}|[a-z0-9]+")
_WORD = re.compile(rf"{_NAMED}|[\w{_MARKS}]+")
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_RUN = re.compile(f"[{_UNSPACED}][{_UNSPACED}{_MARKS}]*")
_LETTER = re.compile(f"[^{_MARKS}][{_MARKS}]*|[{_MARKS}]+", re.DOTALL)
_SCRIPTS = (
    (0x0370, 0x0400, "greek"),
    (0x0400, 0x0530, "russian"),
    (0x0530, 0x0590, "armenian"),
    (0x0590, 0x0600, ""),
    (0x0600, 0x0780, "arabic"),
    (0x0900, 0x0980, "hindi"),
    (0x0B80, 0x0C00, "tamil"),
    (0x1F00, 0x2000, "greek"),
)
"""First and last code of a script, and whose endings its words have, whatever the language of the text."""
_LATIN_END = 0x0370


def words(text: str) -> list[str]:
    """The words of a text in order, folded and without accents, not stemmed; pairs of letters of unspaced scripts."""
    plain = _plain(text)
    if plain.isascii():
        return _compounded(_ASCII_WORD.findall(plain))
    if not _IS_UNSPACED.search(plain):
        return _compounded(_WORD.findall(plain))
    return [word for group in word_groups(text) for word in group]


def word_groups(text: str) -> list[tuple[str, ...]]:
    """`words` of a text, those of one unspaced run together, any other word alone."""
    groups: list[tuple[str, ...]] = []
    at, plain = 0, _plain(text).replace("_", " ")
    for run in [*_RUN.finditer(plain), None]:
        between = plain[at : run.start() if run else len(plain)]
        groups += [(word,) for word in _compounded(_WORD.findall(between))]
        if run:
            letters = _LETTER.findall(run[0])
            groups.append(tuple(a + b for a, b in pairwise(letters)) or (run[0],))
            at = run.end()
    return groups


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
        language: of a word in Latin letters: a name that Snowball has an algorithm for, such as "english" or "german".

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
        if ord(word[0]) >= _LATIN_END:
            return _of_script(word)
        return apart.get(word) or snowball.stemWord(word)

    return stemmed


def _of_script(word: str) -> str:
    language = next((name for first, end, name in _SCRIPTS if first <= ord(word[0]) < end), "")
    return str(_snowball(language).stemWord(word)) if language else word


@cache
def _snowball(language: str) -> Stemmer.Stemmer:
    return Stemmer.Stemmer(language, 0)


def _plain(text: str) -> str:
    """`text` in lower case, one composition and width, without accents and what has no width."""
    plain = text.casefold()
    if not plain.isascii():
        plain = unicodedata.normalize("NFKD", _WIDTHLESS.sub("", plain)).casefold()
        plain = _ACCENTS.sub("", plain).translate(_LETTERS)
        plain = plain if plain.isascii() else unicodedata.normalize("NFC", plain).replace("_", " ")
    return _WRITTEN_APART.sub(_put_together, plain)


def _put_together(part: re.Match[str]) -> str:
    """ "c" of "c ", "rn" of "r.n.", "o" of "o'"; "java " of "java" before digits."""
    found = part[0]
    if len(found) > 2 and found.isalpha():
        return f"{found} "
    return "".join(character for character in found if character.isalpha())


def _compounded(found: list[str]) -> list[str]:
    """The words with those of `compounds.txt` in the one way that they are compared in."""
    if _ONES.isdisjoint(found) and _TWOS.isdisjoint(pairwise(found)):
        return found
    written: list[str] = []
    at = 0
    while at < len(found):
        pair = _COMPOUNDS.get(tuple(found[at : at + 2]))
        written += pair or _COMPOUNDS.get((found[at],), (found[at],))
        at += 2 if pair and at + 1 < len(found) else 1
    return written


def _read_compounds() -> dict[tuple[str, ...], tuple[str, ...]]:
    """One word or two that stand together -> the words that they are compared as."""
    compounds: dict[tuple[str, ...], tuple[str, ...]] = {}
    for line in resources.files("contracts.text").joinpath("compounds.txt").read_text("utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        first, _, second = line.partition("=")
        read, compared = tuple(first.split()), tuple(second.split())
        if not compared:  # two words, and the one that they make
            read, compared = ("".join(read),), read
        compounds[read] = compared
        if compared[-1].isalpha():
            compounds[(*read[:-1], f"{read[-1]}s")] = (*compared[:-1], f"{compared[-1]}s")
    return compounds


_COMPOUNDS = _read_compounds()
_ONES = frozenset(parts[0] for parts in _COMPOUNDS if len(parts) == 1)
_TWOS = frozenset(parts for parts in _COMPOUNDS if len(parts) == 2)
_STOP = frozenset(words("a an and at by for from i in my of on or our the to we with you your"))


def content_words(text: str) -> tuple[str, ...]:
    """`words` of a text in order, without English stop words."""
    return tuple(word for word in words(text) if word not in _STOP)


@lru_cache(maxsize=100_000)
def stems(text: str) -> tuple[str, ...]:
    """The English stems of a text's words in order, without stop words."""
    return tuple(stem(word) for word in content_words(text))
