"""Words that mean the same, from a YAML file that people edit, and what a search for one of them looks for besides."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field

from contracts.documents import parse, read_text, wrong
from contracts.values import FrozenModel
from retrieval.words.tokens import split_words

Words = tuple[str, ...]
LONGEST = 6
"""Words of an entry at most."""


class Expansion(NamedTuple):
    """Looking for `words`, which stand together, because `typed` stands in the query."""

    typed: Words
    words: Words
    weight: float

    def __str__(self) -> str:
        found, typed = " ".join(self.words), " ".join(self.typed)
        return f"“{found}” counts {self.weight:g} of “{typed}”, as a synonym of it"


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
    def _others(self) -> dict[Words, list[Words]]:
        """The words of each entry -> those of the others in its groups."""
        found: dict[Words, list[Words]] = {}
        for group in self.groups:
            entries = list(dict.fromkeys(tuple(split_words(entry)) for entry in group))
            for entry in entries:
                known = found.setdefault(entry, [])
                known += [other for other in entries if other != entry and other not in known]
        return found

    def expansions(self, words: Sequence[str]) -> list[Expansion]:
        """What the words of a query stand for besides: the longest entry at each place, then on behind it."""
        found: dict[tuple[Words, Words], None] = {}
        place = 0
        while place < len(words) and self.groups:
            for size in range(min(LONGEST, len(words) - place), 0, -1):
                typed = tuple(words[place : place + size])
                if typed in self._others:
                    found |= dict.fromkeys((typed, other) for other in self._others[typed])
                    break
            place += size if typed in self._others else 1
        return [Expansion(typed, other, self.weight) for typed, other in found]


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
