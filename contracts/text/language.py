"""The language of a text, by the name of its Snowball stemmer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from contracts.documents import parse
from contracts.text.words import LANGUAGE, words
from contracts.values import FrozenModel

NAMES = {
    "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "en": "english", "es": "spanish", "et": "estonian",
    "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish", "hu": "hungarian", "id": "indonesian",
    "it": "italian", "lt": "lithuanian", "nl": "dutch", "no": "norwegian", "pl": "polish", "pt": "portuguese",
    "ro": "romanian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip
"""ISO 639-1 code -> name, of the languages in Latin letters; of other scripts the script tells the stemmer."""

READ_CHARS = 600
"""Of a text, that its language is told by."""
LEAST_WORDS = 3
"""Words that tell a language; of fewer the default is taken."""
_ENGLISH_SHARE = 0.2
"""Of the words of a text that English grammar makes, from which on nothing more is asked; other languages have 0.05."""

_CLEAR = 1.5
"""A language is told by its stop words where they are one at least, and so many times those of any other."""
_LEAST_KINDS = 2
"""Different stop words that tell a language: "Los" and "care" alone are names, or English."""
_TELLING = 7
"""Letters of a stop word that is enough alone: "buscamos"."""
_SURE = 0.9
_LONG = 12
"""Words from which on the likeliest language is taken, however likely."""


def language_of(text: str, default: str = LANGUAGE) -> str:
    """The language that most of the beginning of a text is in; the default where too little is said.

    Stop words (`stop_words.yaml`) tell most texts, and all short ones that have some. Needs no network. The detector
    (py3langid) is loaded, in about a second and 100 MB, when the first text comes that they do not tell.
    """
    for chars in (READ_CHARS // 3, READ_CHARS):  # the first sentence tells nearly always
        found = [word for word in words(text[:chars]) if word.isalpha() and ord(word[0]) < 0x370]
        if len(found) < LEAST_WORDS:
            return default
        if told := _told_by(found):
            return told
        if sum("english" in _stop_words().get(word, ()) for word in found) >= _ENGLISH_SHARE * len(found):
            return "english"
    code, share = _detector().classify(text[:READ_CHARS])
    return NAMES[code] if share >= _SURE or len(found) >= _LONG else default


def _told_by(found: Sequence[str]) -> str:
    """The language whose stop words the words are, where that is clear; else empty."""
    weights: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for word in dict.fromkeys(found):
        languages = _stop_words().get(word, ())
        weights.update(dict.fromkeys(languages, 1 / max(1, len(languages))))
        kinds.update(dict.fromkeys(languages, _LEAST_KINDS if len(word) >= _TELLING else 1))
    (first, most), (_, next_most) = [*weights.most_common(2), ("", 0), ("", 0)][:2]
    return first if kinds[first] >= _LEAST_KINDS and most >= max(1, _CLEAR * next_most) else ""


@cache
def _stop_words() -> dict[str, tuple[str, ...]]:
    """Word -> the languages that it is a stop word of."""
    text = resources.files("contracts.text").joinpath("stop_words.yaml").read_text("utf-8")
    file, _ = parse(text, _File, "stop_words.yaml")
    languages: dict[str, tuple[str, ...]] = {}
    for language, listed in file.stop_words.items():
        for word in dict.fromkeys(word for entry in listed for word in words(entry)):
            languages[word] = (*languages.get(word, ()), language)
    return languages


class _File(FrozenModel):
    """`stop_words.yaml`: language -> words."""

    stop_words: Mapping[str, tuple[str, ...]]


@cache
def _detector() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    detector = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    detector.set_languages(list(NAMES))
    return detector
