"""Cells of a spreadsheet that hold text from elsewhere: none of them runs as a formula (OWASP, CSV Injection).

A cell is guarded at its start, and behind every mark at which a spreadsheet of another language splits it: what is one
cell of a comma-separated file is two where cells end at a semicolon.
"""

from __future__ import annotations

import re

_BEGINS = r"(?:\A|(?<=[;|\t\r\n]))"
_FORMULA = r"(?='*(?:[\t\r\n]|[^\S\t\r\n]*[\u200b-\u200f\u2060\ufeff]*[=+\-@＝＋－＠﹦﹢﹣﹫]))"
_UNGUARDED = re.compile(_BEGINS + _FORMULA)
_GUARDED = re.compile(_BEGINS + "'" + _FORMULA)


def guard(value: object) -> str:
    """A cell of which no spreadsheet takes any part for a formula."""
    return "" if value is None else _UNGUARDED.sub("'", str(value))


def bare(cell: str) -> str:
    """A cell as it was before `guard`."""
    return _GUARDED.sub("", cell)
