"""Which sentences of an advert tell of the work and what it asks for, and which are the rest that adverts come with.

A heading ("Requirements:", "About us:") says it of what follows, words in a sentence (`languages/`, `cues`) of that
sentence. Boilerplate as Kohlschütter et al. mean it (Boilerplate Detection using Shallow Text Features, WSDM 2010), but
by words and not by the shape of a page, which is gone here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Literal, NamedTuple

from contracts.text.adverts.cues import listed
from contracts.text.adverts.phrases import Phrase, Phrases
from contracts.text.sentences import sentences
from contracts.text.words import words

Kind = Literal["work", "other", ""]


class Sentence(NamedTuple):
    """kind: whether it tells of the work; empty where nothing says. words: of the text."""

    text: str
    kind: Kind
    words: list[str]


def told_of_work(description: str) -> str:
    """The sentences that tell of the work and what it asks for, then those of which nothing is known.

    What is left out is boilerplate; a description that is nothing else is given back whole.
    """
    read = list(read_sentences(description))
    kept = [one.text for kind in ("work", "") for one in read if one.kind == kind]
    return " ".join(kept) or description


def read_sentences(description: str) -> Iterator[Sentence]:
    """The sentences of a description in order, with what each tells of."""
    section: Kind = ""
    for sentence in sentences(description):
        for piece, ends_in_heading in _at_colons(sentence) if ":" in sentence else ((sentence, ""),):
            said = words(piece)
            section = _heading_at_start(piece, said) or section
            yield Sentence(piece, _kind(said, section), said)
            section = ends_in_heading or section


def _kind(said: list[str], section: Kind) -> Kind:
    found = {hit.value for hit in _cues().find(said)}
    if "other" in found:  # a long one may tell of both
        return "" if "work" in found and section != "other" else "other"
    return section or ("work" if found else "")


def _at_colons(sentence: str) -> Iterator[tuple[str, Kind]]:
    """The sentence cut behind each colon that follows a heading, and what that heading says of what follows."""
    start = 0
    at = sentence.find(":")
    while at >= 0:
        if kind := _headings().before(sentence[start:at], at - start):
            yield sentence[start : at + 1].strip(), kind
            start = at + 1
        at = sentence.find(":", at + 1)
    if rest := sentence[start:].strip():
        yield rest, ""


def _heading_at_start(piece: str, said: list[str]) -> Kind:
    """What a heading without a colon says: "Requirements Bachelor's degree", where line ends are gone."""
    hit = _headings().at_start(said) if piece[:1].isupper() else None
    if hit is None:
        return ""
    behind = piece.split(maxsplit=hit.end)[hit.end :]
    return hit.value if not behind or behind[0][:1].isupper() else ""


@cache
def _headings() -> Phrases[Kind]:
    return _kinds("headings")


@cache
def _cues() -> Phrases[Kind]:
    return _kinds("cues")


def _kinds(part: str) -> Phrases[Kind]:
    found: dict[Phrase, Kind] = dict.fromkeys(listed(part, "work").values, "work")
    return Phrases(found | dict.fromkeys(listed(part, "other").values, "other"))
