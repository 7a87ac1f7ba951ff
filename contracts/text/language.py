"""The language of a text, by the name of its Snowball stemmer."""

from __future__ import annotations

from functools import cache
from typing import Any

from contracts.text.words import LANGUAGE, words

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
_ENGLISH = frozenset(
    words(
        "a an and are as at be by can for from has have if in is it its may must not of on or our that the their they "
        "this to us was we what when which who will with you your"
    )
)
_ENGLISH_SHARE = 0.2
"""Of the words of a text that English grammar makes, from which on nothing more is asked; other languages have 0.05."""

_SURE = 0.9
_LONG = 12
"""Words from which on the likeliest language is taken, however likely."""


def language_of(text: str, default: str = LANGUAGE) -> str:
    """The language that most of the beginning of a text is in; the default where too little is said.

    Needs no network. The detector (py3langid) is loaded, in about a second and 100 MB, when the first text comes that
    is not plainly English.
    """
    for chars in (READ_CHARS // 3, READ_CHARS):  # the first sentence tells nearly always
        found = [word for word in words(text[:chars]) if word.isalpha() and ord(word[0]) < 0x370]
        if len(found) < LEAST_WORDS:
            return default
        if sum(word in _ENGLISH for word in found) >= _ENGLISH_SHARE * len(found):
            return "english"
    code, share = _detector().classify(text[:READ_CHARS])
    return NAMES[code] if share >= _SURE or len(found) >= _LONG else default


@cache
def _detector() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    detector = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    detector.set_languages(list(NAMES))
    return detector
