"""JSON: an object a line, one array of objects, or one object that holds such an array; streamed in any of them.

One object of objects that have the same names, `{"17": {"title": ...}, "18": {"title": ...}}`, holds a row under each
of its names, which is the row's `id` where it has none.

An object of a known schema (`sources.schemas`), such as a JobPosting, gives the rows that the schema makes of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TextIO

import orjson

from sources import files
from sources.formats.base import How, unreadable
from sources.rows import RawRow, Shard, without_missing
from sources.schemas import rows_of, table_of

SAMPLE = 200
"""Objects whose names stand for those of the file."""
HEAD_CHARS = 64_000
BLOCK_CHARS = 1 << 18
MOST_CHARS = 64_000_000
"""Characters of one object at most; past it something in it is broken, and what follows cannot be told."""
LINES = (".jsonl", ".ndjson")


class Found(NamedTuple):
    """A value of a file, or why there is none.

    Attributes:
        line: 1-based line where it begins.
        value: The value.
        raw: The text of what could not be read.
        problem: Why; empty for a value.
    """

    line: int
    value: Any
    raw: str = ""
    problem: str = ""
    reason: str = "bad_json"


class Json:
    suffixes: ClassVar[tuple[str, ...]] = (".json", ".jsonl", ".ndjson", ".jsonld")

    def columns(self, path: Path, how: How) -> list[str] | None:
        return None

    def shards(self, table: str, path: Path) -> list[Shard]:
        return [Shard(table, str(path))]

    def table(self, path: Path) -> str:
        table = next((table_of(f.value) for f in islice(found(path, How()), 1) if isinstance(f.value, dict)), "")
        return table if table == "events" or files.suffix(path) not in LINES else ""

    def rows(self, shard: Shard, how: How) -> Iterator[RawRow]:
        path = Path(shard.path)
        by_line = files.suffix(path) in LINES
        row = 0
        try:
            findings = files.assumed(path, how.encoding)
            for item in found(path, how):
                for result in as_rows(shard, item, path):
                    row += 1
                    yield result._replace(row=item.line if by_line else row, findings=(*result.findings, *findings))
                    findings = ()
        except (*files.BROKEN, UnicodeError) as error:
            yield unreadable(shard, error, row)


def as_rows(shard: Shard, item: Found, path: Path) -> Iterator[RawRow]:
    """The rows of one value of a file, without their numbers."""
    table, source = shard.table, shard.path
    if item.problem:
        yield RawRow(table, source, 0, None, item.raw, item.reason, item.problem, item.line)
    elif not isinstance(item.value, dict):
        text = item.raw or json.dumps(item.value)
        detail = f"a {type(item.value).__name__} where an object is expected; write one object a line"
        yield RawRow(table, source, 0, None, text, "bad_json", detail, item.line)
    else:
        for value, findings in rows_of(table, item.value, path):
            yield RawRow(table, source, 0, without_missing(value), line=item.line, findings=findings)


def found(path: Path, how: How) -> Iterator[Found]:
    """The objects of a file.

    Raises:
        One of `files.BROKEN` or a UnicodeError.
    """
    by_line = files.suffix(path) in LINES
    with files.open_text(path, how.encoding) as file:
        head = file.read(HEAD_CHARS).lstrip("\ufeff \t\r\n")
    if head.startswith("[") and (not by_line or head[1:].lstrip()[:1] == "{"):
        yield from _elements(path, how)
    elif by_line or (_is_whole(head.partition("\n")[0]) and "\n" in head.strip()):
        yield from _lines(path, how)
    else:
        yield from _document(path, how)


def _is_whole(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _lines(path: Path, how: How) -> Iterator[Found]:
    with files.open_text(path, how.encoding) as file:
        for number, line in enumerate(file, start=1):
            text = line.strip("\ufeff \t\r\n" + files.END_MARK)
            if text:
                yield _line(number, text)


def _line(number: int, text: str) -> Found:
    try:
        return Found(number, orjson.loads(text), text)
    except ValueError as error:
        try:
            return Found(number, json.loads(text), text)  # NaN, which orjson does not know and pandas writes
        except (ValueError, RecursionError):
            if text.startswith("{") and text.endswith("},"):  # the elements of an array, a line each
                return _line(number, text[:-1])
            return Found(number, None, text, f"{error}; write one object a line")


def _elements(path: Path, how: How) -> Iterator[Found]:
    """The elements of the array that is the whole file."""
    with files.open_text(path, how.encoding) as file:
        text = _Text(file)
        text.skip()
        problem = ""
        for element in text.array():
            problem = element.problem
            yield element
        if not problem and text.skip():
            yield Found(text.line, None, text.rest(1_000), f"line {text.line}: what follows the array is not read")


def _document(path: Path, how: How) -> Iterator[Found]:
    """The one object of a file, or those of an array in it that holds the rows."""
    with files.open_text(path, how.encoding) as file:
        text = _Text(file)
        if text.skip() != "{":
            yield Found(text.line, None, text.rest(200), "no JSON object begins here; write one object a line")
            return
        start = text.line
        text.take()
        fields: dict[str, Any] = {}
        given = keyed = False
        while (mark := text.skip(",")) == '"':
            name = text.value()
            if name.problem or text.skip(":") == "":
                break
            if text.skip() == "[" and _holds_rows(name.value, fields, how) and text.array_of_objects():
                yield from text.array()
                given = True
                continue
            part = text.value()
            if part.problem:
                yield part
                return
            if keyed:
                yield _keyed(name.value, part.value, part.line)
                continue
            fields[name.value] = part.value
            if keyed := not given and _are_keyed(fields, how):
                yield from (_keyed(key, value, start) for key, value in fields.items())
                given = True
        if mark != "}":
            yield text.ends_early()
        elif not given:
            yield from (Found(start, value) for value in _inside(fields, how) or [fields])


def _are_keyed(fields: dict[str, Any], how: How) -> bool:
    """Whether the first two parts of an object are rows under their ids: objects most of whose names are the same."""
    if len(fields) != 2 or any(map(how.known, fields)) or table_of(fields):
        return False
    first, second = fields.values()
    if not isinstance(first, dict) or not isinstance(second, dict):
        return False
    return 2 * len(first.keys() & second.keys()) > max(len(first), len(second))


def _keyed(key: str, value: Any, line: int) -> Found:
    return Found(line, {"id": key} | value) if isinstance(value, dict) else Found(line, value, json.dumps({key: value}))


def _inside(fields: dict[str, Any], how: How, levels: int = 3) -> list[Any]:
    """The objects of an array that lies deeper in an object that is no row itself."""
    if table_of(fields) or any(map(how.known, fields)) or not levels:
        return []
    for part in fields.values():
        if isinstance(part, list) and part and all(isinstance(value, dict) for value in part):
            return part
        if isinstance(part, dict) and (found := _inside(part, how, levels - 1)):
            return found
    return []


def _holds_rows(name: str, before: dict[str, Any], how: How) -> bool:
    """Whether the array under a name is what the file holds, rather than a field of a single row."""
    return not how.known(name) and not name.startswith("@") and not any(map(how.known, before)) and not table_of(before)


class _Text:
    """The text of a file, read as far as it is needed.

    Attributes:
        line: 1-based line of the next character.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._text = file.read(BLOCK_CHARS)
        self._at = 0
        self._whole = False
        self.line = 1

    def skip(self, also: str = "") -> str:
        """Go to the next character that is no space and none of `also`, and give it; "" at the end."""
        while True:
            while self._at < len(self._text):
                character = self._text[self._at]
                if character not in " \t\r\n\ufeff" + files.END_MARK and character not in (also or " "):
                    return character
                self._go(self._at + 1)
            if not self._more():
                return ""

    def take(self) -> None:
        """Go past the next character."""
        self._go(self._at + 1)

    def rest(self, size: int) -> str:
        """Some of what follows."""
        return self._text[self._at : self._at + size]

    def array_of_objects(self) -> bool:
        """Whether the array that begins here holds objects; an empty one does."""
        inner = self._text[self._at + 1 : self._at + 1_000].lstrip()
        return inner[:1] in ("{", "]", "")

    def array(self) -> Iterator[Found]:
        """The elements of the array that begins here, past which it goes."""
        self.take()
        while (mark := self.skip(",")) not in ("]", ""):
            element = self.value()
            yield element
            if element.problem:
                return
        if mark == "":
            yield self.ends_early()
        else:
            self.take()

    def value(self) -> Found:
        """The value that begins here."""
        start = self.line
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                if len(self._text) - self._at < MOST_CHARS and not self._whole:
                    self._more()
                    continue
                if self._whole and self._is_cut(error):
                    return self.ends_early()
                what = f"line {start}: {error}; what follows is not read; write it again"
                return Found(start, None, self.rest(1_000), what)
            if end == len(self._text) and self._more():
                continue  # a number may go on
            self._go(end)
            return Found(start, value)

    def _is_cut(self, error: Exception) -> bool:
        """Whether an error says that the text ends too soon, rather than that something in it is wrong."""
        if not isinstance(error, json.JSONDecodeError):
            return False
        return error.pos >= len(self._text.rstrip()) or error.msg.startswith("Unterminated")

    def ends_early(self) -> Found:
        """That what begins here is not whole."""
        what = f"line {self.line}: what begins here is not whole: the file ends in it; fetch it again"
        return Found(self.line, None, self.rest(1_000), what, "file_ends")

    def _go(self, at: int) -> None:
        self.line += self._text.count("\n", self._at, at)
        self._at = at

    def _more(self) -> bool:
        """Read on, twice as far each time that one value asks for it; False at the end."""
        if self._whole:
            return False
        block = self._file.read(max(BLOCK_CHARS, len(self._text) - self._at))
        self._whole = not block
        self._text = self._text[self._at :] + block
        self._at = 0
        return bool(block)


_DECODER = json.JSONDecoder()
