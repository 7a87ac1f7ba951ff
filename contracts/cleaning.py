"""Plain text from whatever a record carries: markup, entities, control characters and stray bytes removed.

Pure functions, used once as a record is validated, so that every later reader sees the same characters.
"""

from __future__ import annotations

import html
import re
import unicodedata

_BLOCK = re.compile(r"<(script|style)\b[^>]*>.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,2000}>|<!--.*?-->", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufffd]")
_SPACE = re.compile(r"\s+")
_PASSES = 8


def clean_text(text: str) -> str:
    """`text` without HTML, entities, control or bidirectional characters, NFC-normalised, whitespace collapsed.

    Idempotent up to `_PASSES` levels of nested escaping (property test); the bound keeps hostile text linear.
    """
    if text.isascii() and text.isprintable() and "<" not in text and "&" not in text and "  " not in text:
        return text.strip()  # nine rows in ten; the rest of the work changes nothing for them
    for _ in range(_PASSES):  # an entity may spell a tag, and a tag may split an entity
        before = text
        text = html.unescape(text)
        text = _CONTROL.sub("", text)
        text = _TAG.sub(" ", _BLOCK.sub(" ", text))
        text = unicodedata.normalize("NFC", text.encode("utf-8", "ignore").decode())
        if text == before:
            break
    return _SPACE.sub(" ", text).strip()
