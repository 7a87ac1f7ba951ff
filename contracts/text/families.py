"""Families of titles, learned from a board's own titles: "Registered Nurse - ICU, nights" is of registered nurse.

A family is a title that stands alone on the board, and more than once, and that longer titles contain. So no list of
occupations is needed, in any language: what people call a kind of work is what some adverts say and nothing else. A
title is of the longest family in it. One word alone is a family only where it stands alone often among the titles that
hold it: `nurse` does, `manager` does not.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from contracts.reading.spellings import is_missing, spelled
from contracts.text.words import content_words, stems

LEAST_ALONE, LEAST_TITLES = 2, 3
"""Titles that are nothing but the family, and titles that hold it."""
LEAST_SHARE = 0.1
"""Of the titles that hold a single word, those that it is all of."""
MOST_WORDS = 4
_APART = re.compile(r"\s[-–—|•]+\s|[,;:(\[|/@]|\s@")
"""Behind these a title tells place, shift, level or employer."""

Stems = tuple[str, ...]


class Families:
    """Families, ready to read titles. Holds a cache; safe to share between threads."""

    def __init__(self, names: Iterable[str], title: Callable[[str], str] = str) -> None:
        """names: from `learn_families`; title: takes the level words out of a title."""
        self._names = {stems(name): name for name in names}
        self._longest = max(map(len, self._names), default=0)
        self._title = title
        self.of = lru_cache(maxsize=100_000)(self._of)

    def _of(self, text: str) -> str:
        """The family of a title: the longest in it, of equals the first; empty where it is of none."""
        found = [phrase for phrase in _phrases(_core(text, self._title), self._longest) if phrase in self._names]
        return self._names[max(found, key=len)] if found else ""


def learn_families(titles: Iterable[str], title: Callable[[str], str] = str) -> tuple[str, ...]:
    """The names of the families of a board in alphabetical order; the same titles give the same families.

    Args:
        titles: Of adverts and people, each as often as it stands there.
        title: Takes the level words out of a title.
    """
    alone: Counter[Stems] = Counter()
    holders: Counter[Stems] = Counter()
    written: dict[Stems, Counter[str]] = {}
    for text, times in sorted(Counter(titles).items()):
        if _tells_no_work(text):
            continue
        core = _core(text, title)
        phrase = stems(core)
        if phrase and len(phrase) <= MOST_WORDS:
            alone[phrase] += times
            written.setdefault(phrase, Counter())[" ".join(content_words(core))] += times
        for held in set(_phrases(core, MOST_WORDS)):
            holders[held] += times
    names = (
        min(written[phrase], key=lambda name: (-written[phrase][name], name))
        for phrase, times in alone.items()
        if _is_family(phrase, times, holders[phrase])
    )
    return tuple(sorted(name for name in names if not _tells_no_work(name)))


def _is_family(phrase: Stems, alone: int, holders: int) -> bool:
    often = len(phrase) > 1 or alone >= LEAST_SHARE * holders
    return alone >= LEAST_ALONE and holders >= LEAST_TITLES and often


def _tells_no_work(name: str) -> bool:
    """Whether a title is nothing but a way of working or a word for nothing, as "part time" and "N/A"."""
    return any(spelled(field, name) for field in ("employment", "workplace")) or is_missing(name)


def _core(text: str, title: Callable[[str], str]) -> str:
    """The first part of a title that says anything, without level words."""
    parts = (title(part).strip() for part in _APART.split(text))
    return next((part for part in parts if stems(part)), "")


def _phrases(core: str, longest: int) -> Iterator[Stems]:
    """The runs of a title's words, each start with its longest first."""
    found = stems(core)
    for start in range(len(found)):
        for size in range(min(longest, len(found) - start), 0, -1):
            yield found[start : start + size]
