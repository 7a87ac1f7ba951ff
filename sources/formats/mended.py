"""The text of an XML file in pieces, mended of what breaks a parser and is no more than a slip of the one who wrote it.

Mended are a bare "&" or "<", entities of HTML (`&nbsp;`), characters that XML has not, and tags of HTML, which are text
wherever they stand: `<description><p>Grill<br></description>`. What a CDATA section holds stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html.entities import html5
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from sources import files

BLOCK = 1 << 16
_HELD = 64
"""Characters at the end of a block that wait for the next one: no entity and no tag's name is longer."""
_HTML = "p br ul ol li b i u s strong em small big span div h[1-6] table tbody thead tr td th font hr pre sub sup img"
_NOT_XML = "\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff"
_SLIP = re.compile(
    rf"<!\[CDATA\[|\]\]>|[{_NOT_XML}]"
    r"|&(?:#(?P<decimal>[0-9]{1,7})|#[xX](?P<hex>[0-9a-fA-F]{1,6})|(?P<name>[A-Za-z][A-Za-z0-9]{0,31}));|&"
    rf"|<(?=/?(?ai:{'|'.join(_HTML.split())})[\s/>]|[^A-Za-z_:/!?\x80-\U0010ffff])"
)
_XML = {"lt", "gt", "amp", "quot", "apos"}
_DECLARED = re.compile(rb"""^(?:\xef\xbb\xbf)?\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")


class Piece(NamedTuple):
    """A part of a text. ends: the record's name whose end tag it ends with, in lower case; else empty."""

    text: str
    ends: str


def encoding_of(path: Path) -> str | None:
    """The encoding that an XML declaration states; None where it is UTF-8, or what the file's bytes tell."""
    with files.open_bytes(path) as file:
        declared = _DECLARED.match(file.read(200))
    name = declared[1].decode().lower() if declared else "utf-8"
    return None if name.startswith(("utf-8", "utf8", "utf-16", "utf16")) else name


def pieces(path: Path, encoding: str | None, names: Iterable[str]) -> Iterator[Piece]:
    """The mended text of a file, cut behind each end tag of some names.

    Args:
        path: The file.
        encoding: As stated by a mapping or the file; None to tell it from the first bytes.
        names: Of records, in lower case without a namespace.

    Raises:
        OSError, LookupError: It cannot be opened, or no encoding has that name. See `files.open_text` for the rest.
    """
    ends = re.compile(rf"</(?:[\w.-]+:)?({'|'.join(map(re.escape, names))})\s*>", re.IGNORECASE)
    mended = _Mended()
    with files.open_text(path, encoding) as file:
        held = ""
        while block := file.read(BLOCK):
            text, held = _whole(held + block)
            yield from _cut(mended.of(text), ends)
        yield from _cut(mended.of(held), ends)


def _whole(text: str) -> tuple[str, str]:
    """A text up to the last "<", "&" or "]" near its end, with which something may begin, and the rest."""
    near = max(0, len(text) - _HELD)
    at = min((at for sign in "<&]" if (at := text.find(sign, near)) >= 0), default=len(text))
    return text[:at], text[at:]


def _cut(text: str, ends: re.Pattern[str]) -> Iterator[Piece]:
    at = 0
    for end in ends.finditer(text):
        yield Piece(text[at : end.end()], end[1].lower())
        at = end.end()
    if at < len(text):
        yield Piece(text[at:], "")


class _Mended:
    """Mends a text that comes in parts: whether a CDATA section is open goes from one to the next."""

    def __init__(self) -> None:
        self._verbatim = False

    def of(self, text: str) -> str:
        return _SLIP.sub(self._one, text)

    def _one(self, slip: re.Match[str]) -> str:
        found = slip[0]
        if found == "]]>":
            was, self._verbatim = self._verbatim, False
            return found if was else "]]&gt;"
        if self._verbatim:
            return "" if found[0] not in "<&" else found
        if found.startswith("<!"):
            self._verbatim = True
            return found
        if found == "<":
            return "&lt;"
        return _entity(slip) if found[0] == "&" else ""


def _entity(slip: re.Match[str]) -> str:
    """An entity that XML has; the character of one that only HTML has; "&amp;" for a bare "&"."""
    name, decimal, hexadecimal = slip["name"], slip["decimal"], slip["hex"]
    if name:
        character = html5.get(f"{name};", "")
        return slip[0] if name in _XML else escape(character) or f"&amp;{slip[0][1:]}"
    if decimal or hexadecimal:
        code = int(decimal or hexadecimal, 10 if decimal else 16)
        allowed = code in (9, 10, 13) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code < 0x110000
        return slip[0] if allowed else ""
    return "&amp;"
