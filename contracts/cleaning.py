"""Plain text from whatever a record carries: markup, entities, control characters and stray bytes removed.

Pure functions, used once as a record is validated, so that every later reader sees the same characters.
"""

from __future__ import annotations

import html
import re
import unicodedata

_ELEMENTS = (
    "a abbr acronym address applet area article aside audio b base basefont bdi bdo big blink blockquote body br "
    "button canvas caption center cite code col colgroup data datalist dd del details dfn dialog dir div dl dt em "
    "embed fieldset figcaption figure font footer form frame frameset g h1 h2 h3 h4 h5 h6 head header hgroup hr "
    "html i iframe img input ins kbd label legend li link main map mark marquee menu meta meter nav nobr noframes "
    "noscript object ol optgroup option output p param path picture pre progress q rp rt ruby s samp script section "
    "select slot small source span strike strong style sub summary sup svg table tbody td template textarea tfoot th "
    "thead time title tr track tt u ul use var video wbr"
)
_BARE = (
    "nowrap noshade compact selected checked disabled hidden readonly required multiple controls autoplay loop muted "
    "async defer open reversed ismap allowfullscreen itemscope novalidate"
)
"""HTML's elements and attributes without a value: `List<String>` and "a <b and c> d" are text, `<td nowrap>` is not."""


def _any(names: str) -> str:
    return "|".join(sorted(names.split(), key=len, reverse=True))


_BLOCK = re.compile(r"<(?ai:script|style)\b")
_TAG = re.compile(
    rf"</?(?ai:(?:{_any(_ELEMENTS)})|[a-z][a-z0-9]*:[a-z][\w.-]*)"  # an element, or one of a namespace: <o:p>
    rf"(?:\s*/?>|[\s/][^<>=]*=[^<>]*>|(?ai:\s+(?:{_any(_BARE)}))+\s*/?>)"
    r"|<![A-Za-z][^<>]*>|<\?[A-Za-z][^<>]*\?>|<!--"
)
_BROKEN = re.compile(
    rf"<(?:(?ai:{_any(_ELEMENTS)})[\s/]+[\w:-]+\s*=[^<>]*(?=<|\Z)"  # an element with an attribute, and no end
    r"|[A-Za-z][^\s<>/]*[\s/](?:[^<>]*[^\w<>])?(?ai:on[a-z]+)\s*=[^<>]*>?)"  # any tag that would run a script
)
"""Markup that a browser mends where a page shows it, as `<img src=x onerror=alert(1)`."""
_INSIDE_WORDS = re.compile(
    rf"</?(?ai:{_any('b i u em strong font wbr sub sup small big mark')})(?:\s+[^<>=]*=[^<>]*|\s*/?)>(?=([^\s<]))"
)
"""Tags that may stand inside a word: `<b>N</b>urse`."""
_CDATA = re.compile(r"<!\[CDATA\[|\]\]>")
_INLINE = re.compile(r"data:[\w.+-]{1,60}/[\w.+-]{1,60}(?:;[\w.=+-]{1,60}){0,4};base64,[A-Za-z0-9+/=_%-]*")
"""A file inside a text, as an image of thousands of characters."""
_REST = {
    "<script": re.compile(r"[^>]*>.*?</(?ai:script)\s*>", re.DOTALL),
    "<style": re.compile(r"[^>]*>.*?</(?ai:style)\s*>", re.DOTALL),
    "<!--": re.compile(r".*?-->", re.DOTALL),
}
"""What opens a stretch of markup -> the rest of the stretch; markup that is not here is whole as it is found."""
_ESCAPES = re.compile(r"(?:\\u[0-9a-fA-F]{4})+|(?:\\r\\n|\\[nrt])+(?![a-z])")
"""Escapes of JSON that were escaped once more; not the path `C:\\new`."""
_CONTINUED = "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(0x80, 0xC0))
_TWICE = re.compile(
    f"(?P<sure>[ÂÃ][{_CONTINUED}]|â€[{_CONTINUED}])|[ÄÅÎÏÐÑ][{_CONTINUED}]|[àáâãäåæçèéêëìíîï][{_CONTINUED}]{{2}}"
)
"""UTF-8 that was read as Windows-1252 and written as UTF-8 again: `KÃ¼che`."""
_AGAIN = re.compile(r"&(?ai:(?:amp|#0{0,9}38|#x0{0,9}26);)+")
"""An ampersand that was escaped again and again."""
_HUGE = re.compile(r"&#[0-9]{1000,};?")
_CONTROL = re.compile(
    r"[\ufe00-\ufe0f]{2,}|[\U000e0100-\U000e01ef]|[\u115f\u1160\u3164\uffa0]"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    r"\ufff9-\ufffd\U000e0000-\U000e007f]"
)
"""Control characters and what cannot be seen: soft hyphens, joiners, marks of direction and of byte order, fillers,
and variants of a glyph but for the one that an emoji has. They could hide text that a judge reads and nobody sees."""
_MARKS = re.compile(r"[^\w\s\x00-\x7f]{31,}")
_MARKUP = re.compile(r"[<>&\\]|;base64,")
_SPACE = re.compile(r"\s+")
_SIGNS = ("<", "&", "  ", "]]>", ";base64,", "\\")
_PASSES = 8
_MARKS_IN_A_ROW = 30  # Unicode's Stream-Safe Text Format (UAX 15)


def clean_text(text: str) -> str:
    """`text` without HTML, entities, control or bidirectional characters, NFC-normalised, whitespace collapsed.

    Idempotent (property test). What `_PASSES` do not unfold loses its signs of markup: the bound keeps hostile text
    linear. It is safe to show where markup is escaped, as everywhere; that no markup is left is a second fence.
    """
    if text.isascii() and text.isprintable() and not any(sign in text for sign in _SIGNS):
        return text.strip()  # nine rows in ten; the rest of the work changes nothing for them
    for _ in range(_PASSES):  # an entity may spell a tag, and a tag may split an entity
        before = text
        text = html.unescape(
            _AGAIN.sub("&", _HUGE.sub("", _ESCAPES.sub(_unescaped, encoded_once(text))))
        )  # `int` refuses such a number; no character has it
        text = _CDATA.sub("", without_files(_CONTROL.sub("", text)))
        text = _BROKEN.sub(" ", _without(_TAG, _INSIDE_WORDS.sub(_no_space, _without(_BLOCK, text))))
        text = _MARKS.sub(_few_marks, text.encode("utf-8", "ignore").decode())
        text = unicodedata.normalize("NFC", text)
        if text == before:
            break
    else:
        text = _MARKUP.sub(" ", text)
    return _SPACE.sub(" ", text).strip()


def encoded_once(text: str) -> str:
    """`text` with what was encoded twice (`KÃ¼che`) as it was meant. A pair of letters that may be one alone stays."""
    if text.isascii():
        return text
    found = [match["sure"] for match in _TWICE.finditer(text)]
    return _TWICE.sub(_decoded, text) if any(found) or len(found) > 1 else text


def _decoded(twice: re.Match[str]) -> str:
    try:
        return bytes(_byte(character) for character in twice[0]).decode("utf-8")
    except UnicodeDecodeError:
        return twice[0]


def _byte(character: str) -> int:
    return ord(character) if ord(character) < 0x100 else character.encode("cp1252")[0]


def _unescaped(escapes: re.Match[str]) -> str:
    if escapes[0][1] != "u":
        return " "
    units = "".join(chr(int(code, 16)) for code in escapes[0][2:].split("\\u"))
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")


def without_files(text: str) -> str:
    """`text` without the files that are written out in it (`data:image/png;base64,...`), which are no text."""
    return _INLINE.sub("", text) if ";base64," in text else text


def _without(markup: re.Pattern[str], text: str) -> str:
    """`text` with a space in place of every stretch of markup.

    One regular expression for a stretch with its end would look for a missing end from every start, in quadratic time.
    Here an end that is missing once is missing for good.
    """
    kept: list[str] = []
    at = 0
    endless: set[str] = set()
    for opening in markup.finditer(text):
        name = opening[0].lower()
        if opening.start() < at or name in endless:
            continue
        whole = _REST[name].match(text, opening.end()) if name in _REST else opening
        if whole is None:
            endless.add(name)
            continue
        kept += text[at : opening.start()], " "
        at = whole.end()
    return "".join([*kept, text[at:]]) if kept else text


def _no_space(tag: re.Match[str]) -> str:
    """Nothing in place of a tag inside a word; before a capital or a digit it stays: `<b>Pay</b>Good` are two words."""
    return tag[0] if tag[1].isupper() or tag[1].isdigit() else ""


def _few_marks(run: re.Match[str]) -> str:
    """A run without what follows 30 combining marks in a row: normalising sorts them, in quadratic time."""
    kept, marks = [], 0
    for character in run[0]:
        marks = marks + 1 if unicodedata.category(character).startswith("M") else 0
        if marks <= _MARKS_IN_A_ROW:
            kept.append(character)
    return "".join(kept)
