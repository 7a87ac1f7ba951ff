"""Skills in an advert's sentences: a gazetteer of names, of which those that are common words too need evidence.

A list of names and no model: what is found can be shown, and mended by a line in `skills.yaml`. Looked up word by word
in time linear in the text.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from importlib import resources
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, TypeAdapter, ValidationError

from contracts.documents import parse
from contracts.errors import BadInput, UnreadableFile
from contracts.text.adverts.cues import listed
from contracts.text.adverts.denials import denied
from contracts.text.adverts.phrases import Hit, Phrase, Phrases, phrase_of
from contracts.text.words import words
from contracts.validation import typed
from contracts.values import FrozenModel

EXTRA = "skill_extractor"
"""The package of the extra `rolecall[skills]`, of which the list of names is read and nothing else."""
LEAST_LISTED = 2
"""Jobs and members that list a skill, from which on the board is taken to know it."""
MOST_WORDS = 5
"""Of a name; a longer one is a sentence."""
MOST_CHARS = 60
MOST_SKILLS = 20
"""Read out of one advert, in the order in which it names them."""
_SEPARATOR = re.compile(r"[,;/|()&+:•·]|\s[-–—*]\s")
_ENOUGH = 3
"""Names in a row, from which on they are a list of skills though each is a common word."""


class SkillNames(FrozenModel):
    """`skills.yaml`; its head says what the parts are."""

    skills: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    careful: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    never: tuple[str, ...] = ()


class Skill(NamedTuple):
    """One name of a skill.

    Attributes:
        name: What it is called.
        careful: It counts only with evidence.
        written: A pattern of how it has to be written for that; empty: in any way.
        extra: It is of the extra alone: thousands of common words, of which none is told as held back.
    """

    name: str
    careful: bool = False
    written: str = ""
    extra: bool = False


class SkillsTold(NamedTuple):
    """names: of skills that an advert asks for; held_back: words that name one and may mean something else there."""

    names: tuple[str, ...]
    held_back: tuple[str, ...]


class Gazetteer:
    """Names of skills, ready to be looked up; safe to share between threads."""

    def __init__(self, skills: Mapping[Phrase, Skill]) -> None:
        self.phrases = Phrases(skills)

    def read(self, sentences: Iterable[tuple[str, list[str]]], language: Callable[[], str]) -> SkillsTold:
        """The skills that sentences name, `MOST_SKILLS` at most.

        Args:
            sentences: As they stand in the advert, each with its words.
            language: Of the advert; asked only where something may be denied.
        """
        names: dict[str, None] = {}
        held: dict[str, str] = {}
        for sentence, said in sentences:
            hits = self.phrases.find(said)
            if not hits:
                continue
            kept = list(_with_evidence(hits, sentence, said))
            not_asked = {skill.name for skill in denied(sentence, said, self.phrases, language)} if kept else set()
            names |= dict.fromkeys(hit.value.name for hit in kept if hit.value.name not in not_asked)
            for hit in hits:
                if hit not in kept and not hit.value.extra:
                    held.setdefault(" ".join(said[hit.start : hit.end]), hit.value.name)
        return SkillsTold(tuple(names)[:MOST_SKILLS], tuple(text for text, name in held.items() if name not in names))


def gazetteer(on_board: Mapping[str, int], extra: Iterable[str] | None = None) -> Gazetteer:
    """The names of `skills.yaml`, of a board's own lists and of the extra, each called as the board calls it most.

    Args:
        on_board: Skill as jobs and members of a board list it -> how many do.
        extra: More names, which count with evidence alone; None: those of the extra, where it is installed.
    """
    known = skill_names()
    said: dict[Phrase, Counter[str]] = {}
    for name, count in on_board.items():
        said.setdefault(_phrase(name), Counter())[name] += count
    never = {phrase_of(name) for name in known.never}
    skills: dict[Phrase, Skill] = {}

    def called(name: str) -> str:
        all_names = (name, *known.skills.get(name, ()), *known.careful.get(name, ()))
        listed = sum((said.get(_phrase(text), Counter()) for text in all_names), Counter[str]())
        most, count = max(sorted(listed.items()), key=lambda item: item[1], default=(name, 0))
        return most if count >= LEAST_LISTED else name

    def add(texts: Iterable[str], name: str, careful: bool) -> None:
        for text in texts:
            written = _written(text) if careful and text != text.casefold() else ""
            for form in _forms(_phrase(text)):
                skills.setdefault(form, Skill(name, careful, written))

    for name, careful_names in known.careful.items():
        add(careful_names or (name,), called(name), careful=True)
    for name, others in known.skills.items():
        add((name, *others), called(name), careful=False)
    for phrase, names in sorted(said.items()):
        if phrase and phrase not in never and names.total() >= LEAST_LISTED:
            most = max(sorted(names), key=names.__getitem__)
            add((most,), most, careful=len("".join(phrase)) <= 2)
    known_phrases = frozenset(skills)
    for name in extra_names() if extra is None else extra:
        phrase = _phrase(name)
        if len("".join(phrase)) > 2 and phrase not in never and not _holds(phrase, known_phrases):
            skills.setdefault(phrase, Skill(name, True, _proper(name) if name.isalpha() else "", extra=True))
    return Gazetteer(skills)


def saved_gazetteer(path: Path) -> Gazetteer:
    """The names by which a workspace knows skills (`Workspace.skills`); those of no board where there is no file.

    Raises:
        UnreadableFile: It holds no counts of names.
    """
    try:
        return gazetteer(_Counts.validate_json(path.read_bytes()))
    except FileNotFoundError:
        return gazetteer({})
    except ValidationError as error:
        raise typed(error, UnreadableFile, where=str(path), cure="run `rolecall ingest` again") from error


_Counts = TypeAdapter(dict[str, int])


@cache
def skill_names() -> SkillNames:
    """`skills.yaml`.

    Raises:
        BadInput: It is broken, or gives one name to two skills.
    """
    text = resources.files("contracts.text.adverts").joinpath("skills.yaml").read_text("utf-8")
    known = parse(text, SkillNames, "skills.yaml")[0]
    owner: dict[Phrase, str] = {}
    for name, others in (*known.skills.items(), *known.careful.items()):
        for other in (name, *others):
            if owner.setdefault(phrase_of(other), name) != name:
                what = f"{other!r} is a name of {owner[phrase_of(other)]} and of {name}"
                raise BadInput(what, where="skills.yaml", cure="a name stands for one skill")
    return known


def extra_names() -> tuple[str, ...]:
    """The names of the extra `rolecall[skills]`; none where it is not installed.

    Raises:
        BadInput: It is installed and holds no list of names.
    """
    spec = find_spec(EXTRA)  # the package is not imported: it loads a model's runtime
    if spec is None or spec.origin is None:
        return ()
    path = Path(spec.origin).parent / "data" / "skills.json"
    try:
        names = json.loads(path.read_text("utf-8"))
        return tuple(name for name in names if len(name) <= MOST_CHARS)
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(f"no list of names: {error}", where=str(path), cure="pip install 'rolecall[skills]'") from error


def _phrase(name: str) -> Phrase:
    """The words of a name; none of one that is a sentence."""
    phrase = phrase_of(name) if len(name) <= MOST_CHARS else ()
    return phrase if len(phrase) <= MOST_WORDS else ()


def _forms(phrase: Phrase) -> Iterator[Phrase]:
    """A phrase and its plural."""
    if phrase:
        yield phrase
        if phrase[-1].isalpha() and len(phrase[-1]) > 3 and not phrase[-1].endswith("s"):
            yield (*phrase[:-1], f"{phrase[-1]}s")


def _holds(phrase: Phrase, others: Container[Phrase]) -> bool:
    """Whether another phrase is a part of a phrase: "sql" of "sql queries"."""
    sizes = range(1, len(phrase))
    return any(phrase[at : at + size] in others for size in sizes for at in range(len(phrase) - size + 1))


_ALONE = r"(?![\w&'’+#-])"
_APART = r"(?<![\w&.'’-])"


def _written(name: str) -> str:
    return rf"{_APART}{re.escape(name)}(?:\.?[Jj][Ss])?{_ALONE}"


def _proper(word: str) -> str:
    """A word as a name is written inside a sentence: in capitals, or with one behind a word or comma."""
    return rf"{_APART}{re.escape(word.upper())}{_ALONE}|(?<=[a-z,] ){re.escape(word.capitalize())}{_ALONE}"


@lru_cache(maxsize=10_000)
def _pattern(written: str) -> re.Pattern[str]:
    return re.compile(written)


def _with_evidence(hits: list[Hit[Skill]], sentence: str, said: list[str]) -> Iterator[Hit[Skill]]:
    """The hits that are skills, in their order."""
    if not any(hit.value.careful for hit in hits):
        yield from hits
        return
    ends = _ends_of_parts(sentence, said) if len(hits) > 1 else set()
    for run in _runs(hits, said, ends):
        sound = [hit for hit in run if not hit.value.written or _pattern(hit.value.written).search(sentence)]
        is_list = len(sound) >= _ENOUGH or any(not hit.value.careful for hit in sound)
        if not is_list and sound:
            before, after = listed("skills", "before"), listed("skills", "after")
            start, end = run[0].start, run[-1].end
            cued = any(before.at_end(said[: max(0, at)]) for at in (start, start - 1))
            is_list = cued or after.at_start(said[end:]) is not None
        yield from (hit for hit in sound if is_list or not hit.value.careful)


def _runs(hits: list[Hit[Skill]], said: list[str], ends: set[int]) -> Iterator[list[Hit[Skill]]]:
    """The hits in runs: between two stands nothing but a comma or the like, or an "and"."""
    joining = listed("skills", "joining").values
    run = hits[:1]
    for hit in hits[1:]:
        between = tuple(said[run[-1].end : hit.start])
        if between not in joining if between else hit.start not in ends:
            yield run
            run = []
        run.append(hit)
    if run:
        yield run


def _ends_of_parts(sentence: str, said: list[str]) -> set[int]:
    """The numbers of words before which a comma or the like stands; none where parts and whole are read otherwise."""
    ends = list(accumulate(len(words(part)) for part in _SEPARATOR.split(sentence)))
    return set(ends) if ends[-1] == len(said) else set()
