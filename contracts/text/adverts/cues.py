"""The words by which adverts say things, from one file a language (`languages/`) that people edit."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

from pydantic import Field

from contracts.documents import parse
from contracts.errors import BadInput
from contracts.text.adverts.phrases import Phrase, Phrases, phrase_of
from contracts.text.words import LANGUAGE
from contracts.values import FrozenModel

NOTHING = "none"

_Values = Mapping[str, tuple[str, ...]]
_Fields = Mapping[str, _Values]


class Denials(FrozenModel):
    """What takes back what stands behind or before it, and what only looks like it."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


class SkillCues(FrozenModel):
    """What stands before a skill, behind one, and between two."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    joining: tuple[str, ...] = ()


class Kinds(FrozenModel):
    """Phrases of work and requirements, and of everything else in an advert."""

    work: tuple[str, ...] = ()
    other: tuple[str, ...] = ()


class AdvertLanguage(FrozenModel):
    """A file of `languages/`; the head of the English one says what its parts are."""

    titles: _Fields = Field(default_factory=dict)
    says: _Fields = Field(default_factory=dict)
    hints: _Fields = Field(default_factory=dict)
    labels: _Values = Field(default_factory=dict)
    not_pay: tuple[str, ...] = ()
    denials: Denials = Denials()
    skills: SkillCues = SkillCues()
    headings: Kinds = Kinds()
    cues: Kinds = Kinds()


@cache
def languages() -> Mapping[str, AdvertLanguage]:
    """Language, by the name of its Snowball stemmer -> its file. Raises BadInput where one is broken."""
    folder = resources.files("contracts.text.adverts").joinpath("languages")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name)
    return {
        file.name.removesuffix(".yaml"): parse(file.read_text("utf-8"), AdvertLanguage, file.name)[0] for file in files
    }


@cache
def values(part: str, field: str) -> Phrases[str]:
    """Phrases and the value of a field that each says, over all languages; `NOTHING` of what only looks like one.

    Args:
        part: "titles", "says" or "hints".
        field: "seniority", "workplace" or "employment".

    Raises:
        BadInput: Two files, or two lists of one, give a phrase two values.
    """
    found: dict[Phrase, str] = {}
    for name, language in languages().items():
        for value, texts in getattr(language, part).get(field, {}).items():
            for phrase in map(phrase_of, texts):
                if found.setdefault(phrase, value) != value:
                    what = f"{part}, {field}: {' '.join(phrase)!r} stands for {found[phrase]} and for {value}"
                    raise BadInput(what, where=f"{name}.yaml", cure="a phrase stands for one value of its field")
    return Phrases(found)


@cache
def labels() -> Phrases[str]:
    """Labels and their field ("pay", "location", ...), over all languages; the first file to name one counts."""
    found: dict[Phrase, str] = {}
    for language in languages().values():
        for field, texts in language.labels.items():
            for text in texts:
                found.setdefault(phrase_of(text), field)
    return Phrases(found)


@cache
def listed(part: str, kind: str = "", language: str = "") -> Phrases[bool]:
    """The phrases of a list, as `listed("headings", "work")`.

    Args:
        part: A field of `AdvertLanguage`: a list, or a model of lists.
        kind: The list of that model.
        language: Of one language, or of English where that has no file; empty: of all.
    """
    chosen = {language if language in languages() else LANGUAGE} if language else languages().keys()
    return Phrases(
        {
            phrase_of(text): True
            for name, file in languages().items()
            if name in chosen
            for text in (getattr(getattr(file, part), kind) if kind else getattr(file, part))
        }
    )
