"""Words that mean the same, from a YAML file that people edit, and what a search for one of them looks for besides."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field

from contracts.documents import parse, read_text, wrong
from contracts.text.words import LANGUAGE, split_words
from contracts.values import FrozenModel

Words = tuple[str, ...]
_Others = dict[Words, dict[Words, tuple[str, str]]]
LONGEST = 6
"""Words of an entry at most."""


class Expansion(NamedTuple):
    """Looking for the stems `words`, which stand together, because the stems `typed` stand in the query.

    entries: what the file calls the two, `typed` first.
    """

    typed: Words
    words: Words
    weight: float
    entries: tuple[str, str]

    def __str__(self) -> str:
        typed, other = self.entries
        return f"“{other}” counts {self.weight:g} of “{typed}”, as a synonym of it"


def _checked(group: tuple[str, ...]) -> tuple[str, ...]:
    split = {entry: tuple(split_words(entry)) for entry in group}
    for entry, words in split.items():
        if not 1 <= len(words) <= LONGEST:
            raise wrong(f"{entry!r} holds {len(words)} words", f"an entry has 1 to {LONGEST} words")
    if len(set(split.values())) < 2:
        raise wrong(f"[{', '.join(group)}] is a group of one", "a group has two entries that differ, or more")
    return group


class Synonyms(FrozenModel):
    """synonyms.yaml, see its comments."""

    groups: tuple[Annotated[tuple[str, ...], AfterValidator(_checked)], ...] = ()
    weight: float = Field(0.5, gt=0, lt=1)

    @cached_property
    def _by_language(self) -> dict[str, _Others]:
        return {}

    def _others(self, language: str) -> _Others:
        """The stems of each entry -> those of the others in its groups, each with both as the file has them."""
        if language not in self._by_language:
            self._by_language[language] = self._stemmed(language)
        return self._by_language[language]

    def _stemmed(self, language: str) -> _Others:
        others: _Others = {}
        for group in self.groups:
            entries: dict[Words, str] = {}
            for entry in group:
                entries.setdefault(tuple(split_words(entry, language)), entry)
            for typed, entry in entries.items():
                known = others.setdefault(typed, {})
                for other, text in entries.items():
                    if other != typed:
                        known.setdefault(other, (entry, text))
        return others

    def expansions(self, words: Sequence[str], language: str = LANGUAGE) -> list[Expansion]:
        """What the stems of a query stand for besides: the longest entry at each place, then on behind it."""
        others = self._others(language)
        expansions: dict[tuple[Words, Words], Expansion] = {}
        place = 0
        while place < len(words) and self.groups:
            for size in range(min(LONGEST, len(words) - place), 0, -1):
                typed = tuple(words[place : place + size])
                if typed in others:
                    for other, entries in others[typed].items():
                        expansions.setdefault((typed, other), Expansion(typed, other, self.weight, entries))
                    break
            place += size if typed in others else 1
        return list(expansions.values())


def load_synonyms(source: Path | Literal["builtin"] | None) -> Synonyms:
    """The groups of a file, Rolecall's own, or none.

    Raises NotReady where there is no file, BadInput with line, field and cure where it holds no groups.
    """
    if source is None:
        return Synonyms()
    if source == "builtin":
        text = resources.files("retrieval.words").joinpath("synonyms.yaml").read_text("utf-8")
        return parse(text, Synonyms, "synonyms.yaml")[0]
    return parse(read_text(Path(source)), Synonyms, str(source))[0]
