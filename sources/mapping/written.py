"""Lists and records written into one cell: as JSON, as Python or a database prints them, or parted by marks."""

from __future__ import annotations

import ast
import csv
import html
import re
import warnings
from collections.abc import Mapping
from typing import Any

import orjson

from sources.rows import without_missing

STRONG = ("\n", ";", "|", "•", "；", "｜", "、", "，", "،")
"""Marks that part a list wherever they stand."""
COMMA = ","
"""Parts a list unless the other cells of its column show that it stands inside the values."""
WEAK: Mapping[str, str] = {"/": "slash", "·": "middle dot", "・": "middle dot"}
"""Marks that stand inside a value too, as in CI/CD: they part a list where a space is on both sides, or where there are
two of them in a cell. Mark -> its name."""

YES = frozenset(
    [
        "1",
        "1.0",
        "true",
        "yes",
        "y",
        "ja",
        "oui",
        "si",
        "sí",
        "sì",
        "sim",
        "wahr",
        "vrai",
        "verdadero",
        "verdadeiro",
        "vero",
        "waar",
        "да",
        "はい",
        "是",
    ]
)
NO = frozenset(
    [
        "0",
        "0.0",
        "false",
        "no",
        "n",
        "nein",
        "nee",
        "non",
        "nao",
        "não",
        "falsch",
        "faux",
        "falso",
        "onwaar",
        "нет",
        "いいえ",
        "否",
    ]
)
"""What answers a question, as people and spreadsheets of several languages write it; without case."""

_ANY = re.compile(f"[{re.escape(''.join((*STRONG, COMMA, *WEAK)))}]")
_NO_COMMA = re.compile(r"""(['"])\s+(?=['"])""")
_NAN = re.compile(r"(?<=[:\[,\s])nan(?=\s*[,\]}])")
_ENCLOSED = {"[": "]", "{": "}"}
_LONGEST = 1_000_000
_PASSES = 3


def flag(cell: Any) -> Any:
    """A cell that answers yes or no as a bool; any other as it is."""
    word = cell.strip().casefold() if isinstance(cell, str) else ""
    return True if word in YES else False if word in NO else cell


def decoded(cell: str) -> str:
    """A cell without HTML entities, whose semicolons part nothing: "R&amp;D, QA" is two values."""
    for _ in range(_PASSES):
        if "&" not in cell or (plain := html.unescape(cell)) == cell:
            break
        cell = plain
    return cell.strip()


def mark_of(text: str) -> str | None:
    """The mark that parts a list in a cell: one of `STRONG`, else `COMMA`, else of `WEAK`; None for one value."""
    if not _ANY.search(text):
        return None
    return next((mark for mark in (*STRONG, COMMA, *WEAK) if mark in text), None)


def is_written(text: str) -> bool:
    """Whether a cell holds a list as a program writes it."""
    return text[:1] in _ENCLOSED and text.endswith(_ENCLOSED[text[0]])


def words_in(text: str) -> list[Any]:
    """The values of a list as a program writes it: `["a", "b"]`, `['a', 'b']`, numpy's `['a' 'b']`, a database's
    `{a,"b, c"}`, and `[a, b]`."""
    try:
        found = value_in(f"[{text[1:-1]}]")
        if isinstance(found, list):
            return found
    except ValueError:
        pass
    cells = next(csv.reader([" ".join(text[1:-1].split())], skipinitialspace=True), [])
    return [word for cell in cells if (word := cell.strip(" '\""))]


def value_in(text: str) -> Any:
    """A list or record as JSON or Python writes it, without what is null in it.

    Raises:
        ValueError: It is neither.
    """
    try:
        return without_missing(orjson.loads(text))
    except orjson.JSONDecodeError as error:
        if len(text) > _LONGEST:
            raise
        problem = error
    literal = _NAN.sub("None", _NO_COMMA.sub(r"\1, ", text))
    try:
        with warnings.catch_warnings():  # of a backslash that Python would not write
            warnings.simplefilter("ignore")
            return without_missing(ast.literal_eval(literal))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise ValueError(str(problem)) from None
