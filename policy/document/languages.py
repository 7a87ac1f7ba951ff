"""A policy's vocabulary in other languages, from one file a language (`policy/languages/`) that people edit.

The kinds of work, how they are related and the rungs are the policy's; a language says what titles call them. What a
phrase already means, in the policy or in a language that it names before, it keeps: "chef" is a cook in all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from pydantic import Field, ValidationError

from contracts.documents import read_text, read_yaml
from contracts.errors import BadInput
from contracts.records import SENIORITY_LADDER
from contracts.text.words import stems
from contracts.validation import typed
from contracts.values import FrozenModel
from policy.types import Policy

Phrases = tuple[str, ...]


class Language(FrozenModel):
    """A file of `policy/languages/`.

    Attributes:
        levels: Rung -> words of a title that tell it.
        generic: Words that say little about the work.
        work: Kind of work, as the policy names it -> phrases that name it.
    """

    levels: Mapping[str, Phrases] = Field(default_factory=dict)
    generic: Phrases = ()
    work: Mapping[str, Phrases] = Field(default_factory=dict)


def language_text(name: str, beside: Path | None) -> tuple[str, str]:
    """Where the vocabulary of a language stands, and its text.

    Args:
        name: A code, such as "de", of a file that comes with Rolecall; or the path of a YAML file from the policy's.
        beside: The policy's folder; None: Rolecall's own policy.

    Raises:
        BadInput: There is no such language.
        NotReady: There is no such file.
    """
    if name.endswith((".yaml", ".yml")):
        path = (beside or Path()) / name
        return str(path), read_text(path, "give the path of a language's file, from the policy's folder")
    folder = resources.files("policy").joinpath("languages")
    known = sorted(path.name.removesuffix(".yaml") for path in folder.iterdir() if path.name.endswith(".yaml"))
    if name not in known:
        cure = f"one of {', '.join(known)}, or the path of a file in the form of policy/languages/de.yaml"
        raise BadInput(f"no vocabulary of the language {name!r}", where="languages", cure=cure)
    return f"policy/languages/{name}.yaml", folder.joinpath(f"{name}.yaml").read_text("utf-8")


def with_languages(policy: Policy, texts: Sequence[tuple[str, str]]) -> Policy:
    """A policy that reads titles in more languages.

    texts: from `language_text`. Raises BadInput for a file in another form, a kind of work or a rung that the policy
    does not have, and a phrase that a file gives two meanings.
    """
    fields = {kind: field for field, kinds in policy.work.items() for kind in kinds}
    work = {field: dict(kinds) for field, kinds in policy.work.items()}
    levels: dict[str, Phrases] = dict(policy.dimensions.seniority.words)  # type: ignore[arg-type]
    generic = list(policy.generic)
    taken = {stems(phrase) for kinds in work.values() for phrases in kinds.values() for phrase in phrases}
    taken |= {stems(phrase) for phrases in levels.values() for phrase in phrases}
    for where, text in texts:
        language = _read(where, text)
        _check(language, where, fields)
        new: set[tuple[str, ...]] = set()
        for kind, phrases in language.work.items():
            work[fields[kind]][kind] = (*work[fields[kind]][kind], *_untaken(phrases, taken, new))
        for rung, phrases in language.levels.items():
            levels[rung] = (*levels.get(rung, ()), *_untaken(phrases, taken, new))
        generic += language.generic
        taken |= new
    seniority = policy.dimensions.seniority.model_copy(update={"words": levels})
    dimensions = policy.dimensions.model_copy(update={"seniority": seniority})
    update = {"work": work, "generic": tuple(dict.fromkeys(generic)), "dimensions": dimensions}
    return policy.model_copy(update=update)


def _read(where: str, text: str) -> Language:
    content = read_yaml(text, where)
    try:
        return Language.model_validate(content or {})
    except ValidationError as error:
        cure = "write it as policy/languages/de.yaml is written"
        raise typed(error, BadInput, where=where, cure=cure) from error


def _check(language: Language, where: str, kinds: Mapping[str, str]) -> None:
    for kind in language.work:
        if kind not in kinds:
            raise BadInput(
                f"no kind of work {kind!r}", where=where, cure="name one that stands under work of the policy"
            )
    for rung in language.levels:
        if rung not in SENIORITY_LADDER:
            raise BadInput(f"no rung {rung!r}", where=where, cure=f"one of {', '.join(SENIORITY_LADDER)}")
    meanings: dict[tuple[str, ...], str] = {}
    for meaning, phrases in (*language.work.items(), *language.levels.items()):
        for phrase in phrases:
            first = meanings.setdefault(stems(phrase), meaning)
            if first != meaning:
                raise BadInput(f"{phrase!r} is {first!r} and {meaning!r}", where=where, cure="keep it in one list")


def _untaken(phrases: Phrases, taken: set[tuple[str, ...]], new: set[tuple[str, ...]]) -> Phrases:
    """The phrases that mean nothing yet and hold a word; `new` learns of them."""
    kept = tuple(phrase for phrase in phrases if stems(phrase) and stems(phrase) not in taken)
    new.update(map(stems, kept))
    return kept
