"""What a title says of the work: its kinds and its rung, by a table that people edit, and how near two kinds are."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from contracts.errors import NotReady, UnreadableFile
from contracts.records import SENIORITY_LADDER
from contracts.text.words import stems
from contracts.validation import typed
from contracts.values import FrozenModel
from contracts.versions import json_hash

VOCABULARY = "vocabulary.json"
"""Beside examples, and beside the training set that is joined from them."""
MAX_WORDS = 16
"""Words of a title or query that are read, so that a list of everything is not a title for everything."""
NOT_KNOWN, OTHER_FIELD, SAME_FIELD, RELATED, SAME_KIND = range(5)
"""How near two titles are by the table of work, the nearest last."""


class Vocabulary(FrozenModel):
    """A table of work and of levels, as a policy holds it (`policy.types.Policy.vocabulary`).

    Attributes:
        work: Field of work -> kind of work -> the phrases that name it.
        related: Pairs of kinds of work that are near each other.
        levels: Rung of `SENIORITY_LADDER` -> words of a title that name it.
    """

    work: Mapping[str, Mapping[str, tuple[str, ...]]] = {}
    related: tuple[tuple[str, str], ...] = ()
    levels: Mapping[str, tuple[str, ...]] = {}

    @property
    def version(self) -> str:
        """Eight hex digits of the content."""
        return json_hash(self.model_dump(mode="json"), 8)


def read_vocabulary(folder: Path) -> Vocabulary:
    """The table of work that the match of the pairs in a folder was read by; `VOCABULARY` lies beside them.

    Raises:
        NotReady: There is none.
        UnreadableFile: It is broken.
    """
    path = folder / VOCABULARY
    if not path.is_file():
        raise NotReady(
            f"no {VOCABULARY} in {folder}", cure="run `rolecall label`, then `rolecall features training-set`"
        )
    try:
        return Vocabulary.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise typed(error, UnreadableFile, where=str(path), cure="run `rolecall label` again") from error


class Title(NamedTuple):
    """A title or query, read.

    Attributes:
        text: As it was.
        words: Stems without stop words and level words.
        kinds: (field, kind) of work in it.
        rung: Place on `SENIORITY_LADDER`; None where no word tells it.
    """

    text: str
    words: frozenset[str]
    kinds: frozenset[tuple[str, str]]
    rung: int | None


class WorkReader:
    """A vocabulary, ready to read titles. Holds caches of what it read and compared; safe to share between threads."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._related = {*vocabulary.related, *((b, a) for a, b in vocabulary.related)}
        self._phrases: dict[tuple[str, ...], tuple[str, str]] = {}
        for field, kinds in vocabulary.work.items():
            for kind, phrases in kinds.items():
                for phrase in phrases:
                    self._phrases.setdefault(stems(phrase), (field, kind))
        self._levels = {
            stems(phrase): SENIORITY_LADDER.index(rung)
            for rung, phrases in vocabulary.levels.items()
            for phrase in phrases
        }
        self._longest = max(map(len, (*self._phrases, *self._levels)), default=1)
        self.read = lru_cache(maxsize=100_000)(self._read)
        self.relation = lru_cache(maxsize=500_000)(self._relation)

    def _relation(self, first: frozenset[tuple[str, str]], second: frozenset[tuple[str, str]]) -> int:
        if not first or not second:
            return NOT_KNOWN
        if first & second:
            return SAME_KIND
        if any((a, b) in self._related for _, a in first for _, b in second):
            return RELATED
        return SAME_FIELD if {field for field, _ in first} & {field for field, _ in second} else OTHER_FIELD

    def _read(self, text: str) -> Title:
        words = stems(text)[:MAX_WORDS]
        kinds: set[tuple[str, str]] = set()
        kept: list[str] = []
        rung: int | None = None
        start = 0
        while start < len(words):
            size, kind, level = self._longest_at(words, start)
            if kind:
                kinds.add(kind)
            if level is None:
                kept += words[start : start + size]
            else:
                rung = level if rung is None else max(rung, level)
            start += size
        return Title(text, frozenset(kept), frozenset(kinds), rung)

    def _longest_at(self, words: tuple[str, ...], start: int) -> tuple[int, tuple[str, str] | None, int | None]:
        """(words it takes, kind of work, rung) of the longest phrase that starts there; (1, None, None): no phrase."""
        for size in range(min(self._longest, len(words) - start), 0, -1):
            phrase = words[start : start + size]
            kind, level = self._phrases.get(phrase), self._levels.get(phrase)
            if kind or level is not None:
                return size, kind, level
        return 1, None, None
