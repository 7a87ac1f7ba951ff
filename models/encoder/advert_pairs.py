"""Pairs that need no log: the title of an advert asks for what the rest of it says, a title for another name of it.

A fifth of the titles is held out to choose by, so that nothing is kept for what it has learned by heart.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from contracts.errors import BadInput
from contracts.text.verbalizer import request_text, title_of_text
from contracts.versions import row_hash
from models.encoder.positives import Positives
from models.encoder.validation import Searches

HELD_OUT = 0.2
Pair = tuple[str, str]
"""A title, and a text that it should find."""


def advert_pairs(texts: Sequence[str]) -> list[Pair]:
    """The title of each advert and its text without the title; adverts that say nothing else are left out."""
    pairs = [(title_of_text(text), text.partition(" | ")[2]) for text in texts]
    return list(dict.fromkeys((title, rest) for title, rest in pairs if title and "description: " in rest))


def title_pairs(path: Path) -> list[Pair]:
    """The pairs of a tab-separated file: a title that people use, and the title that jobs have for it.

    Raises BadInput for a file that cannot be read, or a line that has not two columns.
    """
    cure = "give a tab-separated file, a used title and a job's title a line"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(str(error), where="encoder.learn.titles", cure=cure) from error
    pairs: list[Pair] = []
    for number, line in enumerate(lines, start=1):
        used, _, own = (cell.strip() for cell in line.partition("\t"))
        if line.strip() and (not (used and own) or "\t" in own):
            raise BadInput(f"line {number} has not two columns: {line[:80]!r}", where=str(path), cure=cure)
        if line.strip():
            pairs.append((used, f"title: {own}"))
    return list(dict.fromkeys(pairs))


def split_pairs(pairs: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
    """The pairs to learn from and those to choose by; pairs of one title, however it is written, stay together."""
    sides: tuple[list[Pair], list[Pair]] = ([], [])
    for title, text in pairs:
        sides[int(row_hash(title.casefold(), 4), 16) < HELD_OUT * 16**8].append((title, text))
    return sides


def as_positives(pairs: Sequence[Pair]) -> Positives:
    """Each title as a search. Texts of one title are no negatives of each other."""
    asked = [request_text(query=title) for title, _ in pairs]
    texts = [text for _, text in pairs]
    return Positives.of(asked, texts, [1.0] * len(pairs), [title.casefold() for title, _ in pairs], [])


def as_searches(pairs: Sequence[Pair], others: Sequence[Pair], most: int) -> Searches:
    """Each title as a search for its own texts among all of them. others: whose texts are candidates too; most: titles
    at most."""
    texts = list(dict.fromkeys(text for _, text in (*pairs, *others)))
    row = {text: i for i, text in enumerate(texts)}
    wanted: dict[str, dict[int, float]] = {}
    for title, text in pairs:
        wanted.setdefault(title, {})[row[text]] = 1.0
    titles = list(wanted)[:most]
    return Searches(
        [request_text(query=title) for title in titles],
        texts,
        [wanted[t] for t in titles],
        [[] for _ in titles],
        titles,
    )
