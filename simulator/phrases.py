"""How a market's records are put into words, from one file a language (`languages/`) that people edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from contracts.documents import read_yaml
from contracts.errors import BadInput

LANGUAGE = "en"


@dataclass(frozen=True)
class Phrases:
    """Sentences with places for words; `languages/en.yaml` says what each is for.

    Attributes:
        article: Before a title, and before one that begins with a vowel.
        levels: Titles of each rung of `contracts.records.SENIORITY_LADDER`.
    """

    currency: str
    article: tuple[str, str]
    joined: str
    levels: tuple[tuple[str, ...], ...]
    in_city: str
    senior: str
    school: str
    openings: tuple[str, ...]
    duties: tuple[str, ...]
    need: str
    years: str
    learn: str
    helps: str
    ways: Mapping[str, tuple[str, ...]]
    closings: tuple[str, ...]
    edited: str
    summary: str
    next_role: str
    other_work: str
    in_industry: str
    my_work: str

    def a(self, title: str) -> str:
        """A title with its article."""
        return self.article[title[0] in "AEIOU"].format(title)

    def all_of(self, items: Sequence[str]) -> str:
        """A list in words."""
        return f"{', '.join(items[:-1])}{self.joined}{items[-1]}" if len(items) > 1 else "".join(items)

    def without_level(self, asked: str) -> str:
        """A title in folded letters without the words of its rung."""
        for pattern in (p.casefold() for words in self.levels for p in words if p != "{}"):
            before, after = pattern.split("{}")
            if asked.startswith(before) and asked.endswith(after):
                return asked[len(before) : len(asked) - len(after)]
        return asked

    def split_place(self, query: str) -> tuple[str, str]:
        """What a query asks for, and the place at its end; empty where it names none."""
        asked, _, place = query.rpartition(self.in_city.replace("{words}", "").replace("{city}", ""))
        return asked, place

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Phrases:
        """The phrases in what a file holds."""
        return cls(**{name: _frozen(raw[name]) for name in cls.__dataclass_fields__})


def languages() -> tuple[str, ...]:
    """The codes of all languages that a market can be in."""
    folder = resources.files("simulator").joinpath("languages")
    return tuple(sorted(path.name.removesuffix(".yaml") for path in folder.iterdir() if path.name.endswith(".yaml")))


@cache
def read_language(code: str) -> Mapping[str, Any]:
    """What the file of a language holds. Raises BadInput for a language that has none."""
    if code not in languages():
        cure = f"one of {', '.join(languages())}, or add simulator/languages/{code}.yaml"
        raise BadInput(f"no market in the language {code!r}", where="simulate.language", cure=cure)
    text = resources.files("simulator").joinpath("languages", f"{code}.yaml").read_text("utf-8")
    content: Mapping[str, Any] = read_yaml(text, f"{code}.yaml")
    return content


@cache
def english() -> Phrases:
    """The phrases of a catalogue that brings none."""
    return Phrases.read(read_language(LANGUAGE)["phrases"])


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    return {name: _frozen(one) for name, one in value.items()} if isinstance(value, dict) else value
