"""What a sentence takes back: "no Java required", "not remote"."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import TypeVar

from contracts.text.adverts.cues import listed
from contracts.text.adverts.phrases import Phrases
from contracts.text.words import words

V = TypeVar("V")

MOST_BETWEEN = 4
"""Words between a denial and what it takes back: "no prior experience with Java"."""
_CLAUSE = re.compile(r"[,;:()]|\s[-–—]\s")


def denied(sentence: str, said: list[str], phrases: Phrases[V], language: Callable[[], str]) -> set[V]:
    """The values of phrases that a sentence denies.

    Args:
        sentence: As it stands in the advert.
        said: Its words.
        phrases: What may be denied.
        language: Tells the language of the advert; asked only where some language's denial stands in the sentence.
    """
    if not _any_language().find(said):
        return set()
    before, after, kept = (listed("denials", kind, language()) for kind in ("before", "after", "kept"))
    found: set[V] = set()
    for clause in _CLAUSE.split(sentence):
        heard = words(clause)
        spared = kept.find(heard)
        ends = [
            hit.end
            for hit in before.find(heard)
            if not any(one.start <= hit.start < one.end for one in spared) and not after.at_start(heard[hit.start :])
        ]
        for hit in phrases.find(heard):
            behind = any(0 <= hit.start - end <= MOST_BETWEEN for end in ends)
            if behind or any(after.at_start(heard[at:]) for at in (hit.end, hit.end + 1)):
                found.add(hit.value)
    return found


@cache
def _any_language() -> Phrases[bool]:
    return Phrases({**listed("denials", "before").values, **listed("denials", "after").values})
