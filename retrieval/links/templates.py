"""Templates: the attribute pairs that people admit as meta links, and how a title is read."""

from __future__ import annotations

import re
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, Field, field_validator

from contracts.documents import parse, read_text, wrong
from contracts.text.place_names import folded
from contracts.values import FrozenModel
from retrieval.links.values import JOB_ATTRIBUTES, MEMBER_ATTRIBUTES


class Pair(NamedTuple):
    """An attribute of the member and one of the job."""

    member: str
    job: str

    def __str__(self) -> str:
        return f"{self.member} -> {self.job}"


def _pair(text: object) -> object:
    """A pair from "skills -> title"."""
    if not isinstance(text, str):
        return text
    member, arrow, job = (part.strip() for part in text.partition("->"))
    if not arrow:
        raise wrong(f"{text!r} is no pair", "write it as `skills -> title`: the member's attribute, then the job's")
    for side, name, known in (("member", member, MEMBER_ATTRIBUTES), ("job", job, JOB_ATTRIBUTES)):
        if name not in known:
            raise wrong(f"{text!r}: a {side} has no attribute {name!r}", f"one of {', '.join(known)}")
    return Pair(member, job)


class Templates(FrozenModel):
    """templates.yaml, see its comments."""

    pairs: Annotated[tuple[Annotated[Pair, BeforeValidator(_pair)], ...], Field(min_length=1)]
    level_words: tuple[str, ...] = ()

    @field_validator("pairs")
    @classmethod
    def _once(cls, pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
        twice = [str(pair) for pair in pairs if pairs.count(pair) > 1]
        if twice:
            raise wrong(f"{twice[0]!r} stands twice", "keep one of them")
        return pairs

    @cached_property
    def _levels(self) -> re.Pattern[str]:
        words = sorted(map(folded, self.level_words), key=len, reverse=True)
        return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)[.,]?" if words else r"(?!)")

    def title(self, text: str) -> str:
        """A title folded and without its level words; the whole of it where nothing else would be left."""
        whole = folded(text)
        return folded(self._levels.sub(" ", whole)).strip(" ,.-") or whole


def load_templates(path: Path | None = None) -> Templates:
    """The templates in a file; Rolecall's own where None.

    Raises NotReady where there is no file, BadInput with line, field and cure where it holds no templates.
    """
    if path is None:
        text = resources.files("retrieval.links").joinpath("templates.yaml").read_text("utf-8")
        return parse(text, Templates, "templates.yaml")[0]
    return parse(read_text(path), Templates, str(path))[0]
