"""A text in its sentences, by punctuation and bullets alone."""

from __future__ import annotations

import re

_BULLETS = "•·▪●"
_END = re.compile(rf"[.!?;](?:\s+|(?<=[a-z)][.!?])(?=[A-Z][a-z])(?!Net\b|Js\b))|[。！？；]\s*|[{_BULLETS}]\s*")
"""A sentence also ends where the line end behind it is gone, as in "end.Next"."""


def sentences(text: str) -> list[str]:
    """The sentences of a text in order, with their marks; empty ones are left out."""
    found, start = [], 0
    for end in _END.finditer(text):
        found.append(text[start : end.start() + (end[0][0] not in _BULLETS)].strip())
        start = end.end()
    found.append(text[start:].strip())
    return [sentence for sentence in found if sentence]
